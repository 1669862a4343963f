/* processor - says what the feeds mean: games, box scores, events and odds as rows of our own, resolved and checked.
 * takes  raw.exchange, history.team, .player, .game, .player_game, import.commit, ops.command
 * gives  row.game, row.box_score, row.player, row.lineup, row.injury, row.odds, row.odds_snapshot, row.game_odds, row.event, row.play, row.check, row.refused,
 *        command.answer
 * keeps  the cross-walk, the schedule, every row as it was said last (a row is said when it differs), and bodies that were not taken whole
 * never  drops an unknown player, takes a broken row, or takes back what a later body merely lacks */
#include "actors/processor/processor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/command.h"
#include "actors/processor/apply.h"
#include "actors/processor/history.h"
#include "actors/processor/partly.h"
#include "config/clock.h"
#include "schema/messages.h"

struct source {
    const char *feed; /* raw_exchange.feed */
    const char *run;
    feed_parse *parse;
    apply_feed *apply;
    const char *order; /* the key of its raw.exchange (actors/poller/feeds.c); NULL: its subject */
};
static const struct source SOURCES[] = {
    {"nba_schedule", "NbaSchedule", feed_nba_schedule, apply_schedule, "games"},
    {"bdl_games", "BdlGames", feed_bdl_games, apply_games, "games"},
    {"bdl_live", "BdlLiveBoxscores", feed_bdl_box_scores, apply_live, "games"},
    {"bdl_box_scores", "BdlBoxScores", feed_bdl_box_scores, apply_box_scores, "games"},
    {"bdl_injuries", "BdlInjuries", feed_bdl_injuries, apply_injuries, "bdl_injuries"},
    {"bdl_players", "BdlActivePlayers", feed_bdl_players, apply_players, "bdl_players"},
    {"bdl_lineups", "BdlLineups", feed_bdl_lineups, apply_lineups, "games"},
    {"bdl_stats", "BdlStats", feed_bdl_stats, apply_stats, "games"},
    {"bdl_teams", "BdlTeams", feed_bdl_teams, apply_teams, NULL},
    {"bdl_all_players", "BdlAllPlayers", feed_bdl_players, apply_all_players, "games"},
    {"bdl_search", "BdlSearch", feed_bdl_players, apply_lookup, "games"},
    {"bdl_odds", "BdlOdds", feed_bdl_odds, apply_bdl_odds, "games"},
    {"bdl_props", "BdlProps", feed_bdl_props, apply_bdl_props, "games"},
    {"odds_events", "OddsApiEvents", feed_odds_events, apply_events, NULL},
    {"odds_props", "OddsApiProps", feed_odds_props, apply_props, NULL},
    {"odds_games", "OddsApiGameLines", feed_odds_games, apply_game_odds, NULL},
    {"odds_history_events", "OddsApiHistoryEvents", feed_odds_history_events, apply_past_events,
     NULL},
    {"odds_history", "OddsApiHistory", feed_odds_history, apply_past_odds, NULL},
    {"bp_events", "BettingProsEvents", feed_bp_events, apply_events, "bettingpros"},
    {"bp_offers", "BettingProsOffers", feed_bp_offers, apply_offers, "bettingpros"},
    {"nba_plays", "NbaPlays", feed_nba_plays, apply_plays, "games"},
    {"odds_scores", "OddsApiScores", feed_odds_scores, apply_scores, "games"},
};

static const struct source *source_of(const char *feed)
{
    for (size_t i = 0; i < sizeof SOURCES / sizeof SOURCES[0]; i++) {
        if (strcmp(SOURCES[i].feed, feed) == 0) {
            return &SOURCES[i];
        }
    }
    return NULL;
}

static enum verdict verdict_of(struct step *step, const struct memory *memory)
{
    return memory->error == STORE_OK
               ? DONE
               : step_refuse(step, LATER, "store: %s", store_error_text(memory->error));
}

static void say_refusals(struct step *step, const struct apply *apply)
{
    for (size_t i = 0; i < apply->feed->refusal_count; i++) {
        const struct feed_refusal *refusal = &apply->feed->refusals[i];
        struct msg_row_refused row;
        if (refusal->expected) {
            continue; /* nothing is wrong with it: the run counts it */
        }
        message_clear(&msg_row_refused_desc, &row);
        snprintf(row.subject, sizeof row.subject, "%s", apply->raw->subject);
        snprintf(row.feed, sizeof row.feed, "%s", apply->raw->feed);
        snprintf(row.path, sizeof row.path, "%s", refusal->path);
        snprintf(row.rule, sizeof row.rule, "%s", refusal->rule);
        snprintf(row.about, sizeof row.about, "%s", refusal->about);
        step_emit(step, &msg_row_refused_desc, &row);
    }
}

static void close_run(struct step *step, const struct apply *apply)
{
    const struct feed *feed = apply->feed;
    int32_t date = apply->data_date;
    if (date == 0) {
        date = clock_league_day(apply->raw->fetched_at, apply->rollover_hour);
    }
    step_run_about(step, date, apply->game_id[0] != '\0' ? apply->game_id : NULL);
    size_t broken = feed_broken(feed);
    step_run_rows(step, (int64_t)feed->items, (int64_t)(broken + feed->aside));
    if (broken > 0) {
        const struct feed_refusal *first = feed->refusals;
        while (first->expected) {
            first++;
        }
        step_run_outcome(step, RUN_PARTIAL,
                         apply->identity_refused ? ERROR_IDENTITY : ERROR_INVALID,
                         "%zu set aside; first %s: %s", broken, first->path, first->rule);
    } else if (feed->items == 0) {
        step_run_outcome(step, RUN_EMPTY_OK, ERROR_NONE, "the body lists nothing");
    }
}

/* What the body means, in the step of whoever has it taken: itself, or a command. `payload`: the whole record. */
static enum verdict take_body(struct step *step, const struct source *source,
                              const struct msg_raw_exchange *raw, const struct span *payload)
{
    char error[FEED_ERROR_SIZE] = "";
    struct feed feed = {0};
    struct apply apply = {
        .step = step,
        .memory = {.txn = step_store(step)},
        .raw = raw,
        .feed = &feed,
        .rollover_hour = (int)step_settings(step)->day.rollover_hour,
    };
    step_run_name(step, source->run);
    if (source->parse(raw->body.data, raw->body.size, &feed, error) != 0) {
        feed_free(&feed);
        partly_put(&apply.memory, raw, payload, false);
        step_run_outcome(step, RUN_FAILED, ERROR_MALFORMED, "%s: %s", raw->subject, error);
        return verdict_of(step, &apply.memory);
    }
    apply.broken = feed_broken(&feed);
    source->apply(&apply);
    say_refusals(step, &apply);
    close_run(step, &apply);
    partly_put(&apply.memory, raw, payload, feed_broken(&feed) == 0);
    feed_free(&feed);
    return verdict_of(step, &apply.memory);
}

static enum verdict take_raw(struct step *step, const struct input *input, void *self)
{
    (void)self;
    const struct msg_raw_exchange *raw = input->message;
    const struct source *source = source_of(raw->feed);
    if (source == NULL) {
        return step_refuse(step, NEVER, "raw_exchange.feed: unknown feed %s", raw->feed);
    }
    return take_body(step, source, raw, &input->record->payload);
}

static void emit_box(const void *message, void *step)
{
    const struct msg_row_box_score *row = message;
    if (row->final) {
        step_emit(step, &msg_row_box_score_desc, row);
    }
}

/* Asked to: the final box score of a game as it was said last, word for word. Somebody has lost it. */
static enum verdict say_again(struct step *step, const struct input *input,
                              const struct command_kind *kind)
{
    const struct msg_ops_command *command = input->message;
    struct memory memory = {.txn = step_store(step)};
    struct msg_row_game row;
    char game_id[COMMAND_GAME_SIZE];
    int32_t date = command_game(command->subject, game_id);
    if (!command_take(step, input, kind, "games")) {
        return DONE;
    }
    const uint32_t said = step_emitted(step);
    bool over = date && memory_row_game(&memory, date, game_id, &row) &&
                strcmp(row.status, "final") == 0 && row.box_players > 0;
    if (over) {
        memory_each_box(&memory, date, game_id, emit_box, step);
        step_emit(step, &msg_row_game_desc, &row);
    }
    if (memory.error == STORE_OK && !over) {
        command_nothing(step, input, "no final box score of such a game on that day was said");
    } else if (memory.error == STORE_OK) {
        command_done(step, input, said);
    }
    return verdict_of(step, &memory);
}

/* Asked to: the newest body of a subject, if it was not taken whole; what is known now may make more of it. */
static enum verdict take_command(struct step *step, const struct input *input, void *self)
{
    static const struct command_kind KIND = {"processor", "reprocess", &msg_raw_exchange_desc,
                                             "RawExchange", "say"};
    static const struct command_kind SAY = {"processor", "say", &msg_raw_exchange_desc, NULL, NULL};
    if (command_is(input, &SAY)) {
        return say_again(step, input, &SAY);
    }
    const struct msg_ops_command *command = input->message;
    struct memory memory = {.txn = step_store(step)};
    struct msg_raw_exchange raw;
    char feed[sizeof raw.feed];
    struct span body = {0};
    (void)self;
    snprintf(feed, sizeof feed, "%.*s", (int)strcspn(command->subject, ":"), command->subject);
    const struct source *source = source_of(feed);
    if (!command_take(step, input, &KIND, source ? source->order : NULL)) {
        return DONE;
    }
    bool kept = source && partly_get(&memory, command->subject, &raw, &body);
    if (memory.error != STORE_OK) {
        return verdict_of(step, &memory);
    }
    if (!kept) {
        command_nothing(step, input, "%s",
                        source ? "its newest body was taken whole" : "no feed has this subject");
        return DONE;
    }
    const uint32_t said = step_emitted(step);
    enum verdict verdict = take_body(step, source, &raw, &body);
    if (verdict == DONE) {
        command_done(step, input, said);
    }
    free((void *)(uintptr_t)body.data);
    return verdict;
}

#define TAKE_STAGED(what)                                                                          \
    static enum verdict take_##what(struct step *step, const struct input *input, void *self)      \
    {                                                                                              \
        (void)self;                                                                                \
        struct memory memory = {.txn = step_store(step)};                                          \
        history_stage_##what(&memory, input->message);                                             \
        return verdict_of(step, &memory);                                                          \
    }
TAKE_STAGED(team)
TAKE_STAGED(player)
TAKE_STAGED(game)
TAKE_STAGED(player_game)

static enum verdict take_commit(struct step *step, const struct input *input, void *self)
{
    (void)self;
    const struct msg_import_commit *commit = input->message;
    struct feed none = {0};
    struct apply apply = {
        .step = step,
        .memory = {.txn = step_store(step)},
        .feed = &none,
        .rollover_hour = (int)step_settings(step)->day.rollover_hour,
    };
    int64_t rows = history_commit(&apply.memory, commit->import_id);
    apply_waiting_events(&apply);
    step_run_rows(step, rows, 0);
    return verdict_of(step, &apply.memory);
}

static const struct take TAKES[] = {
    {&msg_raw_exchange_desc, take_raw, RUN_PER_RECORD, "RawExchange", false},
    {&msg_history_team_desc, take_team, RUN_NONE, NULL, true},
    {&msg_history_player_desc, take_player, RUN_NONE, NULL, true},
    {&msg_history_game_desc, take_game, RUN_NONE, NULL, true},
    {&msg_history_player_game_desc, take_player_game, RUN_NONE, NULL, true},
    {&msg_import_commit_desc, take_commit, RUN_PER_RECORD, "CrossWalkImport", true},
    {&msg_ops_command_desc, take_command, RUN_NONE, NULL, true},
    {0},
};

/* What was said last of each, and seen. Not games and figures: an import writes those, too. */
static const struct aging AGES[] = {
    {"row-odds", AGING_LOG, NULL, NULL},
    {"odds-seen", AGING_LOG, NULL, NULL},
    {"row-event", AGING_LOG, NULL, NULL},
    {"row-lineup", AGING_LOG, NULL, NULL},
    {"row-game-odds", AGING_LOG, NULL, NULL},
    {"row-check", AGING_LOG, NULL, NULL},
    {"row-play", AGING_LOG, NULL, NULL},
    {"score", AGING_LOG, NULL, NULL},
    {NULL, 0, NULL, NULL},
};

const struct actor processor_actor = {
    .name = "processor",
    .does = "turns what the feeds say into rows, resolved and checked",
    .takes = TAKES,
    .ages = AGES,
};
