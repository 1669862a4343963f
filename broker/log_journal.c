#include "broker/log_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC 0x544a4531u /* TJE1 */
#define HEAD 32
#define HEAD_CRC 24 /* where in it the CRC stands */
#define SECTOR 512
#define BUSY_TRIES 400
#define BUSY_NAP_NS 5000000

static uint64_t rounded(uint64_t bytes)
{
    return (bytes + SECTOR - 1) / SECTOR * SECTOR;
}

static int error_of(int rc)
{
    errno = rc;
    return rc == ENOSPC || rc == EDQUOT ? LOG_FULL : LOG_IO;
}

/* ---- the file ---- */

static int write_all(int fd, const uint8_t *data, size_t size, uint64_t at)
{
    while (size > 0) {
        ssize_t wrote = pwrite(fd, data, size, (off_t)at);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return error_of(wrote < 0 ? errno : ENOSPC);
        data += wrote;
        size -= (size_t)wrote;
        at += (uint64_t)wrote;
    }
    return LOG_OK;
}

static int zeros_write(int fd, uint64_t bytes)
{
    static const uint8_t zeros[1 << 16];
    int error = LOG_OK;
    for (uint64_t at = 0; at < bytes && !error; at += sizeof zeros)
        error = write_all(fd, zeros, bytes - at < sizeof zeros ? bytes - at : sizeof zeros, at);
    if (!error && fsync(fd) != 0)
        error = error_of(errno);
    return error;
}

/* Beside its name until every byte of it has its place. */
static int file_make(const char *dir, const char *path, uint64_t bytes)
{
    char beside[4096];
    snprintf(beside, sizeof beside, "%s/" JOURNAL_FILE ".new", dir);
    int fd = open(beside, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return error_of(errno);
    int error = zeros_write(fd, bytes);
    close(fd);
    if (!error && rename(beside, path) != 0)
        error = error_of(errno);
    int saved = errno;
    if (error)
        (void)unlink(beside);
    errno = saved;
    return error;
}

static int file_lock(int fd, int tries)
{
    const struct timespec nap = {0, BUSY_NAP_NS};
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK || --tries <= 0)
            return LOG_IO;
        nanosleep(&nap, NULL); /* a reader that applies it, or the last writer on its way out */
    }
    return LOG_OK;
}

static int file_open(struct journal *self, const char *path, int tries)
{
    struct stat there;
    self->fd = open(path, O_RDWR | O_CLOEXEC);
    if (self->fd < 0)
        return errno == ENOENT ? LOG_NONE : error_of(errno);
    int error = file_lock(self->fd, tries);
    if (!error && fstat(self->fd, &there) != 0)
        error = LOG_IO;
    if (!error)
        self->bytes = (uint64_t)there.st_size / SECTOR * SECTOR;
    if (error) {
        int saved = errno;
        close(self->fd);
        self->fd = -1;
        errno = saved;
    }
    return error;
}

int journal_open(struct journal *self, const char *dir, uint64_t bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/" JOURNAL_FILE, dir);
    *self = (struct journal){.fd = -1};
    int error = file_open(self, path, BUSY_TRIES);
    if (error == LOG_NONE && bytes > 0) {
        error = file_make(dir, path, rounded(bytes));
        if (!error)
            error = file_open(self, path, BUSY_TRIES);
    }
    return error;
}

int journal_open_there(struct journal *self, const char *dir)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/" JOURNAL_FILE, dir);
    *self = (struct journal){.fd = -1};
    return file_open(self, path, 1);
}

void journal_close(struct journal *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
    pack_free(&self->entry);
}

void journal_reset(struct journal *self, uint64_t generation)
{
    self->generation = generation;
    self->number = self->offset = 0;
}

/* ---- an entry ---- */

void journal_begin(struct journal *self)
{
    static const uint8_t head[HEAD];
    pack_reset(&self->entry);
    pack_raw(&self->entry, head, sizeof head);
    self->crc = 0;
    self->over = false;
}

/* What is too large already is not copied any further. */
static bool room(struct journal *self, size_t more)
{
    if (self->fd < 0 || self->entry.failed || self->entry.size + more > JOURNAL_ENTRY_BYTES_MAX)
        self->over = true;
    return !self->over;
}

static void put(struct journal *self, const void *data, size_t size)
{
    pack_raw(&self->entry, data, size);
    self->crc = pack_crc32c(self->crc, data, size);
}

static void batch_put(struct journal *self, uint8_t what, const struct batch_header *header,
                      const void *body)
{
    uint8_t head[1 + PROTOCOL_HEADER_BYTES] = {what};
    if (!room(self, sizeof head + header->size))
        return;
    batch_header_write(header, head + 1);
    put(self, head, sizeof head);
    if (header->size)
        pack_raw(&self->entry, body, header->size);
}

void journal_append(struct journal *self, const struct batch_header *header, const void *body)
{
    batch_put(self, 'A', header, body);
}

void journal_later_put(struct journal *self, const struct batch_header *header, const void *body)
{
    batch_put(self, 'L', header, body);
}

void journal_later_take(struct journal *self, int64_t due_us, uint64_t id)
{
    uint8_t op[17] = {'T'};
    put_u64(op + 1, (uint64_t)due_us);
    put_u64(op + 9, id);
    if (room(self, sizeof op))
        put(self, op, sizeof op);
}

void journal_meta(struct journal *self, enum log_meta kind, const void *key, size_t key_size,
                  const void *value, size_t value_size)
{
    uint8_t op[8] = {'M', (uint8_t)kind};
    put_u16(op + 2, (uint16_t)key_size);
    put_u32(op + 4, (uint32_t)value_size);
    if (!room(self, sizeof op + key_size + value_size))
        return;
    put(self, op, sizeof op);
    put(self, key, key_size);
    put(self, value, value_size);
}

bool journal_fits(const struct journal *self)
{
    return self->fd >= 0 && !self->over && !self->entry.failed &&
           self->offset + rounded(self->entry.size) <= self->bytes;
}

static uint32_t entry_crc(const uint8_t *head, uint32_t operations)
{
    return pack_crc32c(operations, head, HEAD_CRC);
}

int journal_commit(struct journal *self)
{
    uint8_t *head = self->entry.data;
    put_u32(head, MAGIC);
    put_u32(head + 4, (uint32_t)(self->entry.size - HEAD));
    put_u64(head + 8, self->generation);
    put_u64(head + 16, self->number);
    put_u32(head + HEAD_CRC, entry_crc(head, self->crc));
    if (write_all(self->fd, head, self->entry.size, self->offset) != LOG_OK) {
        static const uint8_t nothing[HEAD];
        int saved = errno;
        bool undone = write_all(self->fd, nothing, sizeof nothing, self->offset) == LOG_OK;
        errno = saved;
        return undone ? LOG_IO : LOG_CORRUPT;
    }
    if (fdatasync(self->fd) != 0)
        return LOG_CORRUPT;
    self->offset += rounded(self->entry.size);
    self->number++;
    return LOG_OK;
}

int journal_sync(const struct journal *self)
{
    return self->fd >= 0 && fdatasync(self->fd) != 0 ? LOG_IO : LOG_OK;
}

/* ---- reading it back ---- */

struct entry {
    const uint8_t *at, *end; /* its operations */
    bool bodies_whole;       /* as far as they were looked at */
};

/* One operation, taken off the front. LOG_NONE: it is not one. */
static int operation_take(struct entry *in, uint32_t *crc, const struct journal_visit *visit,
                          void *context)
{
    size_t left = (size_t)(in->end - in->at);
    const uint8_t *at = in->at;
    if (*at == 'A' || *at == 'L') {
        struct batch_header header;
        if (left < 1 + PROTOCOL_HEADER_BYTES || batch_header_read(&header, at + 1) != 0 ||
            header.size > left - 1 - PROTOCOL_HEADER_BYTES)
            return LOG_NONE;
        const uint8_t *body = at + 1 + PROTOCOL_HEADER_BYTES;
        *crc = pack_crc32c(*crc, at, 1 + PROTOCOL_HEADER_BYTES);
        in->at = body + header.size;
        if (!visit) {
            in->bodies_whole = in->bodies_whole && pack_crc32c(0, body, header.size) == header.crc;
            return LOG_OK;
        }
        return *at == 'A' ? visit->append(context, &header, body)
                          : visit->later_put(context, &header, body);
    }
    if (*at == 'T' && left >= 17) {
        *crc = pack_crc32c(*crc, at, 17);
        in->at += 17;
        return visit ? visit->later_take(context, (int64_t)get_u64(at + 1), get_u64(at + 9))
                     : LOG_OK;
    }
    if (*at != 'M' || left < 8)
        return LOG_NONE;
    struct span key = {at + 8, get_u16(at + 2)};
    struct span value = {key.data + key.size, get_u32(at + 4)};
    if (left - 8 < key.size || left - 8 - key.size < value.size)
        return LOG_NONE;
    in->at = value.data + value.size;
    *crc = pack_crc32c(*crc, at, (size_t)(in->at - at));
    return visit ? visit->meta(context, (enum log_meta)at[1], &key, &value) : LOG_OK;
}

/* An entry at `data`, of this generation and one of its numbers from `number` on: whole, but for its bodies. */
static bool entry_open(const uint8_t *data, size_t size, uint64_t generation, uint64_t number,
                       struct entry *out)
{
    if (size < HEAD || get_u32(data) != MAGIC || get_u64(data + 8) != generation ||
        get_u64(data + 16) < number || get_u32(data + 4) > size - HEAD)
        return false;
    *out = (struct entry){data + HEAD, data + HEAD + get_u32(data + 4), true};
    struct entry in = *out;
    uint32_t crc = 0;
    while (in.at < in.end)
        if (operation_take(&in, &crc, NULL, NULL) != LOG_OK)
            return false;
    out->bodies_whole = in.bodies_whole;
    return entry_crc(data, crc) == get_u32(data + HEAD_CRC);
}

static int entry_visit(struct entry in, const struct journal_visit *visit, void *context)
{
    uint32_t crc = 0;
    int error = LOG_OK;
    while (in.at < in.end && !error)
        error = operation_take(&in, &crc, visit, context);
    return error ? error : visit->entry(context);
}

static int read_all(int fd, uint8_t *data, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes;) {
        ssize_t got = pread(fd, data + at, bytes - at, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return LOG_IO;
        at += (uint64_t)got;
    }
    return LOG_OK;
}

static bool followed(const struct journal *self, const uint8_t *data, uint64_t at)
{
    struct entry in;
    for (; at + HEAD <= self->bytes; at += SECTOR)
        if (entry_open(data + at, self->bytes - at, self->generation, self->number, &in) &&
            in.bodies_whole)
            return true;
    return false;
}

/* The one at the offset. The last may be a torn write, bodies and all; any other was acknowledged, and of that a broken body is no
 * more than a broken body: found, named and set aside by who reads the batch. */
static bool entry_next(const struct journal *self, const uint8_t *data, struct entry *out)
{
    const uint8_t *at = data + self->offset;
    return entry_open(at, self->bytes - self->offset, self->generation, self->number, out) &&
           get_u64(at + 16) == self->number &&
           (out->bodies_whole ||
            followed(self, data, self->offset + rounded((uint64_t)(out->end - at))));
}

int journal_each(struct journal *self, const struct journal_visit *visit, void *context)
{
    struct entry in;
    self->number = self->offset = 0;
    if (self->fd < 0)
        return LOG_OK;
    uint8_t *data = malloc(self->bytes + 1);
    int error = data ? read_all(self->fd, data, self->bytes) : LOG_IO;
    while (!error && entry_next(self, data, &in)) {
        error = entry_visit(in, visit, context);
        self->offset += rounded((uint64_t)(in.end - (data + self->offset)));
        self->number++;
    }
    if (!error && followed(self, data, self->offset))
        error = LOG_CORRUPT;
    free(data);
    return error;
}

bool journal_holds(const char *dir, uint64_t generation)
{
    char path[4096];
    uint8_t head[HEAD];
    snprintf(path, sizeof path, "%s/" JOURNAL_FILE, dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool read = fd >= 0 && read_all(fd, head, sizeof head) == LOG_OK;
    if (fd >= 0)
        close(fd);
    return read && get_u32(head) == MAGIC && get_u64(head + 8) == generation;
}
