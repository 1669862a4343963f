/* Random numbers that are the same everywhere: xoshiro256** seeded by splitmix64, whole numbers only. */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
};

/* A stream of its own for (seed, purpose, number): what one of them is asked never moves another. */
struct random random_of(uint64_t seed, const char *purpose, uint64_t number);
uint64_t random_next(struct random *self);
int random_below(struct random *self, int limit);             /* 0 .. limit-1 */
int random_between(struct random *self, int least, int most); /* both included */
bool random_chance(struct random *self, int permille);
/* Around 0, bell-shaped, within +-3*spread: the sum of three even ones. */
int random_bell(struct random *self, int spread);
/* An index with probability in proportion to its weight; -1 if all are 0. */
int random_pick(struct random *self, const int *weights, int count);

#endif
