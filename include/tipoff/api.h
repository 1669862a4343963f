/* What every header of the library begins with. Names: functions and types tip_, constants TIP_; nothing else is defined, except by
 * message_struct.h and its neighbours around a list of messages.
 *
 * The rules of the house, where a function does not say otherwise:
 * - Who opens closes: tip_X_open gives, tip_X_close(&x) takes back and sets the pointer to NULL; NULL is let be.
 * - A const pointer is borrowed for the call; what a function keeps for longer says so.
 * - Errors: int is 0 or a negative number of the enum named beside it; a pointer is NULL and bool false where it could not be. Nothing
 *   aborts on bad input. Misuse that can only be a bug of the program (two messages of one name) aborts, and says so here.
 * - Nothing is thread-safe: a link, a store and a step belong to the thread that opened them. */
#ifndef TIPOFF_API_H
#define TIPOFF_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Marks what the libraries export: their list of symbols is read from the headers. */
#ifdef __cplusplus
#define TIP_API extern "C"
#else
#define TIP_API extern
#endif

#define TIP_CLOCK_NONE INT64_MIN /* no instant: instants are int64_t microseconds UTC */

/* Bytes of someone else: valid as long as whoever lends them says. */
struct tip_span {
    const uint8_t *data;
    uint32_t size;
};

#endif
