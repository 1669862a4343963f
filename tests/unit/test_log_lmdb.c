/* The log in LMDB: what is its own beyond the seam (test_log_seam.c): bytes broken in its files, maps, leftovers, readers of
 * other processes. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <dirent.h>
#include <signal.h>
#include <unistd.h>
#include <cmocka.h>
#include <lmdb.h>

#include "broker/log.h"
#include "config/fault.h"
#include "store/env_make.h"

static char dir[64];

static struct log *log_make(uint64_t segment_bytes)
{
    struct log_options options = {.segment_bytes = segment_bytes};
    struct log *log;
    assert_int_equal(log_open(&log, dir, &options), LOG_OK);
    return log;
}

static void append(struct log *log, uint16_t stream, uint16_t partition, uint32_t producer,
                   uint64_t first_seq, uint32_t count, uint8_t fill)
{
    uint8_t body[600];
    memset(body, fill, sizeof body);
    struct batch_header header = {.base = log_head(log),
                                  .count = count,
                                  .stream = stream,
                                  .partition = partition,
                                  .producer = producer,
                                  .size = sizeof body,
                                  .epoch = 1,
                                  .first_seq = first_seq,
                                  .time_us = 1000,
                                  .crc = pack_crc32c(0, body, sizeof body)};
    assert_int_equal(log_append(log, &header, body), LOG_OK);
}

static int dir_new(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/tipoff-log-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int dir_drop(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

/* One flipped bit in a body: that batch is named and set aside, its neighbours are read. */
static void test_flipped_bit(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 20);
    assert_int_equal(log_begin(log), LOG_OK);
    append(log, 1, 0, 1, 1, 1, 0xA1);
    append(log, 1, 0, 1, 2, 1, 0xB2);
    append(log, 1, 0, 1, 3, 1, 0xC3);
    assert_int_equal(log_commit(log), LOG_OK);
    log_close(&log);
    char path[128];
    snprintf(path, sizeof path, "%s/seg-%020d/data.mdb", dir, 1);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    uint8_t pattern[64], page[4096];
    memset(pattern, 0xB2, sizeof pattern);
    bool flipped = false;
    for (off_t at = 0; pread(fd, page, sizeof page, at) == sizeof page; at += (off_t)sizeof page) {
        uint8_t *found = memmem(page, sizeof page, pattern, sizeof pattern);
        if (!found)
            continue;
        found[5] ^= 4;
        assert_int_equal(pwrite(fd, page, sizeof page, at), sizeof page);
        flipped = true;
    }
    close(fd);
    assert_true(flipped);
    log = log_make(1 << 20);
    struct batch_header header;
    struct span body;
    assert_int_equal(log_batch(log, 1, &header, &body), LOG_OK);
    assert_int_equal(log_batch(log, 2, &header, &body), LOG_CORRUPT);
    assert_int_equal(header.count, 1);
    assert_int_equal(log_batch(log, 3, &header, &body), LOG_OK);
    assert_int_equal(log_bad_batches(log), 1);
    log_close(&log);
}

/* Changes the bytes that follow `pattern` in the data file of a segment. */
static void bytes_change(uint64_t segment, const void *pattern, size_t size, long offset)
{
    char path[128];
    uint8_t page[4096];
    bool changed = false;
    snprintf(path, sizeof path, "%s/seg-%020d/data.mdb", dir, (int)segment);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    for (off_t at = 0; pread(fd, page, sizeof page, at) == sizeof page; at += (off_t)sizeof page) {
        uint8_t *found = memmem(page, sizeof page, pattern, size);
        if (!found || found + offset < page)
            continue;
        found[offset] ^= 4;
        assert_int_equal(pwrite(fd, page, sizeof page, at), sizeof page);
        changed = true;
    }
    close(fd);
    assert_true(changed);
}

/* A header that cannot be read: what it covered is known from its neighbours, so that a reader gets past it. */
static void test_unreadable_header(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 20);
    assert_int_equal(log_begin(log), LOG_OK);
    append(log, 1, 0, 1, 1, 2, 0xA1);
    append(log, 1, 0, 1, 3, 5, 0xB2);
    append(log, 1, 0, 1, 8, 1, 0xC3);
    append(log, 1, 0, 1, 9, 3, 0xD4);
    assert_int_equal(log_commit(log), LOG_OK);
    log_close(&log);
    uint8_t pattern[64];
    memset(pattern, 0xB2, sizeof pattern);
    bytes_change(1, pattern, sizeof pattern, -PROTOCOL_HEADER_BYTES + 16); /* its count */
    memset(pattern, 0xD4, sizeof pattern);
    bytes_change(1, pattern, sizeof pattern, -PROTOCOL_HEADER_BYTES + 16);
    log = log_make(1 << 20);
    struct batch_header header;
    struct span body;
    uint64_t base;
    assert_int_equal(log_batch(log, 3, &header, &body), LOG_CORRUPT);
    assert_int_equal(header.base, 3);
    assert_int_equal(header.count, 5);
    assert_int_equal(log_batch(log, 9, &header, &body),
                     LOG_CORRUPT); /* the newest: up to the head */
    assert_int_equal(header.count, 3);
    for (uint64_t position = 3; position < 8; position++) {
        assert_int_equal(log_next_any(log, position, &base), LOG_OK);
        assert_int_equal(base, 3);
    }
    assert_int_equal(log_next(log, 1, 0, 8, &base), LOG_OK);
    assert_int_equal(base, 8);
    assert_int_equal(log_next_any(log, 8, &base), LOG_OK);
    assert_int_equal(base, 8);
    assert_int_equal(log_next_any(log, 12, &base), LOG_NONE);
    log_close(&log);
}

static void later_put(struct log *log, uint64_t seq, int64_t due_us, uint8_t fill, uint32_t size)
{
    uint8_t body[4096];
    memset(body, fill, size);
    struct batch_header header = {.count = 1,
                                  .stream = 1,
                                  .producer = 1,
                                  .size = size,
                                  .first_seq = seq,
                                  .due_us = due_us,
                                  .crc = pack_crc32c(0, body, size)};
    assert_int_equal(log_later_put(log, &header, body), LOG_OK);
}

/* What is broken among the records for later is set aside: those behind it still fall due. */
static void test_corrupt_later(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 20);
    assert_int_equal(log_begin(log), LOG_OK);
    later_put(log, 1, 100, 0xA1, 200);
    later_put(log, 2, 200, 0xB2, 200);
    later_put(log, 3, 300, 0xC3, 200);
    assert_int_equal(log_commit(log), LOG_OK);
    log_close(&log);
    uint8_t pattern[64];
    memset(pattern, 0xA1, sizeof pattern);
    bytes_change(1, pattern, sizeof pattern, 3); /* a body */
    memset(pattern, 0xB2, sizeof pattern);
    bytes_change(1, pattern, sizeof pattern, -PROTOCOL_HEADER_BYTES + 30); /* a header */
    log = log_make(1 << 20);
    int64_t due_us;
    uint64_t id;
    struct batch_header header;
    struct span body;
    assert_int_equal(log_begin(log), LOG_OK);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(log_later_next(log, &due_us, &id), LOG_OK);
        assert_int_equal(due_us, i * 100);
        assert_int_equal(log_later_take(log, due_us, id, &header, &body), LOG_CORRUPT);
    }
    assert_int_equal(log_later_next(log, &due_us, &id), LOG_OK);
    assert_int_equal(log_later_take(log, due_us, id, &header, &body), LOG_OK);
    assert_int_equal(header.first_seq, 3);
    assert_int_equal(log_later_next(log, &due_us, &id), LOG_NONE);
    assert_int_equal(log_commit(log), LOG_OK);
    assert_int_equal(log_bad_batches(log), 2);
    struct log_seq found;
    assert_int_equal(log_lane_find(log, 1, 1, 0, 1, &found), LOG_OK);
    assert_int_equal(log_later_read(log, found.later_due_us, found.later_id, &header, &body),
                     LOG_CORRUPT);
    log_read_end(log);
    log_close(&log);
    log = log_make(1 << 20);
    assert_int_equal(log_later_next(log, &due_us, &id), LOG_NONE);
    log_close(&log);
}

/* Records for later weigh nothing in the decision to roll: they would come along each time. */
static void test_roll_with_much_for_later(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 18);
    assert_int_equal(log_begin(log), LOG_OK);
    for (uint64_t i = 1; i <= 200; i++)
        later_put(log, i, 1000 + (int64_t)i, (uint8_t)i, 1500);
    append(log, 2, 0, 1, 1, 1, 'x');
    assert_int_equal(log_commit(log), LOG_OK);
    int rolled = 0;
    for (uint64_t i = 2; i <= 20; i++) {
        if (log_roll_due(log)) {
            assert_int_equal(log_roll(log), LOG_OK);
            rolled++;
        }
        assert_int_equal(log_begin(log), LOG_OK);
        append(log, 2, 0, 1, i, 1, 'x');
        assert_int_equal(log_commit(log), LOG_OK);
    }
    assert_true(rolled <= 1);
    assert_int_equal(log_later_count(log), 200);
    log_close(&log);
}

/* Another process that reads: asked for the head, again and again. An environment is open once in a process. */
struct reader {
    pid_t pid;
    int ask[2], answer[2];
};

static uint64_t reader_look(struct log *log)
{
    struct batch_header header;
    struct span body;
    if (log_refresh(log) != LOG_OK)
        return 0;
    uint64_t head = log_head(log);
    bool good = head == 1 || log_batch(log, head - 1, &header, &body) == LOG_OK;
    log_read_end(log);
    return good ? head : 0;
}

static void reader_start(struct reader *self, uint64_t map_bytes)
{
    struct log_options reading = {
        .segment_bytes = 1 << 20, .map_bytes = map_bytes, .read_only = true};
    struct log *log;
    assert_int_equal(pipe(self->ask), 0);
    assert_int_equal(pipe(self->answer), 0);
    self->pid = fork();
    assert_true(self->pid >= 0);
    if (self->pid > 0)
        return;
    close(self->ask[1]);
    if (log_open(&log, dir, &reading) != LOG_OK)
        _exit(1);
    for (char byte; read(self->ask[0], &byte, 1) == 1;) {
        uint64_t seen[2] = {reader_look(log), log_segments(log)};
        if (write(self->answer[1], seen, sizeof seen) != sizeof seen)
            _exit(1);
    }
    log_close(&log);
    _exit(0);
}

static void reader_ask(struct reader *self, uint64_t head, uint64_t segments)
{
    uint64_t seen[2] = {0, 0};
    assert_int_equal(write(self->ask[1], "?", 1), 1);
    assert_int_equal(read(self->answer[0], seen, sizeof seen), sizeof seen);
    assert_int_equal(seen[0], head);
    assert_int_equal(seen[1], segments);
}

static void reader_end(struct reader *self)
{
    int status;
    close(self->ask[1]);
    assert_int_equal(waitpid(self->pid, &status, 0), self->pid);
    assert_int_equal(status, 0);
    close(self->ask[0]);
    close(self->answer[0]);
    close(self->answer[1]);
}

/* A full map refuses one append by name, whole; the next one finds a larger map. */
static void test_map_grows(void **state)
{
    (void)state;
    struct log_options options = {.segment_bytes = 1 << 30, .map_bytes = 1 << 19};
    struct log *log;
    struct reader reader;
    assert_int_equal(log_open(&log, dir, &options), LOG_OK);
    reader_start(&reader, 1 << 19);
    int refused = 0;
    uint64_t seq = 1;
    static uint8_t body[100000];
    while (seq <= 40) {
        struct batch_header header = {.base = log_head(log),
                                      .count = 1,
                                      .stream = 1,
                                      .producer = 1,
                                      .size = sizeof body,
                                      .first_seq = seq,
                                      .crc = pack_crc32c(0, body, sizeof body)};
        assert_int_equal(log_begin(log), LOG_OK);
        int error = log_append(log, &header, body);
        if (!error)
            error = log_commit(log);
        else
            log_abort(log);
        assert_true(error == LOG_OK || error == LOG_FULL);
        refused += error == LOG_FULL;
        assert_true(refused < 20);
        seq += error == LOG_OK;
        assert_int_equal(log_head(log), seq);
        reader_ask(&reader, seq, 1);
    }
    assert_true(refused > 0);
    reader_end(&reader);
    log_close(&log);
    assert_int_equal(log_open(&log, dir, &options), LOG_OK);
    assert_int_equal(log_head(log), 41);
    assert_int_equal(log_begin(log), LOG_OK);
    append(log, 1, 0, 1, 41, 1, 'y');
    assert_int_equal(log_commit(log), LOG_OK); /* not full at once */
    log_close(&log);
}

/* An append in which nothing was put costs nothing; neither does it count as one. */
static void test_empty_append(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 20);
    char path[128];
    uint8_t before[2 * 4096], after[2 * 4096]; /* the two meta pages: each commit writes one */
    snprintf(path, sizeof path, "%s/seg-%020d/data.mdb", dir, 1);
    int fd = open(path, O_RDONLY);
    assert_int_equal(pread(fd, before, sizeof before, 0), sizeof before);
    assert_int_equal(log_begin(log), LOG_OK);
    assert_int_equal(log_commit(log), LOG_OK);
    assert_int_equal(pread(fd, after, sizeof after, 0), sizeof after);
    assert_memory_equal(before, after, sizeof before);
    assert_int_equal(log_begin(log), LOG_OK);
    append(log, 1, 0, 1, 1, 1, 'a');
    assert_int_equal(log_commit(log), LOG_OK);
    assert_int_equal(pread(fd, after, sizeof after, 0), sizeof after);
    assert_memory_not_equal(before, after, sizeof before);
    close(fd);
    log_close(&log);
}

/* Leftovers of rolls that failed, and what is not ours, disturb neither the writer nor a reader. */
static void test_leftovers(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 20);
    struct reader reader;
    assert_int_equal(log_begin(log), LOG_OK);
    append(log, 1, 0, 1, 1, 3, 'a');
    assert_int_equal(log_commit(log), LOG_OK);
    char path[128];
    snprintf(path, sizeof path, "%s/seg-%020d", dir, 2); /* made, never marked */
    assert_int_equal(mkdir(path, 0750), 0);
    snprintf(path, sizeof path, "%s/seg-notes", dir);
    assert_int_equal(mkdir(path, 0750), 0);
    assert_int_equal(log_roll(log), LOG_OK);
    assert_int_equal(log_begin(log), LOG_OK);
    append(log, 1, 0, 1, 4, 1, 'b');
    assert_int_equal(log_commit(log), LOG_OK);
    reader_start(&reader, 0);
    reader_ask(&reader, 5, 2);
    reader_end(&reader);
    log_close(&log);
    log = log_make(1 << 20);
    assert_int_equal(log_head(log), 5);
    assert_int_equal(log_segments(log), 2);
    assert_int_equal(log_first(log), 1);
    log_close(&log);
}

/* Segments that cannot be removed are gone for readers all the same. */
static void test_trim_that_fails(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 20);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(log_begin(log), LOG_OK);
        append(log, 1, 0, 1, i + 1, 1, (uint8_t)i);
        assert_int_equal(log_commit(log), LOG_OK);
        assert_int_equal(log_roll(log), LOG_OK);
    }
    char path[128];
    snprintf(path, sizeof path, "%s/seg-%020d/in-the-way", dir, 1);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    assert_int_equal(log_trim(log, 3), 2);
    assert_int_equal(log_tidy(log), LOG_IO);
    struct batch_header header;
    struct span body;
    uint64_t base;
    assert_int_equal(log_batch(log, 1, &header, &body), LOG_TRIMMED);
    assert_int_equal(log_next(log, 1, 0, 1, &base), LOG_OK);
    assert_int_equal(base, log_first(log));
    assert_int_equal(log_batch(log, 3, &header, &body), LOG_OK);
    log_read_end(log);
    assert_int_equal(log_trim(log, 3), 0);
    assert_int_equal(log_first(log), 3);
    log_close(&log);
    log = log_make(1 << 20); /* their files are there still, and not read */
    assert_int_equal(log_first(log), 3);
    assert_int_equal(log_head(log), 4);
    assert_int_equal(log_batch(log, 1, &header, &body), LOG_TRIMMED);
    while (log_tidy(log) == LOG_OK)
        ;
    assert_int_equal(log_tidy(log), LOG_NONE);
    log_close(&log);
    assert_int_equal(unlink(path), 0);
    log = log_make(1 << 20);
    assert_int_equal(log_first(log), 3);
    *strrchr(path, '/') = '\0';
    assert_int_equal(access(path, F_OK), -1);
    log_close(&log);
}

/* ---- killed in a trim, in a rewriting ---- */

static uint32_t entries_of(const char *where)
{
    DIR *handle = opendir(where);
    uint32_t count = 0;
    assert_non_null(handle);
    for (struct dirent *entry; (entry = readdir(handle));)
        count += strncmp(entry->d_name, "seg-", 4) == 0;
    closedir(handle);
    return count;
}

static int keep_odd(struct log *log, const struct batch_header *header, const struct span *body,
                    void *context)
{
    (void)body;
    (void)context;
    return header->base % 2 ? log_rewrite_keep(log, NULL, NULL) : LOG_OK;
}

static int rewrite_first(struct log *log)
{
    int error = log_rewrite_begin(log, log_first(log));
    while (!error && (error = log_rewrite_step(log, 2000, keep_odd, NULL)) > 0)
        error = LOG_OK;
    return error;
}

static void killed_at(const char *point)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct log_options options = {.segment_bytes = 1 << 20, .journal_bytes = 1 << 16};
        struct log *log;
        setenv("TIPOFF_FAULT", point, 1);
        fault_init("test");
        if (log_open(&log, dir, &options) != LOG_OK || rewrite_first(log) != LOG_OK ||
            log_trim(log, log_segments(log) > 2 ? 21 : 1) < 0)
            _exit(1);
        while (log_tidy(log) == LOG_OK)
            ;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Of 1 .. 20 all are there, or the odd ones; behind them everything is. */
static void old_or_new(struct log *log, bool rewritten, uint64_t first)
{
    struct batch_header header;
    struct span body;
    struct log_seq seq;
    assert_int_equal(log_head(log), 61);
    assert_int_equal(log_first(log), first);
    for (uint64_t position = first; position <= 60; position++) {
        uint64_t base;
        bool there = !rewritten || position > 20 || position % 2;
        assert_int_equal(log_next(log, 1, 0, position, &base), LOG_OK);
        assert_int_equal(base, there ? position : position + 1);
        assert_int_equal(log_next_any(log, position, &base), LOG_OK);
        assert_int_equal(base, there ? position : position + 1);
        assert_int_equal(log_batch(log, position, &header, &body), there ? LOG_OK : LOG_REMOVED);
        assert_int_equal(header.base, position);
        assert_int_equal(log_lane_find(log, 1, 1, 0, position, &seq), LOG_OK);
        assert_int_equal(seq.base, position);
    }
    assert_int_equal(log_count_from(log, 1, 0, 0), 61 - first - (rewritten && first == 1 ? 10 : 0));
    log_read_end(log);
}

static void test_killed_between(void **state)
{
    (void)state;
    const struct {
        const char *point;
        bool rewritten;
        uint64_t first;
    } kills[] = {{"rewrite-slice:1", false, 1},
                 {"rewrite-slice:4", false, 1},
                 {"rewrite-built:1", false, 1},
                 {"rewrite-complete:1", true, 1},
                 {"trim-decided:1", true, 21}};
    struct log *log = log_make(1 << 20);
    for (uint64_t i = 0; i < 60; i++) {
        assert_int_equal(log_begin(log), LOG_OK);
        append(log, 1, 0, 1, i + 1, 1, (uint8_t)i);
        assert_int_equal(log_commit(log), LOG_OK);
        if (i % 20 == 19)
            assert_int_equal(log_roll(log), LOG_OK);
    }
    log_close(&log);
    for (size_t i = 0; i < sizeof kills / sizeof *kills; i++) {
        killed_at(kills[i].point);
        log = log_make(1 << 20);
        old_or_new(log, kills[i].rewritten, kills[i].first);
        while (log_tidy(log) == LOG_OK)
            ;
        uint32_t segments = log_segments(log);
        log_close(&log);
        assert_int_equal(entries_of(dir), segments);
        log = log_make(1 << 20);
        old_or_new(log, kills[i].rewritten, kills[i].first);
        log_close(&log);
    }
}

/* The power went while a roll made the next segment, before its file had a name: the old one goes on. */
static void test_half_made_segment(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 20);
    assert_int_equal(log_begin(log), LOG_OK);
    append(log, 2, 0, 1, 1, 3, 'x');
    assert_int_equal(log_commit(log), LOG_OK);
    log_close(&log);
    char path[160];
    snprintf(path, sizeof path, "%s/seg-%020d", dir, 4);
    assert_int_equal(mkdir(path, 0750), 0);
    snprintf(path, sizeof path, "%s/seg-%020d/" ENV_FILE_NEW, dir, 4);
    int fd = open(path, O_WRONLY | O_CREAT, 0640);
    assert_int_equal(write(fd, path, sizeof path), sizeof path);
    close(fd);
    log = log_make(1 << 20);
    assert_int_equal(log_segments(log), 1);
    assert_int_equal(log_head(log), 4);
    assert_int_equal(log_roll(log), LOG_OK);
    assert_int_equal(log_segments(log), 2);
    log_close(&log);
}

static int keep_all(struct log *log, const struct batch_header *header, const struct span *body,
                    void *context)
{
    (void)header;
    (void)body;
    (void)context;
    return log_rewrite_keep(log, NULL, NULL);
}

static void mark_remove(const char *name)
{
    char path[160];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi meta;
    MDB_val key = {1, "c"};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 8);
    assert_int_equal(mdb_env_open(env, path, 0, 0640), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
    assert_int_equal(mdb_del(txn, meta, &key, NULL), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

/* The mark that a segment is complete is gone: it is no leftover of a roll or a rewriting, for it holds what nothing else does. */
static void test_lost_mark(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 20);
    for (uint64_t seq = 1; seq <= 30; seq++) {
        assert_int_equal(log_begin(log), LOG_OK);
        append(log, 1, 0, 1, seq, 1, 0xA0);
        assert_int_equal(log_commit(log), LOG_OK);
        if (seq % 10 == 0)
            assert_int_equal(log_roll(log), LOG_OK);
    }
    assert_int_equal(log_rewrite_begin(log, 1), LOG_OK);
    int more;
    while ((more = log_rewrite_step(log, 1 << 20, keep_all, NULL)) == 1)
        ;
    assert_int_equal(more, 0);
    while (log_tidy(log) == LOG_OK)
        ;
    log_close(&log);
    mark_remove("seg-00000000000000000001.1");
    mark_remove("seg-00000000000000000011");
    for (int life = 0; life < 2; life++) {
        log = log_make(1 << 20);
        assert_int_equal(log_bad_batches(log), 2);
        assert_int_equal(log_first(log), 1);
        for (uint64_t position = 1; position <= 30; position++) {
            struct batch_header header;
            struct span body;
            assert_int_equal(log_batch(log, position, &header, &body), LOG_OK);
        }
        log_close(&log);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lost_mark, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_flipped_bit, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_unreadable_header, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_corrupt_later, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_roll_with_much_for_later, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_map_grows, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_empty_append, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_leftovers, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_half_made_segment, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_trim_that_fails, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_killed_between, dir_new, dir_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
