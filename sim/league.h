/* A league that does not exist, from a seed: thirty made-up teams, their players, a season's schedule, every game played
 * possession by possession, and books that open, move and close lines. It is written as a data root, laid out as recorded
 * seasons are, so that imports and the upstream take it as they take real ones. The same seed gives the same bytes. */
#ifndef SIM_LEAGUE_H
#define SIM_LEAGUE_H

#include <stddef.h>
#include <stdint.h>

#define LEAGUE_DEMO_DATE 20260114

/* Makes the root at `path` unless it is there for this seed and these nights (`first` to `last`, mostly one): built beside it
 * and renamed when whole. 1: made, 0: was there, -1 with `why` (size >= 200). What is lived lies in replay/D/ of each night; of
 * several, the lines of each night, too, so that serving one does not read those of all. */
int league_ensure(const char *path, uint64_t seed, int32_t first, int32_t last, char *why,
                  size_t why_size);
/* Writes all of it into the folder `path`, which exists and is empty. 0, or -1 with `why`. */
int league_generate(const char *path, uint64_t seed, int32_t first, int32_t last, char *why,
                    size_t why_size);

#endif
