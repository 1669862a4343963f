/* Holes of the past: found by going through the ledger, mended by the remedy of their cause, given up once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "actors/harness.h"
#include "actors/watchdog/due.h"
#include "actors/watchdog/holes.h"
#include "actors/watchdog/watchdog.h"
#include "config/clock.h"
#include "schema/messages.h"

#define GAME "0022500248"
#define OTHER "0022500249"
#define DAY 20251117
#define MINUTE INT64_C(60000000)
#define HOUR (60 * MINUTE)
#define TIP INT64_C(1763424000000000) /* 2025-11-18T00:00Z */
#define LONG_AFTER (TIP + 40 * 24 * HOUR)

/* The watchdog's takes, and its look whenever an ops_exit comes. */
static struct {
    struct harness *harness;
    struct settings settings;
    struct remedy_limits limits;
    struct remedy_budget budget;
    struct holes *holes;
    bool heal, working, playing;
    int raised, critical, over;
    char said[241]; /* the newest incident */
} self;

static enum verdict look(struct step *step, const struct input *input, void *none)
{
    static struct due_look due;
    static struct incidents incidents;
    (void)none;
    (void)input;
    due = (struct due_look){.now_us = step_now_us(step), .incidents = &incidents};
    incidents.count = 0;
    due.remedies = (struct remedies_look){.limits = &self.limits,
                                          .budget = &self.budget,
                                          .heal = self.heal,
                                          .playing = self.playing,
                                          .now_us = step_now_us(step),
                                          .grace_us = 15 * MINUTE};
    due.owners[OUTPUT_BOXSCORE].working = self.working;
    const struct holes_view view = {
        .settings = &self.settings, .remedies = &due.remedies, .owners = due.owners};
    remedy_hour(&self.budget, step_now_us(step));
    assert_int_equal(due_judge(&due, step_store(step)), 0);
    assert_int_equal(holes_look(self.holes, step_store(step), &view), 0);
    assert_int_equal(due_speak(&due, step), 0);
    assert_int_equal(holes_speak(self.holes, step), 0);
    const struct incident *incident;
    for (int i = 0; (incident = holes_raised(self.holes, i)) != NULL; i++) {
        self.raised++;
        self.critical += !strcmp(incident->severity, "critical");
        snprintf(self.said, sizeof self.said, "%s", incident->text);
    }
    for (int i = 0; holes_over(self.holes, i); i++)
        self.over++;
    return DONE;
}

static struct take takes[32];
static struct actor actor = {.name = "watchdog", .does = "", .takes = takes, .edge = true};

static int set_up(void **state)
{
    (void)state;
    messages_register();
    memset(&self, 0, sizeof self);
    size_t count = 0;
    while (watchdog_actor.takes[count].message) {
        takes[count] = watchdog_actor.takes[count];
        count++;
    }
    takes[count] =
        (struct take){.message = &msg_ops_exit_desc, .take = look, .every_partition = true};
    takes[count + 1] = (struct take){.message = NULL};
    if (settings_load(&self.settings, NULL, NULL, 0, stderr) != 0 ||
        clock_zone_set("America/New_York") != 0)
        return -1;
    remedy_limits(&self.settings, &self.limits);
    self.heal = true;
    self.holes = holes_new();
    self.harness = harness_open(&actor, &self.settings);
    return self.holes && self.harness ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    holes_free(&self.holes);
    harness_close(&self.harness);
    return 0;
}

static void put(const struct message_desc *desc, const void *message, int64_t at_us)
{
    assert_true(harness_put(self.harness, desc, message, at_us) > 0);
    assert_int_equal(harness_run(self.harness), 0);
}

static void look_at(int64_t at_us)
{
    struct msg_ops_exit end;
    message_clear(&msg_ops_exit_desc, &end);
    strcpy(end.actor, "grader");
    end.shard = 0;
    end.restarts = 0;
    end.pid = 1;
    strcpy(end.verdict, "stopped");
    end.code = 0;
    end.at = at_us;
    put(&msg_ops_exit_desc, &end, at_us);
}

static void give_game(const char *game_id, const char *status, int64_t box_players, int64_t at_us)
{
    struct msg_row_game game;
    message_clear(&msg_row_game_desc, &game);
    strcpy(game.game_id, game_id);
    game.game_date = DAY;
    strcpy(game.home, "CHI");
    strcpy(game.away, "DEN");
    strcpy(game.status, status);
    strcpy(game.feed, "bdl_games");
    game.tip_at = TIP;
    game.period = game.home_score = game.away_score = 0;
    game.box_players = box_players;
    put(&msg_row_game_desc, &game, at_us);
}

static void give_poll(const char *outcome, int64_t at_us)
{
    struct msg_ops_run run;
    message_clear(&msg_ops_run_desc, &run);
    strcpy(run.run_id, "r1");
    strcpy(run.name, "PollBdlBoxScores");
    strcpy(run.actor, "poller");
    strcpy(run.outcome, outcome);
    strcpy(run.error_class, "none");
    run.data_date = DAY;
    run.shard = run.epoch = run.rows_in = run.rows_out = run.rows_refused = run.bytes_in = 0;
    run.attempt = 1;
    run.duration_us = 1;
    run.opened_at = run.closed_at = at_us;
    strcpy(run.cause, "command");
    strcpy(run.code_version, "1");
    strcpy(run.config_hash, "1");
    strcpy(run.host, "here");
    put(&msg_ops_run_desc, &run, at_us);
}

static void give_held(int64_t boxscore, int64_t at_us)
{
    struct msg_ops_held held;
    message_clear(&msg_ops_held_desc, &held);
    strcpy(held.game_id, GAME);
    held.game_date = DAY;
    held.boxscore = boxscore;
    held.features = held.predictions = held.grades = 0;
    held.at = at_us;
    put(&msg_ops_held_desc, &held, at_us + 1000);
}

/* What the newest command of this verb that is not of tonight was about; "" there is none. *count: of them. */
static const char *asked(const char *verb, size_t *count)
{
    const char *subject = "";
    *count = 0;
    for (size_t i = 0; i < harness_count(self.harness, &msg_ops_command_desc); i++) {
        const struct msg_ops_command *command =
            harness_at(self.harness, &msg_ops_command_desc, i)->message;
        if (!strcmp(command->verb, verb)) {
            subject = command->subject;
            ++*count;
        }
    }
    return subject;
}

static const struct msg_ops_action *action_last(void)
{
    size_t count = harness_count(self.harness, &msg_ops_action_desc);
    assert_true(count > 0);
    return harness_at(self.harness, &msg_ops_action_desc, count - 1)->message;
}

static const struct msg_ops_expected *boxscore_last(void)
{
    const struct msg_ops_expected *last = NULL;
    for (size_t i = 0; i < harness_count(self.harness, &msg_ops_expected_desc); i++) {
        const struct msg_ops_expected *row =
            harness_at(self.harness, &msg_ops_expected_desc, i)->message;
        if (!strcmp(row->output, "boxscore") && !strcmp(row->game_id, GAME))
            last = row;
    }
    assert_non_null(last);
    return last;
}

/* The night is over, nobody mended anything, and the box score has failed. */
static void fail_the_night(void)
{
    self.heal = false;
    give_game(GAME, "scheduled", 0, TIP - 10 * HOUR);
    look_at(TIP + 5 * HOUR);
    look_at(TIP + 17 * HOUR);
    assert_string_equal(boxscore_last()->state, "FAILED");
    self.heal = true;
}

static void what_never_came_is_polled_for_and_given_up_once(void **state)
{
    size_t polls;
    int64_t now = LONG_AFTER;
    (void)state;
    fail_the_night();
    look_at(now); /* found */
    (void)asked("poll", &polls);
    assert_int_equal(polls, 0);
    assert_int_equal(self.raised, 1);
    for (size_t i = 1; i <= 3; i++) {
        look_at(now += MINUTE);
        assert_string_equal(asked("poll", &polls), "bdl_box_scores:2025-11-17");
        assert_int_equal(polls, i);
        look_at(now += 11 * MINUTE); /* nobody has polled yet: it waits */
        assert_string_equal(action_last()->outcome, "asked");
        give_poll("unchanged", now += MINUTE);
        self.working = true;
        look_at(now += MINUTE); /* what was polled may be on its way */
        assert_string_equal(action_last()->outcome, "asked");
        self.working = false;
        self.heal = i == 3; /* else it would be asked at once */
        look_at(now += MINUTE);
        assert_string_equal(action_last()->outcome, "no_help");
        self.heal = true;
    }
    assert_int_equal(self.raised, 2);
    assert_int_equal(self.critical, 1);
    assert_non_null(strstr(self.said, "not healed: the source has it no more"));
    assert_string_equal(boxscore_last()->state, "FAILED");
    assert_non_null(strstr(boxscore_last()->reason, "not healed"));
    size_t said = harness_count(self.harness, &msg_ops_expected_desc);
    for (int i = 0; i < 50; i++)
        look_at(now += 4 * HOUR);
    (void)asked("poll", &polls);
    assert_int_equal(polls, 3);
    assert_int_equal(self.raised, 2);
    assert_int_equal(harness_count(self.harness, &msg_ops_expected_desc), said);

    /* Much later it is tried again, and has come. */
    look_at(now += 15 * 24 * HOUR);
    look_at(now += MINUTE);
    (void)asked("poll", &polls);
    assert_int_equal(polls, 4);
    assert_int_equal(self.raised, 2);
    give_poll("success", now += MINUTE);
    give_game(GAME, "final", 24, now += MINUTE);
    look_at(now += MINUTE); /* the ledger has it */
    look_at(now += MINUTE);
    assert_string_equal(boxscore_last()->state, "COMPLETE");
    assert_string_equal(action_last()->outcome, "helped");
    assert_int_equal(self.over, 1);
    for (int i = 0; i < 50; i++)
        look_at(now += 24 * HOUR);
    (void)asked("poll", &polls);
    assert_int_equal(polls, 4);
    assert_int_equal(self.raised, 2);
}

/* The game was over, and all was there. Returns when the tables are asked for the first time. */
static int64_t complete_the_night(void)
{
    size_t counts;
    give_game(GAME, "scheduled", 0, TIP - 10 * HOUR);
    give_game(GAME, "final", 24, TIP + 3 * HOUR);
    look_at(TIP + 4 * HOUR);
    assert_string_equal(boxscore_last()->state, "COMPLETE");
    (void)asked("count", &counts);
    assert_int_equal(counts, 0);
    look_at(TIP + 5 * HOUR); /* that sweep found nothing of the past */
    look_at(LONG_AFTER);
    assert_string_equal(asked("count", &counts), GAME ":2025-11-17");
    assert_int_equal(counts, 1);
    return LONG_AFTER;
}

static void what_is_lost_is_said_again(void **state)
{
    size_t count, counts;
    int64_t now = complete_the_night();
    struct msg_command_answer answer;
    (void)state;
    give_held(20, now);
    look_at(now += MINUTE);
    assert_int_equal(self.raised, 1);
    assert_non_null(strstr(self.said, "hold 20 of 24"));
    assert_string_equal(asked("say", &count), GAME ":2025-11-17");
    assert_string_equal(action_last()->target, "processor");
    assert_string_equal(action_last()->cause, "lost");
    assert_string_equal(action_last()->why, "the tables hold 20 of 24");
    look_at(now += 6 * MINUTE);
    (void)asked("count", &counts); /* not before it was said */
    assert_int_equal(counts, 1);
    message_clear(&msg_command_answer_desc, &answer);
    strcpy(answer.command_id, action_last()->action_id);
    strcpy(answer.target, "processor");
    strcpy(answer.verb, "say");
    strcpy(answer.subject, GAME ":2025-11-17");
    strcpy(answer.outcome, "done");
    answer.shard = 0;
    answer.said = 25;
    answer.at = now;
    put(&msg_command_answer_desc, &answer, now += MINUTE);
    look_at(now += MINUTE);
    look_at(now += MINUTE);
    (void)asked("count", &counts);
    assert_int_equal(counts, 2); /* once */
    give_held(24, now += MINUTE);
    look_at(now += MINUTE);
    assert_string_equal(action_last()->outcome, "helped");
    assert_int_equal(self.over, 1);
    (void)asked("say", &count);
    assert_int_equal(count, 1);
}

/* The processor has lost it, too: it has the source's body again, which is news to nobody else. */
static void what_nobody_can_say_is_fetched_again(void **state)
{
    size_t count;
    int64_t now = complete_the_night();
    struct msg_command_answer answer;
    (void)state;
    give_held(20, now);
    for (size_t i = 1; i <= 3; i++) {
        look_at(now += 10 * MINUTE);
        (void)asked("say", &count);
        assert_int_equal(count, i);
        message_clear(&msg_command_answer_desc, &answer);
        strcpy(answer.command_id, action_last()->action_id);
        strcpy(answer.target, "processor");
        strcpy(answer.verb, "say");
        strcpy(answer.subject, GAME ":2025-11-17");
        strcpy(answer.outcome, "nothing");
        answer.shard = answer.said = 0;
        answer.at = now;
        put(&msg_command_answer_desc, &answer, now += MINUTE);
    }
    look_at(now += 10 * MINUTE);
    assert_string_equal(asked("fetch", &count), "bdl_box_scores:2025-11-17");
    assert_int_equal(count, 1);
    give_poll("success", now += MINUTE);
    look_at(now += MINUTE);
    give_held(24, now += MINUTE);
    look_at(now += MINUTE);
    assert_string_equal(action_last()->outcome, "helped");
    assert_int_equal(self.over, 1);
}

/* Nobody keeps what was said of features: the tables are made again from where the log has them. */
static uint64_t give_features(const char *game_id)
{
    uint64_t first = 0;
    struct msg_feature_player feature;
    give_game(game_id, "scheduled", 0, TIP - 10 * HOUR);
    for (int i = 0; i < 12; i++) {
        message_clear(&msg_feature_player_desc, &feature);
        strcpy(feature.game_id, game_id);
        feature.game_date = DAY;
        feature.player_id = 100 + i;
        strcpy(feature.player_name, "Ann Other");
        strcpy(feature.team, "CHI");
        strcpy(feature.opponent, "DEN");
        feature.home = true;
        feature.as_of = TIP - 9 * HOUR;
        feature.tip_at = TIP;
        feature.games = 0;
        feature.quality = 1;
        feature.values = feature.sources = (struct span){(const uint8_t *)"\x80", 1};
        uint64_t position =
            harness_put(self.harness, &msg_feature_player_desc, &feature, TIP - 9 * HOUR);
        assert_true(position > 0);
        first = first ? first : position;
    }
    return first;
}

static void give_held_features(const char *game_id, int64_t features, int64_t at_us)
{
    struct msg_ops_held held;
    message_clear(&msg_ops_held_desc, &held);
    strcpy(held.game_id, game_id);
    held.game_date = DAY;
    held.boxscore = held.predictions = held.grades = 0;
    held.features = features;
    held.at = at_us;
    put(&msg_ops_held_desc, &held, at_us + 1000);
}

static void lost_features_have_the_tables_made_again(void **state)
{
    (void)state;
    uint64_t first = give_features(GAME);
    look_at(TIP - 8 * HOUR);
    look_at(LONG_AFTER);
    give_held_features(GAME, 3, LONG_AFTER);
    self.playing = true; /* people look at the tables now */
    look_at(LONG_AFTER + MINUTE);
    assert_int_equal(harness_count(self.harness, &msg_ops_rewind_desc), 0);
    self.playing = false;
    look_at(LONG_AFTER + 2 * MINUTE);
    assert_int_equal(harness_count(self.harness, &msg_ops_rewind_desc), 1);
    const struct msg_ops_rewind *rewind =
        harness_at(self.harness, &msg_ops_rewind_desc, 0)->message;
    assert_string_equal(rewind->reader, "scoreboard.0");
    assert_int_equal(rewind->position, first);
}

/* A rewind brings back all that was lost: who waited behind it is counted again, not made again. */
static void tables_are_made_again_once_for_all(void **state)
{
    size_t counts, before;
    int64_t now = LONG_AFTER;
    (void)state;
    (void)give_features(GAME);
    (void)give_features(OTHER);
    look_at(TIP - 8 * HOUR);
    look_at(now);
    give_held_features(GAME, 3, now);
    give_held_features(OTHER, 3, now);
    (void)asked("count", &before);
    for (int i = 0; i < 20; i++) {
        look_at(now += 10 * MINUTE);
    }
    assert_int_equal(harness_count(self.harness, &msg_ops_rewind_desc), 1);
    (void)asked("count", &counts);
    assert_int_equal(counts - before, 2); /* each of them once */
    give_held_features(GAME, 12, now);
    give_held_features(OTHER, 12, now);
    look_at(now += 10 * MINUTE);
    look_at(now += 10 * MINUTE);
    assert_int_equal(harness_count(self.harness, &msg_ops_rewind_desc), 1);
    assert_int_equal(self.over, 1);
    assert_string_equal(action_last()->outcome, "helped");
}

/* A count that was made before what the ledger has heard since says nothing. */
static void what_came_meanwhile_is_not_lost(void **state)
{
    size_t count;
    int64_t now = complete_the_night();
    (void)state;
    give_game(GAME, "final", 25, now + MINUTE);
    give_held(24, now);
    look_at(now += 5 * MINUTE);
    (void)asked("say", &count);
    assert_int_equal(count, 0);
    assert_int_equal(self.raised, 0);
}

/* A day with each look, once; and not again before its time. */
static void the_ledger_is_gone_through_slowly(void **state)
{
    /* The end of the first sweep, which is long over its time; the second; none before its time. */
    static const size_t COUNTED[] = {1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9};
    size_t counts;
    (void)state;
    for (int day = 0; day < 5; day++) {
        struct msg_row_game game;
        message_clear(&msg_row_game_desc, &game);
        snprintf(game.game_id, sizeof game.game_id, "00225003%02d", day);
        game.game_date = clock_date_add(DAY, day);
        strcpy(game.home, "CHI");
        strcpy(game.away, "DEN");
        strcpy(game.feed, "bdl_games");
        game.home_score = game.away_score = 0;
        game.tip_at = TIP + day * 24 * HOUR;
        strcpy(game.status, "scheduled");
        game.period = game.box_players = 0;
        put(&msg_row_game_desc, &game, game.tip_at - 10 * HOUR);
        strcpy(game.status, "final");
        game.box_players = 24;
        put(&msg_row_game_desc, &game, game.tip_at + 3 * HOUR);
    }
    look_at(TIP + 5 * 24 * HOUR); /* they are complete now, and the first of them was passed over */
    int64_t now = LONG_AFTER;
    for (size_t i = 0; i < sizeof COUNTED / sizeof *COUNTED; i++) {
        look_at(now += MINUTE);
        (void)asked("count", &counts);
        assert_int_equal(counts, COUNTED[i]);
        if (i == 0)
            assert_string_equal(asked("count", &counts), "0022500301:2025-11-18");
    }
    look_at(now + 4 * 24 * HOUR);
    assert_string_equal(asked("count", &counts), "0022500300:2025-11-17");
    assert_int_equal(counts, 10);
}

/* A day's poll serves all its games; and the past takes half of an hour's remedies at most. */
static void the_past_leaves_room_for_tonight(void **state)
{
    size_t polls;
    int64_t now = LONG_AFTER;
    (void)state;
    give_game(OTHER, "scheduled", 0, TIP - 10 * HOUR);
    fail_the_night();
    self.limits.per_hour = 2;
    look_at(now);
    look_at(now += MINUTE);
    (void)asked("poll", &polls);
    assert_int_equal(polls, 1);
    look_at(now += MINUTE);
    (void)asked("poll", &polls);
    assert_int_equal(polls, 1);
    assert_int_equal(self.raised, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_never_came_is_polled_for_and_given_up_once),
        TEST(what_is_lost_is_said_again),
        TEST(what_nobody_can_say_is_fetched_again),
        TEST(lost_features_have_the_tables_made_again),
        TEST(tables_are_made_again_once_for_all),
        TEST(what_came_meanwhile_is_not_lost),
        TEST(the_ledger_is_gone_through_slowly),
        TEST(the_past_leaves_room_for_tonight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
