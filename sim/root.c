#include "sim/root.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/clock.h"
#include "config/exit.h"
#include "config/log.h"
#include "schema/hash.h"
#include "sim/table.h"

#define SECOND_US INT64_C(1000000)
#define WHY_SIZE 256
#define NEVER_IN_MAX 6   /* of a side, beside those who have a line */
#define NEVER_IN_DAYS 21 /* whoever was not seen for so long is not on the list */
#define BOOKS_MAX 64

void root_season_of(int32_t date, char season[8])
{
    unsigned start = (unsigned)(date / 10000 - (date / 100 % 100 < 7)) % 10000;
    snprintf(season, 8, "%04u-%02u", start, (start + 1) % 100);
}

/* Room for one more in a vector that grows by halves; exits the process only by the kernel's hand. */
static void *grown(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room) {
        return items;
    }
    *room = *room + *room / 2 + 16;
    void *more = realloc(items, *room * size);
    if (more == NULL) {
        log_fatal(EXIT_AGAIN, "no-memory", "wanted=%zu", *room * size);
    }
    return more;
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

/* Ends the reading of a table: what was passed over is said. */
static void close_table(struct table **table, const char *name)
{
    if (table_bad_rows(*table) > 0 || table_torn(*table)) {
        log_warn("rows-passed-over", "file=%s rows=%llu torn=%d", name,
                 (unsigned long long)table_bad_rows(*table), table_torn(*table));
    }
    table_close(table);
}

/* ---- teams and players ---- */

int root_team_find(const struct root *self, const char *code)
{
    for (int i = 0; i < self->team_count; i++) {
        if (strcmp(self->teams[i].code, code) == 0) {
            return i;
        }
    }
    return -1;
}

static bool load_teams(struct root *self, const char *path, char *why)
{
    enum { TEAM, NBA_ID, BDL_ID, ODDS_NAME, FULL_NAME, CITY, NAME, CONFERENCE, DIVISION };
    static const char *const columns[] = {
        "team", "nba_team_id", "bdl_team_id", "odds_api_name", "bdl_full_name",
        "city", "name",        "conference",  "division",      NULL};
    struct table *table = table_open(path, "teams.csv", columns, why, WHY_SIZE);
    size_t room = 0;
    if (table == NULL) {
        return false;
    }
    while (table_next(table)) {
        self->teams = grown(self->teams, (size_t)self->team_count, &room, sizeof *self->teams);
        struct night_team *team = &self->teams[self->team_count++];
        copy(team->code, sizeof team->code, table_text(table, TEAM));
        team->nba_id = table_int(table, NBA_ID, 0);
        team->bdl_id = table_int(table, BDL_ID, 0);
        copy(team->odds_name, sizeof team->odds_name, table_text(table, ODDS_NAME));
        copy(team->full_name, sizeof team->full_name, table_text(table, FULL_NAME));
        copy(team->city, sizeof team->city, table_text(table, CITY));
        copy(team->name, sizeof team->name, table_text(table, NAME));
        copy(team->conference, sizeof team->conference, table_text(table, CONFERENCE));
        copy(team->division, sizeof team->division, table_text(table, DIVISION));
    }
    close_table(&table, "teams.csv");
    return true;
}

static int by_player_id(const void *a, const void *b)
{
    const struct night_player *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

int root_player_find(const struct root *self, int64_t id)
{
    struct night_player key = {.id = id};
    const struct night_player *found =
        bsearch(&key, self->players, (size_t)self->player_count, sizeof key, by_player_id);
    return found == NULL ? -1 : (int)(found - self->players);
}

/* Whoever has no id of balldontlie's gets one from his own id and nothing else, so that it is the same every night. */
static int64_t stand_in_player(const struct root *self, int64_t id)
{
    uint64_t hash = hash_fnv64(&id, sizeof id);
    for (;; hash++) {
        int64_t candidate = ROOT_STAND_IN_PLAYER + (int64_t)(hash % 90000000);
        bool taken = false;
        for (int i = 0; i < self->player_count && !taken; i++) {
            taken = self->players[i].bdl_id == candidate;
        }
        if (!taken) {
            return candidate;
        }
    }
}

static void add_player(struct root *self, int64_t id, const char *name, const char *position,
                       int64_t bdl_id)
{
    size_t room = (size_t)self->player_room;
    self->players = grown(self->players, (size_t)self->player_count, &room, sizeof *self->players);
    self->player_room = (int)room;
    struct night_player *player = &self->players[self->player_count];
    *player = (struct night_player){.id = id, .bdl_id = bdl_id, .last_team = -1};
    copy(player->name, sizeof player->name, name);
    copy(player->position, sizeof player->position, position);
    self->player_count++;
}

/* Events may name somebody whom players.csv does not know: all are in before anyone is pointed at by index. */
static bool load_players(struct root *self, const char *path, const char *events, char *why)
{
    static const char *const columns[] = {"player_id", "player_name", "position", "bdl_player_id",
                                          NULL};
    static const char *const event_columns[] = {"player_id", "player_name", NULL};
    struct table *table = table_open(path, "players.csv", columns, why, WHY_SIZE);
    if (table == NULL) {
        return false;
    }
    while (table_next(table)) {
        add_player(self, table_int(table, 0, 0), table_text(table, 1), table_text(table, 2),
                   table_int(table, 3, 0));
    }
    close_table(&table, "players.csv");
    qsort(self->players, (size_t)self->player_count, sizeof *self->players, by_player_id);
    table = table_open(path, events, event_columns, why, WHY_SIZE);
    if (table == NULL) {
        return false;
    }
    while (table_next(table)) {
        int64_t id = table_int(table, 0, 0);
        if (id != 0 && root_player_find(self, id) < 0) {
            add_player(self, id, table_text(table, 1), "", 0);
            qsort(self->players, (size_t)self->player_count, sizeof *self->players, by_player_id);
        }
    }
    close_table(&table, events);
    for (int i = 0; i < self->player_count; i++) {
        if (self->players[i].bdl_id == 0) {
            self->players[i].bdl_id = stand_in_player(self, self->players[i].id);
        }
    }
    return true;
}

/* ---- the schedule ---- */

static int by_tip(const void *a, const void *b)
{
    const struct root_match *x = a, *y = b;
    if (x->date != y->date) {
        return x->date < y->date ? -1 : 1;
    }
    if (x->tip_us != y->tip_us) {
        return x->tip_us < y->tip_us ? -1 : 1;
    }
    return strcmp(x->id, y->id);
}

/* Sorted by number, so that neighbours show what is taken twice. */
static int by_number(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Every game of the season gets a number from its own id and nothing else; whoever clashes (the later in the schedule) moves. */
static void number_matches(struct root *self)
{
    int64_t *taken = calloc((size_t)self->match_count + 1, sizeof *taken);
    if (taken == NULL) {
        log_fatal(EXIT_AGAIN, "no-memory", "games=%d", self->match_count);
    }
    for (int i = 0; i < self->match_count; i++) {
        struct root_match *match = &self->matches[i];
        uint64_t hash = hash_fnv64(match->id, strlen(match->id));
        do {
            match->bdl_id = ROOT_STAND_IN_GAME + (int64_t)(hash++ % 900000);
        } while (bsearch(&match->bdl_id, taken, (size_t)i, sizeof *taken, by_number) != NULL);
        int at = i;
        for (; at > 0 && taken[at - 1] > match->bdl_id; at--) {
            taken[at] = taken[at - 1];
        }
        taken[at] = match->bdl_id;
    }
    free(taken);
}

static bool load_matches(struct root *self, const char *path, char *why)
{
    enum { ID, DATE, TIP, HOME, AWAY, NEUTRAL, STATUS, HOME_PTS, AWAY_PTS, PERIODS };
    static const char *const columns[] = {"game_id",  "game_date", "tip_utc", "home",
                                          "away",     "neutral",   "status",  "home_pts",
                                          "away_pts", "periods",   NULL};
    char name[32];
    size_t room = 0;
    snprintf(name, sizeof name, "games/%s.csv", self->season);
    struct table *table = table_open(path, name, columns, why, WHY_SIZE);
    if (table == NULL) {
        return false;
    }
    while (table_next(table)) {
        struct root_match match = {
            .date = table_date(table, DATE),
            .tip_us = table_time_us(table, TIP),
            .home = root_team_find(self, table_text(table, HOME)),
            .away = root_team_find(self, table_text(table, AWAY)),
            .neutral = table_int(table, NEUTRAL, 0) == 1,
            .final = strcmp(table_text(table, STATUS), "final") == 0,
            .score = {(int)table_int(table, HOME_PTS, 0), (int)table_int(table, AWAY_PTS, 0)},
            .periods = (int)table_int(table, PERIODS, 4)};
        copy(match.id, sizeof match.id, table_text(table, ID));
        match.played_date = match.date;
        match.played_tip_us = match.tip_us;
        if (match.date == 0 || match.home < 0 || match.away < 0) {
            log_warn("game-passed-over", "file=%s line=%llu", name,
                     (unsigned long long)table_line(table));
            continue;
        }
        self->matches = grown(self->matches, (size_t)self->match_count, &room, sizeof match);
        self->matches[self->match_count++] = match;
    }
    close_table(&table, name);
    qsort(self->matches, (size_t)self->match_count, sizeof *self->matches, by_tip);
    number_matches(self);
    return true;
}

void root_show(struct root *self, const char *game_id, bool moved, int32_t date, int64_t tip_us)
{
    for (int i = 0; i < self->match_count; i++) {
        struct root_match *match = &self->matches[i];
        if (strcmp(match->id, game_id) != 0 || match->moved == moved) {
            continue;
        }
        match->moved = moved;
        match->date = moved ? date : match->played_date;
        match->tip_us = moved ? tip_us : match->played_tip_us;
        self->shown++;
        qsort(self->matches, (size_t)self->match_count, sizeof *self->matches, by_tip);
        return;
    }
}

static bool make_games(struct root *self, char *why)
{
    for (int i = 0; i < self->match_count; i++) {
        self->game_count += self->matches[i].date == self->date;
    }
    self->games = calloc((size_t)self->game_count + 1, sizeof *self->games);
    if (self->game_count == 0 || self->games == NULL) {
        snprintf(why, WHY_SIZE, "season %s has no game on %d", self->season, (int)self->date);
        self->game_count = 0;
        return false;
    }
    struct night_game *game = self->games;
    for (int i = 0; i < self->match_count; i++) {
        const struct root_match *match = &self->matches[i];
        if (match->date != self->date) {
            continue;
        }
        copy(game->id, sizeof game->id, match->id);
        game->bdl_id = match->bdl_id;
        game->team[NIGHT_HOME] = match->home;
        game->team[NIGHT_AWAY] = match->away;
        game->tip_us = match->tip_us;
        game->start_us = game->end_us = CLOCK_NONE;
        game++;
    }
    return true;
}

static struct night_game *find_game(struct root *self, const char *id)
{
    for (int i = 0; i < self->game_count; i++) {
        if (strcmp(self->games[i].id, id) == 0) {
            return &self->games[i];
        }
    }
    return NULL;
}

/* ---- events ---- */

static int find_member(struct night_game *game, int player, enum night_side side, bool appears)
{
    for (int i = 0; i < game->roster_count; i++) {
        if (game->roster[i].player == player) {
            return i;
        }
    }
    if (game->roster_count == NIGHT_ROSTER_MAX) {
        return -1;
    }
    game->roster[game->roster_count] =
        (struct night_member){.player = player, .side = side, .appears = appears};
    return game->roster_count++;
}

enum { E_GAME, E_PERIOD, E_ELAPSED, E_EST, E_TEAM, E_PLAYER, E_TYPE, E_HOME_SCORE, E_AWAY_SCORE };

static const char *add_event(struct root *self, const struct table *table)
{
    struct night_game *game = find_game(self, table_text(table, E_GAME));
    int type = night_event_of(table_text(table, E_TYPE)),
        team = root_team_find(self, table_text(table, E_TEAM));
    struct night_event event = {.est_us = table_time_us(table, E_EST),
                                .elapsed_s = table_number(table, E_ELAPSED, -1),
                                .period = (int)table_int(table, E_PERIOD, 0),
                                .member = -1,
                                .score = {(int)table_int(table, E_HOME_SCORE, -1),
                                          (int)table_int(table, E_AWAY_SCORE, -1)}};
    if (game == NULL) {
        return "a game that is not this night's";
    }
    if (type < 0 || event.period < 1 || event.period > NIGHT_PERIODS_MAX || event.elapsed_s < 0 ||
        event.est_us == CLOCK_NONE || event.score[0] < 0 || event.score[1] < 0) {
        return "type, period, elapsed, est_utc or score";
    }
    if (team != game->team[NIGHT_HOME] && team != game->team[NIGHT_AWAY]) {
        return "team is not playing";
    }
    const struct night_event *last =
        game->event_count > 0 ? &game->events[game->event_count - 1] : NULL;
    if (last != NULL && (last->period > event.period || last->elapsed_s > event.elapsed_s)) {
        return "earlier than the row before";
    }
    event.type = (enum night_event_type)type;
    event.side = team == game->team[NIGHT_HOME] ? NIGHT_HOME : NIGHT_AWAY;
    int player = root_player_find(self, table_int(table, E_PLAYER, 0));
    event.member = player < 0 ? -1 : find_member(game, player, event.side, true);
    game->events = grown(game->events, game->event_count, &game->event_room, sizeof event);
    game->events[game->event_count++] = event;
    return NULL;
}

static bool load_events(struct root *self, const char *path, const char *name, char *why)
{
    static const char *const columns[] = {"game_id",   "period", "elapsed",    "est_utc",    "team",
                                          "player_id", "type",   "home_score", "away_score", NULL};
    struct table *table = table_open(path, name, columns, why, WHY_SIZE);
    if (table == NULL) {
        return false;
    }
    while (table_next(table)) {
        const char *rule = add_event(self, table);
        if (rule != NULL) {
            log_warn("event-passed-over", "file=%s line=%llu rule=\"%s\"", name,
                     (unsigned long long)table_line(table), rule);
        }
    }
    close_table(&table, name);
    return true;
}

/* The file cuts instants to seconds: where they are those of the model, the model has them exactly. */
static void refine_events(struct night_game *game)
{
    for (size_t i = 0; i < game->event_count; i++) {
        struct night_event *event = &game->events[i];
        int64_t modelled_us = night_wall_us(game->start_us, event->period, event->elapsed_s);
        if (llabs(modelled_us - event->est_us) <= 2 * SECOND_US) {
            event->est_us = modelled_us;
        }
    }
}

/* The game clock starts ten minutes after the scheduled tip, or where the events say. */
static void find_start(struct night_game *game)
{
    const struct night_event *first = &game->events[0];
    int64_t modelled_us = game->tip_us == CLOCK_NONE ? CLOCK_NONE : game->tip_us + NIGHT_TIP_LAG_US;
    int64_t told_us = first->est_us - night_wall_us(0, first->period, first->elapsed_s);
    if (modelled_us != CLOCK_NONE && llabs(told_us - modelled_us) <= 2 * SECOND_US) {
        game->start_us = modelled_us;
        return;
    }
    game->start_us = told_us / SECOND_US * SECOND_US;
    if (modelled_us != CLOCK_NONE) {
        log_warn("start-differs", "game=%s seconds=%lld", game->id,
                 (long long)((told_us - modelled_us) / SECOND_US));
    }
}

/* Starters first, then by name; events and odds point at members by index, so this comes before both are counted. */
static int member_before(const struct root *self, const struct night_member *a,
                         const struct night_member *b)
{
    if (a->appears != b->appears) {
        return a->appears ? -1 : 1;
    }
    if (a->side != b->side) {
        return a->side < b->side ? -1 : 1;
    }
    if (a->starter != b->starter) {
        return a->starter ? -1 : 1;
    }
    int order = strcmp(self->players[a->player].name, self->players[b->player].name);
    return order != 0 ? order : (a->player > b->player) - (a->player < b->player);
}

static void sort_roster(const struct root *self, struct night_game *game)
{
    int place[NIGHT_ROSTER_MAX], order[NIGHT_ROSTER_MAX];
    struct night_member sorted[NIGHT_ROSTER_MAX] = {0};
    for (int i = 0; i < game->roster_count; i++) {
        int at = i;
        for (; at > 0 && member_before(self, &game->roster[i], &game->roster[order[at - 1]]) < 0;
             at--) {
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    for (int i = 0; i < game->roster_count; i++) {
        sorted[i] = game->roster[order[i]];
        place[order[i]] = i;
    }
    memcpy(game->roster, sorted, (size_t)game->roster_count * sizeof *sorted);
    for (size_t i = 0; i < game->event_count; i++) {
        if (game->events[i].member >= 0) {
            game->events[i].member = place[game->events[i].member];
        }
    }
    int8_t *lineup = &game->lineup[0][0][0];
    for (size_t i = 0; i < sizeof game->lineup; i++) {
        if (lineup[i] >= 0) {
            lineup[i] = (int8_t)place[lineup[i]];
        }
    }
}

static void prepare_games(struct root *self)
{
    for (int i = 0; i < self->game_count; i++) {
        struct night_game *game = &self->games[i];
        if (game->event_count == 0) {
            log_warn("game-without-events", "game=%s", game->id);
            continue;
        }
        find_start(game);
        refine_events(game);
        int bad = night_game_prepare(game);
        if (bad > 0) {
            log_warn("lineup-unclear", "game=%s period_starts=%d", game->id, bad);
        }
        sort_roster(self, game);
    }
}

/* ---- who was on the list and never came in ---- */

static int32_t date_of_game(const struct root *self, const char *id)
{
    for (int i = 0; i < self->match_count; i++) {
        if (strcmp(self->matches[i].id, id) == 0) {
            return self->matches[i].date;
        }
    }
    return 0;
}

static void see(struct root *self, int64_t player_id, const char *team, int32_t date)
{
    int player = player_id != 0 ? root_player_find(self, player_id) : -1;
    int found = root_team_find(self, team);
    if (player >= 0 && found >= 0 && date != 0 && date < self->date &&
        date >= self->players[player].last_seen) {
        self->players[player].last_seen = date;
        self->players[player].last_team = found;
    }
}

/* Rows of one file that put a player with a team on a day before this one; those of the night itself (dressed, never
 * came in) join the list. Rows of other seasons name games that the schedule does not have. */
static void load_seen(struct root *self, const char *path, const char *name)
{
    static const char *const columns[] = {"game_id", "team", "player_id", NULL};
    char why[WHY_SIZE], id[16] = "";
    int32_t date = 0;
    struct table *table = table_open(path, name, columns, why, sizeof why);
    if (table == NULL) {
        return;
    }
    while (table_next(table)) {
        if (strcmp(id, table_text(table, 0)) != 0) {
            copy(id, sizeof id, table_text(table, 0));
            date = date_of_game(self, id);
        }
        struct night_game *game = date == self->date ? find_game(self, id) : NULL;
        int team = root_team_find(self, table_text(table, 1));
        int player = root_player_find(self, table_int(table, 2, 0));
        if (game == NULL) {
            see(self, table_int(table, 2, 0), table_text(table, 1), date);
        } else if (player >= 0 &&
                   (team == game->team[NIGHT_HOME] || team == game->team[NIGHT_AWAY])) {
            find_member(game, player, team == game->team[NIGHT_HOME] ? NIGHT_HOME : NIGHT_AWAY,
                        false);
        }
    }
    close_table(&table, name);
}

static bool plays_tonight(const struct root *self, int player)
{
    for (int i = 0; i < self->game_count; i++) {
        for (int m = 0; m < self->games[i].roster_count; m++) {
            if (self->games[i].roster[m].player == player) {
                return true;
            }
        }
    }
    return false;
}

static bool has_line(const struct root *self, const struct night_game *game, int player)
{
    for (size_t i = 0; i < game->odds_count; i++) {
        if (game->odds[i].player_id == self->players[player].id) {
            return true;
        }
    }
    return false;
}

/* Whoever has a line and did not appear is on the list; then those seen last with the team, until there are enough. */
static void add_never_in(struct root *self, struct night_game *game, enum night_side side)
{
    int32_t since = clock_date_add(self->date, -NEVER_IN_DAYS);
    int added = 0;
    for (int i = 0; i < self->player_count; i++) {
        if (self->players[i].last_team == game->team[side] && !plays_tonight(self, i) &&
            has_line(self, game, i)) {
            find_member(game, i, side, false);
        }
    }
    for (int i = 0; i < game->roster_count; i++) {
        added += game->roster[i].side == side && !game->roster[i].appears;
    }
    for (; added < NEVER_IN_MAX; added++) {
        int best = -1;
        for (int i = 0; i < self->player_count; i++) {
            const struct night_player *player = &self->players[i];
            if (player->last_team == game->team[side] && player->last_seen >= since &&
                (best < 0 || player->last_seen > self->players[best].last_seen) &&
                !plays_tonight(self, i)) {
                best = i;
            }
        }
        if (best < 0) {
            return;
        }
        find_member(game, best, side, false);
    }
}

/* ---- odds ---- */

static const char *intern_book(const char *name)
{
    static char books[BOOKS_MAX][32];
    for (int i = 0; i < BOOKS_MAX; i++) {
        if (books[i][0] == '\0') {
            copy(books[i], sizeof books[i], name);
        }
        if (strcmp(books[i], name) == 0) {
            return books[i];
        }
    }
    return NULL;
}

enum {
    P_GAME,
    P_DATE,
    P_SNAPSHOT,
    P_EVENT,
    P_COMMENCE,
    P_BOOK,
    P_PLAYER,
    P_NAME,
    P_LINE,
    P_OVER,
    P_UNDER,
    P_MAIN
};

static const char *add_odds(struct root *self, const struct table *table)
{
    struct night_game *game = find_game(self, table_text(table, P_GAME));
    struct night_odds odds = {.snapshot_us = table_time_us(table, P_SNAPSHOT),
                              .book = intern_book(table_text(table, P_BOOK)),
                              .player_id = table_int(table, P_PLAYER, 0),
                              .line = table_number(table, P_LINE, -1),
                              .over_price = (int)table_int(table, P_OVER, 0),
                              .under_price = (int)table_int(table, P_UNDER, 0),
                              .main = table_int(table, P_MAIN, 0) == 1};
    copy(odds.player_name, sizeof odds.player_name, table_text(table, P_NAME));
    if (game == NULL) {
        return "a game that is not this night's";
    }
    if (odds.book == NULL || odds.line < 0 || odds.player_name[0] == '\0') {
        return "book, line or player_name";
    }
    copy(game->event_id, sizeof game->event_id, table_text(table, P_EVENT));
    game->commence_us = table_time_us(table, P_COMMENCE);
    game->odds = grown(game->odds, game->odds_count, &game->odds_room, sizeof odds);
    game->odds[game->odds_count++] = odds;
    return NULL;
}

static void load_odds(struct root *self, const char *path, const char *name)
{
    static const char *const columns[] = {
        "game_id",   "game_date",   "snapshot_utc", "event_id",   "commence_utc", "book",
        "player_id", "player_name", "line",         "over_price", "under_price",  "main",
        NULL};
    char why[WHY_SIZE];
    struct table *table = table_open(path, name, columns, why, sizeof why);
    if (table == NULL) {
        log_warn("file-passed-over", "why=\"%s\"", why);
        return;
    }
    while (table_next(table)) {
        const char *rule = table_date(table, P_DATE) == self->date ? add_odds(self, table) : NULL;
        if (rule != NULL) {
            log_warn("odds-passed-over", "file=%s line=%llu rule=\"%s\"", name,
                     (unsigned long long)table_line(table), rule);
        }
    }
    close_table(&table, name);
}

enum { G_GAME, G_DATE, G_SPREAD, G_TOTAL };

static void load_game_lines(struct root *self, const char *path, const char *name)
{
    static const char *const columns[] = {"game_id", "game_date", "spread_home", "total", NULL};
    char why[WHY_SIZE];
    struct table *table = table_open(path, name, columns, why, sizeof why);
    if (table == NULL) {
        log_warn("file-passed-over", "why=\"%s\"", why);
        return;
    }
    while (table_next(table)) {
        struct night_game *game = table_date(table, G_DATE) == self->date
                                      ? find_game(self, table_text(table, G_GAME))
                                      : NULL;
        if (game == NULL) {
            continue;
        }
        game->has_spread = table_text(table, G_SPREAD)[0] != '\0';
        game->has_total = table_text(table, G_TOTAL)[0] != '\0';
        game->spread_home = table_number(table, G_SPREAD, 0);
        game->total = table_number(table, G_TOTAL, 0);
    }
    close_table(&table, name);
}

/* Stable: rows of one snapshot keep the file's order. */
static void finish_odds(struct night_game *game)
{
    for (size_t i = 1; i < game->odds_count; i++) {
        struct night_odds odds = game->odds[i];
        size_t at = i;
        for (; at > 0 && game->odds[at - 1].snapshot_us > odds.snapshot_us; at--) {
            game->odds[at] = game->odds[at - 1];
        }
        game->odds[at] = odds;
    }
    if (game->event_id[0] == '\0') { /* no book has it: the event is there all the same */
        uint64_t first = hash_fnv64(game->id, strlen(game->id)),
                 second = hash_fnv64(&first, sizeof first);
        snprintf(game->event_id, sizeof game->event_id, "%016llx%016llx", (unsigned long long)first,
                 (unsigned long long)second);
        game->commence_us = CLOCK_NONE;
    }
    if (game->commence_us == CLOCK_NONE) {
        game->commence_us =
            game->tip_us != CLOCK_NONE ? game->tip_us + NIGHT_TIP_LAG_US : game->start_us;
    }
}

/* ---- the whole ---- */

static int csv_only(const struct dirent *entry)
{
    return strstr(entry->d_name, ".csv") != NULL;
}

/* Every table of a folder of the root, in the order of their names. A folder that is missing has none. */
static void each_table(struct root *self, const char *path, const char *folder,
                       void (*load)(struct root *self, const char *path, const char *name))
{
    char where[PATH_MAX], name[320];
    struct dirent **entries = NULL;
    snprintf(where, sizeof where, "%s/%s", path, folder);
    int count = scandir(where, &entries, csv_only, alphasort);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s/%s", folder, entries[i]->d_name);
        load(self, path, name);
        free(entries[i]);
    }
    free(entries);
}

/* Of a league that lives many nights the lines are by night. */
static void load_night_odds(struct root *self, const char *path, const char *day)
{
    char name[56], whole[PATH_MAX];
    snprintf(name, sizeof name, "replay/%s/props_points.csv", day);
    if (snprintf(whole, sizeof whole, "%s/%s.gz", path, name) < PATH_MAX &&
        access(whole, R_OK) == 0) {
        load_odds(self, path, name);
    }
}

struct root *root_load(const char *path, int32_t date, char *why, size_t why_size)
{
    char events[48], day[CLOCK_DATE_SIZE], reason[WHY_SIZE] = "no memory";
    struct root *self = calloc(1, sizeof *self);
    if (self == NULL) {
        snprintf(why, why_size, "%s", reason);
        return NULL;
    }
    self->date = date;
    root_season_of(date, self->season);
    self->season_start = atoi(self->season);
    clock_format_date(date, day);
    snprintf(events, sizeof events, "replay/%s/events.csv", day);
    if (!load_teams(self, path, reason) || !load_matches(self, path, reason) ||
        !make_games(self, reason) || !load_players(self, path, events, reason) ||
        !load_events(self, path, events, reason)) {
        snprintf(why, why_size, "%s", reason);
        root_free(&self);
        return NULL;
    }
    prepare_games(self);
    each_table(self, path, "props_points", load_odds);
    load_night_odds(self, path, day);
    each_table(self, path, "game_lines", load_game_lines);
    each_table(self, path, "pbp_events", load_seen);
    load_seen(self, path, "absent.csv");
    for (int i = 0; i < self->game_count; i++) {
        finish_odds(&self->games[i]);
        add_never_in(self, &self->games[i], NIGHT_HOME);
        add_never_in(self, &self->games[i], NIGHT_AWAY);
        sort_roster(self, &self->games[i]);
    }
    return self;
}

void root_free(struct root **self)
{
    if (*self == NULL) {
        return;
    }
    for (int i = 0; i < (*self)->game_count; i++) {
        free((*self)->games[i].events);
        free((*self)->games[i].odds);
    }
    free((*self)->games);
    free((*self)->matches);
    free((*self)->players);
    free((*self)->teams);
    free(*self);
    *self = NULL;
}
