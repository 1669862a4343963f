/* The poller with a real store and engine, a server that answers as told, and the kit's part played by this file. */
#include "actors/poller/jobs.h"
#include "actors/poller/poller.h"
#include "actors/shard.h"
#include "config/clock.h"
#include "schema/messages.h"
#include "schema/record.h"

#include <setjmp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cmocka.h>

/* ---- the server: per path a list of answers; the last one stays ---- */

#define ROUTES 8
static struct {
    pthread_mutex_t lock;
    pthread_t thread;
    int listener;
    uint16_t port;
    struct {
        const char *path;
        const char *answers[8];
        int next, asked;
    } routes[ROUTES];
    int route_count;
    char last_request[4096]; /* of the route that was watched */
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *answer_to(const char *request)
{
    const char *answer = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n";
    pthread_mutex_lock(&server.lock);
    for (int i = 0; i < server.route_count; i++) {
        if (strncmp(request + 4, server.routes[i].path, strlen(server.routes[i].path)) == 0) {
            answer = server.routes[i].answers[server.routes[i].next];
            server.routes[i].asked++;
            if (server.routes[i].answers[server.routes[i].next + 1] != NULL) {
                server.routes[i].next++;
            }
            snprintf(server.last_request, sizeof server.last_request, "%s", request);
            break;
        }
    }
    pthread_mutex_unlock(&server.lock);
    return answer;
}

static void *serve(void *context)
{
    (void)context;
    for (;;) {
        char request[4096] = "";
        size_t size = 0;
        int to = accept(server.listener, NULL, NULL);
        if (to < 0) {
            return NULL;
        }
        while (strstr(request, "\r\n\r\n") == NULL && size + 1 < sizeof request) {
            ssize_t got = recv(to, request + size, sizeof request - 1 - size, 0);
            if (got <= 0) {
                break;
            }
            size += (size_t)got;
        }
        const char *answer = answer_to(request);
        (void)!send(to, answer, strlen(answer), MSG_NOSIGNAL);
        close(to);
    }
}

static int start_server(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    messages_register();
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    if (server.listener < 0 || bind(server.listener, (struct sockaddr *)&address, size) != 0 ||
        listen(server.listener, 64) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&address, &size) != 0) {
        return -1;
    }
    server.port = ntohs(address.sin_port);
    return pthread_create(&server.thread, NULL, serve, NULL);
}

static int stop_server(void **state)
{
    (void)state;
    shutdown(server.listener, SHUT_RDWR);
    close(server.listener);
    return pthread_join(server.thread, NULL);
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n"
#define NONE "{\"data\":[]}"

/* Answers in order; ended by NULL. */
static void route(const char *path, const char *const *answers)
{
    pthread_mutex_lock(&server.lock);
    int i = server.route_count++;
    memset(&server.routes[i], 0, sizeof server.routes[i]);
    server.routes[i].path = path;
    for (int j = 0; answers[j] != NULL; j++) {
        server.routes[i].answers[j] = answers[j];
    }
    pthread_mutex_unlock(&server.lock);
}

static int asked(const char *path)
{
    int count = 0;
    pthread_mutex_lock(&server.lock);
    for (int i = 0; i < server.route_count; i++) {
        count += strcmp(server.routes[i].path, path) == 0 ? server.routes[i].asked : 0;
    }
    pthread_mutex_unlock(&server.lock);
    return count;
}

/* ---- the kit ---- */

#define SAID_MAX 256
struct kit {
    char dir[64];
    struct settings settings;
    struct store *store;
    struct shard *shard;
    void *self;
    bool draining;
    char cause[JOBS_CAUSE_SIZE];
    struct {
        const struct message_desc *desc;
        union {
            struct msg_raw_exchange raw;
            struct msg_ops_run run;
        } message;
        char key[64], run[RECORD_RUN_MAX + 1], body[256];
    } said[SAID_MAX];
    int said_count;
};
static struct kit kit;

struct step *kit_step(struct kit *self)
{
    return shard_step_open(self->shard);
}

static void keep(struct kit *self, const struct message_desc *desc, const struct record *record)
{
    struct message_error why;
    assert_true(self->said_count < SAID_MAX);
    int at = self->said_count++;
    self->said[at].desc = desc;
    snprintf(self->said[at].key, sizeof self->said[at].key, "%.*s", (int)record->key_size,
             record->key);
    snprintf(self->said[at].run, sizeof self->said[at].run, "%.*s", (int)record->run_size,
             record->run != NULL ? record->run : "");
    assert_int_equal(message_decode(desc, record->payload.data, record->payload.size,
                                    &self->said[at].message, &why),
                     0);
    if (desc == &msg_raw_exchange_desc) {
        snprintf(self->said[at].body, sizeof self->said[at].body, "%.*s",
                 (int)self->said[at].message.raw.body.size,
                 (const char *)self->said[at].message.raw.body.data);
    }
}

static void publish(struct kit *self)
{
    const struct shard_out *out;
    assert_int_equal(shard_commit(self->shard), STORE_OK);
    while ((out = shard_unsent(self->shard, 0)) != NULL) {
        struct batch_reader reader;
        struct record record;
        const char *rule;
        assert_int_equal(batch_open(&reader, out->body.data, out->body.size, out->count, &rule), 0);
        while (batch_next(&reader, &record, &rule) == 1) {
            keep(self, message_of_stream(out->stream), &record);
        }
        uint64_t last = out->first_seq + out->count - 1;
        shard_sent(self->shard, 1);
        assert_true(shard_acked(self->shard, out->stream, out->partition, last) >= 0);
    }
}

bool kit_commit(struct kit *self, struct step **step)
{
    assert_int_equal(shard_step_finish(self->shard), 0);
    *step = NULL;
    publish(self);
    return true;
}

void kit_abort(struct kit *self, struct step **step)
{
    shard_undo(self->shard);
    *step = NULL;
}

int kit_run_open(struct kit *self, const char *name, const char *cause, int attempt)
{
    return shard_run_open(self->shard, name, cause, attempt);
}
const char *kit_run_id(const struct kit *self, int run)
{
    return shard_run_id(self->shard, run);
}
struct store *kit_store(struct kit *self)
{
    return self->store;
}
void kit_cause(struct kit *self, const char *cause)
{
    snprintf(self->cause, sizeof self->cause, "%s", cause);
}
bool kit_draining(const struct kit *self)
{
    return self->draining;
}

static uint16_t partitions(void *context, const char *stream)
{
    (void)context;
    return message_of_stream(stream) != NULL ? 1 : 0;
}

static void open_poller(void)
{
    bool failed = false;
    struct store_options store = {.map_bytes = 64u << 20};
    assert_int_equal(store_open(&kit.store, kit.dir, &store), STORE_OK);
    kit.self = poller_actor.start(&kit.settings, &failed);
    assert_false(failed);
    struct shard_options options = {.actor = &poller_actor,
                                    .self = kit.self,
                                    .settings = &kit.settings,
                                    .host = "test",
                                    .shards = 1,
                                    .store = kit.store,
                                    .partitions = partitions};
    assert_int_equal(shard_open(&kit.shard, &options), STORE_OK);
    struct shard_start start = {.epoch = shard_state(kit.shard)->epoch + 1, .cursor = 1};
    assert_int_equal(shard_start(kit.shard, &start), STORE_OK);
}

static void close_poller(void)
{
    poller_actor.stop(kit.self);
    shard_close(&kit.shard);
    store_close(&kit.store);
}

/* League time begins at 18:59:30 Eastern on 2025-11-17 and runs at real speed: what is due later does not come. */
static void set_clock(const char *text, double speed)
{
    struct clock_anchor anchor = {.real_us = clock_real_us(), .speed = speed, .running = true};
    assert_int_equal(clock_parse_utc(text, &anchor.league_us), 0);
    clock_league_set(&anchor);
}

static int set_up(void **state)
{
    (void)state;
    char base[64];
    memset(&kit, 0, sizeof kit);
    server.route_count = 0;
    snprintf(kit.dir, sizeof kit.dir, "/tmp/test-poller-XXXXXX");
    snprintf(base, sizeof base, "http://127.0.0.1:%u", (unsigned)server.port);
    if (mkdtemp(kit.dir) == NULL || settings_load(&kit.settings, NULL, NULL, 0, stderr) != 0 ||
        clock_zone_set("America/New_York") != 0) {
        return -1;
    }
    snprintf(kit.settings.poller.bdl.base_url, sizeof kit.settings.poller.bdl.base_url, "%s", base);
    snprintf(kit.settings.poller.odds.base_url, sizeof kit.settings.poller.odds.base_url, "%s",
             base);
    snprintf(kit.settings.poller.schedule.base_url, sizeof kit.settings.poller.schedule.base_url,
             "%s", base);
    kit.settings.poller.retry_base_us = 1000;
    kit.settings.poller.retry_cap_us = 2000;
    setenv("TIPOFF_TEST_KEY", "sesame&street", 1);
    snprintf(kit.settings.poller.bdl.key.where, sizeof kit.settings.poller.bdl.key.where,
             "env:TIPOFF_TEST_KEY");
    snprintf(kit.settings.poller.odds.key.where, sizeof kit.settings.poller.odds.key.where,
             "env:TIPOFF_TEST_KEY");
    set_clock("2025-11-17T23:59:30Z", 1);
    open_poller();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    close_poller();
    snprintf(command, sizeof command, "rm -r %s", kit.dir);
    return system(command);
}

/* ---- driving it ---- */

static void turn(void)
{
    struct pollfd fds[64];
    int64_t timeout_us = 20000;
    int count = poller_actor.fds(kit.self, fds, 64, &timeout_us);
    assert_true(timeout_us >= 0);
    assert_true(poll(fds, (nfds_t)count, (int)((timeout_us + 999) / 1000)) >= 0);
    poller_actor.work(kit.self, &kit, fds, count);
}

static int runs(const char *name)
{
    int count = 0;
    for (int i = 0; i < kit.said_count; i++) {
        count += kit.said[i].desc == &msg_ops_run_desc &&
                 strcmp(kit.said[i].message.run.name, name) == 0;
    }
    return count;
}

static const struct msg_ops_run *run_at(const char *name, int index)
{
    for (int i = 0; i < kit.said_count; i++) {
        if (kit.said[i].desc == &msg_ops_run_desc &&
            strcmp(kit.said[i].message.run.name, name) == 0 && index-- == 0) {
            return &kit.said[i].message.run;
        }
    }
    fail_msg("no such run of %s", name);
    return NULL;
}

static void until_runs(const char *name, int count)
{
    int64_t deadline = clock_mono_us() + 10000000;
    while (runs(name) < count) {
        assert_true(clock_mono_us() < deadline);
        turn();
    }
}

/* Turns until everything that is due was answered: nothing is under way and nothing starts. */
static void until_quiet(void)
{
    int64_t deadline = clock_mono_us() + 10000000;
    for (bool busy = true; busy;) {
        turn();
        const struct jobs *jobs = kit.self;
        busy = jobs->next_us == CLOCK_NONE;
        for (int i = 0; i < JOBS_MAX; i++) {
            busy = busy || jobs->jobs[i].used;
        }
        assert_true(clock_mono_us() < deadline);
    }
}

static int raws(const char *feed, int *index)
{
    int count = 0;
    for (int i = 0; i < kit.said_count; i++) {
        if (kit.said[i].desc == &msg_raw_exchange_desc &&
            strcmp(kit.said[i].message.raw.feed, feed) == 0) {
            count++;
            *index = i;
        }
    }
    return count;
}

static void put_game(const char *status, int64_t source_id, const char *begun)
{
    struct step *step = kit_step(&kit);
    struct msg_poller_game game;
    message_clear(&msg_poller_game_desc, &game);
    snprintf(game.game_id, sizeof game.game_id, "0022500241");
    game.game_date = 20251117;
    assert_int_equal(clock_parse_utc("2025-11-18T00:00:00Z", &game.tip_at), 0);
    snprintf(game.status, sizeof game.status, "%s", status);
    game.source_game_id = source_id;
    if (begun != NULL) {
        assert_int_equal(clock_parse_utc(begun, &game.begun_at), 0);
    }
    assert_int_equal(ledger_put_game(step_store(step), &game), STORE_OK);
    assert_true(kit_commit(&kit, &step));
    jobs_replan(kit.self);
}

static void force(const char *subject)
{
    struct step *step = kit_step(&kit);
    struct msg_poller_subject row;
    ledger_subject(step_store(step), subject, &row);
    row.forced = true;
    assert_int_equal(ledger_put_subject(step_store(step), subject, &row), STORE_OK);
    assert_true(kit_commit(&kit, &step));
    jobs_replan(kit.self);
}

static void route_start(void)
{
    route("/static", (const char *const[]){OK_HEAD "\r\n{\"leagueSchedule\":{}}", NULL});
    route("/v1/games", (const char *const[]){OK_HEAD "\r\n" NONE, NULL});
    route("/v4/sports/basketball_nba/events?",
          (const char *const[]){OK_HEAD "x-requests-remaining: 5\r\n\r\n[]", NULL});
}

/* ---- the tests ---- */

static void the_first_thing_it_does(void **state)
{
    (void)state;
    int at = 0;
    route_start();
    until_quiet();
    assert_int_equal(runs("PollSchedule"), 1);
    assert_int_equal(runs("PollBdlGames"), 1);
    assert_int_equal(runs("PollOddsEvents"), 1);
    assert_int_equal(runs("PollBdlLive"), 0);
    assert_string_equal(run_at("PollSchedule", 0)->outcome, "success");
    assert_string_equal(run_at("PollSchedule", 0)->cause, "schedule");
    assert_int_equal(run_at("PollBdlGames", 0)->data_date, 20251117);
    assert_int_equal(run_at("PollBdlGames", 0)->rows_out, 1);
    assert_int_equal(raws("bdl_games", &at), 1);
    const struct msg_raw_exchange *raw = &kit.said[at].message.raw;
    assert_string_equal(kit.said[at].body, NONE);
    assert_string_equal(raw->subject, "bdl_games:2025-11-17");
    assert_int_equal(raw->status, 200);
    assert_int_equal(strlen(raw->body_sha256), 64);
    assert_string_equal(kit.said[at].key, "games");
    assert_string_equal(kit.said[at].run, run_at("PollBdlGames", 0)->run_id);
    assert_int_equal(raws("odds_events", &at), 1);
    assert_string_equal(kit.said[at].key, "odds_events");
}

static void keys_travel_and_are_never_told(void **state)
{
    (void)state;
    int at = 0;
    route("/v1/games", (const char *const[]){OK_HEAD "\r\n" NONE, NULL});
    until_quiet();
    assert_non_null(strstr(server.last_request, "Authorization: sesame&street\r\n"));
    route("/v4/sports/basketball_nba/events?", (const char *const[]){OK_HEAD "\r\n[]", NULL});
    force("odds_events");
    until_runs("PollOddsEvents", 2);
    assert_non_null(strstr(server.last_request, "apiKey=sesame%26street "));
    assert_int_equal(raws("odds_events", &at), 1);
    assert_non_null(strstr(kit.said[at].message.raw.url, "/events?apiKey=REDACTED"));
    for (int i = 0; i < kit.said_count; i++) {
        assert_null(memmem(&kit.said[i].message, sizeof kit.said[i].message, "sesame", 6));
    }
}

static void only_news_are_said(void **state)
{
    (void)state;
    int at = 0;
    put_game("in_progress", 7, NULL);
    route("/v1/box_scores/live",
          (const char *const[]){OK_HEAD "ETag: \"a\"\r\n\r\n{\"data\":[{\"id\":7}]}",
                                "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n",
                                OK_HEAD "\r\n{\"data\":[{\"id\":7}]}", OK_HEAD "\r\n{\"data\":[]}",
                                OK_HEAD "\r\n{\"data\":[{\"id\":7}]}", NULL});
    until_runs("PollBdlLive", 1);
    for (int i = 2; i <= 5; i++) {
        force("bdl_live");
        until_runs("PollBdlLive", i);
        if (i == 2) {
            assert_non_null(strstr(server.last_request, "If-None-Match: \"a\"\r\n"));
        }
    }
    static const char *const OUTCOMES[] = {"success", "unchanged", "unchanged", "success",
                                           "success"};
    for (int i = 0; i < 5; i++) {
        assert_string_equal(run_at("PollBdlLive", i)->outcome, OUTCOMES[i]);
    }
    assert_string_equal(run_at("PollBdlLive", 1)->cause, "command");
    assert_string_equal(run_at("PollBdlLive", 2)->duplicate_of, run_at("PollBdlLive", 0)->run_id);
    assert_int_equal(raws("bdl_live", &at), 3);
}

static void trouble_is_tried_again_and_told(void **state)
{
    (void)state;
    int at = 0;
    put_game("in_progress", 7, NULL);
    route("/v1/box_scores/live",
          (const char *const[]){"HTTP/1.1 500 No\r\nConnection: close\r\n\r\nno",
                                "HTTP/1.1 429 Slow\r\nRetry-After: 9\r\nConnection: close\r\n\r\n",
                                OK_HEAD "\r\n<html>sorry</html>",
                                OK_HEAD "\r\n{\"data\":[{\"id\":7}]}", NULL});
    until_runs("PollBdlLive", 4);
    static const char *const CLASSES[] = {"http_status", "rate_limited", "malformed", "none"};
    for (int i = 0; i < 4; i++) {
        assert_string_equal(run_at("PollBdlLive", i)->error_class, CLASSES[i]);
        assert_int_equal(run_at("PollBdlLive", i)->attempt, i + 1);
    }
    assert_string_equal(run_at("PollBdlLive", 1)->cause, "retry");
    assert_string_equal(run_at("PollBdlLive", 0)->error_message, "status 500");
    until_quiet();
    assert_int_equal(raws("bdl_live", &at), 1);
    assert_int_equal(asked("/v1/box_scores/live"), 4);
}

static void it_gives_up_until_the_next_slot(void **state)
{
    (void)state;
    put_game("in_progress", 7, NULL);
    route("/v1/box_scores/live",
          (const char *const[]){"HTTP/1.1 503 No\r\nConnection: close\r\n\r\n", NULL});
    until_quiet();
    assert_int_equal(runs("PollBdlLive"), 1 + kit.settings.poller.retries);
    route("/nowhere", (const char *const[]){"", NULL});
    until_quiet();
    assert_int_equal(runs("PollBdlLive"), 1 + kit.settings.poller.retries);
}

static void a_refused_key_is_not_tried_again(void **state)
{
    (void)state;
    put_game("in_progress", 7, NULL);
    route(
        "/v1/box_scores/live",
        (const char *const[]){
            "HTTP/1.1 401 No\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nUnauthorized",
            OK_HEAD "\r\n{\"data\":[{\"id\":7}]}", NULL});
    until_quiet();
    assert_int_equal(runs("PollBdlLive"), 1);
    assert_string_equal(run_at("PollBdlLive", 0)->error_class, "unauthorized");
    /* nobody waits for events without a tip to come */
    assert_string_equal(kit.cause, "http_status: nba_schedule, bdl_games; unauthorized: bdl_live");
    force("bdl_live");
    until_quiet();
    assert_string_equal(kit.cause, "http_status: nba_schedule, bdl_games");
}

/* One that is above the plan's tier must not silence the others; nor is an event that is gone a failure of anything. */
static void a_refused_request_opens_no_breaker(void **state)
{
    (void)state;
    const int64_t polls = kit.settings.poller.breaker_after + 2;
    route("/v1/teams",
          (const char *const[]){"HTTP/1.1 401 No\r\nConnection: close\r\n\r\nUnauthorized", NULL});
    route("/v4/sports/basketball_nba/events/abc/odds",
          (const char *const[]){"HTTP/1.1 404 No\r\nConnection: close\r\n\r\n"
                                "{\"message\":\"x\",\"error_code\":\"EVENT_NOT_FOUND\"}",
                                NULL});
    for (int64_t i = 0; i < polls; i++) {
        force("bdl_teams");
        force("odds_props:abc");
        until_quiet();
    }
    assert_true(runs("PollBdlTeams") >= polls && runs("PollOddsProps") == polls);
    const struct msg_ops_run *run = run_at("PollBdlTeams", (int)polls - 1);
    assert_string_equal(run->error_class, "unauthorized");
    assert_int_equal(run->next_check, MESSAGE_NONE);
    run = run_at("PollOddsProps", (int)polls - 1);
    assert_string_equal(run->outcome, "empty_ok");
    assert_string_equal(run->error_class, "none");
    assert_int_equal(run->next_check, MESSAGE_NONE);
}

static void without_credits_the_source_rests(void **state)
{
    (void)state;
    route("/v4/sports/basketball_nba/events?",
          (const char *const[]){"HTTP/1.1 401 No\r\nConnection: close\r\n\r\n"
                                "{\"message\":\"x\",\"error_code\":\"OUT_OF_USAGE_CREDITS\"}",
                                NULL});
    until_quiet();
    const struct msg_ops_run *run = run_at("PollOddsEvents", 0);
    assert_string_equal(run->error_class, "rate_limited");
    int64_t next = 0;
    assert_int_equal(clock_parse_utc("2025-11-18T11:00:00Z", &next), 0); /* 06:00 Eastern */
    assert_true(run->next_check == next);
    force("odds_events");
    until_quiet();
    assert_int_equal(runs("PollOddsEvents"), 1);
    set_clock("2025-11-18T11:00:01Z", 1);
    jobs_replan(kit.self);
    until_quiet();
    assert_int_equal(runs("PollOddsEvents"), 2);
}

static void who_left_the_live_list_is_asked_for(void **state)
{
    (void)state;
    put_game("in_progress", 7, "2025-11-17T23:50:00Z");
    route("/v1/box_scores/live",
          (const char *const[]){OK_HEAD "\r\n{\"data\":[{\"id\":7,\"status\":\"4th Qtr\"}]}",
                                OK_HEAD "\r\n{\"data\":[{\"id\":7,\"status\":\"Final\"}]}", NULL});
    route("/v1/box_scores?date=2025-11-17",
          (const char *const[]){OK_HEAD "\r\n{\"data\":[]}", NULL});
    until_quiet();
    assert_int_equal(runs("PollBdlBoxScores"), 0);
    force("bdl_live");
    until_quiet();
    assert_int_equal(runs("PollBdlBoxScores"), 1);
}

static void a_truncated_body_is_said_and_asked_for_again(void **state)
{
    (void)state;
    int at = 0;
    put_game("in_progress", 7, NULL);
    route("/v1/box_scores/live",
          (const char *const[]){OK_HEAD "ETag: \"a\"\r\n\r\n{\"data\":[{\"id\":7",
                                OK_HEAD "ETag: \"a\"\r\n\r\n{\"data\":[{\"id\":7}]}", NULL});
    until_quiet();
    assert_int_equal(raws("bdl_live", &at), 2);
    assert_string_equal(kit.said[at].body, "{\"data\":[{\"id\":7}]}");
    assert_null(strstr(server.last_request, "If-None-Match")); /* its ETag is not trusted */
}

static void a_stop_closes_what_is_open(void **state)
{
    (void)state;
    route_start();
    turn(); /* everything is under way */
    kit.draining = true;
    turn();
    until_quiet();
    int skipped = 0;
    for (int i = 0; i < kit.said_count; i++) {
        skipped += kit.said[i].desc == &msg_ops_run_desc &&
                   strcmp(kit.said[i].message.run.outcome, "skipped") == 0;
    }
    assert_int_equal(shard_runs_open(kit.shard), 0);
    assert_true(skipped > 0);
}

static void a_killed_attempt_is_a_crashed_run(void **state)
{
    (void)state;
    route_start();
    turn();
    assert_true(shard_runs_open(kit.shard) > 0);
    int open = (int)shard_runs_open(kit.shard);
    close_poller(); /* as a kill: nothing is closed in order */
    open_poller();
    assert_int_equal(shard_build(kit.shard, clock_mono_us()), SHARD_BUILT);
    publish(&kit);
    until_quiet();
    int crashed = 0;
    for (int i = 0; i < kit.said_count; i++) {
        crashed += kit.said[i].desc == &msg_ops_run_desc &&
                   strcmp(kit.said[i].message.run.outcome, "crashed") == 0;
    }
    assert_int_equal(crashed, open);
    assert_int_equal(runs("PollSchedule") + runs("PollBdlGames") + runs("PollOddsEvents"),
                     3 + open);
}

static void one_service_does_not_take_all_connections(void **state)
{
    (void)state;
    struct step *step = kit_step(&kit);
    set_clock("2025-11-17T20:00:00Z", 1);
    for (int i = 0; i < 7; i++) {
        struct msg_poller_event event;
        message_clear(&msg_poller_event_desc, &event);
        snprintf(event.event_id, sizeof event.event_id, "e%d", i);
        snprintf(event.game_id, sizeof event.game_id, "002250024%d", i);
        event.game_date = 20251117;
        assert_int_equal(clock_parse_utc("2025-11-18T00:10:00Z", &event.commence_at), 0);
        assert_int_equal(ledger_put_event(step_store(step), &event), STORE_OK);
    }
    assert_true(kit_commit(&kit, &step));
    jobs_replan(kit.self);
    turn();
    const struct jobs *jobs = kit.self;
    int odds = 0, others = 0;
    for (int i = 0; i < JOBS_MAX; i++) {
        if (jobs->jobs[i].used) {
            *(FEEDS[jobs->jobs[i].feed].source == SOURCE_ODDS ? &odds : &others) += 1;
        }
    }
    assert_int_equal(odds, kit.settings.poller.max_connections / 2);
    assert_int_equal(others, 2);
    until_quiet();
    assert_int_equal(runs("PollOddsProps"), 7);
}

static void command(const char *verb, const char *subject)
{
    static int count;
    struct msg_ops_command command;
    message_clear(&msg_ops_command_desc, &command);
    strcpy(command.target, "poller");
    snprintf(command.verb, sizeof command.verb, "%s", verb);
    snprintf(command.subject, sizeof command.subject, "%s", subject);
    strcpy(command.by, "test");
    snprintf(command.command_id, sizeof command.command_id, "c%d", ++count);
    const struct input input = {.message = &command};
    const struct take *take = poller_actor.takes;
    while (take->message != &msg_ops_command_desc) {
        take++;
    }
    struct step *step = kit_step(&kit);
    assert_int_equal(take->take(step, &input, kit.self), DONE);
    assert_true(kit_commit(&kit, &step));
}

/* Who lost what was said has it said again, though it is no news. */
static void what_is_fetched_is_said_whatever_was_said(void **state)
{
    static const char *const OUTCOMES[] = {"success", "unchanged", "success", "unchanged"};
    static const char *const VERBS[] = {"poll", "poll", "fetch", "poll"};
    (void)state;
    int at = 0;
    route_start();
    until_quiet();
    route("/v1/box_scores?",
          (const char *const[]){OK_HEAD "ETag: \"a\"\r\n\r\n{\"data\":[{\"id\":7}]}", NULL});
    for (int i = 0; i < 4; i++) {
        command(VERBS[i], "bdl_box_scores:2025-10-03");
        until_runs("PollBdlBoxScores", i + 1);
        assert_string_equal(run_at("PollBdlBoxScores", i)->outcome, OUTCOMES[i]);
        if (i == 2) {
            assert_null(strstr(server.last_request, "If-None-Match"));
        }
    }
    assert_int_equal(raws("bdl_box_scores", &at), 2);
}

/* Days of the past are asked for one at a time, and behind what is due tonight. */
static void the_past_goes_behind_tonight(void **state)
{
    (void)state;
    route_start();
    route("/v1/box_scores?", (const char *const[]){OK_HEAD "\r\n{\"data\":[]}", NULL});
    for (int i = 1; i <= 9; i++) {
        char subject[FEED_SUBJECT_SIZE];
        snprintf(subject, sizeof subject, "bdl_box_scores:2025-10-%02d", i);
        command("poll", subject);
    }
    command("poll", "bdl_box_scores:2025-11-16"); /* last night's is not the past */
    turn();
    const struct jobs *jobs = kit.self;
    int past = 0, others = 0;
    for (int i = 0; i < JOBS_MAX; i++) {
        if (jobs->jobs[i].used) {
            *(strstr(jobs->jobs[i].subject, ":2025-10-") ? &past : &others) += 1;
        }
    }
    assert_int_equal(past, 1);
    assert_int_equal(others, 4); /* that, the schedule, the games and the events */
    until_runs("PollBdlBoxScores", 10);
}

static void nothing_before_the_clock_runs(void **state)
{
    (void)state;
    struct clock_anchor standing = {.league_us = 0, .speed = 1, .running = false};
    route_start();
    clock_league_set(&standing);
    for (int i = 0; i < 3; i++) {
        turn();
    }
    assert_int_equal(shard_runs_open(kit.shard), 0);
    assert_int_equal(kit.said_count, 0);
}

/* A season that is left is made to stand first: what is under way is let go all the same. */
static void a_stop_while_the_clock_stands(void **state)
{
    (void)state;
    struct clock_anchor anchor;
    route_start();
    turn();
    assert_true(shard_runs_open(kit.shard) > 0);
    clock_league_get(&anchor);
    anchor.running = false;
    clock_league_set(&anchor);
    kit.draining = true;
    until_quiet();
    assert_int_equal(shard_runs_open(kit.shard), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_thing_it_does),
        TEST(keys_travel_and_are_never_told),
        TEST(only_news_are_said),
        TEST(trouble_is_tried_again_and_told),
        TEST(it_gives_up_until_the_next_slot),
        TEST(a_refused_key_is_not_tried_again),
        TEST(without_credits_the_source_rests),
        TEST(a_refused_request_opens_no_breaker),
        TEST(who_left_the_live_list_is_asked_for),
        TEST(a_truncated_body_is_said_and_asked_for_again),
        TEST(a_stop_closes_what_is_open),
        TEST(a_killed_attempt_is_a_crashed_run),
        TEST(one_service_does_not_take_all_connections),
        TEST(what_is_fetched_is_said_whatever_was_said),
        TEST(the_past_goes_behind_tonight),
        TEST(nothing_before_the_clock_runs),
        TEST(a_stop_while_the_clock_stands),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
