#include "sim/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "config/clock.h"
#include "config/log.h"
#include "schema/hash.h"
#include "sim/bdl.h"
#include "sim/bettingpros.h"
#include "sim/feeds.h"
#include "sim/nba_cdn.h"
#include "sim/odds_api.h"
#include "sim/pour.h"

#define HANGING_MAX 64
#define LAST_MAX 16          /* URLs whose answer before is kept for `duplicate` */
#define GZIP_LEAST_BYTES 512 /* smaller ones are not worth it */
#define QUERY_SIZE 2048
#define JSON_TYPE "application/json; charset=utf-8"

/* What is sent: kept for an answer that repeats it, or is asked for again before anything changed. */
struct answer {
    char url[256]; /* without keys */
    char *text;
    size_t size;
};

struct serve {
    struct nights *nights;
    struct follow *clock;
    const char *key;
    struct night_slot *night; /* of the request in hand */
    struct faults_due due;    /* likewise */
    struct scene scene;       /* likewise */
    struct {
        struct httpd_request *request;
        int64_t until_us;
    } hanging[HANGING_MAX];
    struct answer last[LAST_MAX];
    int last_next;
    struct answer
        schedule; /* big, and changes a few times a night; `url` says what it was made from */
    int64_t requests, used; /* of The Odds API's credits */
};

struct serve *serve_open(struct nights *nights, struct follow *clock, const char *key)
{
    struct serve *self = calloc(1, sizeof *self);
    if (self != NULL) {
        self->nights = nights;
        self->clock = clock;
        self->key = key;
    }
    return self;
}

void serve_close(struct serve **self)
{
    if (*self == NULL) {
        return;
    }
    for (int i = 0; i < LAST_MAX; i++) {
        free((*self)->last[i].text);
    }
    free((*self)->schedule.text);
    free(*self);
    *self = NULL;
}

int serve_add_faults(struct serve *self, const json_t *value, char *why, size_t why_size)
{
    return nights_add_faults(self->nights, value, why, why_size);
}

/* ---- sending ---- */

static void reply_text(struct httpd_request *request, int status, const char *type,
                       const char *text)
{
    httpd_reply(request, status, type, text, strlen(text));
}

/* Errors as each vendor words them. */
static void reply_error(struct httpd_request *request, bool odds, int status, const char *code,
                        const char *message)
{
    json_t *body = odds ? json_pack("{s:s, s:s, s:s}", "message", message, "error_code", code,
                                    "details_url", "https://the-odds-api.com/liveapi/guides/v4/")
                        : json_pack("{s:s}", "error", message);
    char *text = body != NULL ? json_text(body) : NULL;
    reply_text(request, status, JSON_TYPE, text != NULL ? text : "{}");
    free(text);
    json_decref(body);
}

static bool takes_gzip(const struct httpd_request *request)
{
    const char *accepts = httpd_header(request, "Accept-Encoding");
    return accepts != NULL && strstr(accepts, "gzip") != NULL;
}

/* NULL: no memory, or not worth it. */
static unsigned char *gzip(const char *text, size_t size, size_t *packed)
{
    z_stream stream = {0};
    if (size < GZIP_LEAST_BYTES ||
        deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return NULL;
    }
    size_t room = deflateBound(&stream, size);
    unsigned char *out = malloc(room);
    stream.next_in = (Bytef *)(uintptr_t)text;
    stream.avail_in = (uInt)size;
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    bool done = out != NULL && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    *packed = stream.total_out;
    deflateEnd(&stream);
    if (!done) {
        free(out);
        return NULL;
    }
    return out;
}

/* 200 with an ETag, or 304 for who has it; `fresh`: never 304. */
static void reply_body(struct httpd_request *request, const char *text, size_t size, bool fresh)
{
    char tag[40];
    const char *has = httpd_header(request, "If-None-Match");
    snprintf(tag, sizeof tag, "W/\"%016llx\"", (unsigned long long)hash_fnv64(text, size));
    httpd_add_header(request, "ETag", tag);
    httpd_add_header(request, "Vary", "Accept-Encoding");
    if (!fresh && has != NULL && strstr(has, tag + 2) != NULL) {
        httpd_reply(request, 304, NULL, "", 0);
        return;
    }
    size_t packed_size = 0;
    unsigned char *packed = takes_gzip(request) ? gzip(text, size, &packed_size) : NULL;
    if (packed != NULL) {
        httpd_add_header(request, "Content-Encoding", "gzip");
        httpd_reply(request, 200, JSON_TYPE, packed, packed_size);
        free(packed);
        return;
    }
    httpd_reply(request, 200, JSON_TYPE, text, size);
}

static void reply_pour(struct httpd_request *request, struct pour *pour, int64_t size)
{
    if (pour == NULL) {
        reply_text(request, 500, "text/plain", "no memory\n");
        return;
    }
    httpd_reply_stream(request, 200, JSON_TYPE, size, pour_next, pour, pour_free);
}

/* ---- what was sent before ---- */

static void keep(struct answer *self, const char *url, const char *text, size_t size)
{
    char *copy = malloc(size + 1);
    if (copy == NULL) {
        return;
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    free(self->text);
    snprintf(self->url, sizeof self->url, "%s", url);
    self->text = copy;
    self->size = size;
}

static struct answer *last_of(struct serve *self, const char *url)
{
    for (int i = 0; i < LAST_MAX; i++) {
        if (self->last[i].text != NULL && strcmp(self->last[i].url, url) == 0) {
            return &self->last[i];
        }
    }
    return NULL;
}

/* Only while somebody may ask for a repetition: otherwise nothing is held. */
static void remember(struct serve *self, const char *url, const char *text, size_t size)
{
    bool wanted = false;
    for (int i = 0; i < self->night->faults.count; i++) {
        wanted = wanted || self->night->faults.fault[i].kind == FAULT_DUPLICATE;
    }
    if (wanted) {
        struct answer *slot = last_of(self, url);
        if (slot == NULL) {
            slot = &self->last[self->last_next++ % LAST_MAX];
        }
        keep(slot, url, text, size);
    }
}

/* ---- hanging ---- */

static void hang(struct serve *self, struct httpd_request *request, int seconds)
{
    for (int i = 0; i < HANGING_MAX; i++) {
        if (self->hanging[i].request == NULL) {
            self->hanging[i].request = request;
            self->hanging[i].until_us = clock_mono_us() + seconds * INT64_C(1000000);
            httpd_suspend(request);
            return;
        }
    }
    reply_pour(request, pour_cut("", 0), 1024); /* too many hang already: cut at once */
}

int serve_timeout_ms(const struct serve *self)
{
    int64_t now_us = clock_mono_us(), soonest_ms = -1;
    for (int i = 0; i < HANGING_MAX; i++) {
        if (self->hanging[i].request != NULL) {
            int64_t left_ms = (self->hanging[i].until_us - now_us) / 1000 + 1;
            left_ms = left_ms < 0 ? 0 : left_ms;
            soonest_ms = soonest_ms < 0 || left_ms < soonest_ms ? left_ms : soonest_ms;
        }
    }
    return (int)soonest_ms;
}

void serve_turn(struct serve *self)
{
    int64_t now_us = clock_mono_us();
    for (int i = 0; i < HANGING_MAX; i++) {
        struct httpd_request *request = self->hanging[i].request;
        if (request != NULL && self->hanging[i].until_us <= now_us) {
            self->hanging[i].request = NULL;
            reply_pour(request, pour_cut("", 0), 1024);
        }
    }
}

/* ---- what is asked ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

static void decode(char *text)
{
    char *out = text;
    for (; *text != '\0'; text++) {
        if (*text == '%' && hex(text[1]) >= 0 && hex(text[2]) >= 0) {
            *out++ = (char)(hex(text[1]) * 16 + hex(text[2]));
            text += 2;
        } else {
            *out++ = *text == '+' ? ' ' : *text;
        }
    }
    *out = '\0';
}

/* dates[] may be there many times; -1 on one that is no date. */
static int read_dates(const struct httpd_request *request, struct bdl_query *out)
{
    char query[QUERY_SIZE], *rest = query;
    httpd_raw_query(request, query, sizeof query);
    for (char *pair = strsep(&rest, "&"); pair != NULL; pair = strsep(&rest, "&")) {
        decode(pair);
        if (strncmp(pair, "dates[]=", 8) != 0) {
            continue;
        }
        if (out->date_count == BDL_DATES_MAX ||
            clock_parse_date(pair + 8, &out->dates[out->date_count]) != 0) {
            return -1;
        }
        out->date_count++;
    }
    return 0;
}

static int64_t whole(const char *text, int64_t otherwise)
{
    char *end = NULL;
    long long value = text != NULL ? strtoll(text, &end, 10) : 0;
    return text == NULL ? otherwise : *end != '\0' || value < 0 ? -1 : value;
}

/* ---- bodies ---- */

/* NULL: answered already. */
typedef json_t *build_body(struct serve *self, struct httpd_request *request,
                           const struct feed_route *route);

static json_t *build_games(struct serve *self, struct httpd_request *request,
                           const struct feed_route *route)
{
    (void)route;
    struct bdl_query query = {.cursor = whole(httpd_query(request, "cursor"), 0),
                              .per_page = (int)whole(httpd_query(request, "per_page"), 25)};
    if (read_dates(request, &query) != 0 || query.cursor < 0 || query.cursor > 100000 ||
        query.per_page < 1) {
        reply_error(request, false, 400, "", "dates[], cursor or per_page");
        return NULL;
    }
    query.per_page = query.per_page > BDL_PAGE_MAX ? BDL_PAGE_MAX : query.per_page;
    return bdl_games(&self->scene, &query);
}

static json_t *build_game(struct serve *self, struct httpd_request *request,
                          const struct feed_route *route)
{
    json_t *body = bdl_game(&self->scene, whole(route->rest, 0));
    if (body == NULL) {
        reply_error(request, false, 404, "", "no such game");
    }
    return body;
}

static json_t *build_box_scores(struct serve *self, struct httpd_request *request,
                                const struct feed_route *route)
{
    (void)route;
    int32_t date;
    const char *text = httpd_query(request, "date");
    if (text == NULL || clock_parse_date(text, &date) != 0) {
        reply_error(request, false, 400, "", "date");
        return NULL;
    }
    return bdl_box_scores(&self->scene, date);
}

static json_t *build_live(struct serve *self, struct httpd_request *request,
                          const struct feed_route *route)
{
    (void)request, (void)route;
    return bdl_box_scores(&self->scene, 0);
}

/* False: refused. */
static bool read_page(struct httpd_request *request, struct bdl_query *out)
{
    out->cursor = whole(httpd_query(request, "cursor"), 0);
    out->per_page = (int)whole(httpd_query(request, "per_page"), 25);
    if (out->cursor < 0 || out->cursor > 100000 || out->per_page < 1) {
        reply_error(request, false, 400, "", "cursor or per_page");
        return false;
    }
    out->per_page = out->per_page > BDL_PAGE_MAX ? BDL_PAGE_MAX : out->per_page;
    return true;
}

static json_t *build_injuries(struct serve *self, struct httpd_request *request,
                              const struct feed_route *route)
{
    struct bdl_query page = {0};
    (void)route;
    return read_page(request, &page) ? bdl_injuries(&self->scene, page.cursor, page.per_page)
                                     : NULL;
}

static json_t *build_players(struct serve *self, struct httpd_request *request,
                             const struct feed_route *route)
{
    struct bdl_query page = {0};
    (void)route;
    return read_page(request, &page) ? bdl_players(&self->scene, page.cursor, page.per_page) : NULL;
}

static json_t *build_lineups(struct serve *self, struct httpd_request *request,
                             const struct feed_route *route)
{
    int64_t game = whole(httpd_query(request, "game_ids[]"), 0);
    (void)route;
    if (game <= 0) {
        reply_error(request, false, 400, "", "game_ids[]");
        return NULL;
    }
    return bdl_lineup(&self->scene, game);
}

static json_t *build_stats(struct serve *self, struct httpd_request *request,
                           const struct feed_route *route)
{
    struct bdl_query query = {0};
    (void)route;
    if (read_dates(request, &query) != 0) {
        reply_error(request, false, 400, "", "dates[]");
        return NULL;
    }
    return read_page(request, &query) ? bdl_stats(&self->scene, &query) : NULL;
}

static json_t *build_teams(struct serve *self, struct httpd_request *request,
                           const struct feed_route *route)
{
    (void)request, (void)route;
    return bdl_teams(&self->scene);
}

static json_t *build_all_players(struct serve *self, struct httpd_request *request,
                                 const struct feed_route *route)
{
    struct bdl_query page = {0};
    const char *search = httpd_query(request, "search");
    (void)route;
    return read_page(request, &page) ? bdl_all_players(&self->scene, page.cursor, page.per_page,
                                                       search != NULL ? search : "")
                                     : NULL;
}

static json_t *build_bdl_odds(struct serve *self, struct httpd_request *request,
                              const struct feed_route *route)
{
    struct bdl_query query = {0};
    (void)route;
    if (read_dates(request, &query) != 0 || query.date_count == 0) {
        reply_error(request, false, 400, "", "dates[]");
        return NULL;
    }
    return read_page(request, &query) ? bdl_odds(&self->scene, &query) : NULL;
}

static json_t *build_bdl_props(struct serve *self, struct httpd_request *request,
                               const struct feed_route *route)
{
    int64_t game = whole(httpd_query(request, "game_id"), 0);
    (void)route;
    if (game <= 0) {
        reply_error(request, false, 400, "", "game_id");
        return NULL;
    }
    return bdl_player_props(&self->scene, game);
}

static json_t *build_game_odds(struct serve *self, struct httpd_request *request,
                               const struct feed_route *route)
{
    const char *markets = httpd_query(request, "markets"),
               *format = httpd_query(request, "oddsFormat");
    (void)route;
    if (markets != NULL && strstr(markets, "player_") != NULL) {
        reply_error(request, true, 422, "INVALID_MARKET", "Markets not supported by this endpoint");
        return NULL;
    }
    return odds_api_games(&self->scene, markets != NULL ? markets : "h2h",
                          format == NULL || strcmp(format, "american") != 0);
}

static json_t *build_events(struct serve *self, struct httpd_request *request,
                            const struct feed_route *route)
{
    (void)request, (void)route;
    return odds_api_events(&self->scene);
}

static json_t *build_scores(struct serve *self, struct httpd_request *request,
                            const struct feed_route *route)
{
    const char *text = httpd_query(request, "daysFrom");
    int64_t days = whole(text, 0);
    (void)route;
    if (text != NULL && (days < 1 || days > 3)) {
        reply_error(request, true, 422, "INVALID_SCORES_DAYS_FROM", "daysFrom is 1, 2 or 3");
        return NULL;
    }
    return odds_api_scores(&self->scene, text != NULL);
}

/* What is wrong with a question about an event's odds; NULL: nothing. `props`: only markets of players will do. */
static const char *odds_fault(const struct httpd_request *request, const char *event_id, bool props)
{
    const char *markets = httpd_query(request, "markets"),
               *format = httpd_query(request, "oddsFormat");
    if (strlen(event_id) != 32) {
        return "INVALID_EVENT_ID";
    }
    if (markets == NULL || (props && strstr(markets, "player_points") == NULL)) {
        return "INVALID_MARKET";
    }
    if (httpd_query(request, "regions") == NULL && httpd_query(request, "bookmakers") == NULL) {
        return "MISSING_REGION";
    }
    return format != NULL && strcmp(format, "american") != 0 && strcmp(format, "decimal") != 0
               ? "INVALID_ODDS_FORMAT"
               : NULL;
}

static bool is_decimal(const struct httpd_request *request)
{
    const char *format = httpd_query(request, "oddsFormat");
    return format == NULL || strcmp(format, "american") != 0;
}

/* The game that is asked about, -1 if that was answered with an error. */
static int find_event(struct serve *self, struct httpd_request *request, const char *event_id,
                      bool props)
{
    const char *code = odds_fault(request, event_id, props);
    int game = odds_api_find(&self->scene, event_id);
    if (code != NULL || game < 0) {
        reply_error(
            request, true, code != NULL ? 422 : 404, code != NULL ? code : "EVENT_NOT_FOUND",
            code != NULL ? "Invalid parameter" : "Event not found. The event may have expired");
        return -1;
    }
    return game;
}

static json_t *build_event_odds(struct serve *self, struct httpd_request *request,
                                const struct feed_route *route)
{
    int game = find_event(self, request, route->rest, true);
    return game < 0 ? NULL
                    : odds_api_event_odds(&self->scene, game, is_decimal(request),
                                          httpd_query(request, "bookmakers"));
}

/* Sets the scene to the snapshot that is asked for; false: answered with an error. */
static bool go_back(struct serve *self, struct httpd_request *request)
{
    const char *text = httpd_query(request, "date");
    int64_t asked_us, now_us = self->scene.now_us;
    bool valid = text != NULL && clock_parse_utc(text, &asked_us) == 0;
    if (!valid || asked_us > now_us) {
        reply_error(request, true, 422,
                    text == NULL ? "MISSING_HISTORICAL_TIMESTAMP" : "INVALID_HISTORICAL_TIMESTAMP",
                    "date is an instant of the past");
        return false;
    }
    self->night = nights_at(self->nights, asked_us);
    scene_set(&self->scene, self->night->root, odds_api_snapshot_us(asked_us));
    faults_bend_scene(&self->due, &self->scene);
    return true;
}

static json_t *build_history_events(struct serve *self, struct httpd_request *request,
                                    const struct feed_route *route)
{
    int64_t now_us = self->scene.now_us;
    (void)route;
    return go_back(self, request)
               ? odds_api_wrap(&self->scene, now_us, odds_api_events(&self->scene))
               : NULL;
}

static json_t *build_history(struct serve *self, struct httpd_request *request,
                             const struct feed_route *route)
{
    int64_t now_us = self->scene.now_us;
    int game = go_back(self, request) ? find_event(self, request, route->rest, false) : -1;
    return game < 0
               ? NULL
               : odds_api_wrap(&self->scene, now_us,
                               odds_api_history(&self->scene, game, httpd_query(request, "markets"),
                                                is_decimal(request),
                                                httpd_query(request, "bookmakers")));
}

static json_t *build_bp_events(struct serve *self, struct httpd_request *request,
                               const struct feed_route *route)
{
    int32_t date;
    const char *text = httpd_query(request, "date");
    (void)route;
    if (text == NULL || clock_parse_date(text, &date) != 0) {
        reply_error(request, false, 400, "", "date");
        return NULL;
    }
    return bettingpros_events(&self->scene, date);
}

static json_t *build_bp_offers(struct serve *self, struct httpd_request *request,
                               const struct feed_route *route)
{
    const char *market = httpd_query(request, "market_id");
    (void)route;
    if (market == NULL || strcmp(market, "156") != 0) {
        reply_error(request, false, 400, "", "market_id: only 156 is served");
        return NULL;
    }
    return bettingpros_offers(&self->scene, whole(httpd_query(request, "event_id"), 0));
}

static json_t *build_plays(struct serve *self, struct httpd_request *request,
                           const struct feed_route *route)
{
    char id[16];
    int size = -1;
    sscanf(route->rest, "playbyplay_%10[0-9].json%n", id, &size);
    json_t *body = size > 0 ? nba_cdn_play_by_play(&self->scene, id) : NULL;
    if (body == NULL) {
        reply_text(request, 404, "text/html", "<html><body>404 Not Found</body></html>\n");
    }
    return body;
}

static json_t *build_schedule(struct serve *self, struct httpd_request *request,
                              const struct feed_route *route)
{
    (void)request, (void)route;
    return nba_cdn_schedule(&self->scene);
}

static const struct {
    build_body *build;
    const char *empty; /* what an empty list looks like */
} bodies[FEED_COUNT] = {
    [FEED_BDL_GAMES] = {build_games, "{\"data\":[],\"meta\":{\"per_page\":25}}"},
    [FEED_BDL_GAME] = {build_game, "{\"data\":{}}"},
    [FEED_BDL_BOX_SCORES] = {build_box_scores, "{\"data\":[]}"},
    [FEED_BDL_LIVE] = {build_live, "{\"data\":[]}"},
    [FEED_BDL_INJURIES] = {build_injuries, "{\"data\":[],\"meta\":{\"per_page\":25}}"},
    [FEED_BDL_PLAYERS] = {build_players, "{\"data\":[],\"meta\":{\"per_page\":25}}"},
    [FEED_BDL_LINEUPS] = {build_lineups, "{\"data\":[],\"meta\":{\"per_page\":25}}"},
    [FEED_BDL_STATS] = {build_stats, "{\"data\":[],\"meta\":{\"per_page\":25}}"},
    [FEED_BDL_TEAMS] = {build_teams, "{\"data\":[]}"},
    [FEED_BDL_ALL_PLAYERS] = {build_all_players, "{\"data\":[],\"meta\":{\"per_page\":25}}"},
    [FEED_BDL_ODDS] = {build_bdl_odds, "{\"data\":[],\"meta\":{\"per_page\":25}}"},
    [FEED_BDL_PROPS] = {build_bdl_props, "{\"data\":[]}"},
    [FEED_ODDS_EVENTS] = {build_events, "[]"},
    [FEED_ODDS_GAMES] = {build_game_odds, "[]"},
    [FEED_ODDS_EVENT_ODDS] = {build_event_odds, "{}"},
    [FEED_ODDS_HISTORY_EVENTS] = {build_history_events,
                                  "{\"timestamp\":\"2025-01-01T00:00:00Z\",\"data\":[]}"},
    [FEED_ODDS_HISTORY] = {build_history, "{}"},
    [FEED_ODDS_SCORES] = {build_scores, "[]"},
    [FEED_CDN_SCHEDULE] = {build_schedule, "{\"leagueSchedule\":{\"gameDates\":[]}}"},
    [FEED_BP_EVENTS] = {build_bp_events, "{\"events\":[]}"},
    [FEED_BP_OFFERS] = {build_bp_offers, "{\"offers\":[]}"},
    [FEED_CDN_PLAYS] = {build_plays, "{\"game\":{\"actions\":[]}}"},
};

/* The status and period of every game: what the schedule depends on. */
static void schedule_signature(const struct scene *scene, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "%d.%d ", (int)scene->root->date, scene->root->shown);
    for (int i = 0; i < scene->game_count && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, "%d.%d ", (int)scene->state[i].status,
                                 scene->state[i].period);
    }
}

/* The text of a body, the caller's to free. NULL: answered already. */
static char *make_text(struct serve *self, struct httpd_request *request,
                       const struct feed_route *route)
{
    json_t *body = bodies[route->feed].build(self, request, route);
    if (body == NULL) {
        return NULL;
    }
    faults_bend_body(&self->due, &self->scene, route->feed, body);
    char *text = json_text(body);
    json_decref(body);
    if (text == NULL) {
        reply_text(request, 500, "text/plain", "no memory\n");
    }
    return text;
}

static bool reply_kept_schedule(struct serve *self, struct httpd_request *request)
{
    char signature[256];
    schedule_signature(&self->scene, signature, sizeof signature);
    if (self->schedule.text == NULL || strcmp(self->schedule.url, signature) != 0) {
        json_t *body = nba_cdn_schedule(&self->scene);
        char *text = body != NULL ? json_text(body) : NULL;
        if (text != NULL) {
            keep(&self->schedule, signature, text, strlen(text));
        }
        free(text);
        json_decref(body);
    }
    if (self->schedule.text == NULL || strcmp(self->schedule.url, signature) != 0) {
        return false;
    }
    reply_body(request, self->schedule.text, self->schedule.size, false);
    return true;
}

/* ---- faults of the answer as a whole ---- */

static void reply_status(struct httpd_request *request, const struct faults_fault *fault, bool odds)
{
    char seconds[16];
    if (fault->retry_after_s >= 0) {
        snprintf(seconds, sizeof seconds, "%d", fault->retry_after_s);
        httpd_add_header(request, "Retry-After", seconds);
    }
    if (strcmp(fault->body, "html") == 0) {
        reply_text(request, fault->status, "text/html", "<html><body>error</body></html>\n");
    } else if (strcmp(fault->body, "text") == 0) {
        reply_text(request, fault->status, "text/plain", "error\n");
    } else {
        reply_error(request, odds, fault->status,
                    fault->status == 429 ? "EXCEEDED_FREQ_LIMIT" : "INTERNAL_ERROR",
                    fault->status == 429 ? "Too many requests" : "Internal error");
    }
}

/* True if the request is answered (or hangs). */
static bool answer_fault(struct serve *self, struct httpd_request *request,
                         const struct faults_fault *fault, const struct feed_route *route,
                         const char *url)
{
    static const char page[] =
        "<!DOCTYPE html><html><head><title>One moment</title></head><body>Checking your "
        "browser</body></html>\n";
    bool odds = route->feed >= FEED_ODDS_EVENTS && route->feed <= FEED_ODDS_SCORES;
    struct answer *last;
    char *text;
    switch (fault->kind) {
    case FAULT_STATUS:
        reply_status(request, fault, odds);
        return true;
    case FAULT_UNAUTHORIZED:
        reply_text(request, 401, "text/plain", "Unauthorized");
        return true;
    case FAULT_HANG:
        hang(self, request, fault->seconds);
        return true;
    case FAULT_HTML:
        reply_text(request, 200, "text/html", page);
        return true;
    case FAULT_HUGE:
        reply_pour(request, pour_huge(fault->bytes),
                   fault->declared ? (fault->bytes < 16 ? 16 : fault->bytes) : -1);
        return true;
    case FAULT_GZIP_BOMB:
        httpd_add_header(request, "Content-Encoding", "gzip");
        reply_pour(request, pour_gzip_bomb(fault->bytes), -1);
        return true;
    case FAULT_EMPTY:
        reply_body(request, bodies[route->feed].empty, strlen(bodies[route->feed].empty), false);
        return true;
    case FAULT_DUPLICATE:
        last = last_of(self, url);
        if (last != NULL) {
            reply_body(request, last->text, last->size, true);
        }
        return last != NULL;
    case FAULT_RESET:
    case FAULT_TRUNCATED:
        text = make_text(self, request, route);
        if (text != NULL && fault->kind == FAULT_RESET) {
            reply_pour(request, pour_cut(text, strlen(text)), (int64_t)strlen(text));
        } else if (text != NULL) {
            httpd_reply(request, 200, JSON_TYPE, text, strlen(text) / 2);
        }
        free(text);
        return true;
    default:
        return false;
    }
}

/* ---- from a request to its answer ---- */

/* 401 in the vendor's words; true if answered. */
static bool refuse_key(const struct serve *self, struct httpd_request *request, enum feed feed)
{
    bool odds = feed >= FEED_ODDS_EVENTS && feed <= FEED_ODDS_SCORES;
    const char *key =
        odds ? httpd_query(request, "apiKey") : httpd_header(request, "Authorization");
    if (feed >= FEED_CDN_SCHEDULE) {
        return false;
    }
    if (key != NULL && strncmp(key, "Bearer ", 7) == 0) {
        key += 7;
    }
    bool missing = key == NULL || *key == '\0';
    if (!missing && (self->key == NULL || strcmp(self->key, key) == 0)) {
        return false;
    }
    if (odds) {
        reply_error(request, true, 401, missing ? "MISSING_KEY" : "INVALID_KEY",
                    missing ? "API key is missing" : "API key is not valid");
    } else {
        reply_text(request, 401, "text/plain", "Unauthorized");
    }
    return true;
}

/* Ten times as much for the past; one for each market of what may be answered. */
static int cost_of(struct httpd_request *request, enum feed feed)
{
    const char *markets = httpd_query(request, "markets");
    int count = 1;
    for (const char *c = markets; c != NULL && (c = strchr(c, ',')) != NULL; c++) {
        count++;
    }
    return feed == FEED_ODDS_GAMES            ? 3
           : feed == FEED_ODDS_SCORES         ? (httpd_query(request, "daysFrom") != NULL ? 2 : 1)
           : feed == FEED_ODDS_HISTORY        ? 10 * count
           : feed == FEED_ODDS_HISTORY_EVENTS ? 1
                                              : feed == FEED_ODDS_EVENT_ODDS;
}

static void add_credits(struct serve *self, struct httpd_request *request, enum feed feed)
{
    char text[32];
    int cost = cost_of(request, feed);
    self->used += cost;
    snprintf(text, sizeof text, "%lld", (long long)(5000000 - self->used));
    httpd_add_header(request, "x-requests-remaining", text);
    snprintf(text, sizeof text, "%lld", (long long)self->used);
    httpd_add_header(request, "x-requests-used", text);
    snprintf(text, sizeof text, "%d", cost);
    httpd_add_header(request, "x-requests-last", text);
}

/* Path and query without the key: what one answer is known by. */
static void url_of(const struct httpd_request *request, char *url, size_t size)
{
    char query[QUERY_SIZE], *rest = query;
    size_t used = (size_t)snprintf(url, size, "%s", httpd_path(request));
    httpd_raw_query(request, query, sizeof query);
    for (char *pair = strsep(&rest, "&"); pair != NULL && used < size; pair = strsep(&rest, "&")) {
        if (strncmp(pair, "apiKey=", 7) != 0 && *pair != '\0') {
            used += (size_t)snprintf(url + used, size - used, "&%s", pair);
        }
    }
}

/* Tonight's; but box scores are of the night that is asked for, and what is told of a game of its own. */
static struct night_slot *night_of(struct serve *self, const struct httpd_request *request,
                                   enum feed feed, int64_t now_us)
{
    struct night_slot *tonight = nights_at(self->nights, now_us), *asked = NULL;
    const char *text = httpd_query(request, "date");
    int32_t date;
    if (feed == FEED_BDL_BOX_SCORES && text != NULL && clock_parse_date(text, &date) == 0 &&
        date < tonight->root->date) {
        asked = nights_of(self->nights, date);
    }
    return asked != NULL ? asked : tonight;
}

static void serve_feed(struct serve *self, struct httpd_request *request,
                       const struct feed_route *route)
{
    char url[256];
    int64_t now_us = follow_now_us(self->clock);
    if (refuse_key(self, request, route->feed)) {
        return;
    }
    if (route->sport[0] != '\0' && strcmp(route->sport, "basketball_nba") != 0) {
        reply_error(request, true, 404, "UNKNOWN_SPORT", "Unknown sport");
        return;
    }
    url_of(request, url, sizeof url);
    self->night = night_of(self, request, route->feed, now_us);
    faults_decide(&self->night->faults, self->night->root, route->feed, httpd_path(request), now_us,
                  &self->due);
    const struct faults_fault *fault = faults_due_answer(&self->due);
    if (fault != NULL && fault->kind == FAULT_STALE) {
        now_us -= fault->minutes * INT64_C(60000000);
    }
    scene_set(&self->scene, self->night->root, now_us);
    faults_bend_scene(&self->due, &self->scene);
    if (fault != NULL && answer_fault(self, request, fault, route, url)) {
        return;
    }
    if (route->feed >= FEED_ODDS_EVENTS && route->feed <= FEED_ODDS_SCORES) {
        add_credits(self, request, route->feed);
    }
    if (route->feed == FEED_CDN_SCHEDULE && !faults_due_any(&self->due) &&
        reply_kept_schedule(self, request)) {
        return;
    }
    char *text = make_text(self, request, route);
    if (text != NULL) {
        remember(self, url, text, strlen(text));
        reply_body(request, text, strlen(text), false);
    }
    free(text);
}

/* ---- /sim ---- */

static void reply_json(struct httpd_request *request, int status, json_t *body)
{
    char *text = body != NULL ? json_text(body) : NULL;
    reply_text(request, text != NULL ? status : 500, JSON_TYPE, text != NULL ? text : "{}");
    free(text);
    json_decref(body);
}

static void serve_status(struct serve *self, struct httpd_request *request)
{
    json_t *games = json_array();
    int64_t now_us = follow_now_us(self->clock);
    const struct root *root = nights_at(self->nights, now_us)->root;
    scene_set(&self->scene, root, now_us);
    for (int i = 0; i < self->scene.game_count; i++) {
        const struct night_game *game = &root->games[i];
        const struct night_state *state = &self->scene.state[i];
        json_array_append_new(
            games,
            json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:i, s:i, s:i}", "game_id",
                      game->id, "bdl_id", (json_int_t)game->bdl_id, "event_id", game->event_id,
                      "home", root->teams[game->team[NIGHT_HOME]].code, "away",
                      root->teams[game->team[NIGHT_AWAY]].code, "status",
                      night_status_name(state->status), "tip_at", json_of_time(game->tip_us),
                      "final_at", json_of_time(game->end_us), "period", state->period, "home_score",
                      state->score[NIGHT_HOME], "away_score", state->score[NIGHT_AWAY]));
    }
    reply_json(request, 200,
               json_pack("{s:o, s:o, s:b, s:I, s:o}", "date", json_of_date(root->date),
                         "league_now", json_of_time(self->scene.now_us), "running",
                         clock_league_running(), "requests", (json_int_t)self->requests, "games",
                         games));
}

static void serve_faults(struct serve *self, struct httpd_request *request)
{
    const char *method = httpd_method(request), *text = httpd_query(request, "fault");
    char why[256] = "fault: missing";
    if (strcmp(method, "DELETE") == 0) {
        nights_clear_faults(self->nights);
    } else if (strcmp(method, "POST") == 0) {
        json_t *value = text != NULL ? json_read(text, strlen(text), why, sizeof why) : NULL;
        int failed = value == NULL || serve_add_faults(self, value, why, sizeof why) != 0;
        json_decref(value);
        if (failed) {
            reply_error(request, false, 400, "", why);
            return;
        }
    }
    const struct night_slot *night = nights_at(self->nights, follow_now_us(self->clock));
    reply_json(request, 200,
               json_pack("{s:o}", "faults", faults_list(&night->faults, night->root)));
}

void serve_request(struct httpd_request *request, void *context)
{
    struct serve *self = context;
    const char *path = httpd_path(request), *method = httpd_method(request);
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    struct feed_route route = feeds_route(path);
    self->requests++;
    if (strcmp(path, "/sim/faults") == 0 &&
        (reads || strcmp(method, "POST") == 0 || strcmp(method, "DELETE") == 0)) {
        serve_faults(self, request);
    } else if (!reads) {
        reply_text(request, 405, "text/plain", "GET or HEAD\n");
    } else if (strcmp(path, "/sim/status") == 0) {
        serve_status(self, request);
    } else if (route.feed == FEED_COUNT) {
        reply_error(request, false, 404, "", "no such path");
    } else {
        serve_feed(self, request, &route);
    }
}
