#include "actors/features/career.h"

#include <stdlib.h>
#include <string.h>

#include "config/clock.h"

enum {
    SEASON_LINES_MAX = 512,
    YOUNG_DAYS =
        10 /* of a season in which who ended the last one with a team is taken to be there still */
};

/* A line with whose it is: the unit of merging. */
struct owned_line {
    int64_t player_id;
    struct window_line line;
};
struct owned_lines {
    struct owned_line *items;
    size_t count, capacity;
};
/* A change of one team's sums in one game. */
struct team_change {
    char team[4];
    struct window_team game;
};

void career_code(char code[4], const char *text)
{
    memset(code, 0, 4);
    memcpy(code, text, strnlen(text, 4));
}

void career_game(char game_id[16], const char *text)
{
    memset(game_id, 0, 16);
    memcpy(game_id, text, strnlen(text, 16));
}

static int32_t season_date(int32_t season)
{
    return season * 10000 + 701;
}

static void player_key(struct store_key *key, int64_t player_id)
{
    store_key_start(key);
    store_key_i64(key, player_id);
}

/* ---- players ---- */

int career_player(struct store_txn *txn, int64_t player_id, struct career_player *player)
{
    struct store_key key;
    struct span value;
    player_key(&key, player_id);
    int error = store_get(txn, "player", STORE_UNDATED, key.data, key.size, &value);
    if (error) {
        return error;
    }
    if (value.size != sizeof *player) {
        return STORE_CORRUPT;
    }
    memcpy(player, value.data, sizeof *player);
    return 0;
}

static int put_player(struct store_txn *txn, int64_t player_id, const struct career_player *player)
{
    struct store_key key;
    player_key(&key, player_id);
    return store_put(txn, "player", STORE_UNDATED, key.data, key.size, player, sizeof *player);
}

static void set_name(struct career_player *player, const char *name)
{
    memset(player->name, 0, sizeof player->name);
    memcpy(player->name, name, strnlen(name, sizeof player->name - 1));
}

static int name_player(struct store_txn *txn, int64_t player_id, const char *name, bool anew)
{
    struct career_player player = {0};
    int error = career_player(txn, player_id, &player);
    if (error && error != STORE_NOT_FOUND) {
        return error;
    }
    if (name[0] == 0 || (player.name[0] != 0 && (!anew || strcmp(player.name, name) == 0))) {
        return 0;
    }
    set_name(&player, name);
    return put_player(txn, player_id, &player);
}

int career_name(struct store_txn *txn, int64_t player_id, const char *name)
{
    return name_player(txn, player_id, name, false);
}

int career_group(struct store_txn *txn, int64_t player_id, enum window_group group)
{
    struct career_player player = {0};
    int error = career_player(txn, player_id, &player);
    if (error && error != STORE_NOT_FOUND) {
        return error;
    }
    if (player.group == group) {
        return 0;
    }
    player.group = (uint8_t)group;
    return put_player(txn, player_id, &player);
}

/* ---- the arrays of a season ---- */

/* Reads (season, key)'s array of `size` byte items into `items`, at most `most`. None is an empty one. */
static int read_array(struct store_txn *txn, const char *table, int32_t season,
                      const struct store_key *key, size_t size, void *items, size_t most,
                      size_t *count)
{
    struct span value;
    *count = 0;
    int error = store_get(txn, table, season_date(season), key->data, key->size, &value);
    if (error) {
        return error == STORE_NOT_FOUND ? 0 : error;
    }
    if (value.size % size != 0 || value.size / size > most) {
        return STORE_CORRUPT;
    }
    memcpy(items, value.data, value.size);
    *count = value.size / size;
    return 0;
}

static int write_array(struct store_txn *txn, const char *table, int32_t season,
                       const struct store_key *key, size_t size, const void *items, size_t count)
{
    if (count == 0) {
        int error = store_del(txn, table, season_date(season), key->data, key->size);
        return error == STORE_NOT_FOUND ? 0 : error;
    }
    return store_put(txn, table, season_date(season), key->data, key->size, items, size * count);
}

/* ---- meta ---- */

static int get_meta_i32(struct store_txn *txn, const char *name, int32_t *number)
{
    struct span value;
    int error = store_get(txn, "meta", STORE_UNDATED, name, strlen(name), &value);
    if (!error && value.size == sizeof *number) {
        memcpy(number, value.data, sizeof *number);
    }
    return error;
}

/* The first and the last season of which there are lines. */
static int note_season(struct store_txn *txn, int32_t season)
{
    int32_t first = season, last = season;
    int error = get_meta_i32(txn, "first_season", &first);
    if (!error) {
        error = get_meta_i32(txn, "last_season", &last);
    }
    if (error && error != STORE_NOT_FOUND) {
        return error;
    }
    if (error || season < first) {
        int failed =
            store_put(txn, "meta", STORE_UNDATED, "first_season", 12, &season, sizeof season);
        if (failed) {
            return failed;
        }
    }
    return !error && season <= last
               ? 0
               : store_put(txn, "meta", STORE_UNDATED, "last_season", 11, &season, sizeof season);
}

/* The day of a season's first game. */
static int note_opening(struct store_txn *txn, int32_t season, int32_t date)
{
    struct span value;
    int32_t known = 0;
    int error = store_get(txn, "meta", season_date(season), "opening", 7, &value);
    if (error && error != STORE_NOT_FOUND) {
        return error;
    }
    if (!error && value.size == sizeof known) {
        memcpy(&known, value.data, sizeof known);
        if (known <= date) {
            return 0;
        }
    }
    return store_put(txn, "meta", season_date(season), "opening", 7, &date, sizeof date);
}

int career_opening(struct store_txn *txn, int32_t date, int32_t *opening)
{
    struct span value;
    *opening = date;
    int error = store_get(txn, "meta", season_date(window_season(date)), "opening", 7, &value);
    if (error) {
        return error == STORE_NOT_FOUND ? 0 : error;
    }
    int32_t known;
    if (value.size != sizeof known) {
        return STORE_CORRUPT;
    }
    memcpy(&known, value.data, sizeof known);
    *opening = known < date ? known : date;
    return 0;
}

/* ---- merging ---- */

static int compare_by_player(const void *a, const void *b)
{
    const struct owned_line *x = a, *y = b;
    int32_t season_x = window_season(x->line.date), season_y = window_season(y->line.date);
    if (season_x != season_y) {
        return season_x < season_y ? -1 : 1;
    }
    if (x->player_id != y->player_id) {
        return x->player_id < y->player_id ? -1 : 1;
    }
    int order = window_order(x->line.date, x->line.game_id, y->line.date, y->line.game_id);
    return order ? order
                 : (x->line.position > y->line.position) - (x->line.position < y->line.position);
}

static int compare_changes(const void *a, const void *b)
{
    const struct team_change *x = a, *y = b;
    int32_t season_x = window_season(x->game.date), season_y = window_season(y->game.date);
    if (season_x != season_y) {
        return season_x < season_y ? -1 : 1;
    }
    int order = memcmp(x->team, y->team, 4);
    return order ? order
                 : window_order(x->game.date, x->game.game_id, y->game.date, y->game.game_id);
}

/* The change of his team's sums that a line brings (sign 1) or took with it (sign -1). */
static void change_team(struct team_change *change, const struct window_line *line, int sign)
{
    struct window_team *game = &change->game;
    memset(change, 0, sizeof *change);
    memcpy(change->team, line->team, 4);
    memcpy(game->opponent, line->opponent, 4);
    memcpy(game->game_id, line->game_id, 16);
    game->date = line->date;
    window_sums_line(&game->own, line, sign);
}

static void add_team(struct window_team *to, const struct window_team *change)
{
    window_sums_add(&to->own, &change->own);
    window_sums_add(&to->other, &change->other);
}

/* Brings changes of equal (team, game) together; the array must be sorted. */
static size_t squeeze_changes(struct team_change *changes, size_t count)
{
    size_t out = 0;
    for (size_t i = 0; i < count; i++) {
        if (out > 0 && compare_changes(&changes[out - 1], &changes[i]) == 0) {
            add_team(&changes[out - 1].game, &changes[i].game);
        } else {
            changes[out++] = changes[i];
        }
    }
    return out;
}

/* Merges `count` changes of one (season, team) into its array. */
static int merge_team(struct store_txn *txn, const struct team_change *changes, size_t count)
{
    struct window_team old[SEASON_LINES_MAX], merged[SEASON_LINES_MAX];
    int32_t season = window_season(changes[0].game.date);
    struct store_key key;
    size_t old_count, i = 0, j = 0, out = 0;

    store_key_start(&key);
    store_key_bytes(&key, changes[0].team, 4);
    int error =
        read_array(txn, "team", season, &key, sizeof *old, old, SEASON_LINES_MAX, &old_count);
    while (!error && (i < old_count || j < count)) {
        const struct window_team *game = j < count ? &changes[j].game : NULL;
        int order = i == old_count ? 1
                    : !game        ? -1
                            : window_order(old[i].date, old[i].game_id, game->date, game->game_id);
        if (out == SEASON_LINES_MAX) {
            return STORE_CORRUPT;
        }
        merged[out] = order <= 0 ? old[i] : *game;
        if (order == 0) {
            add_team(&merged[out], game);
        }
        i += order <= 0;
        j += order >= 0;
        out++;
    }
    return error ? error : write_array(txn, "team", season, &key, sizeof *merged, merged, out);
}

static int merge_teams(struct store_txn *txn, struct team_change *changes, size_t count)
{
    int error = 0;
    qsort(changes, count, sizeof *changes, compare_changes);
    count = squeeze_changes(changes, count);
    for (size_t from = 0, to; from < count && !error; from = to) {
        int32_t season = window_season(changes[from].game.date);
        for (to = from + 1; to < count && memcmp(changes[to].team, changes[from].team, 4) == 0 &&
                            window_season(changes[to].game.date) == season;
             to++) {
        }
        error = merge_team(txn, &changes[from], to - from);
    }
    return error;
}

/* What one player scored, his opponent allowed: one mirrored change for each. */
static size_t mirror_changes(struct team_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct team_change *mirror = &changes[count + i];
        memset(mirror, 0, sizeof *mirror);
        memcpy(mirror->team, changes[i].game.opponent, 4);
        memcpy(mirror->game.opponent, changes[i].team, 4);
        memcpy(mirror->game.game_id, changes[i].game.game_id, 16);
        mirror->game.date = changes[i].game.date;
        mirror->game.other = changes[i].game.own;
    }
    return 2 * count;
}

struct merge {
    struct team_change *changes; /* room for two a line */
    size_t change_count;
};

static void note_change(struct merge *merge, const struct window_line *line, int sign)
{
    change_team(&merge->changes[merge->change_count++], line, sign);
}

static int note_last(struct store_txn *txn, int64_t player_id, const struct window_line *last)
{
    struct career_player player = {0};
    int error = career_player(txn, player_id, &player);
    if (error && error != STORE_NOT_FOUND) {
        return error;
    }
    if (window_season(player.last_date) > window_season(last->date)) {
        return 0;
    }
    player.last_date = last->date;
    memcpy(player.last_team, last->team, 4);
    return put_player(txn, player_id, &player);
}

/* Merges `count` lines of one (season, player), sorted, into his array; of several of one game the last holds. */
static int merge_player(struct store_txn *txn, const struct owned_line *lines, size_t count,
                        struct merge *merge)
{
    struct window_line old[SEASON_LINES_MAX], merged[SEASON_LINES_MAX];
    int32_t season = window_season(lines[0].line.date);
    struct store_key key;
    size_t old_count, i = 0, j = 0, out = 0;

    player_key(&key, lines[0].player_id);
    int error =
        read_array(txn, "career", season, &key, sizeof *old, old, SEASON_LINES_MAX, &old_count);
    while (!error && (i < old_count || j < count)) {
        const struct window_line *line = j < count ? &lines[j].line : NULL;
        int order = i == old_count ? 1
                    : !line        ? -1
                            : window_order(old[i].date, old[i].game_id, line->date, line->game_id);
        if (out == SEASON_LINES_MAX) {
            return STORE_CORRUPT;
        }
        if (order < 0) {
            merged[out++] = old[i++];
            continue;
        }
        if (j + 1 < count && window_order(line->date, line->game_id, lines[j + 1].line.date,
                                          lines[j + 1].line.game_id) == 0) {
            j++;
            continue;
        }
        if (order == 0) {
            note_change(merge, &old[i++], -1);
        }
        if (line->played) {
            note_change(merge, line, 1);
            merged[out++] = *line;
        }
        j++;
    }
    if (!error) {
        error = write_array(txn, "career", season, &key, sizeof *merged, merged, out);
    }
    if (!error && out > 0) {
        error = note_opening(txn, season, merged[0].date);
    }
    return error || out == 0 ? error : note_last(txn, lines[0].player_id, &merged[out - 1]);
}

/* Where each played, as it is known now: his line keeps it, so that it is taken out as it was put in. */
static int set_groups(struct store_txn *txn, struct owned_line *lines, size_t count)
{
    struct career_player player = {0};
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || lines[i].player_id != lines[i - 1].player_id) {
            player.group = GROUP_UNKNOWN;
            int error = career_player(txn, lines[i].player_id, &player);
            if (error && error != STORE_NOT_FOUND) {
                return error;
            }
        }
        lines[i].line.group = player.group;
    }
    return 0;
}

static int merge_lines(struct store_txn *txn, struct owned_line *lines, size_t count)
{
    if (count == 0) {
        return 0;
    }
    /* a line may take one out and put one in, and each has its mirror */
    struct merge merge = {.changes = malloc(4 * count * sizeof *merge.changes)};
    if (!merge.changes) {
        return STORE_FULL;
    }
    qsort(lines, count, sizeof *lines, compare_by_player);
    int error = set_groups(txn, lines, count);
    error = error ? error : note_season(txn, window_season(lines[0].line.date));
    error = error ? error : note_season(txn, window_season(lines[count - 1].line.date));
    for (size_t from = 0, to; from < count && !error; from = to) {
        int32_t season = window_season(lines[from].line.date);
        for (to = from + 1; to < count && lines[to].player_id == lines[from].player_id &&
                            window_season(lines[to].line.date) == season;
             to++) {
        }
        error = merge_player(txn, &lines[from], to - from, &merge);
    }
    if (!error) {
        error = merge_teams(txn, merge.changes, mirror_changes(merge.changes, merge.change_count));
    }
    free(merge.changes);
    return error;
}

int career_add(struct store_txn *txn, int64_t player_id, const char *player_name,
               const struct window_line *line)
{
    struct owned_line owned = {.player_id = player_id, .line = *line};
    int error = merge_lines(txn, &owned, 1);
    return error ? error : career_name(txn, player_id, player_name);
}

/* ---- staging ---- */

/* Rows of one import at a time are staged: those of another are what a dead one left. */
int career_stage_for(struct store_txn *txn, const char *import_id)
{
    struct span value;
    int error = store_get(txn, "meta", STORE_UNDATED, "import", 6, &value);
    if (error && error != STORE_NOT_FOUND) {
        return error;
    }
    if (!error && value.size == strlen(import_id) &&
        memcmp(value.data, import_id, value.size) == 0) {
        return 0;
    }
    error = store_clear(txn, "staged");
    return error && error != STORE_NOT_FOUND
               ? error
               : store_put(txn, "meta", STORE_UNDATED, "import", 6, import_id, strlen(import_id));
}

static int stage_name(struct store_txn *txn, int64_t player_id, const char *name, bool anew)
{
    struct store_key key;
    struct span value;
    store_key_start(&key);
    store_key_text(&key, "name");
    store_key_i64(&key, player_id);
    int error = store_get(txn, "staged", STORE_UNDATED, key.data, key.size, &value);
    if ((error && error != STORE_NOT_FOUND) || (!error && !anew)) {
        return error;
    }
    return store_put(txn, "staged", STORE_UNDATED, key.data, key.size, name, strlen(name));
}

int career_stage_name(struct store_txn *txn, const char *import_id, int64_t player_id,
                      const char *name)
{
    int error = career_stage_for(txn, import_id);
    return error ? error : stage_name(txn, player_id, name, true);
}

int career_stage_row(struct store_txn *txn, const char *import_id, const char *kind, int64_t number,
                     const void *value, size_t size)
{
    struct store_key key;
    store_key_start(&key);
    store_key_text(&key, kind);
    store_key_i64(&key, number);
    int error = career_stage_for(txn, import_id);
    return error ? error : store_put(txn, "staged", STORE_UNDATED, key.data, key.size, value, size);
}

int career_stage_group(struct store_txn *txn, const char *import_id, int64_t player_id,
                       enum window_group group)
{
    uint8_t value = (uint8_t)group;
    return career_stage_row(txn, import_id, "group", player_id, &value, 1);
}

int career_stage_line(struct store_txn *txn, const char *import_id, const struct window_line *line,
                      int64_t player_id, const char *player_name)
{
    struct owned_line owned = {.player_id = player_id, .line = *line};
    int error =
        career_stage_row(txn, import_id, "line", (int64_t)line->position, &owned, sizeof owned);
    return error ? error : stage_name(txn, player_id, player_name, false);
}

struct staged {
    struct owned_lines lines;
    struct store_txn *txn;
};

static int visit_staged_line(const struct store_row *row, void *context)
{
    struct owned_lines *lines = context;
    if (row->value.size != sizeof *lines->items) {
        return STORE_CORRUPT;
    }
    if (lines->count == lines->capacity) {
        size_t capacity = lines->capacity ? 2 * lines->capacity : 4096;
        struct owned_line *items = realloc(lines->items, capacity * sizeof *items);
        if (!items) {
            return STORE_FULL;
        }
        lines->items = items;
        lines->capacity = capacity;
    }
    memcpy(&lines->items[lines->count++], row->value.data, sizeof *lines->items);
    return 0;
}

static int visit_staged_name(const struct store_row *row, void *context)
{
    struct staged *staged = context;
    struct span rest = row->key;
    const char *kind;
    int64_t player_id;
    char name[72] = {0};
    if (store_key_read_text(&rest, &kind) || store_key_read_i64(&rest, &player_id)) {
        return STORE_CORRUPT;
    }
    memcpy(name, row->value.data,
           row->value.size < sizeof name ? row->value.size : sizeof name - 1);
    return name_player(staged->txn, player_id, name, true);
}

static int visit_staged_group(const struct store_row *row, void *context)
{
    struct staged *staged = context;
    struct span rest = row->key;
    const char *kind;
    int64_t player_id;
    if (store_key_read_text(&rest, &kind) || store_key_read_i64(&rest, &player_id) ||
        row->value.size != 1 || row->value.data[0] >= GROUP_COUNT) {
        return STORE_CORRUPT;
    }
    return career_group(staged->txn, player_id, (enum window_group)row->value.data[0]);
}

static int move_staged(struct store_txn *txn, int64_t *count)
{
    struct staged staged = {.txn = txn};
    int error = store_scan(txn, "staged", STORE_UNDATED, STORE_UNDATED, "group", 6, false,
                           visit_staged_group, &staged);
    if (!error || error == STORE_NOT_FOUND) {
        error = store_scan(txn, "staged", STORE_UNDATED, STORE_UNDATED, "line", 5, false,
                           visit_staged_line, &staged.lines);
    }
    *count = (int64_t)staged.lines.count;
    if (!error) {
        error = merge_lines(txn, staged.lines.items, staged.lines.count);
    }
    free(staged.lines.items);
    return error ? error
                 : store_scan(txn, "staged", STORE_UNDATED, STORE_UNDATED, "name", 5, false,
                              visit_staged_name, &staged);
}

int career_commit(struct store_txn *txn, const char *import_id, int64_t *lines)
{
    *lines = 0;
    int error = career_stage_for(txn, import_id);
    if (!error) {
        error = move_staged(txn, lines);
    }
    if (!error || error == STORE_NOT_FOUND) {
        error = store_clear(txn, "staged");
    }
    if (!error || error == STORE_NOT_FOUND) {
        error = store_del(txn, "meta", STORE_UNDATED, "import", 6);
    }
    return error == STORE_NOT_FOUND ? 0 : error;
}

/* ---- asking ---- */

static size_t lines_before(const struct window_line *lines, size_t count, int32_t date)
{
    while (count > 0 && lines[count - 1].date >= date) {
        count--;
    }
    return count;
}

int career_lines(struct store_txn *txn, int64_t player_id, int32_t date,
                 struct window_line lines[WINDOW_LINES_MAX], size_t *count, int64_t *career)
{
    struct window_line season_lines[SEASON_LINES_MAX];
    int32_t season = window_season(date), first = season;
    struct store_key key;
    size_t have = 0; /* filled from the end of `lines` */

    *count = 0;
    *career = 0;
    int error = get_meta_i32(txn, "first_season", &first);
    if (error) {
        return error == STORE_NOT_FOUND ? 0 : error;
    }
    player_key(&key, player_id);
    for (int back = 0; season >= first && back < CAREER_SEASONS_MAX; back++, season--) {
        size_t found;
        error = read_array(txn, "career", season, &key, sizeof *season_lines, season_lines,
                           SEASON_LINES_MAX, &found);
        if (error) {
            return error;
        }
        found = lines_before(season_lines, found, date);
        *career += (int64_t)found;
        size_t room = WINDOW_LINES_MAX - have;
        if (room > 0 && found > 0) {
            size_t take = found < room ? found : room;
            memcpy(&lines[WINDOW_LINES_MAX - have - take], &season_lines[found - take],
                   take * sizeof *lines);
            have += take;
        }
    }
    memmove(lines, &lines[WINDOW_LINES_MAX - have], have * sizeof *lines);
    *count = have;
    return 0;
}

int career_seasons(struct store_txn *txn, const char *table, const int64_t *player_id,
                   const char *code, struct span seasons[CAREER_SEASONS_MAX], size_t *count)
{
    struct store_key key;
    int32_t season = 0, last = -1;
    *count = 0;
    int error = get_meta_i32(txn, "first_season", &season);
    if (!error) {
        error = get_meta_i32(txn, "last_season", &last);
    }
    store_key_start(&key);
    if (player_id) {
        store_key_i64(&key, *player_id);
    } else {
        store_key_bytes(&key, code, 4);
    }
    for (; !error && season <= last && *count < CAREER_SEASONS_MAX; season++) {
        error = store_get(txn, table, season_date(season), key.data, key.size, &seasons[*count]);
        *count += !error;
        error = error == STORE_NOT_FOUND ? 0 : error;
    }
    return error == STORE_NOT_FOUND ? 0 : error;
}

struct roster_scan {
    struct store_txn *txn;
    const char *home, *away;
    int32_t date;
    int32_t oldest; /* a last game before this day is too long ago */
    struct career_member *members;
    size_t most, count;
};

static int visit_player(const struct store_row *row, void *context)
{
    struct roster_scan *scan = context;
    struct span rest = row->key;
    struct career_player player;
    int64_t player_id;
    if (store_key_read_i64(&rest, &player_id) || row->value.size != sizeof player) {
        return STORE_CORRUPT;
    }
    memcpy(&player, row->value.data, sizeof player);
    if (player.last_date >= scan->date) { /* newer games are known: look at what was before */
        struct window_line lines[WINDOW_LINES_MAX];
        size_t count;
        int64_t career;
        int error = career_lines(scan->txn, player_id, scan->date, lines, &count, &career);
        if (error || count == 0) {
            return error;
        }
        player.last_date = lines[count - 1].date;
        memcpy(player.last_team, lines[count - 1].team, 4);
    }
    if (player_id <= 0 || player.last_date < scan->oldest ||
        (memcmp(player.last_team, scan->home, 4) != 0 &&
         memcmp(player.last_team, scan->away, 4) != 0)) {
        return 0;
    }
    if (scan->count < scan->most) {
        struct career_member *member = &scan->members[scan->count++];
        member->player_id = player_id;
        memcpy(member->team, player.last_team, 4);
    }
    return 0;
}

int career_roster(struct store_txn *txn, const char home[4], const char away[4], int32_t date,
                  int days_back, struct career_member *members, size_t most, size_t *count)
{
    struct roster_scan scan = {
        .txn = txn, .home = home, .away = away, .date = date, .members = members, .most = most};
    int32_t opening;
    int error = career_opening(txn, date, &opening);
    if (error) {
        return error;
    }
    scan.oldest = clock_date_add(date, -days_back);
    if (date <= clock_date_add(opening, YOUNG_DAYS)) {
        scan.oldest = season_date(window_season(date) - 1);
    }
    error = store_scan(txn, "player", STORE_UNDATED, STORE_UNDATED, NULL, 0, false, visit_player,
                       &scan);
    *count = scan.count;
    return error == STORE_NOT_FOUND ? 0 : error;
}
