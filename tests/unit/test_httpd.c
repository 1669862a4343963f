#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/clock.h"
#include "config/httpd.h"

#define PATIENCE_US 10000000

/* The server and what its handler is to do; the client lives in the same loop. */
struct fixture {
    struct httpd *server;
    struct httpd_request *waiting; /* suspended, or whose body waits */
    int calls, done;
    long sent, total; /* of a streamed body; total -1: for ever */
    char seen[512];
};

static long body(void *context, uint64_t offset, char *buffer, size_t size)
{
    struct fixture *self = context;
    if (self->total == -2 && self->sent > 0) {
        return -2;
    }
    if (self->total == -1 && offset > 0 && self->waiting == NULL) {
        return 0; /* until something is there to say: the test resumes */
    }
    long left = self->total < 0 ? 6 : self->total - self->sent;
    if (left == 0) {
        return -1;
    }
    long count = left < (long)size ? left : (long)size;
    memset(buffer, 'z', (size_t)count);
    self->sent += count;
    self->waiting = NULL;
    return count;
}

static void body_done(void *context)
{
    struct fixture *self = context;
    self->done++;
}

static void stream(struct fixture *self, struct httpd_request *request, int64_t size, long total)
{
    self->sent = 0;
    self->total = total;
    httpd_reply_stream(request, 200, "text/plain", size, body, self, body_done);
}

static struct httpd_request *streaming;

static void handler(struct httpd_request *request, void *context)
{
    struct fixture *self = context;
    char raw[128];
    const char *path = httpd_path(request);
    self->calls++;
    if (strcmp(path, "/echo") == 0) {
        const char *date = httpd_query(request, "dates[]"), *absent = httpd_query(request, "no"),
                   *host = httpd_header(request, "x-thing");
        snprintf(self->seen, sizeof self->seen, "%s|%s|%s|%s|%s", httpd_method(request),
                 date != NULL ? date : "-", absent != NULL ? absent : "-",
                 host != NULL ? host : "-", httpd_raw_query(request, raw, sizeof raw));
        httpd_add_header(request, "X-One", "1");
        httpd_add_header(request, "X-Two", "2");
        httpd_reply(request, 201, "text/plain", self->seen, strlen(self->seen));
    } else if (strcmp(path, "/sized") == 0) {
        stream(self, request, 200000, 200000);
    } else if (strcmp(path, "/chunked") == 0) {
        stream(self, request, -1, 200000);
    } else if (strcmp(path, "/cut") == 0) {
        stream(self, request, 200000, -2);
    } else if (strcmp(path, "/events") == 0) {
        streaming = request;
        self->waiting = request;
        stream(self, request, -1, -1);
    } else if (strcmp(path, "/wait") == 0 && self->waiting == NULL) {
        self->waiting = request;
        httpd_suspend(request);
    } else if (strcmp(path, "/wait") == 0 || strcmp(path, "/later") == 0) {
        if (path[1] == 'l') {
            self->waiting = request;
            httpd_suspend(request);
            return;
        }
        httpd_reply(request, 200, "text/plain", "woken", 5);
    } else if (strcmp(path, "/mute") != 0) {
        httpd_reply(request, 404, "text/plain", "no", 2);
    }
}

static int open_server(void **state)
{
    struct fixture *self = calloc(1, sizeof *self);
    self->server = httpd_open("127.0.0.1", 0, handler, self);
    *state = self;
    return self->server != NULL ? 0 : -1;
}

static int close_server(void **state)
{
    struct fixture *self = *state;
    httpd_close(&self->server);
    int failed = self->server != NULL;
    free(self);
    return failed;
}

static int connect_to(const struct fixture *self)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(httpd_port(self->server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int ask(const struct fixture *self, const char *request)
{
    int fd = connect_to(self);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    return fd;
}

static void turn(struct fixture *self, int client)
{
    struct pollfd fds[2] = {{.fd = httpd_fd(self->server), .events = POLLIN},
                            {.fd = client, .events = POLLIN}};
    int timeout_ms = httpd_timeout_ms(self->server);
    poll(fds, 2, timeout_ms < 0 || timeout_ms > 100 ? 100 : timeout_ms);
    httpd_turn(self->server);
}

/* Reads to the end of the connection, or until `until` came. The bytes are malloc'ed. */
static char *answer(struct fixture *self, int fd, const char *until)
{
    size_t room = 1 << 20, size = 0;
    char *bytes = calloc(1, room);
    int64_t limit_us = clock_mono_us() + PATIENCE_US;
    for (;;) {
        turn(self, fd);
        ssize_t got = recv(fd, bytes + size, room - size - 1, MSG_DONTWAIT);
        assert_true(got >= 0 || errno == EAGAIN || errno == ECONNRESET);
        size += got > 0 ? (size_t)got : 0;
        if (got == 0 || (got < 0 && errno == ECONNRESET) ||
            (until != NULL && strstr(bytes, until) != NULL)) {
            return bytes;
        }
        assert_true(clock_mono_us() < limit_us);
    }
}

static void turn_until(struct fixture *self, int client, const int *value, int wanted)
{
    int64_t limit_us = clock_mono_us() + PATIENCE_US;
    while (*value < wanted) {
        turn(self, client);
        assert_true(clock_mono_us() < limit_us);
    }
}

static void test_reply(void **state)
{
    struct fixture *self = *state;
    int fd = ask(self, "GET /echo?dates%5B%5D=2025-11-17&a=b%20c HTTP/1.1\r\nHost: x\r\nX-Thing: "
                       "t\r\nConnection: close\r\n\r\n");
    char *text = answer(self, fd, NULL);
    assert_memory_equal(text, "HTTP/1.1 201 ", 13);
    assert_non_null(strstr(text, "X-One: 1\r\n"));
    assert_non_null(strstr(text, "X-Two: 2\r\n"));
    assert_non_null(strstr(text, "Content-Type: text/plain\r\n"));
    assert_non_null(strstr(text, "\r\n\r\nGET|2025-11-17|-|t|dates%5B%5D=2025-11-17&a=b%20c"));
    assert_int_equal(self->calls, 1);
    free(text);
    close(fd);
}

static void test_keep_alive_and_unanswered(void **state)
{
    struct fixture *self = *state;
    int fd = ask(self, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
    char *text = answer(self, fd, "\r\n\r\nno");
    assert_memory_equal(text, "HTTP/1.1 404 ", 13);
    free(text);
    const char *second = "GET /mute HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_int_equal(send(fd, second, strlen(second), 0), strlen(second));
    text = answer(self, fd, NULL);
    assert_memory_equal(text, "HTTP/1.1 500 ", 13);
    free(text);
    close(fd);
}

static void test_streams(void **state)
{
    struct fixture *self = *state;
    int fd = ask(self, "GET /sized HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    char *text = answer(self, fd, NULL);
    assert_non_null(strstr(text, "Content-Length: 200000\r\n"));
    assert_int_equal(strlen(strstr(text, "\r\n\r\n") + 4), 200000);
    free(text);
    close(fd);
    fd = ask(self, "GET /chunked HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    text = answer(self, fd, NULL);
    size_t size = 0;
    for (const char *c = strstr(text, "\r\n\r\n"); *c != '\0'; c++) {
        size += *c == 'z' ? 1 : 0;
    }
    assert_int_equal(size, 200000);
    assert_string_equal(text + strlen(text) - 5, "0\r\n\r\n");
    free(text);
    close(fd);
    assert_int_equal(self->done, 2);
}

static void test_cut_in_mid_body(void **state)
{
    struct fixture *self = *state;
    int fd = ask(self, "GET /cut HTTP/1.1\r\nHost: x\r\n\r\n");
    char *text = answer(self, fd, NULL); /* ends though keep-alive was asked for */
    const char *end = strstr(text, "\r\n\r\n");
    assert_non_null(end);
    assert_true(strlen(end + 4) < 200000);
    assert_int_equal(self->done, 1);
    free(text);
    close(fd);
}

static void test_suspended_request_is_called_again(void **state)
{
    struct fixture *self = *state;
    int fd = ask(self, "GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    turn_until(self, fd, &self->calls, 1);
    int other =
        ask(self,
            "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); /* waits for nobody */
    char *text = answer(self, other, NULL);
    assert_memory_equal(text, "HTTP/1.1 404 ", 13);
    free(text);
    close(other);
    httpd_resume(self->waiting);
    assert_int_equal(httpd_timeout_ms(self->server), 0);
    text = answer(self, fd, NULL);
    assert_non_null(strstr(text, "\r\n\r\nwoken"));
    free(text);
    close(fd);
}

static void test_suspended_request_is_answered_later(void **state)
{
    struct fixture *self = *state;
    int fd = ask(self, "GET /later HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    turn_until(self, fd, &self->calls, 1);
    httpd_add_header(self->waiting, "X-Late", "yes");
    httpd_reply(self->waiting, 200, "text/plain", "at last", 7);
    char *text = answer(self, fd, NULL);
    assert_non_null(strstr(text, "X-Late: yes\r\n"));
    assert_non_null(strstr(text, "\r\n\r\nat last"));
    assert_int_equal(self->calls, 1);
    free(text);
    close(fd);
}

static void test_events_wait_without_turning(void **state)
{
    struct fixture *self = *state;
    int fd = ask(self, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    free(answer(self, fd, "zzzzzz"));
    int64_t limit_us = clock_mono_us() + PATIENCE_US;
    while (httpd_timeout_ms(self->server) == 0) { /* it comes to rest */
        turn(self, fd);
        assert_true(clock_mono_us() < limit_us);
    }
    self->waiting = streaming; /* something to say */
    httpd_resume(streaming);
    char *text = answer(self, fd, "zzzzzz");
    free(text);
    assert_int_equal(self->done, 0);
    close(fd); /* the reader has gone: found out when there is something to say again */
    limit_us = clock_mono_us() + PATIENCE_US;
    while (self->done == 0) {
        self->waiting = streaming;
        httpd_resume(streaming);
        turn(self, -1);
        assert_true(clock_mono_us() < limit_us);
    }
}

static void test_close_with_waiting_requests(void **state)
{
    struct fixture *self = *state;
    int first = ask(self, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    turn_until(self, first, &self->calls, 1);
    int second = ask(self, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    free(answer(self, second, "zzzzzz"));
    int third = ask(self, "GET /half HTTP/1.1\r\nHo"); /* and one that never finished its headers */
    turn(self, third);
    httpd_close(&self->server);
    assert_null(self->server);
    assert_int_equal(self->done, 1);
    self->server = httpd_open("127.0.0.1", 0, handler, self);
    assert_non_null(self->server);
    close(first);
    close(second);
    close(third);
}

static void test_garbage_disturbs_nobody(void **state)
{
    struct fixture *self = *state;
    static const char *const garbage[] = {
        "\x00\x01\x02\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        int fd = ask(self, garbage[i]);
        shutdown(fd, SHUT_WR);
        free(answer(self, fd, NULL));
        close(fd);
    }
    int fd = ask(
        self,
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    char *text = answer(self, fd, NULL);
    assert_non_null(strstr(text, "\r\n\r\nPOST|-|-|-|"));
    free(text);
    close(fd);
}

static void test_addresses(void **state)
{
    struct fixture *self = *state;
    assert_null(httpd_open("127.0.0.1", httpd_port(self->server), handler, self));
    assert_int_equal(errno, EADDRINUSE);
    assert_null(httpd_open("localhost", 0, handler, self));
    assert_int_equal(errno, EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reply, open_server, close_server),
        cmocka_unit_test_setup_teardown(test_keep_alive_and_unanswered, open_server, close_server),
        cmocka_unit_test_setup_teardown(test_streams, open_server, close_server),
        cmocka_unit_test_setup_teardown(test_cut_in_mid_body, open_server, close_server),
        cmocka_unit_test_setup_teardown(test_suspended_request_is_called_again, open_server,
                                        close_server),
        cmocka_unit_test_setup_teardown(test_suspended_request_is_answered_later, open_server,
                                        close_server),
        cmocka_unit_test_setup_teardown(test_events_wait_without_turning, open_server,
                                        close_server),
        cmocka_unit_test_setup_teardown(test_close_with_waiting_requests, open_server,
                                        close_server),
        cmocka_unit_test_setup_teardown(test_garbage_disturbs_nobody, open_server, close_server),
        cmocka_unit_test_setup_teardown(test_addresses, open_server, close_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
