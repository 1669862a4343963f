/* A disk in memory for a log (log.h): what was committed is there when the log is opened on it again, what was not is gone.
 * For tests and simulations: any call can be made to fail, or to be the last one before a crash, and stored bytes can be
 * broken. One writer at a time, as many readers as wanted, one thread. */
#ifndef BROKER_LOG_MEMORY_H
#define BROKER_LOG_MEMORY_H

#include "broker/log.h"

enum log_call {
    LOG_CALL_ANY, /* counts all of them */
    LOG_CALL_OPEN,
    LOG_CALL_BEGIN,
    LOG_CALL_APPEND,
    LOG_CALL_LATER_PUT,
    LOG_CALL_LATER_TAKE,
    LOG_CALL_PUT_META,
    LOG_CALL_COMMIT,
    LOG_CALL_ROLL,
    LOG_CALL_TRIM,
    LOG_CALL_REWRITE,
    LOG_CALL_READ, /* next, next_any, batch, lane_find, later_next, later_read, each_meta */
    LOG_CALL_COUNT
};
/* What an armed call does. The failures are what log.h says of them: nothing of the call happened, a transaction that failed
 * to commit is gone. A crash, before the call did anything or when it was done: from then on the log that was open returns
 * LOG_IO for everything and changes nothing, until it is closed and opened again. */
enum log_fault { LOG_FAULT_FULL, LOG_FAULT_IO, LOG_FAULT_CRASH, LOG_FAULT_CRASH_AFTER };

struct log_disk *log_disk_new(void);        /* NULL: no memory */
void log_disk_free(struct log_disk **self); /* no log is open on it any more */
/* The nth call from now (1: the next) of that kind fails. One may be armed at a time; nth 0 disarms. */
void log_disk_arm(struct log_disk *self, enum log_call call, uint64_t nth, enum log_fault fault);
/* How many there were since the disk was made, failed ones counted. */
uint64_t log_disk_calls(const struct log_disk *self, enum log_call call);
bool log_disk_crashed(const struct log_disk *self); /* and not opened again since */
/* Flips bit 2 of one byte of a stored batch: offsets below PROTOCOL_HEADER_BYTES are its header's, from there on its body's.
 * False: no such batch or byte. */
bool log_disk_flip(struct log_disk *self, uint64_t base, uint32_t offset);
/* The same of a batch for later. */
bool log_disk_flip_later(struct log_disk *self, int64_t due_us, uint64_t id, uint32_t offset);

#endif
