/* The log as tools read it. */
#include "cli/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/log.h"
#include "config/exit.h"
#include "config/log.h"

#define SLICE_BATCHES                                                                              \
    256 /* read in one snapshot: a longer one would keep freed pages from the broker */

struct records {
    struct log *log;
    struct records_stream *streams;
    size_t stream_count;
    struct records_producer *producers;
    size_t producer_count;
};

/* ---- names ---- */

static bool take_text(struct unpack *in, char *out, size_t size)
{
    const char *text;
    uint32_t length;
    if (!unpack_str(in, &text, &length) || length >= size)
        return false;
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

static bool take_u16(struct unpack *in, uint16_t *out)
{
    uint64_t value;
    if (!unpack_u64(in, &value) || value > UINT16_MAX)
        return false;
    *out = (uint16_t)value;
    return true;
}

/* A zeroed place at the end of a growing list. */
static void *grow(void **list, size_t *count, size_t size)
{
    void *grown = realloc(*list, (*count + 1) * size);
    if (!grown)
        return NULL;
    *list = grown;
    void *place = (char *)grown + *count * size;
    memset(place, 0, size);
    (*count)++;
    return place;
}

static int take_stream(const struct span *key, const struct span *value, void *context)
{
    struct records *self = context;
    struct unpack in = {value->data, value->size, 0};
    uint32_t fields;
    struct records_stream *stream =
        grow((void **)&self->streams, &self->stream_count, sizeof *stream);
    if (!stream || key->size != 2)
        return LOG_CORRUPT;
    stream->id = get_u16(key->data);
    return unpack_array(&in, &fields) && take_text(&in, stream->name, sizeof stream->name) &&
                   take_u16(&in, &stream->partitions) && unpack_u64(&in, &stream->records) &&
                   unpack_u64(&in, &stream->bytes) && unpack_u64(&in, &stream->first) &&
                   unpack_u64(&in, &stream->last) &&
                   (fields < 8 || (unpack_skip(&in) && unpack_u64(&in, &stream->whole_from)))
               ? LOG_OK
               : LOG_CORRUPT;
}

static int take_producer(const struct span *key, const struct span *value, void *context)
{
    struct records *self = context;
    struct unpack in = {value->data, value->size, 0};
    uint32_t fields;
    struct records_producer *out =
        grow((void **)&self->producers, &self->producer_count, sizeof *out);
    if (!out || key->size != 4)
        return LOG_CORRUPT;
    out->id = get_u32(key->data);
    return unpack_array(&in, &fields) && take_text(&in, out->actor, sizeof out->actor) &&
                   take_u16(&in, &out->shard) && take_u16(&in, &out->shards) &&
                   unpack_u64(&in, &out->epoch) && take_text(&in, out->env, sizeof out->env) &&
                   take_text(&in, out->host, sizeof out->host) &&
                   take_text(&in, out->incarnation, sizeof out->incarnation) &&
                   unpack_u64(&in, &out->pid) &&
                   take_text(&in, out->code_version, sizeof out->code_version) &&
                   take_text(&in, out->config_hash, sizeof out->config_hash) &&
                   unpack_u64(&in, &out->cursor)
               ? LOG_OK
               : LOG_CORRUPT;
}

static int load_names(struct records *self)
{
    self->stream_count = self->producer_count = 0;
    int error = log_each_meta(self->log, LOG_META_STREAM, take_stream, self);
    if (!error)
        error = log_each_meta(self->log, LOG_META_PRODUCER, take_producer, self);
    log_read_end(self->log);
    return error;
}

/* ---- opening ---- */

int records_open(struct records **out, const char *dir, char *why, size_t why_size)
{
    char path[4096];
    struct log_options options = {.read_only = true};
    struct records *self = calloc(1, sizeof *self);
    *out = NULL;
    if (!self || (size_t)snprintf(path, sizeof path, "%s/log", dir) >= sizeof path) {
        free(self);
        snprintf(why, why_size, "no memory");
        return EXIT_UNREACHABLE;
    }
    int error = log_open(&self->log, path, &options);
    if (!error)
        error = load_names(self);
    if (!error) {
        *out = self;
        return EXIT_OK;
    }
    snprintf(why, why_size, "%s: %s", path,
             error == LOG_NONE ? "no log there" : log_error_text(error));
    records_close(&self);
    return error == LOG_NONE ? EXIT_NO : EXIT_DATA;
}

void records_close(struct records **self)
{
    if (!*self)
        return;
    if ((*self)->log)
        log_close(&(*self)->log);
    free((*self)->streams);
    free((*self)->producers);
    free(*self);
    *self = NULL;
}

int records_refresh(struct records *self)
{
    log_read_end(self->log);
    return log_refresh(self->log) == LOG_OK && load_names(self) == LOG_OK ? 0 : -1;
}

struct log *records_log(struct records *self)
{
    return self->log;
}

uint64_t records_first(const struct records *self)
{
    return log_first(self->log);
}

uint64_t records_head(const struct records *self)
{
    return log_head(self->log);
}

size_t records_stream_count(const struct records *self)
{
    return self->stream_count;
}

const struct records_stream *records_stream_at(const struct records *self, size_t index)
{
    return &self->streams[index];
}

const struct records_stream *records_stream_named(const struct records *self, const char *name)
{
    for (size_t i = 0; i < self->stream_count; i++)
        if (!strcmp(self->streams[i].name, name))
            return &self->streams[i];
    return NULL;
}

size_t records_producer_count(const struct records *self)
{
    return self->producer_count;
}

const struct records_producer *records_producer_at(const struct records *self, size_t index)
{
    return &self->producers[index];
}

const struct records_producer *records_producer_of(const struct records *self, const char *actor,
                                                   unsigned shard)
{
    for (size_t i = 0; i < self->producer_count; i++)
        if (self->producers[i].shard == shard && !strcmp(self->producers[i].actor, actor))
            return &self->producers[i];
    return NULL;
}

/* ---- reading ---- */

static const struct records_stream *stream_of(const struct records *self, uint16_t id)
{
    for (size_t i = 0; i < self->stream_count; i++)
        if (self->streams[i].id == id)
            return &self->streams[i];
    return NULL;
}

static const struct records_producer *producer_of(const struct records *self, uint32_t id)
{
    for (size_t i = 0; i < self->producer_count; i++)
        if (self->producers[i].id == id)
            return &self->producers[i];
    return NULL;
}

static void copy_text(char *out, size_t size, const char *text, uint32_t length)
{
    snprintf(out, size, "%.*s", (int)length, text);
}

static int visit_batch(struct records *self, const struct batch_header *header,
                       const struct span *body, uint64_t from, uint64_t to, records_visit *visit,
                       void *context)
{
    struct batch_reader reader;
    struct record record;
    const char *rule;
    struct records_item item = {.position = header->base,
                                .sequence = header->first_seq,
                                .header = header,
                                .stream = stream_of(self, header->stream),
                                .producer = producer_of(self, header->producer),
                                .record = &record};
    if (!item.stream || !item.producer ||
        batch_open(&reader, body->data, body->size, header->count, &rule) != 0) {
        log_warn("batch-unreadable", "base=%llu stream=%u producer=%u",
                 (unsigned long long)header->base, header->stream, header->producer);
        return 0;
    }
    copy_text(item.code_version, sizeof item.code_version, reader.code_version,
              reader.code_version_size);
    copy_text(item.config_hash, sizeof item.config_hash, reader.config_hash,
              reader.config_hash_size);
    int more;
    while ((more = batch_next(&reader, &record, &rule)) == 1) {
        int answer = item.position >= from && item.position < to ? visit(&item, context) : 0;
        if (answer)
            return answer;
        item.position++;
        item.sequence++;
    }
    if (more < 0)
        log_warn("record-unreadable", "position=%llu why=\"%s\"", (unsigned long long)item.position,
                 rule);
    return 0;
}

/* The next base at or after `position`: of one stream the lowest over its partitions. */
static int next_base(struct records *self, const struct records_stream *stream, uint64_t position,
                     uint64_t *base)
{
    if (!stream)
        return log_next_any(self->log, position, base);
    int found = LOG_NONE;
    for (uint16_t partition = 0; partition < stream->partitions; partition++) {
        uint64_t at;
        int error = log_next(self->log, stream->id, partition, position, &at);
        if (error == LOG_NONE)
            continue;
        if (error)
            return error;
        if (found == LOG_NONE || at < *base)
            *base = at;
        found = LOG_OK;
    }
    return found;
}

int records_each(struct records *self, const char *stream_name, uint64_t from, uint64_t to,
                 records_visit *visit, void *context)
{
    const struct records_stream *stream =
        stream_name ? records_stream_named(self, stream_name) : NULL;
    uint64_t position = from > 0 ? from : 1;
    int answer = 0;
    if (stream_name && !stream)
        return 0;
    for (unsigned count = 1; !answer && position < to; count++) {
        uint64_t base;
        struct batch_header header;
        struct span body;
        int error = next_base(self, stream, position, &base);
        if (error == LOG_NONE || (!error && base >= to))
            break;
        if (!error)
            error = log_batch(self->log, base, &header, &body);
        if (error && error != LOG_CORRUPT) {
            log_error("log-unreadable", "position=%llu why=\"%s\"", (unsigned long long)position,
                      log_error_text(error));
            answer = -1;
            break;
        }
        if (error) {
            log_warn("batch-corrupt", "base=%llu", (unsigned long long)base);
            position =
                base +
                1; /* its count is not to be trusted: the next base says where things go on */
            continue;
        }
        answer = visit_batch(self, &header, &body, from, to, visit, context);
        position = header.base + header.count;
        if (count % SLICE_BATCHES == 0)
            log_read_end(self->log);
    }
    log_read_end(self->log);
    return answer;
}

struct one {
    records_visit *visit;
    void *context;
    bool found;
    int answer;
};

static int visit_one(const struct records_item *item, void *context)
{
    struct one *one = context;
    one->found = true;
    one->answer = one->visit(item, one->context);
    return 1;
}

int records_get(struct records *self, uint64_t position, records_visit *visit, void *context)
{
    struct one one = {.visit = visit, .context = context};
    if (position < records_first(self) || position >= records_head(self))
        return RECORDS_NONE;
    int answer = records_each(self, NULL, position, position + 1, visit_one, &one);
    return answer < 0 ? -1 : one.found ? one.answer : RECORDS_NONE;
}

/* ---- printing ---- */

int records_message(const struct records_item *item, const struct message_desc *desc, void *message)
{
    struct message_error error;
    if (strcmp(desc->stream, item->stream->name) != 0 || desc->version != item->record->version)
        return -1;
    return message_decode(desc, item->record->payload.data, item->record->payload.size, message,
                          &error);
}

json_t *records_payload(const struct records_item *item)
{
    const struct message_desc *desc = message_of_stream(item->stream->name);
    void *message = desc ? malloc(desc->struct_size) : NULL;
    json_t *out = NULL;
    if (message && records_message(item, desc, message) == 0)
        out = json_of_message(desc, message);
    free(message);
    if (!out)
        out = json_of_msgpack(item->record->payload.data, item->record->payload.size);
    return out ? out : json_null();
}

static json_t *text_of(const char *text, uint32_t size)
{
    char copy[RECORD_KEY_MAX + 1];
    if (!text)
        return json_null();
    copy_text(copy, sizeof copy, text, size);
    return json_of_string(copy);
}

json_t *records_json(const struct records_item *item)
{
    const struct record *record = item->record;
    char producer[48];
    snprintf(producer, sizeof producer, "%s.%u", item->producer->actor, item->producer->shard);
    json_t *parents = json_array(), *out = json_object();
    for (uint32_t i = 0; i < record->parent_count; i++)
        json_array_append_new(parents, json_integer((json_int_t)record->parents[i]));
    json_object_set_new(out, "position", json_integer((json_int_t)item->position));
    json_object_set_new(out, "stream", json_string(item->stream->name));
    json_object_set_new(out, "partition", json_integer(item->header->partition));
    json_object_set_new(out, "time", json_of_time(item->header->time_us));
    json_object_set_new(out, "key", text_of(record->key, record->key_size));
    json_object_set_new(out, "version", json_integer(record->version));
    json_object_set_new(out, "producer", json_string(producer));
    json_object_set_new(out, "epoch", json_integer((json_int_t)item->header->epoch));
    json_object_set_new(out, "sequence", json_integer((json_int_t)item->sequence));
    json_object_set_new(out, "run", text_of(record->run, record->run_size));
    json_object_set_new(out, "code_version", json_of_string(item->code_version));
    json_object_set_new(out, "config_hash", json_of_string(item->config_hash));
    json_object_set_new(out, "parents", parents);
    json_object_set_new(out, "payload", records_payload(item));
    return out;
}
