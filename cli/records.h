/* The log as tools read it: read-only, straight from the files, with names for numbers; whether a broker runs or not. */
#ifndef CLI_RECORDS_H
#define CLI_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/protocol.h"
#include "schema/json.h"
#include "schema/record.h"

struct records_stream {
    uint16_t id, partitions;
    char name[64];
    uint64_t records, bytes, first, last;
    uint64_t whole_from; /* retention has removed nothing from there on */
};
struct records_producer {
    uint32_t id;
    char actor[33];
    uint16_t shard, shards;
    uint64_t epoch, pid, cursor;
    char env[121], host[65], incarnation[64], code_version[49], config_hash[17];
};

/* One record. Everything borrows until the visit returns. */
struct records_item {
    uint64_t position, sequence;
    const struct batch_header *header;
    const struct records_stream *stream;     /* never NULL */
    const struct records_producer *producer; /* never NULL */
    const struct record *record;
    char code_version[64], config_hash[32];
};
typedef int records_visit(const struct records_item *item, void *context); /* 0 to go on */

struct records;

/* 0, or an exit code with `why`: EXIT_NO if there is no log, EXIT_DATA if it cannot be read. */
int records_open(struct records **out, const char *dir, char *why, size_t why_size);
void records_close(struct records **self);
int records_refresh(struct records *self); /* what was appended since; 0 or -1 */

uint64_t records_first(const struct records *self);
uint64_t records_head(const struct records *self); /* the position the next record gets */
size_t records_stream_count(const struct records *self);
const struct records_stream *records_stream_at(const struct records *self, size_t index);
const struct records_stream *records_stream_named(const struct records *self,
                                                  const char *name); /* NULL */
size_t records_producer_count(const struct records *self);
const struct records_producer *records_producer_at(const struct records *self, size_t index);
const struct records_producer *records_producer_of(const struct records *self, const char *actor,
                                                   unsigned shard);

/* Records with from <= position < to, in order. `stream` NULL: of every stream. Batches that are broken are logged and
 * passed over. Returns what the visit returned when it stopped, else 0; -1 if the log cannot be read. */
int records_each(struct records *self, const char *stream, uint64_t from, uint64_t to,
                 records_visit *visit, void *context);
/* That one record: the visit's answer, or EXIT_NO as -2 if there is none at that position. */
#define RECORDS_NONE (-2)
int records_get(struct records *self, uint64_t position, records_visit *visit, void *context);

/* {position, stream, partition, time, key, version, producer, epoch, sequence, run, code_version, config_hash, parents, payload} */
json_t *records_json(const struct records_item *item);
/* The payload decoded by its message, if this code knows that message at that version: 0 and `message` filled, else -1.
 * `message` must hold desc->struct_size bytes. */
int records_message(const struct records_item *item, const struct message_desc *desc,
                    void *message);
json_t *records_payload(const struct records_item *item);

/* For verify: the log behind it. */
struct log;
struct log *records_log(struct records *self);

#endif
