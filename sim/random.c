#include "sim/random.h"

#include <string.h>

#include "schema/hash.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct random random_of(uint64_t seed, const char *purpose, uint64_t number)
{
    struct random self;
    uint64_t mix = seed ^ hash_fnv64(purpose, strlen(purpose));
    mix = splitmix(&mix) ^ number;
    for (int i = 0; i < 4; i++) {
        self.state[i] = splitmix(&mix);
    }
    return self;
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t random_next(struct random *self)
{
    uint64_t *s = self->state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

int random_below(struct random *self, int limit)
{
    return (int)((random_next(self) >> 32) * (uint64_t)limit >> 32);
}

int random_between(struct random *self, int least, int most)
{
    return least + random_below(self, most - least + 1);
}

bool random_chance(struct random *self, int permille)
{
    return random_below(self, 1000) < permille;
}

int random_bell(struct random *self, int spread)
{
    int sum = 0;
    for (int i = 0; i < 3; i++) {
        sum += random_between(self, -spread, spread);
    }
    return sum;
}

int random_pick(struct random *self, const int *weights, int count)
{
    int total = 0;
    for (int i = 0; i < count; i++) {
        total += weights[i];
    }
    if (total <= 0) {
        return -1;
    }
    int left = random_below(self, total);
    for (int i = 0; i < count; i++) {
        if (left < weights[i]) {
            return i;
        }
        left -= weights[i];
    }
    return count - 1;
}
