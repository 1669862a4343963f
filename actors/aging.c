/* Tables are kept for so many days, and no longer: see struct aging in actor.h.
 *
 * A function of the input, for deterministic actors are re-executed and compared: 'today' is the league day of the record in hand, and
 * what is let go of is tied to records, not to steps, clocks or lives of a process. With each record that was taken some rows go,
 * until none is left that is older than its table's days; how far that is stands in the environment. When a day's are all gone it is
 * said as one run, StoreRetain. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/step.h"
#include "config/log.h"

enum { ROWS_PER_RECORD = 16, LOOKED_AT_PER_RECORD = 4096, DATE_FIRST = 1 };

/* "at" -> day, number of the table in hand, date that was reached in it, rows removed so far */
#define TABLE "_aging"

struct old_row {
    int32_t date;
    uint32_t size;
    uint8_t key[STORE_KEY_MAX];
};
struct old_rows {
    struct old_row rows[ROWS_PER_RECORD];
    uint32_t count, most, looked_at;
    int32_t date; /* of the last row that was looked at */
    int64_t until_us;
    int64_t (*written_us)(const struct span *value);
};

/* ---- for how many days ---- */

/* "actor.table=60": is it about this one, and how many days. */
static bool override_of(const char *item, const char *actor, const char *table, int32_t *days)
{
    size_t actor_size = strlen(actor), table_size = strlen(table);
    if (strncmp(item, actor, actor_size) != 0 || item[actor_size] != '.' ||
        strncmp(item + actor_size + 1, table, table_size) != 0 ||
        item[actor_size + 1 + table_size] != '=')
        return false;
    *days = (int32_t)strtol(item + actor_size + table_size + 2, NULL, 10);
    return true;
}

int32_t aging_days(const struct actor *actor, const struct aging *aging,
                   const struct settings *settings)
{
    int32_t days =
        aging->days == AGING_LOG ? (int32_t)settings->retention.default_days : aging->days;
    for (int i = 0; i < settings->retention.tables.count; i++)
        (void)override_of(settings->retention.tables.item[i], actor->name, aging->table, &days);
    return days;
}

const char *aging_unknown(const struct actor *actor, const struct settings *settings)
{
    size_t size = strlen(actor->name);
    for (int i = 0; i < settings->retention.tables.count; i++) {
        const char *item = settings->retention.tables.item[i];
        bool known = strncmp(item, actor->name, size) != 0 || item[size] != '.';
        int32_t days;
        for (const struct aging *aging = actor->ages; !known && aging && aging->table; aging++)
            known = override_of(item, actor->name, aging->table, &days);
        if (!known)
            return item;
    }
    return NULL;
}

/* ---- how far it is ---- */

int aging_load(struct shard *self)
{
    struct span value;
    int64_t day = 0, table = 0, date = DATE_FIRST, removed = 0;
    if (!self->options.actor->ages)
        return STORE_OK;
    int error = store_get(self->step.txn, TABLE, STORE_UNDATED, "at", 2, &value);
    if (error && error != STORE_NOT_FOUND)
        return error;
    if (!error && (store_key_read_i64(&value, &day) || store_key_read_i64(&value, &table) ||
                   store_key_read_i64(&value, &date) || store_key_read_i64(&value, &removed)))
        return STORE_CORRUPT;
    if (day != self->aging.day || day == 0)
        self->aging.from_us = self->aging.to_us = 0; /* looked up with the next record */
    self->aging.day = (int32_t)day;
    self->aging.table = (uint32_t)table;
    self->aging.date = (int32_t)date;
    self->aging.removed = removed;
    return STORE_OK;
}

static int save(struct shard *self)
{
    struct store_key value;
    store_key_start(&value);
    store_key_i64(&value, self->aging.day);
    store_key_i64(&value, self->aging.table);
    store_key_i64(&value, self->aging.date);
    store_key_i64(&value, self->aging.removed);
    return store_put(self->step.txn, TABLE, STORE_UNDATED, "at", 2, value.data, value.size);
}

/* True: another day than that of the record before. */
static bool day_look(struct shard *self, int64_t time_us)
{
    if (time_us >= self->aging.from_us && time_us < self->aging.to_us)
        return false;
    int32_t day = clock_date_of(time_us);
    self->aging.from_us = clock_date_start_us(day);
    self->aging.to_us = clock_date_start_us(clock_date_add(day, 1));
    if (day == self->aging.day)
        return false;
    self->aging.day = day;
    self->aging.table = 0;
    self->aging.date = DATE_FIRST;
    return true;
}

/* ---- rows ---- */

static int collect(const struct store_row *row, void *context)
{
    struct old_rows *old = context;
    if (row->date != old->date && old->looked_at >= LOOKED_AT_PER_RECORD)
        return 1;
    old->date = row->date;
    old->looked_at++;
    if (old->written_us && old->written_us(&row->value) >= old->until_us)
        return 0; /* about an old day, and new */
    struct old_row *to = &old->rows[old->count++];
    to->date = row->date;
    to->size = row->key.size;
    memcpy(to->key, row->key.data, row->key.size);
    return old->count == old->most;
}

static int rows_remove(struct shard *self, const struct aging *aging, const struct old_rows *old)
{
    int error = STORE_OK;
    for (uint32_t i = 0; i < old->count && !error; i++) {
        const struct span key = {old->rows[i].key, old->rows[i].size};
        error = aging->remove ? aging->remove(self->step.txn, old->rows[i].date, &key)
                              : store_del(self->step.txn, aging->table, old->rows[i].date, key.data,
                                          key.size);
    }
    return error;
}

/* Some of the table in hand, by date. 0: none of it is too old any more; 1: there may be more; else a store_error. */
static int table_age(struct shard *self, const struct aging *aging, uint32_t *left)
{
    static struct old_rows old;
    int32_t days = aging_days(self->options.actor, aging, self->options.settings);
    if (days <= 0)
        return 0;
    int32_t kept = clock_date_add(self->aging.day, -days);
    old.count = old.looked_at = 0;
    old.most = *left;
    old.date = self->aging.date;
    old.until_us = clock_date_start_us(kept);
    old.written_us = aging->written_us;
    int more = store_scan(self->step.txn, aging->table, self->aging.date, clock_date_add(kept, -1),
                          NULL, 0, false, collect, &old);
    self->aging.date = old.date;
    if (more < 0 && more != STORE_NOT_FOUND)
        return more;
    int error = rows_remove(self, aging, &old);
    *left = more > 0 ? 0 : old.most - old.count;
    self->aging.removed += old.count;
    return error ? error : more > 0;
}

static void say(struct shard *self)
{
    struct run run;
    if (self->aging.removed == 0)
        return;
    run_begin(self, &run, "StoreRetain");
    run.rows_in = self->aging.removed;
    snprintf(run.cause, sizeof run.cause, "tables are kept for so many days");
    ops_run_emit(self, &run, clock_league_us());
    self->aging.removed = 0;
}

int aging_turn(struct shard *self, int64_t time_us)
{
    const struct aging *ages = self->options.actor->ages;
    uint32_t left = ROWS_PER_RECORD;
    if (!ages)
        return STORE_OK;
    bool changed = day_look(self, time_us);
    while (ages[self->aging.table].table && left > 0) {
        int more = table_age(self, &ages[self->aging.table], &left);
        if (more < 0) /* the rest of it stays another day, if this step can be committed at all */
            log_warn("aging-failed", "shard=%s table=%s why=\"%s\"", self->reader,
                     ages[self->aging.table].table, store_error_text(more));
        if (more <= 0) {
            self->aging.table++;
            self->aging.date = DATE_FIRST;
        }
        if (!ages[self->aging.table].table)
            say(self);
        changed = true;
    }
    return changed ? save(self) : STORE_OK;
}
