#include "actors/features/build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actors/features/career.h"
#include "actors/features/league.h"
#include "actors/features/line.h"
#include "actors/features/summary.h"
#include "actors/features/window.h"
#include "schema/hash.h"
#include "schema/pack.h"

enum {
    ROSTER_DAYS = 30, /* who last played longer ago is not expected, unless he has odds */
    MAP_BYTES = 8192
};

struct build_player {
    int64_t player_id;
    char team[4];  /* "" unknown so far */
    char name[72]; /* as a book spells it: only if history has none */
    struct line_offer offers[LINE_BOOKS_MAX];
    char books[LINE_BOOKS_MAX][40];
    uint64_t offer_positions[LINE_BOOKS_MAX];
    size_t offer_count;
};

struct build {
    struct step *step;
    struct store_txn *txn;
    const char *game_id;
    const struct game_state *game;
    uint64_t trigger;
    struct build_counts *counts;
    char home[4], away[4];
    struct build_memory *memory;
    struct league *league;
    const struct league_side *home_side, *away_side;
    struct game_line game_line;
    struct build_player players[BUILD_PLAYERS_MAX];
    struct build_player *by_id[BUILD_PLAYERS_MAX];
    size_t player_count;
};

/* The player, made if he is new; NULL when there is no room. */
static struct build_player *place(struct build *build, int64_t player_id)
{
    size_t low = 0, high = build->player_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (build->by_id[middle]->player_id < player_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < build->player_count && build->by_id[low]->player_id == player_id) {
        return build->by_id[low];
    }
    if (build->player_count == BUILD_PLAYERS_MAX) {
        return NULL;
    }
    struct build_player *player = &build->players[build->player_count];
    memmove(&build->by_id[low + 1], &build->by_id[low],
            (build->player_count - low) * sizeof build->by_id[0]);
    build->by_id[low] = player;
    build->player_count++;
    player->player_id = player_id; /* of offers only as many are looked at as there are */
    player->offer_count = 0;
    memset(player->team, 0, sizeof player->team);
    memset(player->name, 0, sizeof player->name);
    return player;
}

static int add_odds(const struct game_odds *odds, void *context)
{
    struct build *build = context;
    if (odds->player_id <= 0) {
        return 0; /* unresolved: nobody's features */
    }
    struct build_player *player = place(build, odds->player_id);
    if (!player) {
        return 0;
    }
    memcpy(player->name, odds->player_name, sizeof player->name);
    if (odds->main && odds->offered && player->offer_count < LINE_BOOKS_MAX) {
        size_t at = player->offer_count++;
        memcpy(player->books[at], odds->book, sizeof player->books[at]);
        player->offers[at] = (struct line_offer){
            .line = odds->line, .over_price = odds->over_price, .under_price = odds->under_price};
        player->offer_positions[at] = odds->position;
    }
    return 0;
}

/* Who is with the two teams, read once while history stays as it is. */
static int find_roster(struct build *build, struct build_roster **found)
{
    struct build_memory *memory = build->memory;
    for (size_t i = 0; i < BUILD_ROSTERS; i++) {
        struct build_roster *roster = &memory->rosters[i];
        if (roster->date == build->game->date && memcmp(roster->home, build->home, 4) == 0 &&
            memcmp(roster->away, build->away, 4) == 0) {
            *found = roster;
            return 0;
        }
    }
    struct build_roster *roster = &memory->rosters[memory->next_roster++ % BUILD_ROSTERS];
    roster->date = 0;
    roster->sided = false;
    int error = career_roster(build->txn, build->home, build->away, build->game->date, ROSTER_DAYS,
                              roster->members, BUILD_PLAYERS_MAX, &roster->count);
    if (!error) {
        memcpy(roster->home, build->home, 4);
        memcpy(roster->away, build->away, 4);
        roster->date = build->game->date;
    }
    *found = roster;
    return error;
}

static int find_sides(struct build *build, struct build_roster *roster)
{
    int error = 0;
    if (!roster->sided) {
        error = league_side(build->league, build->home, roster->date, roster->members,
                            roster->count, true, &roster->home_side);
    }
    if (!roster->sided && !error) {
        error = league_side(build->league, build->away, roster->date, roster->members,
                            roster->count, true, &roster->away_side);
        roster->sided = !error;
    }
    build->home_side = &roster->home_side;
    build->away_side = &roster->away_side;
    return error;
}

static int gather(struct build *build)
{
    struct build_roster *roster = NULL;
    const int32_t date = build->game->date;
    int error = game_scan_odds(build->txn, date, build->game_id, add_odds, build);
    if (!error) {
        error = find_roster(build, &roster);
    }
    for (size_t i = 0; !error && i < roster->count; i++) {
        struct build_player *player = place(build, roster->members[i].player_id);
        if (player) {
            memcpy(player->team, roster->members[i].team, 4);
        }
    }
    if (!error) {
        error = game_median_line(build->txn, date, build->game_id, &build->game_line);
    }
    return error ? error : find_sides(build, roster);
}

static void pack_values(const struct window_output *output, struct pack *values,
                        struct pack *sources)
{
    char source[32];
    pack_map(values, FEATURE_COUNT);
    pack_map(sources, FEATURE_COUNT);
    for (enum feature i = 0; i < FEATURE_COUNT; i++) {
        pack_text(values, feature_name(i));
        pack_text(sources, feature_name(i));
        if (window_source(output, i, source)) {
            pack_f64(values, output->value[i]);
            pack_text(sources, source);
        } else {
            pack_nil(values);
            pack_nil(sources);
        }
    }
}

/* The record in hand, the game's row, the offers the line is made of, his last 10 games. */
static uint32_t collect_parents(const struct build *build, const struct build_player *player,
                                const struct window_input *input,
                                uint64_t parents[RECORD_PARENTS_MAX])
{
    uint32_t count = 0;
    parents[count++] = build->trigger;
    if (build->game->position != build->trigger) {
        parents[count++] = build->game->position;
    }
    for (size_t i = 0; i < player->offer_count; i++) {
        parents[count++] = player->offer_positions[i];
    }
    size_t lines = input->line_count;
    for (size_t i = lines < 10 ? 0 : lines - 10; i < lines; i++) {
        parents[count++] = input->lines[i].position;
    }
    return count;
}
_Static_assert(2 + LINE_BOOKS_MAX + 10 <= RECORD_PARENTS_MAX, "parents of a feature fit");

static int fill_head(const struct build *build, const struct build_player *player, bool home,
                     struct msg_feature_player *message)
{
    struct career_player known = {0};
    int error = career_player(build->txn, player->player_id, &known);
    if (error && error != STORE_NOT_FOUND) {
        return error;
    }
    const char *name = known.name[0] ? known.name : player->name;
    message_clear(&msg_feature_player_desc, message);
    strcpy(message->game_id, build->game_id);
    message->game_date = build->game->date;
    message->player_id = player->player_id;
    memcpy(message->player_name, name, strnlen(name, sizeof message->player_name - 1));
    strcpy(message->team, home ? build->game->home : build->game->away);
    strcpy(message->opponent, home ? build->game->away : build->game->home);
    message->home = home;
    message->tip_at = build->game->tip_at;
    return 0;
}

/* Over all of it but when it was looked at, which makes no difference: for that a 1 is counted. */
static void print_encoded(const uint8_t *bytes, size_t size, char print[HASH_HEX_SIZE])
{
    static const uint8_t ONE = 1; /* as msgpack has it */
    struct span as_of;
    message_value_in(bytes, size, "as_of", &as_of);
    struct hash *hash = hash_open();
    hash_add(hash, bytes, (size_t)(as_of.data - bytes));
    hash_add(hash, &ONE, 1);
    hash_add(hash, as_of.data + as_of.size, size - (size_t)(as_of.data + as_of.size - bytes));
    hash_close(&hash, print);
}

static int emit_changed(struct build *build, const struct build_player *player,
                        const struct window_input *input, struct msg_feature_player *message)
{
    uint8_t bytes[2 * MAP_BYTES + 1024];
    char print[HASH_HEX_SIZE];
    struct message_error broken;
    uint64_t parents[RECORD_PARENTS_MAX];
    bool same = false;

    message->as_of = step_now_us(build->step);
    long size = message_encode(&msg_feature_player_desc, message, bytes, sizeof bytes, &broken);
    if (size > 0) {
        print_encoded(bytes, (size_t)size, print);
        int error = game_note_emitted(build->txn, build->game->date, build->game_id,
                                      player->player_id, print, &same);
        if (error) {
            return error;
        }
    }
    build->counts->built++;
    if (same) {
        return 0;
    }
    const struct emit how = {
        .parents = parents,
        .parent_count = collect_parents(build, player, input, parents),
        .due_us = MESSAGE_NONE,
    };
    build->counts->emitted++;
    if (size > 0) {
        const struct span payload = {bytes, (uint32_t)size};
        step_emit_encoded(build->step, &msg_feature_player_desc, message, &payload, &how);
    } else {
        step_emit_with(build->step, &msg_feature_player_desc, message, &how); /* says why not */
    }
    return 0;
}

static void fill_line(const struct line_median *line, struct msg_feature_player *message)
{
    if (line->books > 0) {
        message->line = window_round(line->line);
        snprintf(message->line_source, sizeof message->line_source, "median:%d", line->books);
        message->over_price = line->over_price;
        message->under_price = line->under_price;
    }
}

/* His side by his newest game, if the roster did not say. */
static int find_side(struct build *build, struct build_player *player, bool *home, bool *away)
{
    const struct league_player *known;
    if (player->team[0] == 0) { /* with odds, but not on the roster */
        int error = league_player(build->league, player->player_id, &known);
        if (error) {
            return error;
        }
        size_t count = league_lines_before(known, build->game->date);
        if (count > 0) {
            memcpy(player->team, known->lines[count - 1].team, 4);
        }
    }
    *home = memcmp(player->team, build->home, 4) == 0;
    *away = memcmp(player->team, build->away, 4) == 0;
    return 0;
}

/* What was known of him, whether or not features can be made of it: his last line, the report; `*opening`: his first line. */
static int note_before(struct build *build, const struct build_player *player,
                       const struct line_median *line, struct summary_before *before,
                       double *opening)
{
    const int32_t date = build->game->date;
    *before = (struct summary_before){line->books > 0 ? line->line : NAN, NAN, build->trigger};
    *opening = before->line;
    int error = game_injury(build->txn, player->player_id, &before->injury_risk);
    if (!error && line->books > 0) {
        error = game_opening(build->txn, date, build->game_id, player->player_id, opening, true);
    }
    return error ? error
                 : summary_note_before(build->txn, date, build->game_id, player->player_id, before);
}

/* What the books and the injury report say of him and of the game. */
static void add_said(const struct build *build, const struct build_player *player, bool home,
                     const struct line_median *line, const struct summary_before *before,
                     double opening, struct window_input *input)
{
    const double spread = build->game_line.spread_home;
    input->spread = home ? spread : -spread;
    input->total = build->game_line.total;
    input->line = line->line;
    input->books = line->books;
    bool priced = false;
    for (size_t i = 0; i < player->offer_count; i++) {
        priced = priced || !line_pickem(player->books[i]);
    }
    input->line_prob_over = priced ? line_fair_over(line->over_price, line->under_price) : NAN;
    input->injury_risk = before->injury_risk;
    input->line_opening = opening;
}

static void fill_values(const struct window_output *output, uint8_t *values_bytes,
                        uint8_t *sources_bytes, struct msg_feature_player *message)
{
    struct pack values = {.data = values_bytes, .capacity = MAP_BYTES, .fixed = true};
    struct pack sources = {.data = sources_bytes, .capacity = MAP_BYTES, .fixed = true};
    pack_values(output, &values, &sources);
    message->quality = window_quality(output);
    message->values = (struct span){values.data, (uint32_t)values.size};
    message->sources = (struct span){sources.data, (uint32_t)sources.size};
}

/* ---- who need not be looked at ---- */

void build_end(struct build_memory *memory)
{
    league_free(&memory->league);
    free(memory->scratch);
    free(memory->known);
    memory->scratch = NULL;
    memory->known = NULL;
}

void build_forget(struct build_memory *memory)
{
    league_free(&memory->league);
    memset(memory->rosters, 0, sizeof memory->rosters);
    build_look_again(memory);
}

void build_look_again(struct build_memory *memory)
{
    memset(memory->seen, 0, sizeof memory->seen);
    for (size_t i = 0; i < BUILD_ROSTERS; i++) {
        memory->rosters[i].sided = false;
    }
    if (memory->known) {
        memset(memory->known, 0, BUILD_KNOWN * sizeof *memory->known);
    }
}

/* Never 0. */
static uint64_t hash_of(const void *data, size_t size)
{
    uint64_t hash = hash_fnv64(data, size);
    return hash ? hash : 1;
}

static struct build_seen seen_of(const struct build *build, const struct build_player *player)
{
    struct who {
        char game_id[24];
        int64_t player_id;
    } who;
    struct offered {
        double line;
        int64_t over_price, under_price;
        char book[40];
    } offered[LINE_BOOKS_MAX];
    memset(&who, 0, sizeof who);
    memset(offered, 0, sizeof offered);
    memcpy(who.game_id, build->game_id, strlen(build->game_id));
    who.player_id = player->player_id;
    for (size_t i = 0; i < player->offer_count; i++) {
        offered[i].line = player->offers[i].line;
        offered[i].over_price = player->offers[i].over_price;
        offered[i].under_price = player->offers[i].under_price;
        memcpy(offered[i].book, player->books[i], sizeof offered[i].book);
    }
    return (struct build_seen){hash_of(&who, sizeof who),
                               hash_of(offered, player->offer_count * sizeof offered[0])};
}

static bool was_seen(const struct build *build, const struct build_seen *now)
{
    const struct build_seen *then = &build->memory->seen[now->who % BUILD_SEEN];
    return then->who == now->who && then->lines == now->lines;
}

/* ---- one player ---- */

/* What history makes of him, from memory if nothing but lines changed since. Without memory for it, it is worked out each time. */
static int find_past(struct build *build, uint64_t who, struct window_input *input,
                     struct window_output *output)
{
    struct build_memory *memory = build->memory;
    if (!memory->known) {
        memory->known = calloc(BUILD_KNOWN, sizeof *memory->known);
    }
    struct build_known *known = memory->known ? &memory->known[who % BUILD_KNOWN] : NULL;
    if (known && known->who == who) {
        *output = known->past;
        return 0;
    }
    int error = league_around(build->league, input);
    if (!error) {
        window_past(input, output);
        if (known) {
            *known = (struct build_known){who, *output};
        }
    }
    return error;
}

static int build_player(struct build *build, struct build_player *player)
{
    uint8_t values[MAP_BYTES], sources[MAP_BYTES];
    struct msg_feature_player message;
    struct window_output output;
    struct window_input input;
    struct summary_before before;
    double opening;
    bool home = false, away = false;
    const struct build_seen seen = seen_of(build, player);

    if (was_seen(build, &seen)) {
        build->counts->built++;
        return 0;
    }
    for (size_t i = 0; i < player->offer_count; i++) {
        player->offers[i].book = player->books[i];
    }
    struct line_median line = line_median(player->offers, player->offer_count);
    int error = note_before(build, player, &line, &before, &opening);
    if (!error) {
        error = find_side(build, player, &home, &away);
    }
    if (!error && !home && !away) {
        build->counts->teamless++;
        return 0;
    }
    if (!error) {
        error = league_input(build->league, player->player_id, build->game_id, build->game->date,
                             home, home ? build->home_side : build->away_side,
                             home ? build->away_side : build->home_side, &input);
    }
    if (!error) {
        error = find_past(build, seen.who, &input, &output);
    }
    if (!error) {
        add_said(build, player, home, &line, &before, opening, &input);
        window_said(&input, &output);
        error = fill_head(build, player, home, &message);
    }
    if (error) {
        return error;
    }
    if (message.player_name[0] == 0) { /* no record ever named him */
        build->counts->teamless++;
        return 0;
    }
    fill_line(&line, &message);
    message.games = input.games_career;
    fill_values(&output, values, sources, &message);
    error = emit_changed(build, player, &input, &message);
    if (!error) {
        build->memory->seen[seen.who % BUILD_SEEN] = seen;
    }
    return error;
}

int build_game(struct step *step, struct build_memory *memory, const char *game_id,
               const struct game_state *game, uint64_t trigger, struct build_counts *counts)
{
    if (!memory->scratch) {
        memory->scratch = malloc(sizeof *memory->scratch);
    }
    if (!memory->league) {
        memory->league = league_new(step_store(step));
    }
    struct build *build = memory->scratch;
    if (!build || !memory->league) {
        return STORE_FULL;
    }
    build->step = step;
    build->txn = step_store(step);
    build->game_id = game_id;
    build->game = game;
    build->trigger = trigger;
    build->counts = counts;
    build->memory = memory;
    build->league = memory->league;
    build->player_count = 0;
    league_use(build->league, build->txn);
    career_code(build->home, game->home);
    career_code(build->away, game->away);
    int error = gather(build);
    for (size_t i = 0; i < build->player_count && !error; i++) {
        error = build_player(build, build->by_id[i]);
    }
    return error;
}
