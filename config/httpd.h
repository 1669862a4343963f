/* A small HTTP server for the scoreboard and the upstream, over libmicrohttpd: single-threaded, driven
 * by the owner's poll loop; it starts no threads. */
#ifndef CONFIG_HTTPD_H
#define CONFIG_HTTPD_H

#include <stddef.h>
#include <stdint.h>

struct httpd;
struct httpd_request; /* valid inside the handler, or until answered if it was suspended */

/* Must call exactly one httpd_reply*, now; or httpd_suspend and answer later. */
typedef void httpd_handler(struct httpd_request *request, void *context);

/* `address` e.g. "127.0.0.1"; port 0 picks a free one. NULL with errno set on failure. */
struct httpd *httpd_open(const char *address, uint16_t port, httpd_handler *handler, void *context);
void httpd_close(struct httpd **self); /* drops open connections */
uint16_t httpd_port(const struct httpd *self);
int httpd_fd(const struct httpd *self); /* poll it for POLLIN */
int httpd_timeout_ms(
    const struct httpd *self);       /* at most so long until httpd_turn is due; -1 = for ever */
void httpd_turn(struct httpd *self); /* does all that is ready, without blocking */

const char *httpd_method(const struct httpd_request *request);
const char *httpd_path(const struct httpd_request *request);
const char *httpd_query(const struct httpd_request *request,
                        const char *name); /* NULL if absent; names may hold [] */
const char *httpd_header(const struct httpd_request *request,
                         const char *name); /* NULL if absent */
const char *httpd_raw_query(const struct httpd_request *request, char *buffer,
                            size_t size); /* for logs */

/* Adds to the reply that follows. Both strings are copied. */
void httpd_add_header(struct httpd_request *request, const char *name, const char *value);
/* `body` is copied. */
void httpd_reply(struct httpd_request *request, int status, const char *content_type,
                 const void *body, size_t size);
/* A body that comes from a function: returns bytes written (0 = none now, call httpd_resume later; -1 = end;
 * -2 = cut the connection). `size` of the whole, or -1 if unknown (chunked). `done` (may be NULL) frees `context`. */
typedef long httpd_body(void *context, uint64_t offset, char *buffer, size_t size);
void httpd_reply_stream(struct httpd_request *request, int status, const char *content_type,
                        int64_t size, httpd_body *body, void *context, void (*done)(void *context));
/* For server-sent events and slow answers: the request waits, without a thread, until httpd_resume. */
void httpd_suspend(struct httpd_request *request);
void httpd_resume(struct httpd_request *request); /* the handler is called again */

#endif
