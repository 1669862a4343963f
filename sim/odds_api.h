/* The Odds API's bodies (v4). Callers own what is returned; NULL: no memory. */
#ifndef SIM_ODDS_API_H
#define SIM_ODDS_API_H

#include "schema/json.h"
#include "sim/scene.h"

json_t *odds_api_events(const struct scene *scene);
/* With `ended`, those that are over too. */
json_t *odds_api_scores(const struct scene *scene, bool ended);
/* Spread, total and who wins, of those of `markets` (comma-separated) that the root knows; an event without has no bookmakers. */
json_t *odds_api_games(const struct scene *scene, const char *markets, bool decimal);
/* The moneyline of a side with that spread. */
int odds_api_moneyline(double spread);
/* The newest snapshot of a book that is not in the future; CLOCK_NONE: none. */
int64_t odds_api_newest_us(const struct night_game *game, const char *book, int64_t now_us);
/* Which game an event id is of, -1 if of none or of one that was dropped hours after its start. */
int odds_api_find(const struct scene *scene, const char *event_id);
/* Every line that a book has had up since its newest snapshot; prices American or decimal. `books`: comma-separated keys,
 * NULL for all of them. */
json_t *odds_api_event_odds(const struct scene *scene, int game, bool decimal, const char *books);

/* What is said of the past: snapshots stand every five minutes, and an answer is of the newest that is not behind what was asked for. */
int64_t odds_api_snapshot_us(int64_t asked_us);
/* `data` (taken over) of the snapshot that the scene is of; `now_us`: there is none behind it yet. */
json_t *odds_api_wrap(const struct scene *scene, int64_t now_us, json_t *data);
/* The same markets as live, all of them in one answer. */
json_t *odds_api_history(const struct scene *scene, int game, const char *markets, bool decimal,
                         const char *books);

#endif
