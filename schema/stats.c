#include "schema/stats.h"

#include <string.h>

static const struct {
    const char *name, *unit;
} STATS[STAT_COUNT] = {
#define STAT(name, unit, sum) {#name, unit},
#include "schema/stats.def"
#undef STAT
};

const char *stat_name(enum stat_id stat)
{
    return STATS[stat].name;
}

const char *stat_unit(enum stat_id stat)
{
    return STATS[stat].unit;
}

enum stat_id stat_named(const char *name)
{
    int i = 0;
    while (i < STAT_COUNT && strcmp(STATS[i].name, name) != 0) {
        i++;
    }
    return (enum stat_id)i;
}
