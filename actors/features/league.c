#include "actors/features/league.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actors/features/game.h"
#include "config/clock.h"

enum { TEAMS_MAX = 128, YOUNG_DAYS = 10 };

struct league {
    struct store_txn *txn;
    struct league_player **players; /* by id */
    size_t player_count, player_capacity;
    struct league_team teams[TEAMS_MAX];
    size_t team_count;
    int32_t first_season, last_season;
    bool loaded;
    const struct window_team *line_teams[WINDOW_LINES_MAX];
    double tiers[WINDOW_LINES_MAX];
};

struct league *league_new(struct store_txn *txn)
{
    struct league *self = calloc(1, sizeof *self);
    if (self) {
        self->txn = txn;
    }
    return self;
}

void league_use(struct league *self, struct store_txn *txn)
{
    self->txn = txn;
}

void league_free(struct league **self)
{
    struct league *league = *self;
    if (!league) {
        return;
    }
    for (size_t i = 0; i < league->player_count; i++) {
        free(league->players[i]->lines);
        free(league->players[i]);
    }
    for (size_t i = 0; i < league->team_count; i++) {
        free(league->teams[i].games);
    }
    free(league->players);
    free(league);
    *self = NULL;
}

/* ---- players ---- */

static size_t player_place(const struct league *self, int64_t player_id)
{
    size_t low = 0, high = self->player_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (self->players[middle]->player_id < player_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* His place, made if he is new; NULL: no memory. */
static struct league_player *player_make(struct league *self, int64_t player_id)
{
    size_t at = player_place(self, player_id);
    if (at < self->player_count && self->players[at]->player_id == player_id) {
        return self->players[at];
    }
    if (self->player_count == self->player_capacity) {
        size_t capacity = self->player_capacity ? 2 * self->player_capacity : 128;
        struct league_player **players =
            realloc(self->players, capacity * sizeof(struct league_player *));
        if (!players) {
            return NULL;
        }
        self->players = players;
        self->player_capacity = capacity;
    }
    struct league_player *player = calloc(1, sizeof *player);
    if (!player) {
        return NULL;
    }
    player->player_id = player_id;
    memmove(&self->players[at + 1], &self->players[at],
            (self->player_count - at) * sizeof(struct league_player *));
    self->players[at] = player;
    self->player_count++;
    return player;
}

static int add_bytes(void **items, size_t *count, size_t size, struct span bytes)
{
    size_t more = bytes.size / size;
    if (bytes.size % size != 0) {
        return STORE_CORRUPT;
    }
    void *grown = realloc(*items, (*count + more) * size + 1);
    if (!grown) {
        return STORE_FULL;
    }
    memcpy((char *)grown + *count * size, bytes.data, bytes.size);
    *items = grown;
    *count += more;
    return 0;
}

static int add_lines(struct league_player *player, struct span bytes)
{
    void *lines = player->lines;
    int error = add_bytes(&lines, &player->count, sizeof *player->lines, bytes);
    player->lines = lines;
    return error;
}

static int name_player(struct league *self, struct league_player *player)
{
    struct career_player known;
    int error = career_player(self->txn, player->player_id, &known);
    if (!error) {
        memcpy(player->name, known.name, sizeof player->name);
        player->group = (enum window_group)known.group;
    }
    return error == STORE_NOT_FOUND ? 0 : error;
}

int league_player(struct league *self, int64_t player_id, const struct league_player **player)
{
    size_t at = player_place(self, player_id);
    if (at < self->player_count && self->players[at]->player_id == player_id) {
        *player = self->players[at];
        return 0;
    }
    struct league_player *made = player_make(self, player_id);
    int error = made ? name_player(self, made) : STORE_FULL;
    *player = made;
    if (error || self->loaded) {
        return error;
    }
    struct span seasons[CAREER_SEASONS_MAX];
    size_t count;
    error = career_seasons(self->txn, "career", &player_id, NULL, seasons, &count);
    for (size_t i = 0; i < count && !error; i++) {
        error = add_lines(made, seasons[i]);
    }
    return error;
}

/* ---- teams ---- */

static struct league_team *team_make(struct league *self, const char code[4], bool *made)
{
    *made = false;
    for (size_t i = 0; i < self->team_count; i++) {
        if (memcmp(self->teams[i].code, code, 4) == 0) {
            return &self->teams[i];
        }
    }
    if (self->team_count == TEAMS_MAX) {
        return NULL;
    }
    struct league_team *team = &self->teams[self->team_count++];
    memcpy(team->code, code, 4);
    *made = true;
    return team;
}

static int add_games(struct league_team *team, struct span bytes)
{
    void *games = team->games;
    int error = add_bytes(&games, &team->count, sizeof *team->games, bytes);
    team->games = games;
    return error;
}

int league_team(struct league *self, const char code[4], const struct league_team **team)
{
    bool made;
    struct league_team *found = team_make(self, code, &made);
    *team = found;
    if (!found || !made || self->loaded) {
        return found ? 0 : STORE_FULL;
    }
    struct span seasons[CAREER_SEASONS_MAX];
    size_t count;
    int error = career_seasons(self->txn, "team", NULL, code, seasons, &count);
    for (size_t i = 0; i < count && !error; i++) {
        error = add_games(found, seasons[i]);
    }
    return error;
}

/* ---- all of it ---- */

static int visit_lines(const struct store_row *row, void *context)
{
    struct league *self = context;
    struct span rest = row->key;
    int64_t player_id;
    if (store_key_read_i64(&rest, &player_id)) {
        return STORE_CORRUPT;
    }
    struct league_player *player = player_make(self, player_id);
    int error = player ? 0 : STORE_FULL;
    if (!error && player->count == 0) {
        error = name_player(self, player);
    }
    return error ? error : add_lines(player, row->value);
}

static int visit_games(const struct store_row *row, void *context)
{
    bool made;
    char code[4];
    if (row->key.size != sizeof code) {
        return STORE_CORRUPT;
    }
    memcpy(code, row->key.data, sizeof code);
    struct league_team *team = team_make(context, code, &made);
    return team ? add_games(team, row->value) : STORE_FULL;
}

int league_load(struct league *self)
{
    int error = store_scan(self->txn, "career", 1, 99991231, NULL, 0, false, visit_lines, self);
    if (!error || error == STORE_NOT_FOUND) {
        error = store_scan(self->txn, "team", 1, 99991231, NULL, 0, false, visit_games, self);
    }
    self->loaded = !error || error == STORE_NOT_FOUND;
    return error == STORE_NOT_FOUND ? 0 : error;
}

size_t league_player_count(const struct league *self)
{
    return self->player_count;
}

const struct league_player *league_player_at(const struct league *self, size_t index)
{
    return self->players[index];
}

size_t league_lines_before(const struct league_player *player, int32_t date)
{
    size_t low = 0, high = player->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (player->lines[middle].date < date) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t league_games_before(const struct league_team *team, int32_t date)
{
    size_t low = 0, high = team->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (team->games[middle].date < date) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- one game ---- */

/* The first day of the season `date` is in, so far; `date` itself if none is known. */
static int32_t opening_of(const struct league *self, int32_t date)
{
    int32_t opening = date;
    for (size_t i = 0; i < self->team_count; i++) {
        size_t before = league_games_before(&self->teams[i], date);
        while (before > 0 &&
               window_season(self->teams[i].games[before - 1].date) == window_season(date)) {
            before--;
        }
        if (before < self->teams[i].count && self->teams[i].games[before].date < opening) {
            opening = self->teams[i].games[before].date;
        }
    }
    return opening;
}

size_t league_roster(const struct league *self, const char code[4], int32_t date, int days_back,
                     struct career_member *members, size_t most)
{
    size_t count = 0;
    int32_t oldest = clock_date_add(date, -days_back);
    if (date <= clock_date_add(opening_of(self, date), YOUNG_DAYS)) {
        oldest = (window_season(date) - 1) * 10000 + 701;
    }
    for (size_t i = 0; i < self->player_count && count < most; i++) {
        const struct league_player *player = self->players[i];
        size_t before = league_lines_before(player, date);
        if (before > 0 && player->player_id > 0 && player->lines[before - 1].date >= oldest &&
            memcmp(player->lines[before - 1].team, code, 4) == 0) {
            members[count].player_id = player->player_id;
            memcpy(members[count++].team, code, 4);
        }
    }
    return count;
}

int league_side(struct league *self, const char code[4], int32_t date,
                const struct career_member *members, size_t member_count, bool reports,
                struct league_side *side)
{
    const struct league_team *team;
    const struct league_player *player;
    int error = league_team(self, code, &team);
    if (error) {
        return error;
    }
    memset(side, 0, sizeof *side);
    memcpy(side->code, code, 4);
    side->count = league_games_before(team, date);
    side->games = team->games;
    for (size_t i = 0; i < member_count && side->mate_count < LEAGUE_MATES_MAX; i++) {
        if (memcmp(members[i].team, code, 4) != 0) {
            continue;
        }
        error = league_player(self, members[i].player_id, &player);
        if (error) {
            return error;
        }
        struct window_mate *mate = &side->mates[side->mate_count++];
        *mate = window_mate(player->player_id, player->lines, league_lines_before(player, date),
                            side->games, side->count);
        double risk = NAN;
        if (reports) {
            error = game_injury(self->txn, player->player_id, &risk);
        }
        mate->out = risk >= 3;
        if (error) {
            return error;
        }
    }
    return 0;
}

/* The team's game of a line, NULL if it is not known. */
static const struct window_team *team_game(const struct league_team *team,
                                           const struct window_line *line)
{
    size_t at = league_games_before(team, line->date);
    while (at < team->count && team->games[at].date == line->date) {
        if (memcmp(team->games[at].game_id, line->game_id, 16) == 0) {
            return &team->games[at];
        }
        at++;
    }
    return NULL;
}

static int find_line_teams(struct league *self, const struct window_line *lines, size_t count)
{
    size_t first = count < WINDOW_USAGE_GAMES ? 0 : count - WINDOW_USAGE_GAMES;
    memset(self->line_teams, 0, sizeof self->line_teams);
    for (size_t i = first; i < count; i++) {
        const struct league_team *team;
        int error = league_team(self, lines[i].team, &team);
        if (error) {
            return error;
        }
        self->line_teams[i] = team_game(team, &lines[i]);
    }
    for (size_t i = 0; i < count; i++) {
        const struct league_team *opponent;
        int error = league_team(self, lines[i].opponent, &opponent);
        if (error) {
            return error;
        }
        size_t before = league_games_before(opponent, lines[i].date);
        size_t newest = before < WINDOW_TEAM_GAMES ? before : WINDOW_TEAM_GAMES;
        self->tiers[i] = window_tier(opponent->games + (before - newest), newest);
    }
    return 0;
}

int league_input(struct league *self, int64_t player_id, const char *game_id, int32_t date,
                 bool home, const struct league_side *own, const struct league_side *other,
                 struct window_input *input)
{
    const struct league_player *player;
    int error = league_player(self, player_id, &player);
    if (error) {
        return error;
    }
    size_t career = league_lines_before(player, date);
    size_t count = career < WINDOW_LINES_MAX ? career : WINDOW_LINES_MAX;
    size_t team = own->count < WINDOW_TEAM_GAMES ? own->count : WINDOW_TEAM_GAMES;
    size_t opponent = other->count < WINDOW_TEAM_GAMES ? other->count : WINDOW_TEAM_GAMES;
    const struct window_line *lines = player->lines + (career - count);
    *input = (struct window_input){
        .game_date = date,
        .game_id = game_id,
        .home = home,
        .player_id = player_id,
        .lines = lines,
        .line_count = count,
        .games_career = (int64_t)career,
        .team = own->games + (own->count - team),
        .team_count = team,
        .opponent = other->games + (other->count - opponent),
        .opponent_count = opponent,
        .team_code = own->code,
        .opponent_code = other->code,
        .mates = own->mates,
        .mate_count = own->mate_count,
        .group = player->group,
        .injury_risk = NAN,
        .line = NAN,
        .line_opening = NAN,
        .line_prob_over = NAN,
        .spread = NAN,
        .total = NAN,
    };
    return 0;
}

int league_around(struct league *self, struct window_input *input)
{
    input->line_teams = self->line_teams;
    input->tiers = self->tiers;
    return find_line_teams(self, input->lines, input->line_count);
}
