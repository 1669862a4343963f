/* The fetch layer against a server that misbehaves: every answer ends in a result of the right kind, within bounds. The
 * server is a child process that answers by path, one connection at a time. */
#include "actors/poller/fetch.h"
#include "config/clock.h"
#include "schema/messages.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

static struct settings settings;
static struct fetcher *fetcher;
static pid_t server;
static uint16_t port;

/* ---- the server ---- */

static void say(int to, const char *text)
{
    size_t size = strlen(text);
    while (size > 0) {
        ssize_t put = send(to, text, size, MSG_NOSIGNAL);
        if (put <= 0) {
            return;
        }
        text += put;
        size -= (size_t)put;
    }
}

/* Bytes until the other side has enough. */
static void flood(int to, size_t bytes, bool chunked)
{
    static char block[65536];
    memset(block, ' ', sizeof block);
    for (size_t sent = 0; sent < bytes; sent += sizeof block) {
        if ((chunked && send(to, "10000\r\n", 7, MSG_NOSIGNAL) != 7) ||
            send(to, block, sizeof block, MSG_NOSIGNAL) <= 0 ||
            (chunked && send(to, "\r\n", 2, MSG_NOSIGNAL) != 2)) {
            return;
        }
    }
}

/* 200 MB of zeros, compressed: about 200 kB on the wire. */
static void bomb(int to)
{
    static char data[1 << 20];
    FILE *in = popen("head -c 200000000 /dev/zero | gzip -c", "r");
    size_t size = in != NULL ? fread(data, 1, sizeof data, in) : 0;
    if (in != NULL) {
        pclose(in);
    }
    dprintf(to, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", size);
    for (size_t sent = 0; sent < size;) {
        ssize_t put = send(to, data + sent, size - sent, MSG_NOSIGNAL);
        if (put <= 0) {
            return;
        }
        sent += (size_t)put;
    }
}

static void reset(int to)
{
    struct linger linger = {1, 0};
    say(to, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"data\":");
    setsockopt(to, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static void hold(int to)
{
    char byte;
    while (recv(to, &byte, 1, 0) > 0) { /* until the other side gives up */
    }
}

static void answer(int to)
{
    static const struct {
        const char *path, *text;
    } PLAIN[] = {
        {"/ok",
         "HTTP/1.1 200 OK\r\nETag: \"e1\"\r\nX-Odd: 1\r\nContent-Length: 11\r\n\r\n{\"data\":[]}"},
        {"/500", "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"},
        {"/429", "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"},
        {"/429plain", "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"},
        {"/503date", "HTTP/1.1 503 No\r\nRetry-After: Fri, 31 Dec 2100 23:59:59 "
                     "GMT\r\nContent-Length: 0\r\n\r\n"},
        {"/401", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\nUnauthorized"},
        {"/301", "HTTP/1.1 301 Moved\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n"},
        {"/304", "HTTP/1.1 304 Not Modified\r\nETag: \"e1\"\r\n\r\n"},
        {"/short", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"data\":"},
        {"/announced", "HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n{"},
        {"/garbage", "\x01\x02\x03 not http\r\n\r\n"},
        {"/badgzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"},
    };
    char request[4096] = "", path[64] = "";
    size_t size = 0;
    while (strstr(request, "\r\n\r\n") == NULL && size + 1 < sizeof request) {
        ssize_t got = recv(to, request + size, sizeof request - size - 1, 0);
        if (got <= 0) {
            return;
        }
        size += (size_t)got;
    }
    sscanf(request, "GET %63s", path);
    for (size_t i = 0; i < sizeof PLAIN / sizeof PLAIN[0]; i++) {
        if (strcmp(PLAIN[i].path, path) == 0) {
            say(to, PLAIN[i].text);
        }
    }
    if (strcmp(path, "/reset") == 0) {
        reset(to);
    } else if (strcmp(path, "/silent") == 0) {
        hold(to);
    } else if (strcmp(path, "/flood") == 0) {
        say(to, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        flood(to, 200000000, true);
    } else if (strcmp(path, "/headers") == 0) {
        say(to, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 5000; i++) {
            say(to, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
        }
    } else if (strcmp(path, "/bomb") == 0) {
        bomb(to);
    } else if (strcmp(path, "/echo") == 0) {
        dprintf(to, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", size, request);
    }
}

static void serve(int listener)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int to = accept(listener, NULL, NULL);
        if (to >= 0) {
            answer(to);
            close(to);
        }
    }
}

static int start_server(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    messages_register();
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 ||
        listen(listener, 64) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        return -1;
    }
    port = ntohs(address.sin_port);
    server = fork();
    if (server == 0) {
        serve(listener);
    }
    close(listener);
    return server > 0 ? 0 : -1;
}

static int stop_server(void **state)
{
    (void)state;
    kill(server, SIGKILL);
    return waitpid(server, NULL, 0) == server ? 0 : -1;
}

static int set_up(void **state)
{
    (void)state;
    if (settings_load(&settings, NULL, NULL, 0, stderr) != 0) {
        return -1;
    }
    settings.poller.timeout_us = 30000000; /* the bomb is packed on the spot */
    settings.poller.max_body_bytes = 1 << 20;
    fetcher = fetcher_open(&settings);
    return fetcher != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fetcher_close(&fetcher);
    return 0;
}

/* ---- the client ---- */

static struct fetch *ask(const char *path, const char *header)
{
    char url[200];
    struct fetch_request request = {.url = url, .headers = {header}};
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", (unsigned)port, path);
    struct fetch *fetch = fetcher_start(fetcher, &request);
    assert_non_null(fetch);
    return fetch;
}

static const struct fetch_result *await(const struct fetch *fetch)
{
    int64_t deadline = clock_mono_us() + 60000000;
    while (fetch_done(fetch) == NULL) {
        struct pollfd fds[64];
        int64_t timeout_us = 1000000;
        int count = fetcher_fds(fetcher, fds, 64, &timeout_us);
        assert_true(clock_mono_us() < deadline);
        assert_true(poll(fds, (nfds_t)count, (int)(timeout_us / 1000) + 1) >= 0);
        fetcher_turn(fetcher, fds, count);
    }
    return fetch_done(fetch);
}

static void a_body_with_its_headers(void **state)
{
    (void)state;
    struct fetch *fetch = ask("/ok", NULL);
    const struct fetch_result *result = await(fetch);
    assert_int_equal(result->error, FETCH_OK);
    assert_int_equal(result->status, 200);
    assert_int_equal(result->body_size, 11);
    assert_memory_equal(result->body, "{\"data\":[]}", 11);
    assert_int_equal(result->wire_bytes, 11);
    assert_string_equal(fetch_header(result, "etag"), "\"e1\"");
    assert_string_equal(fetch_header(result, "x-odd"), ""); /* not one that is kept */
    fetcher_drop(fetcher, &fetch);
    assert_null(fetch);
}

static void what_is_sent(void **state)
{
    (void)state;
    struct fetch *fetch = ask("/echo", "If-None-Match: \"e1\"");
    const struct fetch_result *result = await(fetch);
    assert_non_null(memmem(result->body, result->body_size, "If-None-Match: \"e1\"\r\n", 21));
    assert_non_null(memmem(result->body, result->body_size, "Accept-Encoding: gzip\r\n", 23));
    assert_non_null(memmem(result->body, result->body_size, "User-Agent: tipoff/", 19));
    fetcher_drop(fetcher, &fetch);
}

static void statuses_are_answers(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        long status;
        int64_t retry_after_us;
    } CASES[] = {{"/500", 500, 0},
                 {"/429", 429, 7000000},
                 {"/429plain", 429, 0},
                 {"/401", 401, 0},
                 {"/301", 301, 0},
                 {"/304", 304, 0},
                 {"/503date", 503, INT64_C(86400000000)}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct fetch *fetch = ask(CASES[i].path, NULL);
        const struct fetch_result *result = await(fetch);
        assert_int_equal(result->error, FETCH_OK);
        assert_int_equal(result->status, CASES[i].status);
        assert_int_equal(result->retry_after_us, CASES[i].retry_after_us);
        fetcher_drop(fetcher, &fetch);
    }
}

static void broken_answers(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum fetch_error error;
    } CASES[] = {
        {"/reset", FETCH_NETWORK},   {"/short", FETCH_NETWORK},   {"/garbage", FETCH_NETWORK},
        {"/badgzip", FETCH_NETWORK}, {"/nothing", FETCH_NETWORK}, {"/announced", FETCH_TOO_LARGE},
        {"/flood", FETCH_TOO_LARGE}, {"/bomb", FETCH_TOO_LARGE},  {"/headers", FETCH_TOO_LARGE}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct fetch *fetch = ask(CASES[i].path, NULL);
        const struct fetch_result *result = await(fetch);
        assert_int_equal(result->error, CASES[i].error);
        assert_true(result->error_text[0] != '\0');
        assert_null(strstr(result->error_text, "127.0.0.1")); /* no URL, hence no key */
        assert_true(result->body_size <= (size_t)settings.poller.max_body_bytes);
        fetcher_drop(fetcher, &fetch);
    }
}

static void silence_ends_in_a_timeout(void **state)
{
    (void)state;
    settings.poller.timeout_us = 200000;
    struct fetch *fetch = ask("/silent", NULL);
    assert_int_equal(await(fetch)->error, FETCH_TIMEOUT);
    fetcher_drop(fetcher, &fetch);
}

static void nobody_listens(void **state)
{
    (void)state;
    struct fetch_request request = {.url = "http://127.0.0.1:1/"};
    struct fetch *fetch = fetcher_start(fetcher, &request);
    assert_non_null(fetch);
    assert_int_equal(await(fetch)->error, FETCH_NETWORK);
    fetcher_drop(fetcher, &fetch);
}

static void only_http(void **state)
{
    (void)state;
    struct fetch_request request = {.url = "file:///etc/hostname"};
    struct fetch *fetch = fetcher_start(fetcher, &request);
    assert_non_null(fetch);
    assert_int_equal(await(fetch)->error, FETCH_NETWORK);
    fetcher_drop(fetcher, &fetch);
}

static void so_many_at_once_and_some_let_go(void **state)
{
    (void)state;
    struct fetch *fetches[8];
    for (int i = 0; i < 8; i++) {
        assert_false(fetcher_full(fetcher));
        fetches[i] = ask("/ok", NULL);
    }
    assert_true(fetcher_full(fetcher));
    struct fetch_request request = {.url = "http://127.0.0.1:1/"};
    assert_null(fetcher_start(fetcher, &request));
    for (int i = 0; i < 8; i += 2) {
        fetcher_drop(fetcher, &fetches[i]);
    }
    for (int i = 1; i < 8; i += 2) {
        assert_int_equal(await(fetches[i])->error, FETCH_OK);
        fetcher_drop(fetcher, &fetches[i]);
    }
    assert_false(fetcher_full(fetcher));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_body_with_its_headers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(statuses_are_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(silence_ends_in_a_timeout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_listens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_http, set_up, tear_down),
        cmocka_unit_test_setup_teardown(so_many_at_once_and_some_let_go, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
