/* The nights that an upstream serves, one after the other as league time goes, each with its faults. Of several nights the
 * newest few are held; whatever is asked of an older one is read again. */
#ifndef SIM_NIGHTS_H
#define SIM_NIGHTS_H

#include "schema/json.h"
#include "sim/faults.h"
#include "sim/root.h"

struct night_slot {
    struct root *root;
    struct faults faults;
    uint64_t used; /* when it was last wanted, in calls */
};

struct nights;

/* Those of the data root `path` from `first` to `last` that have a game; the first must have one. A night's day ends at
 * `rollover_hour`. NULL with `why` (size >= 256). */
struct nights *nights_open(const char *path, int32_t first, int32_t last, int rollover_hour,
                           char *why, size_t why_size);
void nights_close(struct nights **self);
/* What is on at `now_us`: the night of that league day, or the next one that has games, or the last. Never NULL; borrowed until
 * the next call. */
struct night_slot *nights_at(struct nights *self, int64_t now_us);
/* That of `date`; NULL if it is none of ours, has no game or cannot be read. Likewise. */
struct night_slot *nights_of(struct nights *self, int32_t date);
/* Faults as sim/faults.h has them, for whichever night they are of (`date`; without one: of every night that has what they
 * name). Those of the nights that are held now must be sound, all or nothing: -1 with `why`. */
int nights_add_faults(struct nights *self, const json_t *value, char *why, size_t why_size);
void nights_clear_faults(struct nights *self);
bool nights_many(const struct nights *self);

#endif
