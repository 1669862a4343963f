#include "actors/poller/jobs.h"
#include "actors/poller/page.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "config/clock.h"
#include "config/fault.h"
#include "config/log.h"
#include "schema/hash.h"
#include "schema/pack.h"

#define SETTLE_MAX 16 /* answers in one step */

/* ---- keys ---- */

static int escape(const char *from, char *to, size_t size)
{
    size_t used = 0;
    for (; *from != '\0'; from++) {
        bool plain = isalnum((unsigned char)*from) || strchr("-._~", *from) != NULL;
        if (used + 4 > size) {
            return -1;
        }
        used += (size_t)snprintf(to + used, size - used, plain ? "%c" : "%%%02X",
                                 plain ? *from : (int)(unsigned char)*from);
    }
    to[used] = '\0';
    return 0;
}

static int read_key(const char *name, const struct settings_secret *secret, bool in_url, char *out)
{
    char value[SETTINGS_SECRET_SIZE];
    int got = settings_secret_read(secret, value, stderr);
    int result = got < 0 ? -1 : 0;
    out[0] = '\0';
    for (const char *c = value; result == 0 && got == 1 && *c != '\0'; c++) {
        result = iscntrl((unsigned char)*c) ? -1 : 0;
    }
    if (result == 0 && got == 1) {
        result = in_url ? escape(value, out, SETTINGS_SECRET_SIZE) : 0;
        if (!in_url) {
            strcpy(out, value);
        }
    }
    if (result != 0 || strlen(out) > 1000) {
        log_error(
            "key-refused",
            "source=%s why=\"not readable, longer than 1000 bytes, or with control characters\"",
            name);
        result = -1;
    }
    explicit_bzero(value, sizeof value);
    return result;
}

int jobs_open(struct jobs *self, const struct settings *settings)
{
    memset(self, 0, sizeof *self);
    self->settings = settings;
    self->next_us = CLOCK_NONE;
    for (int i = 0; i < SOURCE_COUNT; i++) {
        self->stopped_us[i] = CLOCK_NONE;
    }
    if (read_key("bdl", &settings->poller.bdl.key, false, self->keys[SOURCE_BDL]) != 0 ||
        read_key("odds", &settings->poller.odds.key, true, self->keys[SOURCE_ODDS]) != 0) {
        return -1;
    }
    self->fetcher = fetcher_open(settings);
    if (self->fetcher == NULL) {
        log_error("fetcher-refused", "why=\"libcurl does not start\"");
        return -1;
    }
    return 0;
}

void jobs_close(struct jobs *self)
{
    fetcher_close(&self->fetcher);
    explicit_bzero(self->keys, sizeof self->keys);
}

void jobs_replan(struct jobs *self)
{
    self->next_us = CLOCK_NONE;
}

int jobs_fds(struct jobs *self, struct pollfd *fds, int max, int64_t *timeout_us)
{
    int64_t now = clock_mono_us(), wait = INT64_MAX;
    for (int i = 0; i < JOBS_MAX; i++) {
        const struct job *job = &self->jobs[i];
        if (job->used && job->fetch == NULL) {
            wait = job->retry_us - now < wait ? job->retry_us - now : wait;
        }
    }
    for (int i = 0; i < SOURCE_COUNT; i++) {
        if (self->hold_us[i] > now) {
            wait = self->hold_us[i] - now < wait ? self->hold_us[i] - now : wait;
        }
    }
    int64_t due = !clock_league_running()       ? INT64_MAX
                  : self->next_us == CLOCK_NONE ? 0
                                                : clock_league_wait_us(self->next_us);
    wait = due < wait ? due : wait;
    wait = wait > 0 ? wait : 0;
    if (wait < *timeout_us) {
        *timeout_us = wait;
    }
    return fetcher_fds(self->fetcher, fds, max, timeout_us);
}

/* ---- asking ---- */

/* "Name: value" lines of a request; the buffers live until libcurl copied them. */
struct headers {
    char accept[32], key[1100], condition[320];
};

static void fill_request(const struct jobs *self, struct job *job,
                         const struct msg_poller_subject *row, struct headers *headers,
                         struct fetch_request *request)
{
    int count = 0;
    const char *key = self->keys[FEEDS[job->feed].source];
    snprintf(headers->accept, sizeof headers->accept, "Accept: application/json");
    request->headers[count++] = headers->accept;
    if (FEEDS[job->feed].source == SOURCE_BDL && key[0] != '\0') {
        snprintf(headers->key, sizeof headers->key, "Authorization: %.1000s", key);
        request->headers[count++] = headers->key;
    }
    job->conditional = row->etag[0] != '\0' || row->last_modified[0] != '\0';
    if (row->etag[0] != '\0') {
        snprintf(headers->condition, sizeof headers->condition, "If-None-Match: %s", row->etag);
        request->headers[count++] = headers->condition;
    } else if (row->last_modified[0] != '\0') {
        snprintf(headers->condition, sizeof headers->condition, "If-Modified-Since: %s",
                 row->last_modified);
        request->headers[count++] = headers->condition;
    }
}

/* A service that does not answer must not keep the others from being asked: half of the connections are the most that one
 * gets. */
static bool source_full(const struct jobs *self, enum feed_source source)
{
    int64_t most = self->settings->poller.max_connections / 2;
    int64_t count = 0;
    for (int i = 0; i < JOBS_MAX; i++) {
        const struct job *job = &self->jobs[i];
        count += job->used && job->fetch != NULL && FEEDS[job->feed].source == source;
    }
    return count >= (most > 0 ? most : 1);
}

/* Starts an attempt: its run is open before the first byte leaves. */
static bool ask(struct jobs *self, struct kit *kit, struct job *job,
                const struct msg_poller_subject *row)
{
    char url[FEED_URL_SIZE], whole[FEED_URL_SIZE + 1100];
    struct headers headers = {{0}, {0}, {0}};
    struct fetch_request request = {.url = whole};
    const char *key = self->keys[FEEDS[job->feed].source], *query;
    if (fetcher_full(self->fetcher) || source_full(self, FEEDS[job->feed].source) ||
        feed_url(self->settings, job->feed, job->arg, url) != 0) {
        return false;
    }
    query = key[0] != '\0' ? feed_key_query(job->feed, url) : "";
    snprintf(whole, sizeof whole, "%s%s%.1000s", url, query, query[0] != '\0' ? key : "");
    fill_request(self, job, row, &headers, &request);
    job->run = kit_run_open(kit, FEEDS[job->feed].run,
                            job->attempt > 1                         ? "retry"
                            : feed_arg_page(job->feed, job->arg) > 0 ? "page"
                            : job->forced                            ? "command"
                                                                     : "schedule",
                            job->attempt);
    if (job->run >= 0) {
        job->fetch = fetcher_start(self->fetcher, &request);
        job->fetched_us = CLOCK_NONE;
    }
    explicit_bzero(whole, sizeof whole);
    explicit_bzero(&headers, sizeof headers);
    return job->run >= 0;
}

static struct job *job_of(struct jobs *self, const char *subject)
{
    for (int i = 0; i < JOBS_MAX; i++) {
        if (self->jobs[i].used && strcmp(self->jobs[i].subject, subject) == 0) {
            return &self->jobs[i];
        }
    }
    return NULL;
}

static struct job *free_job(struct jobs *self)
{
    for (int i = 0; i < JOBS_MAX; i++) {
        if (!self->jobs[i].used) {
            return &self->jobs[i];
        }
    }
    return NULL;
}

/* An event's odds are of one game. */
static void job_about(const struct jobs *self, struct job *job)
{
    char event_id[FEED_ARG_SIZE + 4];
    snprintf(event_id, sizeof event_id, "%s%s", job->feed == FEED_BP_OFFERS ? "bp-" : "", job->arg);
    if (job->feed == FEED_NBA_PLAYS) {
        memcpy(job->game_id, job->arg, strnlen(job->arg, sizeof job->game_id - 1));
    }
    for (int i = 0; i < self->view.game_count && job->feed == FEED_BDL_PROPS; i++) {
        if (self->view.games[i].source_id == strtoll(job->arg, NULL, 10)) {
            strcpy(job->game_id, self->view.games[i].game_id);
        }
    }
    bool of_event = FEEDS[job->feed].arg == ARG_EVENT || job->feed == FEED_BP_OFFERS;
    for (int i = 0; i < self->view.event_count && of_event; i++) {
        if (strcmp(self->view.events[i].event_id, event_id) == 0) {
            strcpy(job->game_id, self->view.events[i].game_id);
        }
    }
}

/* False: no room now; it stays due. */
static bool start(struct jobs *self, struct kit *kit, struct store_txn *txn,
                  const struct plan_item *item, bool forced)
{
    struct msg_poller_subject row;
    struct job *job = free_job(self);
    if (job == NULL) {
        return false;
    }
    memset(job, 0, sizeof *job);
    job->feed = item->feed;
    strcpy(job->arg, item->arg);
    feed_subject(job->feed, job->arg, job->subject);
    job_about(self, job);
    job->after_close = item->after_close;
    job->forced = forced;
    job->attempt = 1;
    job->asked_us = clock_league_us();
    ledger_subject(txn, job->subject, &row);
    job->used = ask(self, kit, job, &row);
    return job->used;
}

/* ---- what cannot be had ---- */

struct told {
    char text[JOBS_CAUSE_SIZE];
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void told_add(struct told *told, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(told->text + told->used, sizeof told->text - told->used, fmt, args);
    va_end(args);
    told->used = size < 0                                        ? told->used
                 : told->used + (size_t)size < sizeof told->text ? told->used + (size_t)size
                                                                 : sizeof told->text - 1;
}

/* The feeds that fail with this class. */
static void told_class(const struct jobs *self, enum error_class error, struct told *told)
{
    int count = 0;
    for (int i = 0; i < FEED_COUNT; i++) {
        if (self->failing[i] != error) {
            continue;
        }
        if (count++ > 0) {
            told_add(told, ", %s", FEEDS[i].name);
        } else {
            told_add(told, "%s%s: %s", told->used > 0 ? "; " : "", error_class_text(error),
                     FEEDS[i].name);
        }
    }
}

void jobs_cause(const struct jobs *self, char text[JOBS_CAUSE_SIZE])
{
    struct told told = {.used = 0};
    char until[CLOCK_TEXT_SIZE];
    for (int error = ERROR_NONE + 1; error < ERROR_CLASS_COUNT; error++) {
        told_class(self, (enum error_class)error, &told);
    }
    for (int i = 0; i < SOURCE_COUNT; i++) {
        if (self->stopped_us[i] != CLOCK_NONE) {
            clock_format_utc(self->stopped_us[i], until);
            told_add(&told, "%sstopped: %s, until %.16sZ", told.used > 0 ? "; " : "",
                     FEED_SOURCES[i], until);
        }
    }
    memcpy(text, told.text, JOBS_CAUSE_SIZE);
}

/* ---- what is due ---- */

static int64_t asked_at(void *context, const char *subject)
{
    struct msg_poller_subject row;
    ledger_subject(context, subject, &row);
    return row.asked_at;
}

static void sooner(struct jobs *self, int64_t due_us)
{
    if (due_us < self->next_us) {
        self->next_us = due_us;
    }
}

/* Starts the item if it is due and may be asked; else remembers when to look again. */
static void consider(struct jobs *self, struct kit *kit, struct store_txn *txn,
                     const struct plan_item *item, int64_t now, bool forced)
{
    char subject[FEED_SUBJECT_SIZE];
    enum feed_source source = FEEDS[item->feed].source;
    struct msg_poller_source known;
    ledger_source(txn, source, &known);
    int64_t stopped = known.stopped_until;
    feed_subject(item->feed, item->arg, subject);
    if (job_of(self, subject) != NULL) {
        return; /* looked at again when it ends */
    }
    if (stopped != CLOCK_NONE && stopped > now) {
        self->stopped_us[source] = stopped;
        sooner(self, stopped);
    } else if (item->due_us > now) {
        sooner(self, item->due_us);
    } else if (self->hold_us[source] <= clock_mono_us()) {
        start(self, kit, txn, item, forced); /* no room: looked at again when something ends */
    }
}

/* Days that are over, and names that are looked up: they go behind what is on. */
static bool can_wait(enum feed_id feed, const char *arg, int32_t today)
{
    int32_t date = feed_arg_date(feed, arg);
    return feed == FEED_BDL_SEARCH || (date != 0 && date < clock_date_add(today, -1));
}

static bool waiter_under_way(const struct jobs *self, int32_t today)
{
    for (int i = 0; i < JOBS_MAX; i++) {
        const struct job *job = &self->jobs[i];
        if (job->used && can_wait(job->feed, job->arg, today)) {
            return true;
        }
    }
    return false;
}

/* Those that can wait, one at a time, or the others. */
static void consider_forced(struct jobs *self, struct kit *kit, struct store_txn *txn, int64_t now,
                            int32_t today, bool waiters)
{
    char subject[FEED_SUBJECT_SIZE] = "";
    while ((!waiters || !waiter_under_way(self, today)) && ledger_next_forced(txn, subject)) {
        struct plan_item item = {.due_us = now};
        int feed = feed_of_subject(subject, item.arg);
        if (feed >= 0 && can_wait((enum feed_id)feed, item.arg, today) == waiters) {
            item.feed = (enum feed_id)feed;
            consider(self, kit, txn, &item, now, true);
        }
    }
}

/* Of what nobody waits for it is no news that it fails. */
static void forget_failing(struct jobs *self, const struct plan *plan)
{
    bool wanted[FEED_COUNT] = {false};
    for (int i = 0; i < plan->count; i++) {
        wanted[plan->items[i].feed] = true;
    }
    for (int i = 0; i < JOBS_MAX; i++) {
        wanted[self->jobs[i].feed] |= self->jobs[i].used;
    }
    for (int i = 0; i < FEED_COUNT; i++) {
        if (!wanted[i]) {
            self->failing[i] = ERROR_NONE;
        }
    }
    for (int i = 0; i < SOURCE_COUNT; i++) {
        self->stopped_us[i] = CLOCK_NONE; /* found again, if it is so */
    }
}

static void make_plan(struct jobs *self, struct kit *kit)
{
    int64_t now = clock_league_us();
    int32_t today = clock_league_day(now, (int)self->settings->day.rollover_hour);
    struct store_txn *txn = NULL;
    struct plan plan;
    struct msg_poller_subject live;
    if (store_begin(kit_store(kit), false, &txn) != STORE_OK) {
        return;
    }
    if (ledger_view(txn, clock_date_add(today, -1), today, &self->view) == 0) {
        ledger_subject(txn, FEEDS[FEED_BDL_LIVE].name, &live);
        struct plan_view view = {
            .settings = self->settings,
            .now_us = now,
            .games = self->view.games,
            .game_count = self->view.game_count,
            .events = self->view.events,
            .event_count = self->view.event_count,
            .live_ok_us = live.heard_at,
            .asked = asked_at,
            .context = txn,
        };
        plan_make(&view, &plan);
        forget_failing(self, &plan);
        /* at the latest when the league day ends */
        self->next_us = clock_league_day_start_us(clock_date_add(today, 1),
                                                  (int)self->settings->day.rollover_hour);
        consider_forced(self, kit, txn, now, today, false);
        for (int i = 0; i < plan.count; i++) {
            consider(self, kit, txn, &plan.items[i], now, false);
        }
        consider_forced(self, kit, txn, now, today, true); /* what is on goes first */
    }
    store_abort(&txn);
}

static void retry_waiting(struct jobs *self, struct kit *kit)
{
    int64_t now = clock_mono_us();
    for (int i = 0; i < JOBS_MAX; i++) {
        struct job *job = &self->jobs[i];
        struct store_txn *txn = NULL;
        struct msg_poller_subject row;
        if (!job->used || job->fetch != NULL || job->run >= 0 || job->retry_us > now ||
            self->hold_us[FEEDS[job->feed].source] > now ||
            store_begin(kit_store(kit), false, &txn) != STORE_OK) {
            continue;
        }
        ledger_subject(txn, job->subject, &row);
        store_abort(&txn);
        if (!ask(self, kit, job, &row)) {
            job->retry_us = now + 10000;
        }
    }
}

/* ---- answers ---- */

/* The day that is asked about, or the league day on which it was asked. */
static int32_t date_of(const struct jobs *self, const struct job *job)
{
    int32_t date = feed_arg_date(job->feed, job->arg);
    if (date != 0) {
        return date;
    }
    int64_t about_us = feed_arg_instant(job->feed, job->arg);
    return clock_league_day(about_us != CLOCK_NONE ? about_us : job->asked_us,
                            (int)self->settings->day.rollover_hour);
}

static void redacted_url(const struct jobs *self, const struct job *job, char url[FEED_URL_SIZE])
{
    if (feed_url(self->settings, job->feed, job->arg, url) == 0 &&
        self->keys[FEEDS[job->feed].source][0] != '\0') {
        const char *query = feed_key_query(job->feed, url);
        size_t used = strlen(url);
        if (query[0] != '\0') {
            snprintf(url + used, FEED_URL_SIZE - used, "%sREDACTED", query);
        }
    }
}

static void emit_raw(const struct jobs *self, struct step *step, const struct job *job,
                     const struct fetch_result *result, const char *sha256)
{
    struct msg_raw_exchange raw;
    struct pack headers = {0};
    struct emit how = {.key = feed_order_key(job->feed, job->subject), .due_us = CLOCK_NONE};
    message_clear(&msg_raw_exchange_desc, &raw);
    snprintf(raw.feed, sizeof raw.feed, "%s", FEEDS[job->feed].name);
    snprintf(raw.subject, sizeof raw.subject, "%s", job->subject);
    redacted_url(self, job, raw.url);
    raw.status = result->status;
    raw.fetched_at = job->fetched_us;
    pack_map(&headers, (uint32_t)result->header_count);
    for (int i = 0; i < result->header_count; i++) {
        pack_text(&headers, result->headers[i].name);
        pack_text(&headers, result->headers[i].value);
    }
    raw.headers = (struct span){headers.data, (uint32_t)headers.size};
    snprintf(raw.body_sha256, sizeof raw.body_sha256, "%s", sha256);
    raw.body = (struct span){result->body, (uint32_t)result->body_size};
    raw.after_close = job->after_close;
    step_emit_with(step, &msg_raw_exchange_desc, &raw, &how);
    pack_free(&headers);
}

static void keep_validators(const struct fetch_result *result, bool whole,
                            struct msg_poller_subject *row)
{
    const char *etag = whole ? fetch_header(result, "etag") : "";
    const char *modified = whole ? fetch_header(result, "last-modified") : "";
    snprintf(row->etag, sizeof row->etag, "%s", strlen(etag) < sizeof row->etag ? etag : "");
    snprintf(row->last_modified, sizeof row->last_modified, "%s",
             strlen(modified) < sizeof row->last_modified ? modified : "");
}

/* A body: news, or what was accepted last. */
static void accept_body(const struct jobs *self, struct kit *kit, struct step *step,
                        const struct job *job, const struct judgement *judgement,
                        struct msg_poller_subject *row, struct run_close *close)
{
    const struct fetch_result *result = fetch_done(job->fetch);
    struct live_list list;
    char sha256[HASH_HEX_SIZE];
    hash_sha256_hex(result->body, result->body_size, sha256);
    keep_validators(result, judgement->whole, row);
    if (strcmp(sha256, row->body_sha256) == 0) {
        close->outcome = RUN_UNCHANGED;
    } else {
        emit_raw(self, step, job, result, sha256);
        strcpy(row->body_sha256, sha256);
        snprintf(row->run_id, sizeof row->run_id, "%s", kit_run_id(kit, job->run));
    }
    if (job->feed == FEED_BDL_LIVE && live_list_read(result->body, result->body_size, &list) == 0) {
        ledger_put_live(step_store(step), &list);
    }
}

static int64_t next_day_us(const struct jobs *self, const struct job *job)
{
    int32_t day = clock_league_day(job->fetched_us, (int)self->settings->day.rollover_hour);
    return clock_league_day_start_us(clock_date_add(day, 1),
                                     (int)self->settings->day.rollover_hour);
}

/* What is left of the plan, if the answer says so; true: no more than is to be kept. */
static bool take_quota(const struct jobs *self, const struct job *job,
                       const struct fetch_result *result, struct msg_poller_source *row)
{
    const char *text = fetch_header(result, "x-requests-remaining");
    char *end = NULL;
    double left = strtod(text, &end); /* the vendor writes 499.0 as well */
    if (FEEDS[job->feed].source != SOURCE_ODDS || end == text || *end != '\0' || !(left >= 0) ||
        left > 9e15) {
        return false;
    }
    row->remaining = (int64_t)left;
    row->remaining_at = job->fetched_us;
    return row->remaining <= self->settings->poller.odds.reserve;
}

/* How long a service is left alone that failed so often. */
static int64_t breaker_pause_us(const struct settings_poller *settings, int64_t failures)
{
    int64_t pause_us = settings->breaker_pause_us;
    for (int64_t i = settings->breaker_after; i < failures && pause_us < settings->breaker_cap_us;
         i++) {
        pause_us *= 2;
    }
    return pause_us < settings->breaker_cap_us ? pause_us : settings->breaker_cap_us;
}

/* What an answer, or the want of one, means for its whole service: when it may be asked next, which the run says too. */
static void judge_source(const struct jobs *self, struct step *step, const struct job *job,
                         const struct judgement *judgement, const struct fetch_result *result,
                         struct run_close *close)
{
    enum feed_source source = FEEDS[job->feed].source;
    const struct settings_poller *settings = &self->settings->poller;
    struct msg_poller_source row, before;
    ledger_source(step_store(step), source, &row);
    before = row;
    bool heard = judgement->outcome == RUN_SUCCESS || judgement->outcome == RUN_UNCHANGED;
    int64_t failures = row.failures == MESSAGE_NONE ? 0 : row.failures;
    row.failures = heard ? 0 : failures + (!job->again && !judgement->of_request);
    if (take_quota(self, job, result, &row) || judgement->stop_source) {
        row.stopped_until = close->next_check = next_day_us(self, job);
        log_warn("quota-spent", "subject=%s reserve=%lld", job->subject,
                 (long long)settings->odds.reserve);
    } else if (!heard && !job->again && !judgement->of_request &&
               row.failures >= settings->breaker_after) {
        row.stopped_until = close->next_check =
            job->fetched_us + breaker_pause_us(settings, row.failures);
        log_warn("breaker-open", "subject=%s failures=%lld class=%s", job->subject,
                 (long long)row.failures, error_class_text(judgement->error));
    }
    if (!message_equal(&msg_poller_source_desc, &row, &before, NULL)) {
        ledger_put_source(step_store(step), source, &row);
    }
}

/* The page behind this one is asked for as well, and now. A cursor that does not go on would go round for ever. */
static void follow_page(struct step *step, const struct job *job, const struct fetch_result *result,
                        struct msg_poller_subject *row)
{
    struct msg_poller_subject next;
    char arg[FEED_ARG_SIZE], subject[FEED_SUBJECT_SIZE];
    if (result->body_size > 0) {
        row->next_page = page_next(result->body, result->body_size);
    }
    if (row->next_page == MESSAGE_NONE || row->next_page <= feed_arg_page(job->feed, job->arg)) {
        return;
    }
    feed_page_arg(job->feed, job->arg, row->next_page, arg);
    feed_subject(job->feed, arg, subject);
    ledger_subject(step_store(step), subject, &next);
    next.forced = true;
    ledger_put_subject(step_store(step), subject, &next);
}

/* Whether this attempt is followed by another, and when; a service that asked for patience gets it from every feed. */
static void plan_retry(struct jobs *self, struct job *job, const struct judgement *judgement,
                       int64_t retry_after_us)
{
    uint32_t random = 0;
    job->again = judgement->retry && job->attempt <= self->settings->poller.retries;
    if (!job->again) {
        return;
    }
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        random = 0;
    }
    job->wait_us = retry_wait_us(self->settings, job->attempt, retry_after_us, random);
    if (judgement->hold_source) {
        self->hold_us[FEEDS[job->feed].source] = clock_mono_us() + job->wait_us;
    }
}

/* Writes what the answer means into the step. May be called again if the step was undone. */
static void settle(struct jobs *self, struct kit *kit, struct step *step, struct job *job)
{
    static const struct fetch_result LOST = {.error = FETCH_NETWORK,
                                             .error_text = "the request could not be made"};
    const struct fetch_result *result = job->fetch != NULL ? fetch_done(job->fetch) : &LOST;
    struct answer answer = {
        .error = result->error,
        .error_text = result->error_text,
        .status = result->status,
        .body = result->body,
        .body_size = result->body_size,
        .retry_after_us = result->retry_after_us,
        .conditional = job->conditional,
    };
    struct judgement judgement;
    struct msg_poller_subject row;
    char before[sizeof row.run_id];
    step_run_use(step, job->run);
    retry_judge(&answer, &FEEDS[job->feed], &judgement);
    ledger_subject(step_store(step), job->subject, &row);
    strcpy(before, row.run_id);
    struct run_close close = {
        .outcome = judgement.outcome,
        .error = judgement.error,
        .error_message = judgement.message[0] != '\0' ? judgement.message : NULL,
        .data_date = date_of(self, job),
        .game_id = job->game_id[0] != '\0' ? job->game_id : NULL,
        .bytes_in = result->wire_bytes,
        .next_check = CLOCK_NONE,
    };
    bool heard = judgement.outcome == RUN_SUCCESS || judgement.outcome == RUN_UNCHANGED;
    if (judgement.outcome == RUN_SUCCESS) {
        accept_body(self, kit, step, job, &judgement, &row, &close);
    }
    if (close.outcome == RUN_UNCHANGED) {
        close.duplicate_of = before;
    }
    plan_retry(self, job, &judgement, answer.retry_after_us);
    if (!job->again) {
        row.asked_at = job->asked_us;
        row.forced = false;
    }
    if (heard && feed_arg_page(job->feed, job->arg) >= 0) {
        follow_page(step, job, result, &row);
    }
    if (heard) {
        row.heard_at = job->fetched_us;
    }
    job->failing = judgement.error; /* none, too, of an answer that there is nothing */
    if (judgement.error != ERROR_NONE) {
        log_warn("fetch-failed", "subject=%s attempt=%d class=%s again=%d why=\"%s\"", job->subject,
                 job->attempt, error_class_text(judgement.error), job->again, judgement.message);
    }
    judge_source(self, step, job, &judgement, result, &close);
    ledger_put_subject(step_store(step), job->subject, &row);
    step_run_close(step, job->run, &close);
}

static bool answered(const struct job *job)
{
    return job->used && job->run >= 0 && (job->fetch == NULL || fetch_done(job->fetch) != NULL);
}

static void end(struct jobs *self, struct job *job)
{
    fetcher_drop(self->fetcher, &job->fetch);
    job->run = -1;
    self->failing[job->feed] = job->failing;
    if (job->again) {
        job->attempt++;
        job->retry_us = clock_mono_us() + job->wait_us;
    } else {
        job->used = false;
    }
}

static void settle_answers(struct jobs *self, struct kit *kit)
{
    struct job *done[SETTLE_MAX];
    int count = 0;
    size_t bytes = 0;
    for (int i = 0; i < JOBS_MAX && count < SETTLE_MAX && bytes < 4u * 1024 * 1024; i++) {
        struct job *job = &self->jobs[i];
        if (!answered(job)) {
            continue;
        }
        if (job->fetched_us == CLOCK_NONE) {
            job->fetched_us = clock_league_us();
        }
        bytes += job->fetch != NULL ? fetch_done(job->fetch)->body_size : 0;
        done[count++] = job;
    }
    struct step *step = count > 0 ? kit_step(kit) : NULL;
    if (step == NULL) {
        return;
    }
    fault_hit(FAULT_FETCHED);
    for (int i = 0; i < count; i++) {
        settle(self, kit, step, done[i]);
    }
    if (kit_commit(kit, &step)) {
        for (int i = 0; i < count; i++) {
            end(self, done[i]);
        }
        jobs_replan(self);
    }
}

/* Nothing new is asked; what is under way is let go, and its run says so. */
static void drain(struct jobs *self, struct kit *kit)
{
    struct step *step = NULL;
    for (int i = 0; i < JOBS_MAX; i++) {
        struct job *job = &self->jobs[i];
        struct run_close close = {
            .outcome = RUN_SKIPPED, .error_message = "asked to stop", .next_check = CLOCK_NONE};
        if (job->used && job->run >= 0 && (step != NULL || (step = kit_step(kit)) != NULL)) {
            close.data_date = date_of(self, job);
            step_run_close(step, job->run, &close);
        }
    }
    if (step != NULL && kit_commit(kit, &step)) {
        for (int i = 0; i < JOBS_MAX; i++) {
            fetcher_drop(self->fetcher, &self->jobs[i].fetch);
            self->jobs[i].used = false;
        }
    }
}

void jobs_work(struct jobs *self, struct kit *kit, const struct pollfd *fds, int count)
{
    fetcher_turn(self->fetcher, fds, count);
    if (kit_draining(kit)) { /* also while the clock stands: a season that is left is made to */
        settle_answers(self, kit);
        drain(self, kit);
        return;
    }
    if (!clock_league_running()) {
        return;
    }
    settle_answers(self, kit);
    retry_waiting(self, kit);
    int64_t hold = clock_mono_us();
    for (int i = 0; i < SOURCE_COUNT; i++) {
        if (self->hold_us[i] != 0 && self->hold_us[i] <= hold) {
            self->hold_us[i] = 0;
            jobs_replan(self);
        }
    }
    if (self->next_us == CLOCK_NONE || clock_league_us() >= self->next_us) {
        make_plan(self, kit);
    }
}
