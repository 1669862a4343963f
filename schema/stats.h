/* What can be predicted of a player, by name (schema/stats.def). */
#ifndef SCHEMA_STATS_H
#define SCHEMA_STATS_H

enum stat_id {
#define STAT(name, unit, sum) STAT_##name,
#include "schema/stats.def"
#undef STAT
    STAT_COUNT
};
const char *stat_name(enum stat_id stat);
const char *stat_unit(enum stat_id stat);
/* STAT_COUNT if it is none. */
enum stat_id stat_named(const char *name);

#endif
