/* Each kind of file is a table of columns and one function for the rules that no table can say. */
#include "cli/import_rows.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"

struct column {
    const char *name;  /* in the file */
    const char *field; /* of the message */
};

static const struct column team_columns[] = {
    {"team", "team"},
    {"nba_team_id", "nba_team_id"},
    {"bdl_team_id", "bdl_team_id"},
    {"odds_api_name", "odds_api_name"},
    {"bdl_full_name", "full_name"},
    {"city", "city"},
    {"name", "name"},
    {"conference", "conference"},
    {"division", "division"},
    {NULL, NULL},
};
static const struct column player_columns[] = {
    {"player_id", "player_id"}, {"player_name", "player_name"},     {"name_key", "name_key"},
    {"position", "position"},   {"bdl_player_id", "bdl_player_id"}, {NULL, NULL},
};
static const struct column game_columns[] = {
    {"game_id", "game_id"},      {"season", "season"},   {"game_date", "game_date"},
    {"tip_utc", "tip_at"},       {"home", "home"},       {"away", "away"},
    {"neutral", "neutral"},      {"status", "status"},   {"home_pts", "home_points"},
    {"away_pts", "away_points"}, {"periods", "periods"}, {NULL, NULL},
};
static const struct column player_game_columns[] = {
    {"game_id", "game_id"},
    {"season", "season"},
    {"game_date", "game_date"},
    {"player_id", "player_id"},
    {"player_name", "player_name"},
    {"team", "team"},
    {"opponent", "opponent"},
    {"home", "home"},
    {"win", "win"},
    {"starter", "starter"},
    {"min", "minutes"},
    {"sec", "seconds"},
    {"pts", "points"},
    {"fgm", "field_goals_made"},
    {"fga", "field_goals_attempted"},
    {"fg3m", "three_pointers_made"},
    {"fg3a", "three_pointers_attempted"},
    {"ftm", "free_throws_made"},
    {"fta", "free_throws_attempted"},
    {"oreb", "offensive_rebounds"},
    {"dreb", "defensive_rebounds"},
    {"reb", "rebounds"},
    {"ast", "assists"},
    {"stl", "steals"},
    {"blk", "blocks"},
    {"tov", "turnovers"},
    {"pf", "personal_fouls"},
    {"plus_minus", "plus_minus"},
    {NULL, NULL},
};
static const struct column game_line_columns[] = {
    {"game_id", "game_id"}, {"game_date", "game_date"},      {"kind", "kind"},
    {"book", "book"},       {"snapshot_utc", "snapshot_at"}, {"spread_home", "spread_home"},
    {"total", "total"},     {"ml_home", "ml_home"},          {"ml_away", "ml_away"},
    {NULL, NULL},
};
static const struct column prop_columns[] = {
    /* never `played`: known only after the game */
    {"game_id", "game_id"},
    {"game_date", "game_date"},
    {"snapshot_utc", "snapshot_at"},
    {"event_id", "event_id"},
    {"commence_utc", "commence_at"},
    {"book", "book"},
    {"player_id", "player_id"},
    {"player_name", "player_name"},
    {"line", "line"},
    {"over_price", "over_price"},
    {"under_price", "under_price"},
    {"main", "main"},
    {NULL, NULL},
};

static enum import_verdict check_team(struct import_rows *self, const void *message, bool first,
                                      char *rule);
static enum import_verdict check_player(struct import_rows *self, const void *message, bool first,
                                        char *rule);
static enum import_verdict check_game(struct import_rows *self, const void *message, bool first,
                                      char *rule);
static enum import_verdict check_player_game(struct import_rows *self, const void *message,
                                             bool first, char *rule);
static enum import_verdict check_game_line(struct import_rows *self, const void *message,
                                           bool first, char *rule);
static enum import_verdict check_prop(struct import_rows *self, const void *message, bool first,
                                      char *rule);

typedef enum import_verdict check_fn(struct import_rows *self, const void *message, bool first,
                                     char *rule);

static const struct {
    const struct message_desc *desc;
    const struct column *columns;
    check_fn *check;
    const char *sign; /* a column that no other kind has */
    int dated;        /* column of the game's date, -1: the kind has none */
} kinds[IMPORT_KINDS] = {
    [IMPORT_TEAMS] = {&msg_history_team_desc, team_columns, check_team, "nba_team_id", -1},
    [IMPORT_PLAYERS] = {&msg_history_player_desc, player_columns, check_player, "name_key", -1},
    [IMPORT_GAMES] = {&msg_history_game_desc, game_columns, check_game, "periods", 2},
    [IMPORT_PLAYER_GAMES] = {&msg_history_player_game_desc, player_game_columns, check_player_game,
                             "fgm", 2},
    [IMPORT_GAME_LINES] = {&msg_history_game_line_desc, game_line_columns, check_game_line,
                           "spread_home", 1},
    [IMPORT_PROPS] = {&msg_history_prop_line_desc, prop_columns, check_prop, "over_price", 1},
};

/* ---- what is known of rows taken before: sets of 128-bit hashes, grown by doubling ---- */

struct entry {
    uint64_t hash[2]; /* 0,0: free */
    int32_t date;     /* games: what later rows must agree with */
    char home[5], away[5];
    int16_t home_points, away_points; /* -1: not known */
};
struct table {
    struct entry *entries;
    size_t count, capacity; /* capacity: a power of two */
};

#define TEAMS_MAX 512
struct import_rows {
    char import_id[41];
    int32_t before;
    char teams[TEAMS_MAX][5];
    int team_count;
    struct table seen[IMPORT_KINDS];
    const struct field_desc *fields[IMPORT_KINDS][IMPORT_COLUMNS_MAX];
};

const struct message_desc *import_kind_desc(enum import_kind kind)
{
    return kinds[kind].desc;
}

static enum import_verdict refuse(char *rule, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static enum import_verdict refuse(char *rule, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(rule, IMPORT_RULE_SIZE, fmt, args);
    va_end(args);
    return IMPORT_REFUSED;
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *at = data;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    return hash;
}

static struct entry *table_slot(const struct table *self, const uint64_t hash[2])
{
    size_t at = (size_t)hash[0] & (self->capacity - 1);
    while ((self->entries[at].hash[0] | self->entries[at].hash[1]) &&
           memcmp(self->entries[at].hash, hash, sizeof self->entries[at].hash) != 0)
        at = (at + 1) & (self->capacity - 1);
    return &self->entries[at];
}

/* NULL: out of memory. */
static struct entry *table_of(struct table *self, const char *key, size_t size)
{
    if (self->count * 2 >= self->capacity) {
        struct table bigger = {.capacity = self->capacity ? self->capacity * 2 : 1024};
        bigger.entries = calloc(bigger.capacity, sizeof *bigger.entries);
        if (!bigger.entries)
            return NULL;
        for (size_t i = 0; i < self->capacity; i++)
            if (self->entries[i].hash[0] | self->entries[i].hash[1])
                *table_slot(&bigger, self->entries[i].hash) = self->entries[i];
        bigger.count = self->count;
        free(self->entries);
        *self = bigger;
    }
    uint64_t hash[2] = {hash_bytes(0xcbf29ce484222325u, key, size),
                        hash_bytes(0x9e3779b97f4a7c15u, key, size) | 1};
    return table_slot(self, hash);
}

/* True if `key` is new; `*entry` is its place either way. Only a `first` passage is remembered. */
static bool table_add(struct table *self, bool first, struct entry **entry, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static bool table_add(struct table *self, bool first, struct entry **entry, const char *fmt, ...)
{
    char key[320];
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(key, sizeof key, fmt, args);
    va_end(args);
    size = size < (int)sizeof key ? size : (int)sizeof key - 1;
    struct entry *at = table_of(self, key, (size_t)size);
    if (entry)
        *entry = at;
    if (!at || (at->hash[0] | at->hash[1]))
        return false;
    if (first) {
        at->hash[0] = hash_bytes(0xcbf29ce484222325u, key, (size_t)size);
        at->hash[1] = hash_bytes(0x9e3779b97f4a7c15u, key, (size_t)size) | 1;
        self->count++;
    }
    return true;
}

struct import_rows *import_rows_new(const char *import_id, int32_t before)
{
    struct import_rows *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    snprintf(self->import_id, sizeof self->import_id, "%s", import_id);
    self->before = before;
    for (int kind = 0; kind < IMPORT_KINDS; kind++)
        for (int i = 0; kinds[kind].columns[i].name; i++)
            self->fields[kind][i] = message_field(kinds[kind].desc, kinds[kind].columns[i].field);
    return self;
}

void import_rows_free(struct import_rows **self)
{
    if (!*self)
        return;
    for (int kind = 0; kind < IMPORT_KINDS; kind++)
        free((*self)->seen[kind].entries);
    free(*self);
    *self = NULL;
}

static bool team_known(const struct import_rows *self, const char *team)
{
    for (int i = 0; i < self->team_count; i++)
        if (!strcmp(self->teams[i], team))
            return true;
    return false;
}

void import_rows_know_team(struct import_rows *self, const char *team)
{
    if (self->team_count < TEAMS_MAX && !team_known(self, team))
        snprintf(self->teams[self->team_count++], sizeof self->teams[0], "%s", team);
}

int import_layout_of(struct import_layout *out, const struct csv_row *header,
                     char rule[IMPORT_RULE_SIZE])
{
    int kind = 0;
    out->count = header->count;
    const char *first = header->field[0];
    if (!strncmp(first, "\xef\xbb\xbf", 3)) /* a byte order mark is no part of the name */
        first += 3;
    for (; kind < IMPORT_KINDS; kind++) {
        bool signed_so = false;
        for (int i = 0; i < header->count; i++)
            signed_so |= !strcmp(i ? header->field[i] : first, kinds[kind].sign);
        if (signed_so)
            break;
    }
    if (kind == IMPORT_KINDS) {
        refuse(rule, "header: not the columns of any kind of file that is imported");
        return -1;
    }
    out->kind = (enum import_kind)kind;
    for (int at = 0; kinds[kind].columns[at].name; at++) {
        out->column[at] = -1;
        for (int i = 0; i < header->count; i++) {
            if (strcmp(i ? header->field[i] : first, kinds[kind].columns[at].name) != 0)
                continue;
            if (out->column[at] >= 0) {
                refuse(rule, "header: column %s twice", kinds[kind].columns[at].name);
                return -1;
            }
            out->column[at] = i;
        }
        if (out->column[at] < 0) {
            refuse(rule, "header: column %s is missing", kinds[kind].columns[at].name);
            return -1;
        }
    }
    return 0;
}

/* ---- text to value ---- */

static bool parse_i64(const char *text, int64_t *out)
{
    const char *at = text + (*text == '-');
    int64_t value = 0;
    if (!*at)
        return false;
    for (; *at; at++) {
        if (*at < '0' || *at > '9' || value > INT64_MAX / 10 - 1)
            return false;
        value = value * 10 + (*at - '0');
    }
    *out = *text == '-' ? -value : value;
    return true;
}

/* Digits with at most one point: strtod would take "nan", "inf", hexadecimal and blanks. */
static bool parse_f64(const char *text, double *out)
{
    const char *at = text + (*text == '-');
    int digits = 0, points = 0;
    for (; *at; at++) {
        digits += *at >= '0' && *at <= '9';
        points += *at == '.';
        if ((*at < '0' || *at > '9') && *at != '.')
            return false;
    }
    if (digits == 0 || points > 1)
        return false;
    *out = strtod(text, NULL);
    return isfinite(*out);
}

/* NULL, or the rule that `text` breaks. An empty text leaves the field absent. */
static const char *field_of_text(const struct field_desc *field, const char *text, char *message)
{
    char *to = message + field->offset;
    if (!*text)
        return field->presence == REQ ? "is missing" : NULL;
    int64_t integer;
    switch (field->kind) {
    case FIELD_I64:
        if (!parse_i64(text, &integer))
            return "not a whole number";
        if ((double)integer < field->lo || (double)integer > field->hi)
            return "out of range";
        memcpy(to, &integer, sizeof integer);
        return NULL;
    case FIELD_F64: {
        double number;
        if (!parse_f64(text, &number))
            return "not a number";
        if (number < field->lo || number > field->hi)
            return "out of range";
        memcpy(to, &number, sizeof number);
        return NULL;
    }
    case FIELD_BOOL:
        if ((*text != '0' && *text != '1') || text[1])
            return "neither 0 nor 1";
        *(bool *)to = *text == '1';
        return NULL;
    case FIELD_TIME:
        if (clock_parse_utc(text, &integer) != 0)
            return "not an instant (YYYY-MM-DDTHH:MM:SSZ)";
        memcpy(to, &integer, sizeof integer);
        return NULL;
    case FIELD_DATE: {
        int32_t date;
        if (clock_parse_date(text, &date) != 0)
            return "no such date";
        memcpy(to, &date, sizeof date);
        return NULL;
    }
    case FIELD_STR: {
        size_t size = strlen(text);
        if ((double)size > field->hi)
            return "too long";
        memcpy(to, text, size + 1);
        return NULL;
    }
    default:
        return "cannot come from text";
    }
}

/* Results of games that `before` hides: status and what follows it in game_columns. */
static bool column_hidden(const char *column)
{
    static const char *const hidden[] = {"home_pts", "away_pts", "periods"};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (!strcmp(column, hidden[i]))
            return true;
    return false;
}

static enum import_verdict rows_take(struct import_rows *self, const struct import_layout *layout,
                                     const struct csv_row *row, const char *file, void *message,
                                     struct hash *taken, bool first, char *rule)
{
    const struct column *columns = kinds[layout->kind].columns;
    const char *text[IMPORT_COLUMNS_MAX];
    if (row->count != layout->count)
        return refuse(rule, "%d fields where the header has %d", row->count, layout->count);
    int count = 0;
    for (; columns[count].name; count++)
        text[count] = row->field[layout->column[count]];
    int dated = kinds[layout->kind].dated;
    if (dated >= 0 && self->before) {
        int32_t date;
        if (clock_parse_date(text[dated], &date) != 0)
            return refuse(rule, "%s: %s: %.40s", columns[dated].name, "no such date", text[dated]);
        if (date >= self->before && layout->kind != IMPORT_GAMES)
            return IMPORT_LEFT_OUT;
        for (int i = 0; date >= self->before && i < count; i++)
            text[i] = column_hidden(columns[i].name)       ? ""
                      : !strcmp(columns[i].name, "status") ? "scheduled"
                                                           : text[i];
    }
    message_clear(kinds[layout->kind].desc, message);
    for (int i = 0; i < count; i++) {
        const char *broken = field_of_text(self->fields[layout->kind][i], text[i], message);
        if (broken)
            return refuse(rule, "%s: %s%s%.60s", columns[i].name, broken, *text[i] ? ": " : "",
                          text[i]);
    }
    /* import_id and source stand first and last in every history message. */
    const struct message_desc *desc = kinds[layout->kind].desc;
    memcpy((char *)message + desc->fields[0].offset, self->import_id, sizeof self->import_id);
    snprintf((char *)message + desc->fields[desc->field_count - 1].offset, 161, "%s:%llu", file,
             (unsigned long long)row->line);
    struct message_error error;
    if (first && message_check(desc, message, &error) != 0)
        return refuse(rule, "%s: %s", error.field, error.rule);
    if (kinds[layout->kind].check(self, message, first, rule))
        return IMPORT_REFUSED;
    for (int i = 0; i < count; i++)
        hash_add(taken, text[i], strlen(text[i]) + 1);
    return IMPORT_TAKEN;
}

enum import_verdict import_rows_take(struct import_rows *self, const struct import_layout *layout,
                                     const struct csv_row *row, const char *file,
                                     union import_message *message, struct hash *taken,
                                     char rule[IMPORT_RULE_SIZE])
{
    return rows_take(self, layout, row, file, message, taken, true, rule);
}

enum import_verdict import_rows_again(struct import_rows *self, const struct import_layout *layout,
                                      const struct csv_row *row, const char *file,
                                      union import_message *message, struct hash *taken,
                                      char rule[IMPORT_RULE_SIZE])
{
    return rows_take(self, layout, row, file, message, taken, false, rule);
}

/* ---- the rules ---- */

/* "0022500248": two noughts, the kind of game, the season's first year, a number. Returns that year or -1. */
static int game_id_year(const char *game_id)
{
    if (strlen(game_id) != 10 || strspn(game_id, "0123456789") != 10 ||
        strncmp(game_id, "00", 2) != 0 || game_id[2] < '1' || game_id[2] > '6')
        return -1;
    int year = (game_id[3] - '0') * 10 + (game_id[4] - '0');
    return year >= 46 ? 1900 + year : 2000 + year;
}

/* A season's games lie between July and the October after it (2019-20 ended in October). */
static enum import_verdict check_when(const char *game_id, const char *season, int32_t date,
                                      char *rule)
{
    int year = game_id_year(game_id);
    if (year < 0)
        return refuse(rule, "game_id: not ten digits of the NBA's form: %s", game_id);
    if (season) {
        char wanted[16];
        snprintf(wanted, sizeof wanted, "%d-%02d", year, (year + 1) % 100);
        if (strcmp(season, wanted) != 0)
            return refuse(rule, "season: %s, but the game_id is of %s", season, wanted);
    }
    if (date < year * 10000 + 701 || date > (year + 1) * 10000 + 1031)
        return refuse(rule, "game_date: %d is not within the season of %d", (int)date, year);
    return IMPORT_TAKEN;
}

static enum import_verdict check_known_team(const struct import_rows *self, const char *column,
                                            const char *team, char *rule)
{
    if (!team_known(self, team))
        return refuse(rule, "%s: unknown team: %s", column, team);
    return IMPORT_TAKEN;
}

static enum import_verdict check_instant(const char *column, int64_t instant, int32_t date,
                                         char *rule)
{
    if (instant == MESSAGE_NONE)
        return IMPORT_TAKEN;
    int days = clock_date_diff(clock_date_of(instant), date);
    if (days < -1 || days > 1)
        return refuse(rule, "%s: %d days from the game's date", column, days);
    return IMPORT_TAKEN;
}

static enum import_verdict check_team(struct import_rows *self, const void *message, bool first,
                                      char *rule)
{
    const struct msg_history_team *row = message;
    if (strlen(row->team) != 3 || strspn(row->team, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
        return refuse(rule, "team: not three capital letters: %s", row->team);
    if (first && !table_add(&self->seen[IMPORT_TEAMS], first, NULL, "%s", row->team))
        return refuse(rule, "team: twice: %s", row->team);
    import_rows_know_team(self, row->team);
    return IMPORT_TAKEN;
}

static enum import_verdict check_player(struct import_rows *self, const void *message, bool first,
                                        char *rule)
{
    const struct msg_history_player *row = message;
    for (const char *at = row->name_key; *at; at++)
        if ((*at < 'a' || *at > 'z') && *at != ' ' && (*at < '0' || *at > '9'))
            return refuse(rule, "name_key: not lower-case ASCII: %s", row->name_key);
    if (first &&
        !table_add(&self->seen[IMPORT_PLAYERS], first, NULL, "%lld", (long long)row->player_id))
        return refuse(rule, "player_id: twice: %lld", (long long)row->player_id);
    return IMPORT_TAKEN;
}

static enum import_verdict check_game_result(const struct msg_history_game *row, char *rule)
{
    bool has = row->home_points != MESSAGE_NONE || row->away_points != MESSAGE_NONE;
    if (!strcmp(row->status, "scheduled"))
        return has ? refuse(rule, "status: scheduled, but it has a score") : IMPORT_TAKEN;
    if (strcmp(row->status, "final") != 0)
        return refuse(rule, "status: neither scheduled nor final: %s", row->status);
    if (row->home_points == MESSAGE_NONE || row->away_points == MESSAGE_NONE)
        return refuse(rule, "status: final without a score");
    if (row->home_points == row->away_points)
        return refuse(rule, "home_pts: a final game cannot be tied at %lld",
                      (long long)row->home_points);
    return IMPORT_TAKEN;
}

static enum import_verdict check_game(struct import_rows *self, const void *message, bool first,
                                      char *rule)
{
    const struct msg_history_game *row = message;
    if (check_when(row->game_id, row->season, row->game_date, rule) ||
        check_known_team(self, "home", row->home, rule) ||
        check_known_team(self, "away", row->away, rule) ||
        check_instant("tip_utc", row->tip_at, row->game_date, rule) || check_game_result(row, rule))
        return IMPORT_REFUSED;
    if (!strcmp(row->home, row->away))
        return refuse(rule, "away: a team cannot play itself: %s", row->away);
    struct entry *entry;
    if (first && !table_add(&self->seen[IMPORT_GAMES], first, &entry, "%s", row->game_id))
        return refuse(rule, "game_id: twice: %s", row->game_id);
    if (first) {
        bool known = row->home_points != MESSAGE_NONE;
        entry->date = row->game_date;
        memcpy(entry->home, row->home, sizeof entry->home);
        memcpy(entry->away, row->away, sizeof entry->away);
        entry->home_points = known ? (int16_t)row->home_points : -1;
        entry->away_points = known ? (int16_t)row->away_points : -1;
    }
    return IMPORT_TAKEN;
}

/* NULL if this import has no such game. */
static const struct entry *known_game(struct import_rows *self, const char *game_id)
{
    struct entry *entry = NULL;
    table_add(&self->seen[IMPORT_GAMES], false, &entry, "%s", game_id);
    return entry && (entry->hash[0] | entry->hash[1]) ? entry : NULL;
}

static enum import_verdict check_counts(const struct msg_history_player_game *row, char *rule)
{
    const struct {
        const char *made, *tried;
        int64_t made_value, tried_value;
    } pairs[] = {
        {"fgm", "fga", row->field_goals_made, row->field_goals_attempted},
        {"fg3m", "fg3a", row->three_pointers_made, row->three_pointers_attempted},
        {"ftm", "fta", row->free_throws_made, row->free_throws_attempted},
        {"fg3m", "fgm", row->three_pointers_made, row->field_goals_made},
        {"fg3a", "fga", row->three_pointers_attempted, row->field_goals_attempted},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i].made_value > pairs[i].tried_value)
            return refuse(rule, "%s: %lld is more than %s %lld", pairs[i].made,
                          (long long)pairs[i].made_value, pairs[i].tried,
                          (long long)pairs[i].tried_value);
    int64_t points = 2 * row->field_goals_made + row->three_pointers_made + row->free_throws_made;
    if (row->points != points)
        return refuse(rule, "pts: %lld is not 2*fgm + fg3m + ftm = %lld", (long long)row->points,
                      (long long)points);
    if (row->rebounds != row->offensive_rebounds + row->defensive_rebounds)
        return refuse(rule, "reb: %lld is not oreb + dreb = %lld", (long long)row->rebounds,
                      (long long)(row->offensive_rebounds + row->defensive_rebounds));
    if (row->seconds != MESSAGE_NONE && llabs(row->seconds - 60 * row->minutes) > 60)
        return refuse(rule, "sec: %lld is not %lld minutes", (long long)row->seconds,
                      (long long)row->minutes);
    return IMPORT_TAKEN;
}

static enum import_verdict check_against_game(const struct entry *game,
                                              const struct msg_history_player_game *row, char *rule)
{
    const char *home = row->home ? row->team : row->opponent;
    const char *away = row->home ? row->opponent : row->team;
    if (game->date != row->game_date)
        return refuse(rule, "game_date: %d, but the game is of %d", (int)row->game_date,
                      (int)game->date);
    if (strcmp(game->home, home) != 0 || strcmp(game->away, away) != 0)
        return refuse(rule, "team: %s at %s, but the game is %s at %s", away, home, game->away,
                      game->home);
    if (game->home_points >= 0 &&
        row->win != ((game->home_points > game->away_points) == row->home))
        return refuse(rule, "win: %d, but the game ended %d-%d", row->win, game->home_points,
                      game->away_points);
    return IMPORT_TAKEN;
}

static enum import_verdict check_player_game(struct import_rows *self, const void *message,
                                             bool first, char *rule)
{
    const struct msg_history_player_game *row = message;
    if (check_when(row->game_id, row->season, row->game_date, rule) ||
        check_known_team(self, "team", row->team, rule) ||
        check_known_team(self, "opponent", row->opponent, rule) || check_counts(row, rule))
        return IMPORT_REFUSED;
    if (!first)
        return IMPORT_TAKEN;
    const struct entry *game = known_game(self, row->game_id);
    if (game && check_against_game(game, row, rule))
        return IMPORT_REFUSED;
    if (!table_add(&self->seen[IMPORT_PLAYER_GAMES], first, NULL, "%s %lld", row->game_id,
                   (long long)row->player_id))
        return refuse(rule, "player_id: twice in game %s: %lld", row->game_id,
                      (long long)row->player_id);
    return IMPORT_TAKEN;
}

static enum import_verdict check_price(const char *column, int64_t price, char *rule)
{
    if (price != MESSAGE_NONE && price > -100 && price < 100)
        return refuse(rule, "%s: not an American price: %lld", column, (long long)price);
    return IMPORT_TAKEN;
}

static enum import_verdict check_game_date(struct import_rows *self, const char *game_id,
                                           int32_t date, bool first, char *rule)
{
    const struct entry *game = first ? known_game(self, game_id) : NULL;
    if (game && game->date != date)
        return refuse(rule, "game_date: %d, but the game is of %d", (int)date, (int)game->date);
    return IMPORT_TAKEN;
}

static enum import_verdict check_game_line(struct import_rows *self, const void *message,
                                           bool first, char *rule)
{
    const struct msg_history_game_line *row = message;
    if (check_when(row->game_id, NULL, row->game_date, rule) ||
        check_game_date(self, row->game_id, row->game_date, first, rule) ||
        check_price("ml_home", row->ml_home, rule) || check_price("ml_away", row->ml_away, rule))
        return IMPORT_REFUSED;
    if (isnan(row->spread_home) && isnan(row->total) && row->ml_home == MESSAGE_NONE)
        return refuse(rule, "spread_home: neither spread nor total nor money line");
    if (first && !table_add(&self->seen[IMPORT_GAME_LINES], first, NULL, "%s %s %s %lld",
                            row->game_id, row->kind, row->book, (long long)row->snapshot_at))
        return refuse(rule, "book: twice for game %s: %s", row->game_id, row->book);
    return IMPORT_TAKEN;
}

static enum import_verdict check_prop(struct import_rows *self, const void *message, bool first,
                                      char *rule)
{
    const struct msg_history_prop_line *row = message;
    if (check_when(row->game_id, NULL, row->game_date, rule) ||
        check_game_date(self, row->game_id, row->game_date, first, rule) ||
        check_price("over_price", row->over_price, rule) ||
        check_price("under_price", row->under_price, rule) ||
        check_instant("commence_utc", row->commence_at, row->game_date, rule))
        return IMPORT_REFUSED;
    if (row->over_price == MESSAGE_NONE && row->under_price == MESSAGE_NONE)
        return refuse(rule, "over_price: a line without any price");
    /* Without a snapshot's time the same line twice may be two sightings. */
    if (first && row->snapshot_at != MESSAGE_NONE &&
        !table_add(&self->seen[IMPORT_PROPS], first, NULL, "%s %lld %s %lld %.3f", row->game_id,
                   (long long)row->player_id, row->book, (long long)row->snapshot_at, row->line))
        return refuse(rule, "line: twice for player %lld at %s: %g", (long long)row->player_id,
                      row->book, row->line);
    return IMPORT_TAKEN;
}
