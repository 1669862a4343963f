/* The journal and the segment behind it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "broker/log_lmdb.h"
#include "config/fault.h"
#include "config/log.h"

#define DISK_SHORT_BYTES ((uint64_t)16 << 20)
#define GROW_TRIES 32
#define AWAIT_TRIES 500
#define AWAIT_NAP_NS 4000000

uint64_t log_lmdb_behind(const struct log *base)
{
    const struct log_lmdb *self = lmdb_of_const(base);
    return self->journal.fd >= 0 && self->txn ? self->journal.number : 0;
}

void lmdb_state_begin(struct log_lmdb *self)
{
    self->txn_head = self->head;
    self->txn_later_id = self->later_id;
    self->txn_later_count = self->later_count;
    self->txn_last_time_us = self->last_time_us;
    self->txn_segment_start_us = self->segment_start_us;
    self->index.count = self->seqs.count = 0;
    self->put = false;
    self->appending = true;
    self->burst++; /* what a read found may move */
}

void lmdb_state_keep(struct log_lmdb *self)
{
    self->head = self->txn_head;
    self->later_id = self->txn_later_id;
    self->later_count = self->txn_later_count;
    self->last_time_us = self->txn_last_time_us;
    self->segment_start_us = self->txn_segment_start_us;
    self->appending = false;
}

void lmdb_txn_drop(struct log_lmdb *self)
{
    if (self->tail)
        mdb_cursor_close(self->tail);
    self->tail = NULL;
    if (self->txn)
        mdb_txn_abort(self->txn);
    self->txn = NULL;
    self->burst++;
}

/* ---- into the segment ---- */

static bool disk_short(const struct log_lmdb *self)
{
    struct statvfs disk;
    return statvfs(self->dir, &disk) == 0 &&
           (uint64_t)disk.f_bavail * disk.f_frsize < DISK_SHORT_BYTES;
}

/* Never one that was there before, and none that a payload which lies about in the journal could know. */
static uint64_t generation_new(uint64_t last)
{
    uint64_t generation;
    if (getrandom(&generation, sizeof generation, 0) != sizeof generation)
        generation = last + 1;
    return generation && generation != last ? generation : last + 1;
}

static int generation_store(struct log_lmdb *self, uint64_t generation)
{
    uint8_t row[8];
    put_u64(row, generation);
    MDB_val key = {1, "g"}, value = {sizeof row, row};
    return lmdb_write_error(self,
                            mdb_put(self->txn, lmdb_active(self)->db[DB_META], &key, &value, 0));
}

int lmdb_segment_commit(struct log_lmdb *self)
{
    uint64_t generation = generation_new(self->generation);
    bool behind = log_lmdb_behind(&self->base) > 0;
    int error = lmdb_head_store(self, self->txn, lmdb_active(self));
    if (!error && self->journal.fd >= 0)
        error = generation_store(self, generation);
    if (!error) {
        if (self->tail)
            mdb_cursor_close(self->tail);
        self->tail = NULL;
        int rc = mdb_txn_commit(self->txn);
        self->txn = NULL;
        self->burst++;
        if (rc == EIO && disk_short(self)) /* LMDB's word for a write that was cut short */
            rc = ENOSPC;
        error = lmdb_write_error(self, rc);
    }
    if (!error) {
        self->generation = generation;
        journal_reset(&self->journal, generation);
        return LOG_OK;
    }
    int saved = errno;
    lmdb_txn_drop(self);
    if (behind && lmdb_redo(self) != LOG_OK) {
        self->broken = true;
        return LOG_CORRUPT;
    }
    errno = saved;
    return error;
}

int log_lmdb_checkpoint(struct log *base)
{
    struct log_lmdb *self = lmdb_of(base);
    if (log_lmdb_behind(base) == 0)
        return LOG_OK;
    log_lmdb_read_end(base);
    fault_hit(FAULT_CHECKPOINT_BEGUN);
    lmdb_state_begin(self);
    int error = fault_hit(FAULT_DISK_FULL) ? LOG_FULL : lmdb_segment_commit(self);
    self->appending = false;
    if (!error)
        fault_hit(FAULT_CHECKPOINT_DONE);
    return error;
}

/* ---- out of the journal ---- */

static int redo_append(void *context, const struct batch_header *header, const void *body)
{
    return log_lmdb_append(context, header, body);
}

static int redo_later_put(void *context, const struct batch_header *header, const void *body)
{
    return log_lmdb_later_put(context, header, body);
}

/* One that was broken was set aside by it, and is again. */
static int redo_later_take(void *context, int64_t due_us, uint64_t id)
{
    struct batch_header header;
    struct span body;
    int error = log_lmdb_later_take(context, due_us, id, &header, &body);
    return error == LOG_CORRUPT ? LOG_OK : error;
}

static int redo_meta(void *context, enum log_meta kind, const struct span *key,
                     const struct span *value)
{
    if (kind == LOG_META_FIRST &&
        value->size == 8) /* committed: a trim is never half in an entry */
        lmdb_of(context)->kept_first = get_u64(value->data);
    return log_lmdb_put_meta(context, kind, key->data, key->size, value->data, value->size);
}

static int redo_entry(void *context)
{
    return lmdb_gathers_put(lmdb_of(context));
}

static int redo_once(struct log_lmdb *self)
{
    static const struct journal_visit visit = {redo_append, redo_later_put, redo_later_take,
                                               redo_meta, redo_entry};
    bool complete;
    int error = lmdb_head_load(self, lmdb_active(self), &complete);
    if (!error)
        error = lmdb_error_of(mdb_txn_begin(lmdb_active(self)->env, NULL, 0, &self->txn));
    if (error)
        return error;
    journal_reset(&self->journal, self->generation);
    lmdb_state_begin(self);
    self->replaying = true;
    error = journal_each(&self->journal, &visit, &self->base);
    self->replaying = self->appending = false;
    if (!error)
        lmdb_state_keep(self);
    if (error || self->journal.number == 0)
        lmdb_txn_drop(self);
    return error;
}

int lmdb_redo(struct log_lmdb *self)
{
    int error;
    lmdb_txn_drop(self);
    for (int tries = 0; tries < GROW_TRIES; tries++) {
        if (self->map_full)
            lmdb_map_grow(self);
        error = redo_once(self);
        if (!self->map_full)
            return error;
    }
    return LOG_FULL;
}

/* ---- at the start ---- */

/* Entries need a generation of their own before the first is written. */
static int generation_begin(struct log_lmdb *self)
{
    int error = log_lmdb_begin(&self->base);
    if (!error)
        error = lmdb_segment_commit(self);
    self->appending = false;
    return error;
}

/* Without it from now on, if it is not wanted or not of the size that is wanted. */
static int journal_remove(struct log_lmdb *self)
{
    char path[4096];
    int error = log_lmdb_checkpoint(&self->base);
    snprintf(path, sizeof path, "%s/" JOURNAL_FILE, self->dir);
    if (!error && unlink(path) != 0)
        error = LOG_IO;
    if (!error)
        journal_close(&self->journal);
    return error;
}

static int journal_recover(struct log_lmdb *self)
{
    int error = self->generation ? lmdb_redo(self) : generation_begin(self);
    if (error == LOG_CORRUPT)
        log_error("journal-corrupt",
                  "file=%s/" JOURNAL_FILE " entry=%" PRIu64
                  " why=\"a broken entry before a whole one: what was acknowledged is damaged\"",
                  self->dir, self->journal.number);
    uint64_t behind = log_lmdb_behind(&self->base);
    if (!error && behind > 0) { /* before anyone is given what stands there */
        error = journal_sync(&self->journal);
        log_info("journal-read", "entries=%" PRIu64 " head=%" PRIu64, behind, self->head);
    }
    return error;
}

int lmdb_journal_begin(struct log_lmdb *self)
{
    uint64_t wanted = self->options.journal_bytes;
    int error = journal_open(&self->journal, self->dir, wanted);
    if (error == LOG_NONE)
        return LOG_OK;
    if (error == LOG_FULL) { /* what there is can be read all the same */
        log_warn("journal-missing", "dir=%s why=\"no space\" action=commits-to-segment", self->dir);
        return LOG_OK;
    }
    if (!error)
        error = journal_recover(self);
    if (!error && (wanted == 0 || (wanted + 511) / 512 * 512 != self->journal.bytes)) {
        error = journal_remove(self);
        if (!error && wanted > 0)
            error = lmdb_journal_begin(self);
    }
    return error;
}

/* ---- for a reader ---- */

static void segments_close(struct log_lmdb *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        lmdb_segment_close(&self->segments[i]);
    self->count = 0;
}

/* As a start would, with all that is there closed: an environment is open once in a process. LOG_NONE: a writer was faster. */
static int journal_apply(struct log_lmdb *self, uint64_t bytes)
{
    const struct log_options options = {.segment_bytes = self->options.segment_bytes,
                                        .journal_bytes = bytes};
    struct log *writer;
    segments_close(self);
    int error = log_lmdb_open(&writer, self->dir, &options);
    bool taken = error == LOG_IO && errno == EWOULDBLOCK;
    if (!error)
        error = log_lmdb_checkpoint(writer);
    if (writer)
        log_close(&writer);
    int again = lmdb_load(self);
    return taken ? LOG_NONE : error ? error : again;
}

int lmdb_journal_await(struct log_lmdb *self)
{
    const struct timespec nap = {0, AWAIT_NAP_NS};
    uint64_t generation = self->generation;
    int error = LOG_OK;
    for (int tries = 0; tries < AWAIT_TRIES && !error; tries++) {
        if (self->generation != generation || !journal_holds(self->dir, generation))
            return LOG_OK;
        struct journal journal;
        int there = journal_open_there(&journal, self->dir);
        if (there == LOG_OK) {
            journal_close(&journal);
            error = journal_apply(self, journal.bytes);
            if (error != LOG_NONE)
                return error;
            error = LOG_OK;
            continue;
        }
        if (errno != EWOULDBLOCK) {
            log_warn("journal-unread", "file=%s/" JOURNAL_FILE " why=\"%s\"", self->dir,
                     strerror(errno));
            return LOG_OK;
        }
        nanosleep(&nap, NULL);
        error = lmdb_load(self);
    }
    if (!error)
        log_warn("journal-unread",
                 "file=%s/" JOURNAL_FILE " why=\"its writer makes no checkpoint\"", self->dir);
    return error;
}
