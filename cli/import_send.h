/* Publishes as a producer of its own (`import`, `train`): rows in batches, with a bounded number of them on their way, sent again
 * with the same sequences when the broker was away. */
#ifndef CLI_IMPORT_SEND_H
#define CLI_IMPORT_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/message.h"

struct import_send;
struct import_send_options {
    const char *writer;   /* as whom: "import", "train" */
    size_t payload_bytes; /* that the largest record may take */
    const char *endpoint;
    const char *host;
    const char *env;             /* names this directory's importer: whoever holds its lock */
    const char *config_hash;     /* stamped on every batch */
    void (*idle)(void *context); /* called while waiting; may be NULL */
    void *context;
};

/* NULL with errno. */
struct import_send *import_send_open(const struct import_send_options *options);
void import_send_close(struct import_send **self);
/* All of these return 0, or an exit code with import_send_why: nothing more can be sent. */
/* Waits for the lease, at most so long without an answer of the broker. */
int import_send_start(struct import_send *self, int64_t patience_us);
int import_send_add(struct import_send *self, const struct message_desc *desc, const void *message);
/* Waits until everything added so far is acknowledged. */
int import_send_flush(struct import_send *self);
/* Position of the newest record sent of the stream of `desc`, once flushed. */
int import_send_position(struct import_send *self, const struct message_desc *desc, const char *key,
                         uint64_t *position);
const char *import_send_why(const struct import_send *self);
uint64_t import_send_epoch(const struct import_send *self); /* of the lease */

#endif
