#include "config/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/log.h"

#define CONNECTIONS_MAX 256
#define IDLE_SECONDS 60
#define UPLOAD_BYTES_MAX (1 << 20)
#define STREAM_BLOCK_BYTES 65536

struct header {
    struct header *next;
    char *name, *value;
};

struct httpd {
    struct MHD_Daemon *daemon;
    httpd_handler *handler;
    void *context;
    int epoll_fd;
    uint16_t port;
    bool closing;
    bool resumed; /* something was resumed: the next turn is due at once */
    struct httpd_request *requests;
};

/* From the request line to its completion; libmicrohttpd's pointer for the connection. */
struct httpd_request {
    struct httpd *server;
    struct httpd_request *next, *prev;
    struct MHD_Connection *connection; /* NULL until the headers are in */
    char *uri;                         /* as it came */
    const char *method, *path;
    struct header *headers;        /* of the reply to come */
    struct MHD_Response *response; /* made, not queued */
    unsigned status;
    size_t upload_bytes;
    bool suspended, in_handler;
    httpd_body *body;
    void *body_context;
    void (*done)(void *context);
};

/* ---- requests ---- */

static struct httpd_request *request_new(struct httpd *server, const char *uri)
{
    struct httpd_request *self = calloc(1, sizeof *self);
    if (self == NULL || (self->uri = strdup(uri)) == NULL) {
        free(self);
        return NULL;
    }
    self->server = server;
    self->next = server->requests;
    if (self->next != NULL) {
        self->next->prev = self;
    }
    server->requests = self;
    return self;
}

static void body_done(struct httpd_request *self)
{
    if (self->done != NULL) {
        void (*done)(void *context) = self->done;
        self->done = NULL;
        done(self->body_context);
    }
}

static void headers_free(struct httpd_request *self)
{
    while (self->headers != NULL) {
        struct header *header = self->headers;
        self->headers = header->next;
        free(header->name);
        free(header->value);
        free(header);
    }
}

static void request_free(struct httpd_request *self)
{
    if (self->next != NULL) {
        self->next->prev = self->prev;
    }
    if (self->prev != NULL) {
        self->prev->next = self->next;
    } else {
        self->server->requests = self->next;
    }
    if (self->response != NULL) {
        MHD_destroy_response(self->response);
    }
    body_done(self);
    headers_free(self);
    free(self->uri);
    free(self);
}

/* ---- libmicrohttpd's callbacks ---- */

static void *on_uri(void *server, const char *uri, struct MHD_Connection *connection)
{
    (void)connection;
    return request_new(server, uri);
}

static void on_completed(void *server, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)server, (void)connection, (void)code;
    if (*state != NULL) {
        request_free(*state);
        *state = NULL;
    }
}

static enum MHD_Result queue(struct httpd_request *self)
{
    struct MHD_Response *response = self->response;
    self->response = NULL;
    enum MHD_Result result = MHD_queue_response(self->connection, self->status, response);
    MHD_destroy_response(response); /* the connection keeps it alive */
    return result;
}

static void call_handler(struct httpd_request *self)
{
    self->in_handler = true;
    if (self->server->closing) {
        httpd_reply(self, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain", "closing\n", 8);
    } else {
        self->server->handler(self, self->server->context);
    }
    self->in_handler = false;
    if (self->response == NULL && !self->suspended) {
        log_error("http-unanswered", "method=%s path=\"%s\"", self->method, self->path);
        httpd_reply(self, MHD_HTTP_INTERNAL_SERVER_ERROR, "text/plain", "no answer\n", 10);
    }
}

static enum MHD_Result on_access(void *server, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_size, void **state)
{
    (void)version, (void)upload, (void)server;
    struct httpd_request *self = *state;
    if (self == NULL) { /* there was no memory for it */
        return MHD_NO;
    }
    if (self->connection == NULL) { /* headers only: the body, if any, comes next */
        self->connection = connection;
        self->method = method;
        self->path = url;
        return MHD_YES;
    }
    if (*upload_size > 0) { /* nobody here wants bodies: read past them, within reason */
        self->upload_bytes += *upload_size;
        *upload_size = 0;
        return self->upload_bytes <= UPLOAD_BYTES_MAX ? MHD_YES : MHD_NO;
    }
    if (self->response == NULL) {
        call_handler(self);
    }
    if (self->response != NULL) {
        return queue(self);
    }
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static ssize_t on_body(void *state, uint64_t offset, char *buffer, size_t size)
{
    struct httpd_request *self = state;
    if (self->server->closing) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    long got = self->body(self->body_context, offset, buffer, size);
    if (got == 0) {
        self->suspended = true;
        MHD_suspend_connection(self->connection);
        return 0;
    }
    return got > 0     ? got
           : got == -1 ? MHD_CONTENT_READER_END_OF_STREAM
                       : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void on_log(void *server, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));

static void on_log(void *server, const char *fmt, va_list args)
{
    char text[256];
    (void)server;
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http-library", "why=\"%s\"", text);
}

/* ---- the server ---- */

static socklen_t parse_address(const char *address, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1) {
        memcpy(out, &v4, sizeof v4);
        return sizeof v4;
    }
    if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1) {
        memcpy(out, &v6, sizeof v6);
        return sizeof v6;
    }
    errno = EINVAL;
    return 0;
}

/* Our own socket, not the library's: its failures then have an errno. */
static int listen_on(const char *address, uint16_t port, uint16_t *bound)
{
    struct sockaddr_storage where;
    struct sockaddr_in got;
    socklen_t size = parse_address(address, port, &where), got_size = sizeof where;
    if (size == 0) {
        return -1;
    }
    int fd = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&where, size) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&where, &got_size) != 0) {
        int cause = errno;
        close(fd);
        errno = cause;
        return -1;
    }
    memcpy(&got, &where, sizeof got); /* the port stands at the same place in both families */
    *bound = ntohs(got.sin_port);
    return fd;
}

struct httpd *httpd_open(const char *address, uint16_t port, httpd_handler *handler, void *context)
{
    struct httpd *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->handler = handler;
    self->context = context;
    int fd = listen_on(address, port, &self->port);
    if (fd < 0) {
        free(self);
        return NULL;
    }
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    flags |= strchr(address, ':') != NULL ? MHD_USE_IPv6 : 0;
    self->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_access, self, MHD_OPTION_EXTERNAL_LOGGER, on_log,
                         self, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_uri,
                         self, MHD_OPTION_NOTIFY_COMPLETED, on_completed, self,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        self->daemon != NULL ? MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info == NULL) {
        int cause = errno != 0 ? errno : ENOMEM;
        if (self->daemon != NULL) {
            MHD_stop_daemon(self->daemon); /* closes fd */
        } else {
            close(fd);
        }
        free(self);
        errno = cause;
        return NULL;
    }
    self->epoll_fd = info->epoll_fd;
    return self;
}

void httpd_close(struct httpd **self)
{
    struct httpd *server = *self;
    *self = NULL;
    if (server == NULL) {
        return;
    }
    server->closing =
        true; /* whoever waits is let go: the library refuses to stop with suspended connections */
    for (struct httpd_request *request = server->requests; request != NULL;
         request = request->next) {
        httpd_resume(request);
    }
    MHD_run(server->daemon);
    MHD_stop_daemon(server->daemon);
    free(server);
}

uint16_t httpd_port(const struct httpd *self)
{
    return self->port;
}

int httpd_fd(const struct httpd *self)
{
    return self->epoll_fd;
}

int httpd_timeout_ms(const struct httpd *self)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    if (self->resumed) {
        return 0;
    }
    if (MHD_get_timeout(self->daemon, &timeout_ms) != MHD_YES) {
        return -1;
    }
    return timeout_ms < 60000 ? (int)timeout_ms : 60000;
}

void httpd_turn(struct httpd *self)
{
    self->resumed = false;
    MHD_run(self->daemon);
}

/* ---- what a handler asks and answers ---- */

const char *httpd_method(const struct httpd_request *request)
{
    return request->method;
}

const char *httpd_path(const struct httpd_request *request)
{
    return request->path;
}

const char *httpd_query(const struct httpd_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *httpd_header(const struct httpd_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *httpd_raw_query(const struct httpd_request *request, char *buffer, size_t size)
{
    const char *query = strchr(request->uri, '?');
    snprintf(buffer, size, "%s", query != NULL ? query + 1 : "");
    return buffer;
}

void httpd_add_header(struct httpd_request *request, const char *name, const char *value)
{
    struct header *header = calloc(1, sizeof *header);
    if (header == NULL || (header->name = strdup(name)) == NULL ||
        (header->value = strdup(value)) == NULL) {
        log_error("http-header-lost", "name=%s why=\"no memory\"", name);
        if (header != NULL) {
            free(header->name);
        }
        free(header);
        return;
    }
    header->next = request->headers;
    request->headers = header;
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (MHD_add_response_header(response, name, value) != MHD_YES) {
        log_error("http-header-refused", "name=%s", name);
    }
}

/* Takes over `response`: queued when the library calls us (again). */
static void answer(struct httpd_request *request, int status, const char *content_type,
                   struct MHD_Response *response)
{
    if (response == NULL || request->response != NULL) {
        log_error("http-reply-failed", "path=\"%s\" why=\"%s\"", request->path,
                  response == NULL ? "no memory" : "answered twice");
        if (response != NULL) {
            MHD_destroy_response(response);
        }
        return;
    }
    if (content_type != NULL) {
        add_header(response, "Content-Type", content_type);
    }
    for (struct header *header = request->headers; header != NULL; header = header->next) {
        add_header(response, header->name, header->value);
    }
    headers_free(request);
    request->response = response;
    request->status = (unsigned)status;
    httpd_resume(request);
}

void httpd_reply(struct httpd_request *request, int status, const char *content_type,
                 const void *body, size_t size)
{
    /* not written to: the copy is the library's */
    answer(request, status, content_type,
           MHD_create_response_from_buffer(size, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY));
}

void httpd_reply_stream(struct httpd_request *request, int status, const char *content_type,
                        int64_t size, httpd_body *body, void *context, void (*done)(void *context))
{
    request->body = body;
    request->body_context = context;
    request->done = done;
    answer(request, status, content_type,
           MHD_create_response_from_callback(size < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)size,
                                             STREAM_BLOCK_BYTES, on_body, request, NULL));
}

void httpd_suspend(struct httpd_request *request)
{
    request->suspended = true;
}

void httpd_resume(struct httpd_request *request)
{
    if (!request->suspended) {
        return;
    }
    request->suspended = false;
    if (!request->in_handler) { /* inside, the library has not suspended it yet */
        MHD_resume_connection(request->connection);
        request->server->resumed = true;
    }
}
