/* One record from a person to the log, as the producer `operator`: durable when it returns. */
#ifndef CLI_SAY_H
#define CLI_SAY_H

#include <stdint.h>

#include "cli/command.h"
#include "schema/message.h"

/* The key is the message's key field. 0 and the record's position; else an exit code, said on stderr: EXIT_UNREACHABLE without a
 * broker, EXIT_AGAIN if it did not get through in `patience_us` (it may yet be in the log: say only what may be said twice),
 * EXIT_DATA if the message or the broker refuses it. */
int say_record(const struct cli *cli, const struct message_desc *desc, const void *message,
               const uint64_t *parents, uint32_t parent_count, int64_t patience_us,
               uint64_t *position);

/* user@host, cut to fit. */
void say_who(char *out, size_t size);

#endif
