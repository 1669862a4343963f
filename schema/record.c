/* Records and batches as bytes: record.h says what they look like. */
#include "schema/record.h"

#include <assert.h>
#include <string.h>

#include "schema/utf8.h"

enum { RECORD_PARTS = 5, BATCH_HEADS = 2 };

uint32_t record_partition(const char *key, size_t key_size, uint32_t partitions)
{
    assert(partitions > 0);
    return pack_crc32c(0, key, key_size) % partitions;
}

static const char *text_rule(const char *text, uint32_t size, uint32_t most, const char *too_long,
                             const char *invalid)
{
    if (size > most) {
        return too_long;
    }
    return utf8_valid(text, size) < size || memchr(text, 0, size) ? invalid : NULL;
}

/* The rule that the record's own parts break, or NULL; its payload is the caller's to look at. */
static const char *record_rule(const struct record *record)
{
    if (record->key_size == 0) {
        return "key empty";
    }
    const char *rule = text_rule(record->key, record->key_size, RECORD_KEY_MAX, "key too long",
                                 "key not plain UTF-8");
    if (!rule && record->run) {
        rule = text_rule(record->run, record->run_size, RECORD_RUN_MAX, "run too long",
                         "run not plain UTF-8");
    }
    if (!rule && record->parent_count > RECORD_PARENTS_MAX) {
        rule = "too many parents";
    }
    return rule;
}

/* Size of the payload at `data`, a message's map and sound throughout; -1 with `*rule`. */
static long payload_size(const uint8_t *data, size_t size, const char **rule)
{
    const struct unpack in = {.data = data, .size = size};
    if (unpack_peek(&in) != PACK_MAP) {
        *rule = "payload not a map";
        return -1;
    }
    return pack_prescan(data, size, MESSAGE_DEPTH_MAX, UINT32_MAX, rule);
}

int record_encode(struct pack *out, const struct record *record, const char **rule)
{
    *rule = record_rule(record);
    if (*rule) {
        return -1;
    }
    long payload = payload_size(record->payload.data, record->payload.size, rule);
    if (payload < 0) {
        return -1;
    }
    if ((size_t)payload < record->payload.size) {
        *rule = "payload with trailing bytes";
        return -1;
    }
    if (record->payload.size > RECORD_BYTES_MAX) {
        *rule = "payload too large";
        return -1;
    }
    pack_array(out, RECORD_PARTS);
    pack_str(out, record->key, record->key_size);
    pack_u64(out, record->version);
    pack_array(out, record->parent_count);
    for (uint32_t i = 0; i < record->parent_count; i++) {
        pack_u64(out, record->parents[i]);
    }
    if (record->run) {
        pack_str(out, record->run, record->run_size);
    } else {
        pack_nil(out);
    }
    pack_raw(out, record->payload.data, record->payload.size);
    if (out->failed) {
        *rule = "out of memory";
        return -1;
    }
    return 0;
}

void batch_head(struct pack *out, uint32_t count, const char *code_version, const char *config_hash)
{
    pack_array(out, count + BATCH_HEADS);
    pack_text(out, code_version);
    pack_text(out, config_hash);
}

int batch_open(struct batch_reader *self, const void *body, size_t size, uint32_t count,
               const char **rule)
{
    *self = (struct batch_reader){.in = {.data = body, .size = size}, .left = count};
    uint32_t parts;
    *rule = NULL;
    if (size > BATCH_BYTES_MAX) {
        *rule = "batch too large";
    } else if (count == 0 || count > BATCH_RECORDS_MAX) {
        *rule = "record count out of range";
    } else if (!unpack_array(&self->in, &parts)) {
        *rule = "batch not an array, or cut short";
    } else if (parts != count + BATCH_HEADS) {
        *rule = "record count differs from the declared";
    } else if (!unpack_str(&self->in, &self->code_version, &self->code_version_size) ||
               !unpack_str(&self->in, &self->config_hash, &self->config_hash_size)) {
        *rule = "code version or config hash not a str";
    }
    return *rule ? -1 : 0;
}

static const char *read_parents(struct unpack *in, struct record *record)
{
    if (!unpack_array(in, &record->parent_count)) {
        return "parents not an array, or cut short";
    }
    if (record->parent_count > RECORD_PARENTS_MAX) {
        return "too many parents";
    }
    for (uint32_t i = 0; i < record->parent_count; i++) {
        if (!unpack_u64(in, &record->parents[i])) {
            return "a parent not a position";
        }
    }
    return NULL;
}

/* All of a record up to its payload. The rule broken, or NULL. */
static const char *read_envelope(struct unpack *in, struct record *record)
{
    uint32_t parts;
    uint64_t version;
    if (!unpack_array(in, &parts) || parts != RECORD_PARTS) {
        return "record not an array of 5, or cut short";
    }
    if (!unpack_str(in, &record->key, &record->key_size)) {
        return "key not a str, or cut short";
    }
    if (!unpack_u64(in, &version) || version > UINT32_MAX) {
        return "version not a 32-bit uint";
    }
    record->version = (uint32_t)version;
    const char *rule = read_parents(in, record);
    if (rule) {
        return rule;
    }
    record->run = NULL;
    record->run_size = 0;
    if (!unpack_nil(in) && !unpack_str(in, &record->run, &record->run_size)) {
        return "run neither str nor nil";
    }
    return record_rule(record);
}

int batch_next(struct batch_reader *self, struct record *record, const char **rule)
{
    struct unpack *in = &self->in;
    if (self->left == 0) {
        *rule = in->at < in->size ? "trailing bytes" : NULL;
        return *rule ? -1 : 0;
    }
    *rule = read_envelope(in, record);
    if (*rule) {
        return -1;
    }
    long payload = payload_size(in->data + in->at, in->size - in->at, rule);
    if (payload < 0) {
        return -1;
    }
    record->payload = (struct span){.data = in->data + in->at, .size = (uint32_t)payload};
    in->at += (size_t)payload;
    if (record->payload.size > RECORD_BYTES_MAX) {
        *rule = "payload too large";
        return -1;
    }
    self->left--;
    return 1;
}
