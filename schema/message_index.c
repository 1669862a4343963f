/* The messages that an application registered, found by name or by stream; and the layout of
 * their structs. */
#include "schema/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES_MOST = 512 };

static const struct {
    const char *text;
    uint32_t size, align; /* of the member; a STR's size is its limit and the NUL */
} KINDS[] = {
    [FIELD_U64] = {"uint", sizeof(uint64_t), _Alignof(uint64_t)},
    [FIELD_I64] = {"int", sizeof(int64_t), _Alignof(int64_t)},
    [FIELD_F64] = {"float", sizeof(double), _Alignof(double)},
    [FIELD_BOOL] = {"bool", sizeof(bool), _Alignof(bool)},
    [FIELD_STR] = {"str", 0, 1},
    [FIELD_TIME] = {"time", sizeof(int64_t), _Alignof(int64_t)},
    [FIELD_DATE] = {"date", sizeof(int32_t), _Alignof(int32_t)},
    [FIELD_BYTES] = {"bytes", sizeof(struct span), _Alignof(struct span)},
    [FIELD_MAP] = {"map", sizeof(struct span), _Alignof(struct span)},
    [FIELD_LIST] = {"list", sizeof(struct span), _Alignof(struct span)},
};

static const struct message_desc *registered[MESSAGES_MOST]; /* as registered */
static const struct message_desc *by_name[MESSAGES_MOST];
static const struct message_desc *by_stream[MESSAGES_MOST];
static size_t count, stream_count;

/* A descriptor that is wrong is our own bug, known at the first start of its program. */
static _Noreturn void message_bug(const char *name, const char *why)
{
    fprintf(stderr, "message descriptor %s: %s\n", name, why);
    abort();
}

const char *field_kind_text(enum field_kind kind)
{
    return KINDS[kind].text;
}

static uint32_t align_up(uint32_t offset, uint32_t align)
{
    return (offset + align - 1) / align * align;
}

void message_layout(struct field_desc *fields, uint32_t field_count, uint32_t struct_size)
{
    uint32_t at = 0, most_align = 1;
    if (field_count > MESSAGE_FIELDS_MAX) {
        message_bug(fields[0].name, "too many fields");
    }
    for (uint32_t i = 0; i < field_count; i++) {
        struct field_desc *field = &fields[i];
        uint32_t align = KINDS[field->kind].align;
        field->offset = align_up(at, align);
        at = field->offset +
             (field->kind == FIELD_STR ? (uint32_t)field->hi + 1 : KINDS[field->kind].size);
        most_align = align > most_align ? align : most_align;
    }
    if (align_up(at, most_align) != struct_size) {
        message_bug(fields[0].name, "the struct that begins with this field is laid out otherwise");
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const struct message_desc *const *)a)->name,
                  (*(const struct message_desc *const *)b)->name);
}

static int compare_streams(const void *a, const void *b)
{
    return strcmp((*(const struct message_desc *const *)a)->stream,
                  (*(const struct message_desc *const *)b)->stream);
}

static void message_add(const struct message_desc *desc)
{
    const struct message_desc *known = message_of_name(desc->name);
    if (known == desc) {
        return;
    }
    if (known) {
        message_bug(desc->name, "this name is taken");
    }
    if (desc->stream[0] && message_of_stream(desc->stream)) {
        message_bug(desc->name, "its stream has a message already");
    }
    const struct field_desc *key = desc->key[0] ? message_field(desc, desc->key) : NULL;
    if (desc->key[0] && (!key || key->kind != FIELD_STR)) {
        message_bug(desc->name, "its key is no STR field of it");
    }
    if (count == MESSAGES_MOST) {
        message_bug(desc->name, "too many messages");
    }
    registered[count] = by_name[count] = desc;
    qsort(by_name, ++count, sizeof(by_name[0]), compare_names);
    if (desc->stream[0]) {
        by_stream[stream_count] = desc;
        qsort(by_stream, ++stream_count, sizeof(by_stream[0]), compare_streams);
    }
}

void message_register(const struct message_desc *const *descs, size_t desc_count)
{
    for (size_t i = 0; i < desc_count; i++) {
        message_add(descs[i]);
    }
}

const struct message_desc *message_of_stream(const char *stream)
{
    const struct message_desc wanted = {.stream = stream}, *key = &wanted;
    const struct message_desc **found =
        bsearch(&key, by_stream, stream_count, sizeof(by_stream[0]), compare_streams);
    return found ? *found : NULL;
}

const struct message_desc *message_of_name(const char *name)
{
    const struct message_desc wanted = {.name = name}, *key = &wanted;
    const struct message_desc **found =
        bsearch(&key, by_name, count, sizeof(by_name[0]), compare_names);
    return found ? *found : NULL;
}

size_t message_count(void)
{
    return count;
}

const struct message_desc *message_at(size_t index)
{
    return index < count ? registered[index] : NULL;
}

const struct field_desc *message_field(const struct message_desc *desc, const char *name)
{
    for (uint32_t i = 0; i < desc->field_count; i++) {
        if (strcmp(desc->fields[i].name, name) == 0) {
            return &desc->fields[i];
        }
    }
    return NULL;
}
