/* Books that open, move and close lines on a player's points. Each sees the same form through its own glasses. */
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"
#include "sim/league_parts.h"

#define MINUTE_US INT64_C(60000000)
#define LINES_MINUTES 17 /* average minutes from which a player gets a line */
#define LINES_GAMES 3
#define SNAPSHOTS_MAX 12

static const struct {
    const char *key;
    int opens_minute; /* of the day, Eastern */
    int every_minutes;
    int bias_tenths; /* of points */
    int margin;      /* permille that both sides' chances sum to beyond 1000 */
    int alternates;  /* lines to each side */
    bool whole;      /* whole-number lines: pushes happen */
} books[] = {{"harborbook", 9 * 60 + 30, 80, 0, 45, 0, false},
             {"northline", 10 * 60, 95, 1, 47, 0, false},
             {"pennybet", 10 * 60 + 40, 75, -2, 52, 0, false},
             {"oakwager", 11 * 60, 110, 2, 55, 0, false},
             {"tidalodds", 11 * 60 + 30, 90, -1, 48, 3, false},
             {"summitbets", 12 * 60 + 20, 85, 1, 50, 0, false},
             {"fairline", 13 * 60 + 15, 105, 0, 40, 0, true},
             {"crownpoint", 14 * 60 + 5, 70, -1, 46, 0, false}};
#define BOOKS (sizeof books / sizeof *books)

/* What is expected of a player, in tenths of points: his season and his last games. */
static int expected_tenths(const struct league_player *player)
{
    int form = 0, known = player->games < LEAGUE_FORM_GAMES ? player->games : LEAGUE_FORM_GAMES;
    for (int i = 0; i < known; i++) {
        form += player->form[LEAGUE_FORM_GAMES - 1 - i];
    }
    return (65 * player->points * 10 / player->games + 35 * form * 10 / known) / 100;
}

static int american(int permille)
{
    int price = permille >= 500 ? -(100 * permille / (1000 - permille))
                                : 100 * (1000 - permille) / permille;
    return price > -100 && price < 100 ? 100 : price;
}

static int clamp(int value, int least, int most)
{
    return value < least ? least : value > most ? most : value;
}

/* The chance of more than the line, in permille: 30 for each half point it lies under what the book expects. */
static struct league_line price(int book, int player, int half_points, int tenths)
{
    struct league_line line = {
        .book = books[book].key, .player = player, .half_points = half_points};
    int over = clamp(500 + (tenths - 5 * half_points) * 6, 60, 940);
    line.over = american(over + books[book].margin * over / 1000);
    line.under = american(1000 - over + books[book].margin * (1000 - over) / 1000);
    return line;
}

/* The half-line nearest to what is expected; whole ones where the book likes them. */
static int main_line(int book, int tenths)
{
    int half_points = books[book].whole ? 2 * ((tenths + 5) / 10) : 2 * (tenths / 10) + 1;
    return half_points < 1 ? 1 : half_points;
}

struct market {
    const struct league *league;
    const struct league_game *match;
    league_on_line *act;
    void *context;
    int player;
    int tenths; /* what all books agree on at this moment */
};

static int post(const struct market *self, int book, int64_t at_us, int nudge)
{
    int tenths = clamp(self->tenths + books[book].bias_tenths * 2 + nudge, 15, 450);
    int middle = main_line(book, tenths), step = 2, result = 0;
    for (int i = -books[book].alternates; i <= books[book].alternates && result == 0; i++) {
        struct league_line line = price(book, self->player, middle + i * step, tenths);
        if (line.half_points < 1) {
            continue;
        }
        line.snapshot_us = at_us;
        line.main = i == 0;
        result = self->act(self->context, &line);
    }
    return result;
}

static bool has_lines(const struct league_player *player)
{
    return player->games >= LINES_GAMES && player->minutes >= LINES_MINUTES * player->games;
}

static uint64_t number_of(const struct league_game *match)
{
    return (uint64_t)strtoull(match->id, NULL, 10);
}

/* When a book looks again: its own rhythm, to ten minutes before the tip. */
static int snapshots_of(const struct league *self, const struct league_game *match, int book,
                        int64_t at_us[SNAPSHOTS_MAX])
{
    struct random random =
        random_of(self->seed, "looks", number_of(match) * BOOKS + (uint64_t)book);
    int64_t last_us = match->tip_us - 10 * MINUTE_US, now_us;
    int count = 0;
    now_us = clock_date_start_us(match->date) +
             (books[book].opens_minute + random_below(&random, 20)) * MINUTE_US;
    while (count < SNAPSHOTS_MAX - 1 && now_us < last_us) {
        at_us[count++] = now_us;
        now_us += (books[book].every_minutes + random_between(&random, -12, 12)) * MINUTE_US;
    }
    at_us[count++] = last_us;
    return count;
}

/* One book's whole day. All books start from the same opinion and drift the same way, each with a shake of its own. */
static int trade(const struct league *self, const struct league_game *match, int book,
                 const struct league_squad squads[2], bool full, league_on_line *act, void *context)
{
    int64_t at_us[SNAPSHOTS_MAX], morning_us = clock_date_start_us(match->date) + 720 * MINUTE_US;
    int count = full ? snapshots_of(self, match, book, at_us) : 1, result = 0;
    at_us[0] = full ? at_us[0] : morning_us;
    for (int look = 0; look < count && result == 0; look++) {
        for (int side = 0; side < 2 && result == 0; side++) {
            for (int slot = 0; slot < squads[side].count && result == 0; slot++) {
                struct market market = {
                    .league = self, .match = match, .act = act, .context = context};
                market.player = squads[side].player[slot];
                if (!has_lines(&self->player[market.player])) {
                    continue;
                }
                uint64_t number = number_of(match) * LEAGUE_PLAYERS + (uint64_t)market.player;
                struct random day = random_of(self->seed, "opinion", number);
                struct random own =
                    random_of(self->seed, books[book].key, number * SNAPSHOTS_MAX + (uint64_t)look);
                int opinion = random_bell(&day, 5), drift = random_bell(&day, 10);
                int64_t hours = (at_us[look] - morning_us) / (60 * MINUTE_US);
                market.tenths = expected_tenths(&self->player[market.player]) + opinion +
                                (int)(drift * clamp((int)hours + 3, 0, 12) / 12);
                result = post(&market, book, at_us[look], random_bell(&own, 1));
            }
        }
    }
    return result;
}

int league_make_lines(const struct league *self, const struct league_game *match,
                      const struct league_squad squads[2], bool full, league_on_line *act,
                      void *context)
{
    int result = 0;
    for (int book = 0; book < (int)BOOKS && result == 0; book++) {
        if (full || book < 5) {
            result = trade(self, match, book, squads, full, act, context);
        }
    }
    return result;
}
