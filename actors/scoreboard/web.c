/* One table of paths; everything that is not in it is refused by name. */
#include "actors/scoreboard/web.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/scoreboard/metrics.h"
#include "actors/scoreboard/page.h"
#include "actors/scoreboard/views.h"
#include "config/clock.h"
#include "config/httpd.h"
#include "config/log.h"
#include "config/version.h"

enum { EVENTS = 512, EVENT_SIZE = 192, LISTENERS_MAX = 64 };
#define RETRY_US (INT64_C(1) * 1000000)
#define KEEPALIVE_US (INT64_C(15) * 1000000)

struct listener {
    struct web *web;
    struct httpd_request *request;
    uint64_t next; /* event it gets next */
    bool waiting;
    int64_t said_us;
};
struct web {
    const struct settings *settings;
    const struct exports *exports;
    struct httpd *httpd;
    struct kit *kit; /* of the turn that is on */
    int64_t retry_us;
    bool complained;
    char events[EVENTS][EVENT_SIZE]; /* a ring; event number n stands at n % EVENTS */
    uint64_t first_pending, next_event;
    struct listener *listeners[LISTENERS_MAX];
    uint64_t requests, refused;
};

/* ---- answers ---- */

static void answer_json(struct web *self, struct httpd_request *request, int status,
                        json_t *content)
{
    char *text = content ? json_text(content) : NULL;
    (void)self;
    httpd_add_header(request, "Cache-Control", "no-cache");
    httpd_add_header(request, "X-Content-Type-Options", "nosniff");
    if (text)
        httpd_reply(request, status, "application/json", text, strlen(text));
    else
        httpd_reply(request, 500, "application/json", "{\"error\":\"internal\"}", 20);
    free(text);
    json_decref(content);
}

static void refuse(struct web *self, struct httpd_request *request, int status, const char *error,
                   const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static void refuse(struct web *self, struct httpd_request *request, int status, const char *error,
                   const char *fmt, ...)
{
    char rule[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(rule, sizeof rule, fmt, args);
    va_end(args);
    json_t *content = json_object();
    json_object_set_new(content, "error", json_string(error));
    json_object_set_new(content, "rule", json_of_string(rule));
    self->refused++;
    answer_json(self, request, status, content);
}

static void refuse_store(struct web *self, struct httpd_request *request, int error)
{
    refuse(self, request, 503, "store", "%s", store_error_text(error));
}

/* ---- the API ---- */

static bool count_read(const char *text, uint64_t *count)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    *count = strtoull(text, &end, 10);
    return *end == '\0' && *count >= 1 && *count <= 1000000000;
}

static void serve_view(struct web *self, struct httpd_request *request, const char *name)
{
    const struct view *view = view_find(name);
    const char *date = httpd_query(request, "date");
    struct view_query query = {.name = httpd_query(request, "name"),
                               .outcome = httpd_query(request, "outcome"),
                               .settings = self->settings};
    const char *last = httpd_query(request, "last");
    struct store_txn *txn;
    if (!view) {
        refuse(self, request, 404, "not-found", "no such view: %.40s", name);
        return;
    }
    if (date && clock_parse_date(date, &query.date) != 0) {
        refuse(self, request, 400, "bad-date", "date: not YYYY-MM-DD or no such day: %.40s", date);
        return;
    }
    if (!date && !view->any_date) {
        refuse(self, request, 400, "date-missing", "date: is required (YYYY-MM-DD)");
        return;
    }
    if (last && !count_read(last, &query.last)) {
        refuse(self, request, 400, "bad-count", "last: 1 to 1000000000: %.40s", last);
        return;
    }
    int error = store_begin(kit_store(self->kit), false, &txn);
    if (error) {
        refuse_store(self, request, error);
        return;
    }
    json_t *content = view->make(txn, &query, &error);
    store_abort(&txn);
    if (content)
        answer_json(self, request, 200, content);
    else
        refuse_store(self, request, error);
}

static void serve_control(struct web *self, struct httpd_request *request, const char *rest)
{
    (void)rest;
    char *text = kit_control(self->kit, "STATUS");
    if (text) {
        httpd_add_header(request, "Cache-Control", "no-cache");
        httpd_reply(request, 200, "application/json", text, strlen(text));
    } else {
        refuse(self, request, 503, "broker", "the broker does not answer");
    }
    free(text);
}

/* ---- exports, as they would be written now ---- */

static void serve_export(struct web *self, struct httpd_request *request, const char *rest,
                         json_t *(*make)(struct store_txn *txn, int32_t date, int *error))
{
    char name[32];
    int32_t date = 0;
    struct store_txn *txn;
    size_t size = strlen(rest);
    if (size < 6 || size >= sizeof name || strcmp(rest + size - 5, ".json") != 0) {
        refuse(self, request, 404, "not-found", "latest.json or YYYY-MM-DD.json");
        return;
    }
    memcpy(name, rest, size - 5);
    name[size - 5] = '\0';
    if (strcmp(name, "latest") != 0 && clock_parse_date(name, &date) != 0) {
        refuse(self, request, 404, "not-found", "latest.json or YYYY-MM-DD.json");
        return;
    }
    int error = store_begin(kit_store(self->kit), false, &txn);
    if (error) {
        refuse_store(self, request, error);
        return;
    }
    if (!date)
        date = export_today(txn, clock_league_us(), (int)self->settings->day.rollover_hour);
    json_t *content = make(txn, date, &error);
    store_abort(&txn);
    if (content)
        answer_json(self, request, 200, content);
    else
        refuse_store(self, request, error);
}

static void serve_live(struct web *self, struct httpd_request *request, const char *rest)
{
    serve_export(self, request, rest, export_live);
}

static void serve_grading(struct web *self, struct httpd_request *request, const char *rest)
{
    serve_export(self, request, rest, export_grading);
}

static void serve_status(struct web *self, struct httpd_request *request, const char *rest)
{
    struct store_txn *txn;
    int64_t now_us = clock_league_us();
    (void)rest;
    int error = store_begin(kit_store(self->kit), false, &txn);
    if (error) {
        refuse_store(self, request, error);
        return;
    }
    int32_t today = export_today(txn, now_us, (int)self->settings->day.rollover_hour);
    json_t *content = export_status(txn, today, now_us, &error);
    store_abort(&txn);
    if (content)
        answer_json(self, request, 200, content);
    else
        refuse_store(self, request, error);
}

/* ---- server-sent events ---- */

static long next_event(void *context, uint64_t offset, char *buffer, size_t size)
{
    struct listener *listener = context;
    const struct web *web = listener->web;
    (void)offset;
    if (listener->next + EVENTS < web->first_pending)
        listener->next = web->first_pending - EVENTS; /* too slow: the oldest are gone */
    if (listener->next < web->first_pending) {
        const char *event = web->events[listener->next % EVENTS];
        size_t length = strlen(event);
        if (length > size)
            return -2;
        memcpy(buffer, event, length);
        listener->next++;
        listener->said_us = clock_mono_us();
        return (long)length;
    }
    if (clock_mono_us() - listener->said_us >= KEEPALIVE_US && size >= 3) {
        listener->said_us = clock_mono_us();
        memcpy(buffer, ":\n\n", 3);
        return 3;
    }
    listener->waiting = true;
    return 0;
}

static void listener_done(void *context)
{
    struct listener *listener = context;
    for (int i = 0; i < LISTENERS_MAX; i++)
        if (listener->web->listeners[i] == listener)
            listener->web->listeners[i] = NULL;
    free(listener);
}

static void serve_events(struct web *self, struct httpd_request *request, const char *rest)
{
    int at = 0;
    (void)rest;
    while (at < LISTENERS_MAX && self->listeners[at])
        at++;
    struct listener *listener = at < LISTENERS_MAX ? calloc(1, sizeof *listener) : NULL;
    if (!listener) {
        refuse(self, request, 503, "too-many", "at most %d listeners", LISTENERS_MAX);
        return;
    }
    *listener = (struct listener){.web = self, .request = request, .next = self->first_pending};
    self->listeners[at] = listener;
    httpd_add_header(request, "Cache-Control", "no-cache");
    httpd_reply_stream(request, 200, "text/event-stream", -1, next_event, listener, listener_done);
}

void web_notice(struct web *self, const char *what, uint64_t position, int32_t date,
                const char *game_id)
{
    char day[CLOCK_DATE_SIZE] = "";
    if (date)
        clock_format_date(date, day);
    snprintf(self->events[self->next_event % EVENTS], EVENT_SIZE,
             "id: %llu\nevent: %s\ndata: {\"stream\":\"%s\",\"position\":%llu,\"date\":\"%s\","
             "\"game_id\":\"%s\"}\n\n",
             (unsigned long long)position, what, what, (unsigned long long)position, day, game_id);
    self->next_event++;
}

void web_forget(struct web *self)
{
    self->next_event = self->first_pending;
}

static void wake_listeners(struct web *self)
{
    bool news = self->first_pending != self->next_event;
    int64_t now = clock_mono_us();
    self->first_pending = self->next_event;
    for (int i = 0; i < LISTENERS_MAX; i++) {
        struct listener *listener = self->listeners[i];
        if (!listener || !listener->waiting || (!news && now - listener->said_us < KEEPALIVE_US))
            continue;
        listener->waiting = false;
        httpd_resume(listener->request);
    }
}

/* ---- health and metrics ---- */

static void serve_alive(struct web *self, struct httpd_request *request, const char *rest)
{
    json_t *content = json_object();
    (void)rest;
    json_object_set_new(content, "alive", json_true());
    json_object_set_new(content, "code_version", json_string(version_code()));
    answer_json(self, request, 200, content);
}

static json_t *control_status(struct web *self)
{
    char why[160], *text = kit_control(self->kit, "STATUS");
    json_t *status = text ? json_read(text, strlen(text), why, sizeof why) : NULL;
    free(text);
    return status;
}

static void serve_ready(struct web *self, struct httpd_request *request, const char *rest)
{
    json_t *status = control_status(self), *at, *content = json_object();
    const char *state = NULL;
    size_t index;
    (void)rest;
    json_array_foreach(json_object_get(status, "shards"), index, at)
    {
        const char *actor = json_string_value(json_object_get(at, "actor"));
        if (actor && !strcmp(actor, "scoreboard"))
            state = json_string_value(json_object_get(at, "state"));
    }
    bool ready = state && !strcmp(state, "ready");
    json_object_set_new(content, "ready", json_boolean(ready));
    json_object_set_new(content, "state", json_of_string(state));
    answer_json(self, request, ready ? 200 : 503, content);
    json_decref(status);
}

static void serve_metrics(struct web *self, struct httpd_request *request, const char *rest)
{
    char *text = NULL;
    size_t size = 0;
    (void)rest;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        refuse(self, request, 503, "memory", "out of memory");
        return;
    }
    json_t *status = control_status(self);
    metrics_status(out, status);
    metrics_head(out, "http_requests_total", "counter", "requests to the scoreboard");
    fprintf(out, "tipoff_http_requests_total %llu\n", (unsigned long long)self->requests);
    metrics_head(out, "http_refused_total", "counter", "of them refused");
    fprintf(out, "tipoff_http_refused_total %llu\n", (unsigned long long)self->refused);
    metrics_head(out, "exports_written_total", "counter", "files replaced");
    fprintf(out, "tipoff_exports_written_total %llu\n",
            (unsigned long long)(self->exports ? exports_written(self->exports) : 0));
    metrics_head(out, "league_time_seconds", "gauge", "league clock");
    fprintf(out, "tipoff_league_time_seconds %.3f\n", (double)clock_league_us() / 1e6);
    json_decref(status);
    if (fclose(out) == 0)
        httpd_reply(request, 200, "text/plain; version=0.0.4", text, size);
    else
        refuse(self, request, 503, "memory", "out of memory");
    free(text);
}

/* ---- paths ---- */

static void serve_page(struct web *self, struct httpd_request *request, const char *rest)
{
    size_t size;
    const char *page = page_html(&size);
    (void)self;
    (void)rest;
    httpd_add_header(request, "Content-Security-Policy",
                     "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                     "connect-src 'self'; img-src data:");
    httpd_add_header(request, "Cache-Control", "no-cache");
    httpd_reply(request, 200, "text/html; charset=utf-8", page, size);
}

static const struct {
    const char *path;
    bool prefix; /* what follows is given to `serve` */
    void (*serve)(struct web *self, struct httpd_request *request, const char *rest);
} paths[] = {
    {"/", false, serve_page},
    {"/api/v1/events", false, serve_events},
    {"/api/v1/status", false, serve_control},
    {"/api/v1/", true, serve_view},
    {"/live/", true, serve_live},
    {"/live-grading/", true, serve_grading},
    {"/status.json", false, serve_status},
    {"/metrics", false, serve_metrics},
    {"/healthz", false, serve_alive},
    {"/readyz", false, serve_ready},
};

static void on_request(struct httpd_request *request, void *context)
{
    struct web *self = context;
    const char *method = httpd_method(request), *path = httpd_path(request);
    self->requests++;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        size_t size = strlen(paths[i].path);
        if (paths[i].prefix ? strncmp(path, paths[i].path, size) != 0
                            : strcmp(path, paths[i].path) != 0)
            continue;
        if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
            httpd_add_header(request, "Allow", "GET, HEAD");
            refuse(self, request, 405, "method", "only GET and HEAD, not %.16s", method);
            return;
        }
        paths[i].serve(self, request, path + size);
        return;
    }
    refuse(self, request, 404, "not-found", "no such path: %.100s", path);
}

/* ---- */

struct web *web_new(const struct settings *settings, const struct exports *exports)
{
    struct web *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->settings = settings;
    self->exports = exports;
    return self;
}

void web_free(struct web **self)
{
    if (!*self)
        return;
    httpd_close(&(*self)->httpd);
    free(*self);
    *self = NULL;
}

static void listen_again(struct web *self)
{
    const struct settings_scoreboard *where = &self->settings->scoreboard;
    int64_t now = clock_mono_us();
    if (self->httpd || now < self->retry_us)
        return;
    self->httpd = httpd_open(where->address, (uint16_t)where->port, on_request, self);
    self->retry_us = now + RETRY_US;
    if (self->httpd)
        log_info("listening", "url=http://%s:%u/", where->address, httpd_port(self->httpd));
    else if (!self->complained)
        log_warn("listen-failed", "address=%s port=%lld why=\"%s\" retry=1s", where->address,
                 (long long)where->port, strerror(errno));
    self->complained = !self->httpd;
}

int web_fds(struct web *self, struct pollfd *fds, int max, int64_t *timeout_us)
{
    int64_t due_us = RETRY_US;
    if (self->first_pending != self->next_event)
        due_us = 0; /* listeners wait for what was committed */
    if (self->httpd && max > 0) {
        int timeout_ms = httpd_timeout_ms(self->httpd);
        if (timeout_ms >= 0 && timeout_ms * INT64_C(1000) < due_us)
            due_us = timeout_ms * INT64_C(1000);
        fds[0] = (struct pollfd){.fd = httpd_fd(self->httpd), .events = POLLIN};
    }
    if (due_us < *timeout_us)
        *timeout_us = due_us;
    return self->httpd && max > 0;
}

void web_turn(struct web *self, struct kit *kit)
{
    listen_again(self);
    if (!self->httpd)
        return;
    self->kit = kit;
    wake_listeners(self);
    httpd_turn(self->httpd);
    self->kit = NULL;
}
