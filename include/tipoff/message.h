/* What is said: an application lists its messages in a .def file, and these functions check, encode and decode them.
 *
 *     MSG(name, version, "stream", "writer", "key", "doc")     writer: the one actor that may write it; "*": anyone
 *         STR|BYTES|MAP|LIST(name, presence, most_bytes, "doc")  key: name of the STR field that is the record's key; "": the emitter says
 *         U64|I64|F64(name, presence, lo, hi, "unit", "doc")
 *         BOOL|TIME|DATE(name, presence, "doc")                presence: REQ or OPT
 *     END(name)
 *
 * makes `struct msg_NAME` and the descriptor `msg_NAME_desc`, when the list is included like this (the second half in one .c only):
 *
 *     #include <tipoff/message_struct.h>
 *     #include "words.def"
 *     #include <tipoff/message_end.h>
 *
 *     #include <tipoff/message_table.h>
 *     #include "words.def"
 *     #include <tipoff/message_end.h>
 *
 * On the wire a message is a msgpack map {field name: value}, fields in list order: any language reads it. Any edit of a field raises
 * the version.
 *
 * Absent values: I64/U64/TIME/DATE -> TIP_MESSAGE_NONE (U64: UINT64_MAX, DATE: 0), F64 -> NaN, STR -> "", BYTES/MAP/LIST -> size 0,
 * BOOL has none. A required field that is absent is refused as missing (required BYTES may be empty).
 *
 * A message owns no memory: STR is an array in the struct; BYTES/MAP/LIST borrow from the frame it was decoded from, or from whoever
 * fills the struct, until it is encoded (an emitted message is encoded before the call returns). */
#ifndef TIPOFF_MESSAGE_H
#define TIPOFF_MESSAGE_H

#include <tipoff/api.h>

#define TIP_MESSAGE_NONE INT64_MIN
#define TIP_MESSAGE_FIELDS_MAX 48
#define TIP_MESSAGE_DEPTH_MAX 16 /* of any payload */

enum tip_field_kind {
    TIP_FIELD_U64,
    TIP_FIELD_I64,
    TIP_FIELD_F64, /* finite */
    TIP_FIELD_BOOL,
    TIP_FIELD_STR,   /* UTF-8, NUL-terminated in the struct, no NUL inside; `hi` without the NUL */
    TIP_FIELD_TIME,  /* int64_t microseconds UTC */
    TIP_FIELD_DATE,  /* int32_t yyyymmdd; an integer on the wire */
    TIP_FIELD_BYTES, /* msgpack bin */
    TIP_FIELD_MAP,   /* a flat msgpack map {str: nil|bool|number|str}, raw */
    TIP_FIELD_LIST   /* a msgpack array of anything, raw */
};
enum tip_presence { TIP_REQ, TIP_OPT };

/* Both are made by <tipoff/message_table.h> only. */
struct tip_field_desc {
    const char *name;
    enum tip_field_kind kind;
    enum tip_presence presence;
    uint16_t name_size;
    uint32_t offset;  /* in the struct; set by tip_message_layout */
    double lo, hi;    /* limits of the value (numbers) or of the size (the others) */
    const char *unit; /* "" if none */
    const char *doc;
};
struct tip_message_desc {
    const char *name; /* "word_count" */
    uint32_t version;
    const char *stream; /* "words.count"; "" if it is not streamed: a row of a table */
    const char *writer;
    const char *key;
    const char *doc;
    uint32_t struct_size;
    const struct tip_field_desc *fields;
    uint32_t field_count;
};

/* Called before main by every table that message_table.h makes; aborts if the struct has another size than its list. */
TIP_API void tip_message_layout(struct tip_field_desc *fields, uint32_t count,
                                uint32_t struct_size);

/* What is wrong: which message, which field ("" if none), which rule in words: "missing", "out of range: 61 > 60" ... */
struct tip_message_error {
    char message[32];
    char field[48];
    char rule[96];
};

/* Sets every field absent (REQ I64, U64, F64 and bools to 0). To be called before a message is filled. */
TIP_API void tip_message_clear(const struct tip_message_desc *desc, void *message);
/* Presence, limits, UTF-8, finiteness. 0, or -1 with `error`. */
TIP_API int tip_message_check(const struct tip_message_desc *desc, const void *message,
                              struct tip_message_error *error);
/* Most bytes that encoding it can take. */
TIP_API size_t tip_message_size_max(const struct tip_message_desc *desc, const void *message);
/* Checks, then writes the map into the caller's `out`. Its size, or -1 with `error`, also when `capacity` is too small. */
TIP_API long tip_message_encode(const struct tip_message_desc *desc, const void *message,
                                uint8_t *out, size_t capacity, struct tip_message_error *error);
/* Fills the caller's `message`, allocating nothing; what borrows, borrows from `data`. Unknown fields are skipped, absent optional ones set
 * absent; anything else wrong is refused. 0, or -1 with `error` (`message` then holds anything). */
TIP_API int tip_message_decode(const struct tip_message_desc *desc, const void *data, size_t size,
                               void *message, struct tip_message_error *error);
/* True if both hold equal values in every field but those named (NULL-terminated; NULL: in all). */
TIP_API bool tip_message_equal(const struct tip_message_desc *desc, const void *a, const void *b,
                               const char *const *except);
/* Borrowed from the descriptor; NULL if it has no such field. */
TIP_API const struct tip_field_desc *tip_message_field(const struct tip_message_desc *desc,
                                                       const char *name);
TIP_API const char *tip_field_kind_text(enum tip_field_kind kind); /* "int", "str" ...; static */

/* Makes messages known by name and stream in this process: what tip_registry_save prints. tip_actor_main does it with the actor's
 * `messages`. Borrowed for ever. Again is nothing; two of one name or stream, or a key that is no STR field, abort. */
TIP_API void tip_message_register(const struct tip_message_desc *const *descs, size_t count);
/* Borrowed; NULL if none is known. */
TIP_API const struct tip_message_desc *tip_message_of_stream(const char *stream);
TIP_API const struct tip_message_desc *tip_message_of_name(const char *name);

#endif
