/* JSON, for whoever reads or writes it: jansson behind one door. Reading: json_t and jansson's
 * own read-only accessors may be used by includers (this header brings them); only schema/json.c
 * loads and dumps, so that limits and formatting are one. */
#ifndef SCHEMA_JSON_H
#define SCHEMA_JSON_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "schema/message.h"

#define JSON_DEPTH_MAX 32
#define JSON_BYTES_MAX (64u * 1024 * 1024)
#define JSON_NODES_MAX 2000000u

/* Pre-scans size, depth and nodes before building anything; rejects duplicate keys and trailing
 * bytes. The top is an object or an array. NULL with `why` (size >= 160) on failure: line,
 * column, rule. The caller decrefs. */
json_t *json_read(const void *text, size_t size, char *why, size_t why_size);
/* Compact, keys in insertion order, floats shortest round-trip; malloc'ed, caller frees. NULL:
 * out of memory. */
char *json_text(const json_t *value);
/* The same, or indented by two if `pretty`, and a newline. */
void json_print(FILE *out, const json_t *value, int pretty);

/* A decoded message as a JSON object: TIME as RFC 3339 with microseconds, DATE as YYYY-MM-DD,
 * absent as null, BYTES as base64, MAP/LIST as themselves. Caller decrefs. */
json_t *json_of_message(const struct message_desc *desc, const void *message);
/* Any msgpack value (for records of unknown messages). NULL if malformed. */
json_t *json_of_msgpack(const void *data, size_t size);
json_t *json_of_time(int64_t instant_us); /* null if CLOCK_NONE */
json_t *json_of_date(int32_t date);       /* null if 0 */
json_t *json_of_number(
    double value); /* null if NaN; integers print without ".0" only if they are JSON ints */
json_t *json_of_int(int64_t value); /* null if MESSAGE_NONE */
json_t *json_of_string(
    const char *value); /* null if "" or NULL; invalid UTF-8 is replaced, never refused */

#endif
