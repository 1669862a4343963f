/* What is said: descriptors of messages, and the five functions that walk them.
 *
 * A message is a C struct made by an X-list (schema/messages.def is the pipeline's; an
 * application or a test brings its own, and broker/protocol.def describes the broker's control
 * frames the same way). The macros below make only the struct and a table row per field;
 * everything else is done by ordinary functions that walk the table. On the wire a message is a
 * msgpack map {field name: value}, fields in list order.
 *
 * Absent values: I64/U64/TIME/DATE -> MESSAGE_NONE (U64: UINT64_MAX, DATE: 0), F64 -> NaN, STR
 * -> "", BYTES/MAP/LIST -> size 0, BOOL has no absent (optional means false). Optional ones are
 * encoded as nil; a required one that is absent is refused as missing (but required BYTES may be
 * empty: an empty body is a body).
 *
 * Messages own no memory: STR is a fixed array in the struct, BYTES/MAP/LIST borrow from the
 * frame they were decoded from (valid as long as the frame) or from whoever fills the struct
 * (until encoded). */
#ifndef SCHEMA_MESSAGE_H
#define SCHEMA_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_NONE INT64_MIN
#define MESSAGE_FIELDS_MAX 48
#define MESSAGE_DEPTH_MAX 16 /* of any payload, ours or a peer's */

/* Each has its row in schema/message_index.c. `hi` of a STR, BYTES, MAP or LIST: most bytes. */
enum field_kind {
    FIELD_U64,
    FIELD_I64,
    FIELD_F64, /* finite; NaN and Inf are refused on the wire */
    FIELD_BOOL,
    FIELD_STR,   /* UTF-8, NUL-terminated in the struct, no NUL inside; `hi` without the NUL */
    FIELD_TIME,  /* int64 microseconds UTC */
    FIELD_DATE,  /* int32 yyyymmdd, league day; an integer on the wire */
    FIELD_BYTES, /* msgpack bin */
    FIELD_MAP,   /* a flat msgpack map {str: nil|bool|number|str}, raw */
    FIELD_LIST   /* a msgpack array of anything, raw, well-formed and within depth */
};
enum presence { REQ, OPT };

struct span {
    const uint8_t *data;
    uint32_t size;
};

struct field_desc {
    const char *name;
    enum field_kind kind;
    enum presence presence;
    uint16_t name_size;
    uint32_t offset;  /* in the struct; set by message_layout */
    double lo, hi;    /* limits of the value (numbers) or of the size (the others) */
    const char *unit; /* "" if none */
    const char *doc;
};

struct message_desc {
    const char *name; /* "row_game" */
    uint32_t version;
    const char *stream; /* "row.game"; "" if it is not streamed (state rows, control frames) */
    const char *writer; /* the one actor that may write it; "*" any actor */
    const char *key;    /* name of the field that is the record's key; "" = the emitter says */
    const char *doc;
    uint32_t struct_size;
    const struct field_desc *fields;
    uint32_t field_count;
};

/* ---- the X-list ----
 * A .def file holds: MSG(name, version, "stream", writer, key, "doc") fields END(name)
 *   U64|I64|F64(name, presence, lo, hi, "unit", "doc")   BOOL|TIME|DATE(name, presence, "doc")
 *   STR|BYTES|MAP|LIST(name, presence, most_bytes, "doc")
 * A message has at least one field. schema/message_struct.h and schema/message_table.h are
 * included around it: see schema/messages.h and schema/messages.c. */

/* Places each field where the compiler put it: in list order, aligned as its kind. Called before
 * main for every table that message_table.h makes; aborts if the struct then has another size. */
void message_layout(struct field_desc *fields, uint32_t count, uint32_t struct_size);

/* One error: which message, which field ("" if none), which rule, in words: "missing",
 * "wrong kind: str, not int", "out of range: 61 > 60", "trailing bytes: 1", "duplicate field" ... */
struct message_error {
    char message[32];
    char field[48];
    char rule[96];
};

/* Sets every field absent (REQ I64, U64, F64 and bools to 0), so that what the caller forgets to
 * fill is refused. */
void message_clear(const struct message_desc *desc, void *message);
/* Checks presence, limits, UTF-8, finiteness. 0 or -1 with `error`. */
int message_check(const struct message_desc *desc, const void *message,
                  struct message_error *error);
/* Exact encoded size bound, for buffers. */
size_t message_size_max(const struct message_desc *desc, const void *message);
/* Checks, then writes the map. Returns its size, or -1 with `error` (also when `capacity` is too
 * small). */
long message_encode(const struct message_desc *desc, const void *message, uint8_t *out,
                    size_t capacity, struct message_error *error);
/* Where in what message_encode made the value of `field` stands; `at->size` 0: there is none. */
void message_value_in(const void *data, size_t size, const char *field, struct span *at);
/* Fills `message`, allocating nothing: every declared count and size is checked against the
 * bytes left, what is not a plain value (MAP, LIST, unknown fields) is pre-scanned. Unknown
 * fields are skipped, absent optional ones set absent; anything else wrong is refused. All of
 * `data` must be consumed. 0, or -1 with `error` (`message` then holds anything). */
int message_decode(const struct message_desc *desc, const void *data, size_t size, void *message,
                   struct message_error *error);
/* True if both hold equal values (absent equals absent) in every field but those named
 * (NULL-terminated, may be NULL). */
bool message_equal(const struct message_desc *desc, const void *a, const void *b,
                   const char *const *except);

/* NULL if there is none. */
const struct field_desc *message_field(const struct message_desc *desc, const char *name);

const char *field_kind_text(enum field_kind kind); /* "int", "str" ... */

/* ---- the table an application registers ----
 * Registering a descriptor again does nothing; two of one name or one stream, or a key that is
 * no STR field, abort. */
void message_register(const struct message_desc *const *descs,
                      size_t count);                              /* borrowed for ever; adds */
const struct message_desc *message_of_stream(const char *stream); /* NULL if unknown */
const struct message_desc *message_of_name(const char *name);
size_t message_count(void);
const struct message_desc *message_at(size_t index);

/* Writes docs/MESSAGES.md's text for everything registered. */
#include <stdio.h>
void message_print_docs(FILE *out);

#endif
