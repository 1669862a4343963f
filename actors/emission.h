/* What a step publishes, while it is being built: records gathered into batches, each lane numbered.
 *
 * Within a partition a new batch begins whenever stream or due time changes, and batches are published in the order of their
 * first records: so for one key the order in the log is the order of emission. What the kit itself says (runs, dead
 * letters) is kept apart and goes last, or it would tear the actor's batches to pieces. */
#ifndef ACTORS_EMISSION_H
#define ACTORS_EMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/message.h"
#include "schema/pack.h"
#include "schema/record.h"

struct lane {
    uint64_t last;  /* given to a record, in a committed step */
    uint64_t next;  /* ... or in the step being built */
    uint64_t acked; /* the broker has it */
    uint64_t known; /* up to here the log holds it already: to be compared, not sent */
    bool touched;   /* its row in the environment is to be written with the next commit */
};

struct out_stream {
    char name[64];
    uint16_t partitions;
    bool ours; /* of the kit, not of the actor */
    struct lane *lanes;
};

struct out_batch {
    struct out_stream *stream;
    uint16_t partition;
    bool known;
    int64_t due_us;
    uint64_t first_seq;
    uint32_t count;
    int32_t before;      /* the batch that was open in its partition before it; -1: none */
    struct pack records; /* memory is kept from step to step */
    struct pack body;    /* made by emission_finish */
};

#define EMISSION_STREAMS_MAX 64

struct emission {
    struct out_stream streams[EMISSION_STREAMS_MAX];
    uint32_t stream_count;
    const struct message_desc
        *desc_of[EMISSION_STREAMS_MAX]; /* found before: of the stream beside it */
    uint32_t last_stream;
    struct out_batch *batches;
    uint32_t batch_count, batch_capacity;
    int32_t *open[2]; /* by partition: the batch that takes the next record; [1]: the kit's own */
    uint32_t open_count;
    struct {
        uint32_t batch;
        size_t size;
    } * added; /* every record of the step, for undoing */
    uint32_t added_count, added_capacity;
    uint32_t *order; /* batches as they are to be published */
    bool all_known;  /* nothing is ever sent: re-execution */
    uint16_t (*partitions)(void *context, const char *stream);
    void *context;
};

void emission_free(struct emission *self);
/* NULL if the broker has no such stream, or there are too many. */
struct out_stream *emission_stream(struct emission *self, const char *name);
struct out_stream *emission_stream_of(struct emission *self, const struct message_desc *desc);
/* 0, or -1 with the rule broken (static text). */
int emission_add(struct emission *self, struct out_stream *stream, const struct record *record,
                 int64_t due_us, size_t bytes_max, const char **rule);
/* Takes back all but the first `count` records. */
void emission_undo(struct emission *self, uint32_t count);
/* Makes the bodies. -1: no memory. */
int emission_finish(struct emission *self, const char *code_version, const char *config_hash);
/* In the order of publishing, after emission_finish. */
struct out_batch *emission_at(struct emission *self, uint32_t index);
/* The step is committed: its sequences are spent. */
void emission_commit(struct emission *self);

#endif
