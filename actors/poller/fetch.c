#include "actors/poller/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "config/clock.h"
#include "schema/messages.h"
#include "schema/utf8.h"

#define HEADER_BYTES_MAX (64 * 1024)
#define SOCKETS_MAX 64

struct fetch {
    CURL *easy;
    struct curl_slist *request_headers;
    struct fetch *next;
    uint8_t *body;
    size_t body_capacity;
    size_t body_max;
    size_t header_bytes;
    bool done;
    struct fetch_result result;
};

struct fetcher {
    CURLM *multi;
    const struct settings *settings;
    struct fetch *fetches;
    int under_way;
    int64_t timer_us; /* monotonic; CLOCK_NONE: none set */
    struct pollfd sockets[SOCKETS_MAX];
    int socket_count;
};

/* ---- what libcurl calls ---- */

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *context,
                     void *socket_context)
{
    struct fetcher *self = context;
    (void)easy;
    (void)socket_context;
    int at = 0;
    while (at < self->socket_count && self->sockets[at].fd != socket) {
        at++;
    }
    if (what == CURL_POLL_REMOVE) {
        if (at < self->socket_count) {
            self->sockets[at] = self->sockets[--self->socket_count];
        }
        return 0;
    }
    if (at == SOCKETS_MAX) {
        return -1;
    }
    if (at == self->socket_count) {
        self->socket_count++;
    }
    self->sockets[at].fd = socket;
    self->sockets[at].events =
        (short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct fetcher *self = context;
    (void)multi;
    self->timer_us = timeout_ms < 0 ? CLOCK_NONE : clock_mono_us() + timeout_ms * INT64_C(1000);
    return 0;
}

static void too_large(struct fetch *fetch, const char *what, size_t limit)
{
    fetch->result.error = FETCH_TOO_LARGE;
    snprintf(fetch->result.error_text, sizeof fetch->result.error_text, "%s: more than %zu bytes",
             what, limit);
}

/* What comes here is decompressed: a small answer may be a huge body. */
static size_t on_body(char *data, size_t one, size_t size, void *context)
{
    struct fetch *fetch = context;
    size_t used = fetch->result.body_size;
    (void)one;
    if (size > fetch->body_max - used) {
        too_large(fetch, "body", fetch->body_max);
        return 0;
    }
    if (used + size > fetch->body_capacity) {
        size_t more =
            fetch->body_capacity * 2 > used + size ? fetch->body_capacity * 2 : used + size + 16384;
        uint8_t *grown = realloc(fetch->body, more);
        if (grown == NULL) {
            return 0;
        }
        fetch->body = grown;
        fetch->body_capacity = more;
    }
    memcpy(fetch->body + used, data, size);
    fetch->result.body_size = used + size;
    return size;
}

static const char *const KEPT[] = {"age",
                                   "cache-control",
                                   "content-encoding",
                                   "content-type",
                                   "date",
                                   "etag",
                                   "last-modified",
                                   "retry-after",
                                   "x-ratelimit-limit",
                                   "x-ratelimit-remaining",
                                   "x-ratelimit-reset",
                                   "x-requests-last",
                                   "x-requests-remaining",
                                   "x-requests-used"};

/* A header of the final answer only: one that begins anew (after 100 Continue) forgets what came before. */
static void keep_header(struct fetch_result *result, const char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);
    if (size > 5 && strncmp(line, "HTTP/", 5) == 0) {
        result->header_count = 0;
    }
    if (colon == NULL || result->header_count == FETCH_HEADERS_MAX) {
        return;
    }
    size_t name_size = (size_t)(colon - line);
    const char *value = colon + 1;
    size_t value_size = size - name_size - 1;
    while (value_size > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        value_size--;
    }
    while (value_size > 0 && (unsigned char)value[value_size - 1] <= ' ') {
        value_size--;
    }
    for (size_t i = 0; i < sizeof KEPT / sizeof KEPT[0]; i++) {
        if (strlen(KEPT[i]) == name_size && strncasecmp(KEPT[i], line, name_size) == 0 &&
            value_size < FETCH_HEADER_SIZE && utf8_valid(value, value_size) == value_size) {
            struct fetch_header *header = &result->headers[result->header_count++];
            snprintf(header->name, sizeof header->name, "%s", KEPT[i]);
            memcpy(header->value, value, value_size);
            header->value[value_size] = '\0';
        }
    }
}

static size_t on_header(char *data, size_t one, size_t size, void *context)
{
    struct fetch *fetch = context;
    (void)one;
    fetch->header_bytes += size;
    if (fetch->header_bytes > HEADER_BYTES_MAX) {
        too_large(fetch, "headers", HEADER_BYTES_MAX);
        return 0;
    }
    keep_header(&fetch->result, data, size);
    return size;
}

/* Bytes as they travel: a body of unknown length that never decodes to anything is cut too. */
static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    struct fetch *fetch = context;
    (void)total;
    (void)up_total;
    (void)up_now;
    fetch->result.wire_bytes = now;
    if (now > (curl_off_t)fetch->body_max) {
        too_large(fetch, "body on the wire", fetch->body_max);
        return 1;
    }
    return 0;
}

/* ---- the fetcher ---- */

struct fetcher *fetcher_open(const struct settings *settings)
{
    static bool global;
    if (!global && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return NULL;
    }
    global = true;
    struct fetcher *self = calloc(1, sizeof *self);
    if (self == NULL || (self->multi = curl_multi_init()) == NULL) {
        free(self);
        return NULL;
    }
    self->settings = settings;
    self->timer_us = CLOCK_NONE;
    curl_multi_setopt(self->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(self->multi, CURLMOPT_SOCKETDATA, self);
    curl_multi_setopt(self->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(self->multi, CURLMOPT_TIMERDATA, self);
    curl_multi_setopt(self->multi, CURLMOPT_MAXCONNECTS, (long)settings->poller.max_connections);
    curl_multi_setopt(self->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                      (long)settings->poller.max_connections);
    return self;
}

void fetcher_drop(struct fetcher *self, struct fetch **fetch)
{
    struct fetch *gone = *fetch;
    if (gone == NULL) {
        return;
    }
    for (struct fetch **at = &self->fetches; *at != NULL; at = &(*at)->next) {
        if (*at == gone) {
            *at = gone->next;
            break;
        }
    }
    if (!gone->done) {
        curl_multi_remove_handle(self->multi, gone->easy);
        self->under_way--;
    }
    curl_easy_cleanup(gone->easy);
    curl_slist_free_all(gone->request_headers);
    free(gone->body);
    free(gone);
    *fetch = NULL;
}

void fetcher_close(struct fetcher **self)
{
    if (*self == NULL) {
        return;
    }
    while ((*self)->fetches != NULL) {
        struct fetch *fetch = (*self)->fetches;
        fetcher_drop(*self, &fetch);
    }
    curl_multi_cleanup((*self)->multi);
    free(*self);
    *self = NULL;
}

bool fetcher_full(const struct fetcher *self)
{
    return self->under_way >= self->settings->poller.max_connections;
}

static long milliseconds(int64_t us)
{
    return us < 1000 ? 1 : (long)(us / 1000);
}

static bool set_up(struct fetcher *self, struct fetch *fetch, const struct fetch_request *request)
{
    CURL *easy = fetch->easy;
    const struct settings *settings = self->settings;
    long slow_s = (long)(settings->poller.timeout_us / 2000000);
    for (int i = 0; i < FETCH_HEADERS_LIST_MAX && request->headers[i] != NULL; i++) {
        struct curl_slist *longer = curl_slist_append(fetch->request_headers, request->headers[i]);
        if (longer == NULL) {
            return false;
        }
        fetch->request_headers = longer;
    }
    CURLcode bad = CURLE_OK;
#define SET(option, value) bad = bad != CURLE_OK ? bad : curl_easy_setopt(easy, option, value)
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_HTTPHEADER, fetch->request_headers);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_USERAGENT, settings->poller.user_agent);
    SET(CURLOPT_ACCEPT_ENCODING, "gzip");
    SET(CURLOPT_TIMEOUT_MS, milliseconds(settings->poller.timeout_us));
    SET(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(settings->poller.connect_timeout_us));
    SET(CURLOPT_LOW_SPEED_LIMIT, 10L);
    SET(CURLOPT_LOW_SPEED_TIME, slow_s > 0 ? slow_s : 1L);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)fetch->body_max);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, fetch);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, fetch);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, fetch);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_PRIVATE, (void *)fetch);
#undef SET
    return bad == CURLE_OK;
}

struct fetch *fetcher_start(struct fetcher *self, const struct fetch_request *request)
{
    struct fetch *fetch = fetcher_full(self) ? NULL : calloc(1, sizeof *fetch);
    if (fetch == NULL) {
        return NULL;
    }
    int64_t most = self->settings->poller.max_body_bytes;
    int64_t record = (int64_t)message_field(&msg_raw_exchange_desc, "body")->hi;
    fetch->body_max = (size_t)(most < record ? most : record);
    fetch->easy = curl_easy_init();
    if (fetch->easy == NULL || !set_up(self, fetch, request) ||
        curl_multi_add_handle(self->multi, fetch->easy) != CURLM_OK) {
        if (fetch->easy != NULL) {
            curl_easy_cleanup(fetch->easy);
        }
        curl_slist_free_all(fetch->request_headers);
        free(fetch);
        return NULL;
    }
    fetch->next = self->fetches;
    self->fetches = fetch;
    self->under_way++;
    return fetch;
}

int fetcher_fds(struct fetcher *self, struct pollfd *fds, int max, int64_t *timeout_us)
{
    int count = self->socket_count < max ? self->socket_count : max;
    memcpy(fds, self->sockets, (size_t)count * sizeof *fds);
    if (self->timer_us != CLOCK_NONE) {
        int64_t wait = self->timer_us - clock_mono_us();
        wait = wait > 0 ? wait : 0;
        if (wait < *timeout_us) {
            *timeout_us = wait;
        }
    }
    return count;
}

/* ---- the end of a fetch ---- */

static void conclude(struct fetch *fetch, CURLcode code)
{
    struct fetch_result *result = &fetch->result;
    curl_off_t retry_after = 0, wire = 0;
    fetch->done = true;
    result->body = fetch->body;
    curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &result->status);
    if (curl_easy_getinfo(fetch->easy, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK &&
        retry_after > 0) {
        result->retry_after_us = (retry_after < 86400 ? retry_after : 86400) * INT64_C(1000000);
    }
    if (curl_easy_getinfo(fetch->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire) == CURLE_OK) {
        result->wire_bytes = wire;
    }
    if (result->error != FETCH_OK || code == CURLE_OK) {
        return; /* cut off by us, or whole */
    }
    if (code == CURLE_FILESIZE_EXCEEDED) {
        too_large(fetch, "body as announced", fetch->body_max);
        return;
    }
    result->error = code == CURLE_OPERATION_TIMEDOUT ? FETCH_TIMEOUT : FETCH_NETWORK;
    snprintf(result->error_text, sizeof result->error_text, "%s", curl_easy_strerror(code));
}

static void collect(struct fetcher *self)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(self->multi, &left)) != NULL) {
        struct fetch *fetch = NULL;
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = message->data.result;
        CURL *easy = message->easy_handle;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&fetch);
        conclude(fetch, code);
        curl_multi_remove_handle(self->multi, easy);
        self->under_way--;
    }
}

void fetcher_turn(struct fetcher *self, const struct pollfd *fds, int count)
{
    int running = 0;
    for (int i = 0; i < count; i++) {
        short got = fds[i].revents;
        if (got != 0) {
            int what = (got & (POLLIN | POLLHUP) ? CURL_CSELECT_IN : 0) |
                       (got & POLLOUT ? CURL_CSELECT_OUT : 0) |
                       (got & (POLLERR | POLLNVAL) ? CURL_CSELECT_ERR : 0);
            curl_multi_socket_action(self->multi, fds[i].fd, what, &running);
        }
    }
    if (self->timer_us != CLOCK_NONE && clock_mono_us() >= self->timer_us) {
        self->timer_us = CLOCK_NONE;
        curl_multi_socket_action(self->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect(self);
}

const struct fetch_result *fetch_done(const struct fetch *self)
{
    return self->done ? &self->result : NULL;
}

const char *fetch_header(const struct fetch_result *result, const char *name)
{
    for (int i = 0; i < result->header_count; i++) {
        if (strcmp(result->headers[i].name, name) == 0) {
            return result->headers[i].value;
        }
    }
    return "";
}
