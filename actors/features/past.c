#include "actors/features/past.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actors/features/game.h"
#include "actors/features/league.h"
#include "actors/features/line.h"
#include "schema/message.h"

enum { ROSTER_DAYS = 30, ROSTER_MOST = 64, OFFERS_MOST = 4096, GAMES_TOLD = 64 };

/* One game's rows in `past`. */
struct past_game {
    size_t first, count;
    double spread_home, total;
};

struct making {
    struct league *league;
    struct past *past;
    struct past_game *games;
    size_t game_count;
};

/* ---- which rows ---- */

static void describe(const struct league_player *player, const struct window_line *line,
                     struct past_row *row)
{
    memset(row, 0, sizeof *row);
    row->date = line->date;
    memcpy(row->game_id, line->game_id, sizeof line->game_id);
    memcpy(row->team, line->team, sizeof line->team);
    memcpy(row->opponent, line->opponent, sizeof line->opponent);
    memcpy(row->player_name, player->name, sizeof player->name);
    row->player_id = player->player_id;
    row->home = line->home;
    row->minutes = line->minutes;
    for (int i = 0; i < STAT_COUNT; i++) {
        row->actual[i] = window_stat(line, (enum stat_id)i);
    }
    row->line = row->market = NAN;
    row->over_price = row->under_price = MESSAGE_NONE;
}

static int compare_rows(const void *a, const void *b)
{
    const struct past_row *x = a, *y = b;
    if (x->date != y->date) {
        return x->date < y->date ? -1 : 1;
    }
    int order = strcmp(x->game_id, y->game_id);
    return order ? order : (x->player_id > y->player_id) - (x->player_id < y->player_id);
}

static int list_rows(const struct league *league, int32_t from, int32_t to, struct past *past)
{
    size_t count = 0;
    for (size_t i = 0; i < league_player_count(league); i++) {
        const struct league_player *player = league_player_at(league, i);
        size_t first = league_lines_before(player, from);
        while (first < player->count && player->lines[first].date <= to) {
            first++;
            count++;
        }
    }
    size_t bytes = count * (sizeof *past->rows + FEATURE_COUNT * sizeof *past->values) + 64;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return STORE_FULL;
    }
    *past = (struct past){count, memory, NULL, bytes};
    past->values = (float *)(past->rows + count);
    count = 0;
    for (size_t i = 0; i < league_player_count(league); i++) {
        const struct league_player *player = league_player_at(league, i);
        for (size_t j = league_lines_before(player, from);
             j < player->count && player->lines[j].date <= to; j++) {
            describe(player, &player->lines[j], &past->rows[count++]);
        }
    }
    qsort(past->rows, count, sizeof *past->rows, compare_rows);
    return 0;
}

static int list_games(struct making *making)
{
    const struct past *past = making->past;
    making->games = calloc(past->count + 1, sizeof *making->games);
    if (!making->games) {
        return STORE_FULL;
    }
    for (size_t i = 0; i < past->count; i++) {
        if (i == 0 || past->rows[i].date != past->rows[i - 1].date ||
            strcmp(past->rows[i].game_id, past->rows[i - 1].game_id) != 0) {
            making->games[making->game_count++] = (struct past_game){i, 0, NAN, NAN};
        }
        making->games[making->game_count - 1].count++;
    }
    return 0;
}

/* ---- what the books said ---- */

struct offers {
    struct game_odds items[OFFERS_MOST];
    size_t count;
};

static int add_offer(const struct game_odds *odds, void *context)
{
    struct offers *offers = context;
    if (odds->main && odds->offered && odds->player_id > 0 && offers->count < OFFERS_MOST) {
        offers->items[offers->count++] = *odds;
    }
    return 0;
}

static void line_of(const struct offers *offers, struct past_row *row)
{
    struct line_offer his[LINE_BOOKS_MAX] = {{0}};
    size_t count = 0;
    bool priced = false;
    for (size_t i = 0; i < offers->count && count < LINE_BOOKS_MAX; i++) {
        const struct game_odds *odds = &offers->items[i];
        if (odds->player_id == row->player_id) {
            priced = priced || !line_pickem(odds->book);
            his[count++] =
                (struct line_offer){odds->book, odds->line, odds->over_price, odds->under_price};
        }
    }
    struct line_median line = line_median(his, count);
    row->books = line.books;
    row->line = line.line;
    row->over_price = line.over_price;
    row->under_price = line.under_price;
    row->market = priced ? line_fair_over(line.over_price, line.under_price) : NAN;
}

static int read_odds(struct making *making, struct store_txn *const *txns, size_t txn_count)
{
    struct offers *offers = malloc(sizeof *offers);
    int error = offers ? 0 : STORE_FULL;
    for (size_t i = 0; i < making->game_count && !error; i++) {
        struct past_game *game = &making->games[i];
        struct past_row *rows = &making->past->rows[game->first];
        struct game_line line;
        offers->count = 0;
        line = (struct game_line){NAN, NAN};
        for (size_t j = 0; j < txn_count && !error; j++) {
            struct game_line said = {NAN, NAN};
            error = game_scan_odds(txns[j], rows->date, rows->game_id, add_offer, offers);
            if (!error) {
                error = game_median_line(txns[j], rows->date, rows->game_id, &said);
            }
            line.spread_home = isnan(line.spread_home) ? said.spread_home : line.spread_home;
            line.total = isnan(line.total) ? said.total : line.total;
        }
        game->spread_home = line.spread_home;
        game->total = line.total;
        for (size_t j = 0; j < game->count && !error; j++) {
            line_of(offers, &rows[j]);
        }
    }
    free(offers);
    return error;
}

/* ---- values ---- */

static int side_of(struct league *league, const char code[4], int32_t date,
                   struct league_side *side)
{
    struct career_member members[ROSTER_MOST];
    size_t count = league_roster(league, code, date, ROSTER_DAYS, members, ROSTER_MOST);
    return league_side(league, code, date, members, count, false, side);
}

static int fill_row(struct making *making, const struct past_game *game,
                    const struct league_side sides[2], size_t at)
{
    const struct past_row *row = &making->past->rows[at];
    struct window_output output;
    struct window_input input;
    bool first = memcmp(row->team, sides[0].code, 4) == 0;
    int error = league_input(making->league, row->player_id, row->game_id, row->date, row->home,
                             first ? &sides[0] : &sides[1], first ? &sides[1] : &sides[0], &input);
    if (!error) {
        error = league_around(making->league, &input);
    }
    if (error) {
        return error;
    }
    input.spread = row->home ? game->spread_home : -game->spread_home;
    input.total = game->total;
    input.line = row->line;
    input.books = row->books;
    input.line_prob_over = row->market;
    window_values(&input, &output);
    for (int i = 0; i < FEATURE_COUNT; i++) {
        making->past->values[at * FEATURE_COUNT + (size_t)i] = (float)output.value[i];
    }
    return 0;
}

static int fill_game(struct making *making, const struct past_game *game)
{
    const struct past_row *row = &making->past->rows[game->first];
    struct league_side sides[2];
    char codes[2][4];
    memcpy(codes[0], row->team, 4);
    memcpy(codes[1], row->opponent, 4);
    int error = side_of(making->league, codes[0], row->date, &sides[0]);
    if (!error) {
        error = side_of(making->league, codes[1], row->date, &sides[1]);
    }
    for (size_t i = 0; i < game->count && !error; i++) {
        error = fill_row(making, game, sides, game->first + i);
    }
    return error;
}

static int fill_part(struct making *making, unsigned part, unsigned parts, past_progress *progress,
                     void *context)
{
    int error = 0;
    for (size_t i = part; i < making->game_count && !error; i += parts) {
        error = fill_game(making, &making->games[i]);
        if (progress && i / parts % GAMES_TOLD == 0) {
            progress(i, making->game_count, context);
        }
    }
    return error;
}

static int fill(struct making *making, unsigned jobs, past_progress *progress, void *context)
{
    pid_t others[16];
    unsigned count = jobs < 1 ? 1 : jobs > 16 ? 16 : jobs, begun = 0;
    while (begun + 1 < count) {
        pid_t pid = fork();
        if (pid == 0) {
            _exit(-fill_part(making, begun + 1, count, NULL, NULL)); /* a store_error is small */
        }
        if (pid < 0) {
            break;
        }
        others[begun++] = pid;
    }
    int error = fill_part(making, 0, count, progress, context);
    for (unsigned part = begun + 1; part < count && !error;
         part++) { /* whom there was no process for */
        error = fill_part(making, part, count, NULL, NULL);
    }
    for (unsigned i = 0; i < begun; i++) {
        int status = 1;
        while (waitpid(others[i], &status, 0) < 0 && errno == EINTR) {
        }
        if (status != 0 && !error) {
            error =
                WIFEXITED(status) ? -WEXITSTATUS(status) : STORE_FULL; /* killed: for its memory */
        }
    }
    return error;
}

int past_build(struct store_txn *const *txns, size_t txn_count, int32_t from, int32_t to,
               unsigned jobs, past_progress *progress, void *context, struct past *past)
{
    struct making making = {.league = league_new(txns[0]), .past = past};
    *past = (struct past){0};
    int error = making.league ? league_load(making.league) : STORE_FULL;
    if (!error) {
        error = list_rows(making.league, from, to, past);
    }
    if (!error) {
        error = list_games(&making);
    }
    if (!error) {
        error = read_odds(&making, txns, txn_count);
    }
    if (!error) {
        error = fill(&making, jobs, progress, context);
    }
    free(making.games);
    league_free(&making.league);
    if (error) {
        past_free(past);
    }
    return error;
}

void past_free(struct past *past)
{
    if (past->rows) {
        munmap(past->rows, past->mapped);
    }
    *past = (struct past){0};
}
