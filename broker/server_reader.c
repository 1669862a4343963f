/* Named cursors, and what work groups have in common with them: who is in, where it stands, its row in the log, rewinding. */
#include "broker/server_reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/log.h"

static struct reader *readers_first(const struct server *self)
{
    return self->readers ? self->readers->first : NULL;
}

struct reader *reader_find(struct server *self, const char *name)
{
    for (struct reader *reader = readers_first(self); reader; reader = reader->next)
        if (!reader->forgotten && strcmp(reader->name, name) == 0)
            return reader;
    return NULL;
}

static uint64_t reader_position(const struct reader *self)
{
    return self->is_group ? group_floor(&self->group) : self->position;
}

static void reader_free(struct reader *self)
{
    group_free(&self->group);
    free(self->lanes);
    free(self->members);
    free(self);
}

static void session_dropped(void *context, struct core_session *session)
{
    reader_leave(context, session);
}

static struct reader *reader_add(struct server *self, const char *name)
{
    if (!self->readers)
        self->readers = calloc(1, sizeof *self->readers);
    struct reader *reader =
        self->readers && self->readers->count < READERS_MAX ? calloc(1, sizeof *reader) : NULL;
    if (!reader)
        return NULL;
    self->core->options.dropped = session_dropped;
    snprintf(reader->name, sizeof reader->name, "%s", name);
    reader->group.due_us = INT64_MAX;
    /* Never one that an earlier life of the broker gave. */
    reader->group.last_lease = (uint64_t)clock_real_us();
    reader->next = self->readers->first;
    self->readers->first = reader;
    self->readers->count++;
    return reader;
}

static void reader_remove(struct server *self, struct reader *reader)
{
    for (struct reader **link = &self->readers->first; *link; link = &(*link)->next)
        if (*link == reader) {
            *link = reader->next;
            self->readers->count--;
            break;
        }
    reader_free(reader);
}

void server_readers_free(struct server *self)
{
    if (!self->readers)
        return;
    while (self->readers->first)
        reader_remove(self, self->readers->first);
    for (uint32_t i = 0; i < self->readers->answer_count; i++)
        zmq_msg_close(&self->readers->answers[i].frame);
    free(self->readers->answers);
    free(self->readers);
    self->readers = NULL;
}

/* ---- its row ---- */

static int reader_put(struct server *self, const struct reader *reader)
{
    struct pack row = {0};
    if (reader->forgotten) { /* rows cannot be taken out */
        pack_nil(&row);
    } else {
        pack_array(&row, 8);
        pack_bool(&row, reader->is_group);
        pack_u64(&row, reader->generation);
        pack_u64(&row, reader->staged ? reader->staged : reader->position);
        pack_array(&row, reader->lane_count);
        for (uint32_t i = 0; i < reader->lane_count; i++) {
            pack_array(&row, 2);
            pack_u64(&row, reader->lanes[i].stream);
            pack_u64(&row, reader->lanes[i].partition);
        }
        pack_u64(&row, (uint64_t)reader->group.lease_us);
        pack_array(&row, 2);
        pack_u64(&row, reader->group.attempts_max);
        pack_u64(&row, reader->group.open_max);
        group_encode(&reader->group, &row, self->turn_us, clock_real_us());
        pack_u64(&row, reader->passed);
    }
    int error = row.failed ? LOG_FULL
                           : log_put_meta(self->log, LOG_META_READER, reader->name,
                                          strlen(reader->name), row.data, row.size);
    pack_free(&row);
    return error;
}

static bool lanes_restore(struct unpack *in, struct reader *reader)
{
    uint32_t fields;
    if (!unpack_array(in, &reader->lane_count) || reader->lane_count > READER_LANES_MAX)
        return false;
    reader->lanes = calloc(reader->lane_count + 1, sizeof *reader->lanes);
    for (uint32_t i = 0; reader->lanes && i < reader->lane_count; i++) {
        uint64_t stream, partition;
        if (!unpack_array(in, &fields) || fields != 2 || !unpack_u64(in, &stream) ||
            !unpack_u64(in, &partition))
            return false;
        reader->lanes[i] = (struct core_sub_lane){
            .stream = (uint16_t)stream, .partition = (uint16_t)partition, .next = CORE_NONE};
    }
    return reader->lanes != NULL;
}

static int reader_restore(const struct span *key, const struct span *value, void *context)
{
    struct server *self = context;
    struct unpack in = {value->data, value->size, 0};
    char name[READER_NAME_MAX + 1];
    uint32_t parts, fields;
    uint64_t lease_us, attempts, open;
    if (key->size > READER_NAME_MAX)
        return LOG_CORRUPT;
    memcpy(name, key->data, key->size);
    name[key->size] = '\0';
    if (unpack_nil(&in))
        return LOG_OK;
    struct reader *reader = reader_add(self, name);
    if (!reader)
        return LOG_IO;
    if (!unpack_array(&in, &parts) || parts < 7 || !unpack_bool(&in, &reader->is_group) ||
        !unpack_u64(&in, &reader->generation) || !unpack_u64(&in, &reader->position) ||
        !lanes_restore(&in, reader) || !unpack_u64(&in, &lease_us) || !unpack_array(&in, &fields) ||
        fields != 2 || !unpack_u64(&in, &attempts) || !unpack_u64(&in, &open))
        return LOG_CORRUPT;
    reader->group.lease_us = (int64_t)lease_us;
    reader->group.attempts_max = (uint32_t)attempts;
    reader->group.open_max = (uint32_t)open;
    if (group_decode(&reader->group, &in, self->turn_us, clock_real_us()) != 0 ||
        (parts > 7 && !unpack_u64(&in, &reader->passed)))
        return LOG_CORRUPT;
    reader->trimmed = reader->passed > reader_position(reader);
    reader->stored = reader_position(reader);
    return LOG_OK;
}

int server_readers_restore(struct server *self)
{
    int error = log_each_meta(self->log, LOG_META_READER, reader_restore, self);
    for (struct reader *reader = readers_first(self); reader && !error; reader = reader->next)
        if (reader->is_group)
            reader_group_seek(self, reader);
    return error;
}

int server_readers_put(struct server *self)
{
    int error = LOG_OK;
    for (struct reader *reader = readers_first(self); reader && !error; reader = reader->next)
        if (reader->dirty)
            error = reader_put(self, reader);
    return error;
}

/* ---- the commit ---- */

void reader_answer(struct server *self, struct core_session *session, const char *verb,
                   const struct message_desc *desc, const void *message)
{
    struct readers *readers = self->readers;
    if (readers->answer_count == readers->answer_capacity) {
        uint32_t capacity = readers->answer_capacity ? readers->answer_capacity * 2 : 64;
        struct reader_answer *grown = realloc(readers->answers, capacity * sizeof *grown);
        if (!grown) {
            session->gone = true;
            return;
        }
        readers->answers = grown;
        readers->answer_capacity = capacity;
    }
    struct reader_answer *answer = &readers->answers[readers->answer_count];
    if (!server_map_frame(verb, desc, message, &answer->frame))
        return;
    answer->session = session;
    snprintf(answer->verb, sizeof answer->verb, "%s", verb);
    readers->answer_count++;
}

void server_readers_answer(struct server *self)
{
    for (uint32_t i = 0; self->readers && i < self->readers->answer_count; i++) {
        struct reader_answer *answer = &self->readers->answers[i];
        if (answer->session)
            (void)server_send_frames(self, answer->session, &answer->frame, 1);
        else
            zmq_msg_close(&answer->frame);
    }
    if (self->readers)
        self->readers->answer_count = 0;
}

void server_readers_commit(struct server *self)
{
    for (struct reader *reader = readers_first(self), *next; reader; reader = next) {
        next = reader->next;
        if (!reader->dirty)
            continue;
        reader->dirty = reader->stale = false;
        if (reader->staged)
            reader->position = reader->staged;
        reader->staged = 0;
        group_commit(&reader->group);
        reader->stored = reader_position(reader);
        if (reader->forgotten)
            reader_remove(self, reader);
    }
}

void server_readers_rollback(struct server *self)
{
    for (struct reader *reader = readers_first(self); reader; reader = reader->next) {
        reader->stale = reader->stale || reader->dirty;
        reader->dirty = false;
        reader->staged = 0;
        group_rollback(&reader->group);
    }
    for (uint32_t i = 0; self->readers && i < self->readers->answer_count; i++) {
        struct reader_answer *answer = &self->readers->answers[i];
        zmq_msg_close(&answer->frame);
        if (answer->session)
            server_refuse(self, answer->session,
                          strcmp(answer->verb, "DOND") == 0 ? "DONE" : "SETL", REFUSAL_DISK_FULL,
                          NULL, "the log cannot be written now");
    }
    if (self->readers)
        self->readers->answer_count = 0;
}

/* True: it is durable as it is now. */
static bool reader_store(struct server *self, struct reader *reader)
{
    uint64_t commits = self->commits;
    if (!server_append_begin(self))
        return false;
    reader->dirty = true;
    server_commit(self);
    return self->commits != commits;
}

bool server_readers_stale(const struct server *self)
{
    for (struct reader *reader = readers_first(self); reader; reader = reader->next)
        if (reader->stale)
            reader->dirty = true;
    for (struct reader *reader = readers_first(self); reader; reader = reader->next)
        if (reader->dirty)
            return true;
    return false;
}

/* ---- who is in ---- */

struct reader_member *reader_member_of(struct reader *self, const struct core_session *session)
{
    for (uint32_t i = 0; i < self->member_count; i++)
        if (self->members[i].session == session)
            return &self->members[i];
    return NULL;
}

void reader_leave(struct server *self, struct core_session *session)
{
    struct reader *reader = session->reader;
    if (!reader)
        return;
    session->reader = NULL;
    for (uint32_t i = 0; self->readers && i < self->readers->answer_count; i++)
        if (self->readers->answers[i].session == session)
            self->readers->answers[i].session = NULL;
    struct reader_member *member = reader_member_of(reader, session);
    if (!member)
        return;
    if (reader->is_group)
        group_leave(&reader->group, member->number, self->turn_us);
    else
        core_unsubscribe(session);
    *member = reader->members[--reader->member_count];
}

static struct reader_member *member_add(struct reader *self, struct core_session *session,
                                        const struct msg_join *join)
{
    if (self->member_count == self->member_capacity) {
        uint32_t capacity = self->member_capacity ? self->member_capacity * 2 : 4;
        struct reader_member *grown = realloc(self->members, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        self->members = grown;
        self->member_capacity = capacity;
    }
    struct reader_member *member = &self->members[self->member_count++];
    *member = (struct reader_member){.number = ++self->last_member,
                                     .session = session,
                                     .records_max = join->records,
                                     .bytes_max = join->bytes};
    session->reader = self;
    return member;
}

static void member_lost(struct server *self, struct reader *reader, struct core_session *session,
                        const char *why)
{
    struct msg_lost lost;
    message_clear(&msg_lost_desc, &lost);
    snprintf(lost.why, sizeof lost.why, "%s", why);
    snprintf(lost.name, sizeof lost.name, "%s", reader->name);
    reader_leave(self, session);
    server_send_map(self, session, "LOST", &msg_lost_desc, &lost);
}

static bool member_silent(const struct server *self, const struct core_session *session)
{
    return self->turn_us - session->seen_us > self->settings->broker.lease_us;
}

void server_readers_turn(struct server *self)
{
    for (struct reader *reader = readers_first(self); reader; reader = reader->next) {
        if (!reader->is_group)
            continue;
        for (uint32_t i = 0; i < reader->member_count; i++)
            if (member_silent(self, reader->members[i].session))
                member_lost(self, reader, reader->members[i--].session,
                            "silent for the time of a lease");
        reader_group_turn(self, reader);
    }
}

bool server_readers_deliver(struct server *self)
{
    bool more = false;
    for (struct reader *reader = readers_first(self); reader; reader = reader->next)
        if (reader->is_group && reader->member_count)
            more = reader_group_deliver(self, reader) || more;
    return more;
}

int64_t server_readers_due_us(const struct server *self)
{
    int64_t due_us = INT64_MAX;
    for (const struct reader *reader = readers_first(self); reader; reader = reader->next)
        if (reader->is_group && reader->group.due_us < due_us)
            due_us = reader->group.due_us;
    return due_us;
}

/* The first position at or after where it stands that is of its lanes; the head if there is none. 0: cannot be known. */
static uint64_t reader_next_own(struct server *self, const struct reader *reader)
{
    uint64_t from = reader_position(reader), next = log_head(self->log);
    for (uint32_t i = 0; i < reader->lane_count; i++) {
        const struct core_sub_lane *lane = &reader->lanes[i];
        uint64_t base;
        int error = log_next(self->log, lane->stream, lane->partition, from, &base);
        if (error && error != LOG_NONE)
            next = 0;
        else if (!error && base < next)
            next = base;
    }
    return next;
}

bool server_readers_advance(struct server *self)
{
    bool moved = false;
    if (self->appending)
        server_commit(self);
    for (struct reader *reader = readers_first(self); reader; reader = reader->next) {
        if (reader->forgotten || reader->trimmed)
            continue;
        uint64_t next =
            reader->group.count ? reader_position(reader) : reader_next_own(self, reader);
        log_read_end(self->log);
        if (next <= reader->stored)
            continue;
        if (!server_append_begin(self))
            return false;
        if (next > reader_position(reader) && reader->is_group)
            reader->group.next = next; /* true whether it is stored or not */
        else if (next > reader_position(reader))
            reader->staged = next;
        reader->dirty = moved = true;
    }
    uint64_t commits = self->commits;
    if (moved)
        server_commit(self);
    return !moved || self->commits != commits;
}

uint64_t server_readers_lowest(const struct server *self)
{
    uint64_t lowest = UINT64_MAX;
    for (const struct reader *reader = readers_first(self); reader; reader = reader->next)
        if (!reader->forgotten && reader->stored < lowest)
            lowest = reader->stored;
    return lowest;
}

uint64_t server_session_done(const struct core_session *session)
{
    if (session->reader)
        return reader_position(session->reader);
    return session->producer ? session->producer->cursor : 0;
}

static bool reads(const struct reader *reader, uint16_t stream)
{
    bool any = false;
    for (uint32_t i = 0; i < reader->lane_count; i++)
        any = any || reader->lanes[i].stream == stream;
    return any;
}

void server_readers_pass(struct server *self, uint16_t stream, uint64_t end)
{
    for (struct reader *reader = readers_first(self); reader; reader = reader->next) {
        if (reader->forgotten || reader_position(reader) >= end || !reads(reader, stream))
            continue;
        if (reader->passed < end)
            reader->passed = end;
        reader->trimmed = reader->dirty = true;
        log_warn("reader-passed", "name=%s position=%" PRIu64 " removed_below=%" PRIu64,
                 reader->name, reader_position(reader), end);
        for (uint32_t i = 0; i < reader->member_count; i++) {
            server_refuse(self, reader->members[i].session, "JOIN", REFUSAL_TRIMMED, NULL,
                          "trimmed(%" PRIu64 ")", end);
            if (!reader->is_group)
                core_unsubscribe(reader->members[i].session);
        }
    }
}

/* ---- joining ---- */

static void joined_tell(struct server *self, struct reader *reader, struct core_session *session)
{
    struct msg_jond jond;
    message_clear(&msg_jond_desc, &jond);
    snprintf(jond.name, sizeof jond.name, "%s", reader->name);
    snprintf(jond.kind, sizeof jond.kind, "%s", reader->is_group ? "group" : "cursor");
    jond.generation = reader->generation;
    jond.position = reader_position(reader);
    jond.head = log_head(self->log);
    jond.first = log_first(self->log);
    if (session->sub.live)
        jond.lag = core_sub_lag(self->core, session);
    jond.lease_us =
        (uint64_t)(reader->is_group ? reader->group.lease_us : self->settings->broker.lease_us);
    server_send_map(self, session, "JOND", &msg_jond_desc, &jond);
}

/* The cursor's reader is delivered from its position on, and told so. */
static void cursor_begin(struct server *self, struct reader *reader, struct reader_member *member)
{
    struct core_session *session = member->session;
    if (!server_subscription(self, session, reader->lanes, reader->lane_count, reader->position,
                             member->records_max, member->bytes_max)) {
        session->gone = true;
        return;
    }
    joined_tell(self, reader, session);
}

static bool lanes_same(const struct reader *reader, const struct core_sub_lane *lanes,
                       uint32_t count)
{
    if (count != reader->lane_count)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (lanes[i].stream != reader->lanes[i].stream ||
            lanes[i].partition != reader->lanes[i].partition)
            return false;
    return true;
}

/* Where a new one begins; 0: said why not. */
static uint64_t start_position(struct server *self, struct core_session *session,
                               const struct msg_join *join)
{
    uint64_t first = log_first(self->log), head = log_head(self->log), position = 0;
    const char *start = join->start;
    if (start[0] == '\0' || strcmp(start, "first") == 0)
        return first;
    if (strcmp(start, "head") == 0)
        return head;
    if (strcmp(start, "position") == 0 && join->position != UINT64_MAX)
        position = join->position;
    else if (strcmp(start, "time") == 0 && join->time != CLOCK_NONE &&
             log_at_time(self->log, join->time, &position) != LOG_OK)
        position = 0;
    if (position == 0 || position > head) {
        server_refuse(self, session, "JOIN", REFUSAL_BAD_FRAME, NULL,
                      "join.start: first, head, position (to %" PRIu64 ") or time", head);
        return 0;
    }
    if (position < first) {
        server_refuse(self, session, "JOIN", REFUSAL_TRIMMED, NULL, "trimmed(%" PRIu64 ")", first);
        return 0;
    }
    return position;
}

static bool name_good(const char *name)
{
    for (const char *at = name; *at; at++)
        if (*at <= ' ' || *at > '~' || *at == '/')
            return false;
    return name[0] != '\0';
}

static struct reader *reader_make(struct server *self, struct core_session *session,
                                  const struct msg_join *join, const struct core_sub_lane *lanes,
                                  uint32_t count)
{
    uint64_t position = start_position(self, session, join);
    if (!position)
        return NULL;
    struct reader *reader = reader_add(self, join->name);
    if (!reader || !(reader->lanes = calloc(count + 1, sizeof *lanes))) {
        if (reader)
            reader_remove(self, reader);
        server_refuse(self, session, "JOIN", REFUSAL_TOO_MANY, NULL, "%d cursors and groups",
                      READERS_MAX);
        return NULL;
    }
    memcpy(reader->lanes, lanes, count * sizeof *lanes);
    reader->lane_count = count;
    reader->is_group = strcmp(join->kind, "group") == 0;
    reader->position = position;
    reader->group.lease_us =
        join->lease_us == UINT64_MAX ? self->settings->broker.lease_us : (int64_t)join->lease_us;
    reader->group.attempts_max = join->attempts == UINT64_MAX ? 5 : (uint32_t)join->attempts;
    reader->group.open_max = join->open == UINT64_MAX ? 4096 : (uint32_t)join->open;
    group_rewind(&reader->group, position);
    if (reader->is_group) {
        reader->generation = 1;
        reader_group_seek(self, reader);
    }
    return reader;
}

/* Refused, or NULL is not the answer: the one there is, or a new one, not stored yet (`*made`). */
static struct reader *join_reader(struct server *self, struct core_session *session,
                                  const struct msg_join *join, bool *made)
{
    struct core_sub_lane *lanes = calloc(READER_LANES_MAX, sizeof *lanes);
    struct reader *reader = reader_find(self, join->name);
    uint32_t count = 0;
    bool is_group = strcmp(join->kind, "group") == 0, given = join->inputs.size > 0;
    *made = false;
    if (!lanes) {
        session->gone = true;
        return NULL;
    }
    if ((!is_group && strcmp(join->kind, "cursor") != 0) || !name_good(join->name) ||
        (!reader && !given)) {
        server_refuse(self, session, "JOIN", REFUSAL_BAD_FRAME, NULL,
                      "join: a name (printable, no / or space), kind cursor or group, and of a "
                      "new one inputs");
        reader = NULL;
    } else if (given && !server_inputs(self, session, "JOIN", &join->inputs, lanes,
                                       READER_LANES_MAX, &count)) {
        reader = NULL;
    } else if (!reader) {
        reader = reader_make(self, session, join, lanes, count);
        *made = reader != NULL;
    } else if (reader->is_group != is_group || (given && !lanes_same(reader, lanes, count))) {
        server_refuse(self, session, "JOIN", REFUSAL_READER_DIFFERS, NULL,
                      "%s is a %s of %u lanes: other inputs need another name", reader->name,
                      reader->is_group ? "group" : "cursor", reader->lane_count);
        reader = NULL;
    }
    free(lanes);
    return reader;
}

/* Whoever reads it now: gone for it, or the asker is refused. */
static bool cursor_free_up(struct server *self, struct reader *reader, struct core_session *session,
                           bool take)
{
    if (reader->member_count == 0 || reader->members[0].session == session)
        return true;
    struct core_session *holder = reader->members[0].session;
    bool same = strcmp(holder->actor, session->actor) == 0 &&
                strcmp(holder->incarnation, session->incarnation) == 0;
    if (!same && !take && !member_silent(self, holder)) {
        server_refuse(self, session, "JOIN", REFUSAL_BUSY, NULL,
                      "%s is read by %s, pid %" PRIu64 " on %s", reader->name, holder->actor,
                      holder->pid, holder->host);
        return false;
    }
    member_lost(self, reader, holder, "another client reads it now");
    return true;
}

void server_join(struct server *self, struct core_session *session, const struct msg_join *join)
{
    bool made;
    if (self->appending)
        server_commit(self);
    struct reader *reader = join_reader(self, session, join, &made);
    if (!reader)
        return;
    uint64_t first = log_first(self->log);
    if (first < reader->passed)
        first = reader->passed;
    if (reader_position(reader) < first && first > 1) {
        server_refuse(self, session, "JOIN", REFUSAL_TRIMMED, NULL, "trimmed(%" PRIu64 ")", first);
        return;
    }
    if (!reader->is_group && !cursor_free_up(self, reader, session, join->take))
        return;
    reader_leave(self, session);
    core_unsubscribe(session);
    if (!reader->is_group)
        reader->generation++; /* stays so if it cannot be stored: nobody was told */
    if ((made || !reader->is_group) && !reader_store(self, reader)) {
        if (made)
            reader_remove(self, reader);
        server_refuse(self, session, "JOIN", REFUSAL_DISK_FULL, NULL,
                      "the log cannot be written now");
        return;
    }
    struct reader_member *member = member_add(reader, session, join);
    if (!member) {
        session->gone = true;
        return;
    }
    log_info("joined", "name=%s kind=%s actor=%s generation=%" PRIu64 " position=%" PRIu64,
             reader->name, join->kind, session->actor, reader->generation, reader_position(reader));
    if (reader->is_group)
        joined_tell(self, reader, session);
    else
        cursor_begin(self, reader, member);
}

void server_leave(struct server *self, struct core_session *session)
{
    reader_leave(self, session);
}

/* ---- a cursor's progress ---- */

void server_done(struct server *self, struct core_session *session, const struct msg_done *done)
{
    struct reader *reader = session->reader;
    if (!reader || reader->is_group || strcmp(reader->name, done->name) != 0) {
        server_refuse(self, session, "DONE", REFUSAL_NOT_JOINED, NULL, "cursor %s", done->name);
        return;
    }
    if (done->generation != reader->generation) {
        server_refuse(self, session, "DONE", REFUSAL_STALE_GENERATION, NULL,
                      "%s is at generation %" PRIu64, reader->name, reader->generation);
        return;
    }
    if (done->position > self->head) {
        server_refuse(self, session, "DONE", REFUSAL_BAD_FRAME, NULL,
                      "done.position: at most %" PRIu64, self->head);
        return;
    }
    uint64_t now = reader->staged ? reader->staged : reader->position;
    if (done->position > now) {
        if (!server_append_begin(self)) {
            server_refuse(self, session, "DONE", REFUSAL_DISK_FULL, NULL,
                          "the log cannot be written now");
            return;
        }
        reader->staged = now = done->position;
        reader->dirty = true;
    }
    struct msg_dond dond;
    message_clear(&msg_dond_desc, &dond);
    snprintf(dond.name, sizeof dond.name, "%s", reader->name);
    dond.generation = reader->generation;
    dond.position = now;
    reader_answer(self, session, "DOND", &msg_dond_desc, &dond);
}

/* ---- rewinding ---- */

static void reader_moved(struct server *self, struct reader *reader)
{
    reader->trimmed = false;
    if (reader->is_group)
        reader_group_seek(self, reader);
    for (uint32_t i = 0; i < reader->member_count; i++) {
        if (reader->is_group)
            joined_tell(self, reader, reader->members[i].session);
        else
            cursor_begin(self, reader, &reader->members[i]);
    }
}

const char *server_rewind(struct server *self, const char *name, uint64_t position,
                          uint64_t *generation)
{
    struct reader *reader = reader_find(self, name);
    if (!reader)
        return "unknown-reader";
    if (self->appending)
        server_commit(self);
    if (position < log_first(self->log))
        return "trimmed";
    if (position > log_head(self->log))
        return "beyond-head";
    /* A group's entries are forgotten for good only once that is durable. */
    struct reader before = *reader;
    reader->group.entries = NULL;
    reader->group.capacity = 0;
    group_rewind(&reader->group, position);
    reader->position = position;
    reader->passed = 0; /* whoever says so knows what is there */
    reader->generation++;
    if (!reader_store(self, reader)) {
        uint64_t spent = reader->generation;
        *reader = before;
        reader->generation = spent;
        return "disk-full";
    }
    free(before.group.entries);
    *generation = reader->generation;
    log_info("rewound", "name=%s position=%" PRIu64 " generation=%" PRIu64, name, position,
             reader->generation);
    reader_moved(self, reader);
    return NULL;
}

const char *server_forget(struct server *self, const char *name)
{
    struct reader *reader = reader_find(self, name);
    if (!reader)
        return "unknown-reader";
    if (self->appending)
        server_commit(self);
    while (reader->member_count)
        member_lost(self, reader, reader->members[0].session, "forgotten");
    reader->forgotten = true;
    if (reader_store(self, reader)) /* which freed it */
        return NULL;
    reader->forgotten = false;
    return "disk-full";
}

/* ---- as people see it ---- */

static json_t *whole(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static void status_group(json_t *out, const struct reader *reader)
{
    uint64_t outside = 0, waiting = 0, done = 0;
    for (uint32_t i = 0; i < reader->group.count; i++) {
        uint8_t state = reader->group.entries[reader->group.first + i].state;
        outside += state == GROUP_OUT;
        waiting += state == GROUP_WAITS;
        done += state == GROUP_DONE;
    }
    json_object_set_new(out, "next", whole(reader->group.next));
    json_object_set_new(out, "out", whole(outside));
    json_object_set_new(out, "waiting", whole(waiting));
    json_object_set_new(out, "done_above", whole(done));
    json_object_set_new(out, "delivered", whole(reader->delivered));
    json_object_set_new(out, "acked", whole(reader->settled));
    json_object_set_new(out, "nacked", whole(reader->nacked));
    json_object_set_new(out, "expired", whole(reader->expired));
    json_object_set_new(out, "dead", whole(reader->dead));
}

/* By stream: its partitions, and the records that are not done there (of a group: not handed out yet). */
static json_t *reads_of(struct server *self, const struct reader *reader)
{
    json_t *out = json_array(), *row = NULL;
    uint64_t from = reader->is_group ? reader->group.next : reader->position, undone = 0;
    for (uint32_t i = 0; i < reader->lane_count; i++) {
        const struct core_sub_lane *lane = &reader->lanes[i];
        const struct core_stream *stream = core_stream_by_id(self->core, lane->stream);
        if (!stream)
            continue;
        if (!row || lane->stream != reader->lanes[i - 1].stream) {
            row = json_object();
            json_object_set_new(row, "stream", json_string(stream->name));
            json_object_set_new(row, "partitions", json_array());
            json_array_append_new(out, row);
            undone = 0;
        }
        undone += log_count_from(self->log, lane->stream, lane->partition, from);
        json_array_append_new(json_object_get(row, "partitions"), json_integer(lane->partition));
        json_object_set_new(row, "undone", whole(undone));
    }
    log_read_end(self->log);
    return out;
}

json_t *server_readers_status(struct server *self)
{
    json_t *out = json_array();
    for (struct reader *reader = readers_first(self); reader; reader = reader->next) {
        json_t *row = json_object(), *members = json_array();
        json_object_set_new(row, "name", json_string(reader->name));
        json_object_set_new(row, "kind", json_string(reader->is_group ? "group" : "cursor"));
        json_object_set_new(row, "generation", whole(reader->generation));
        json_object_set_new(row, "position", whole(reader_position(reader)));
        for (uint32_t i = 0; i < reader->member_count; i++)
            json_array_append_new(members, json_of_string(reader->members[i].session->actor));
        json_object_set_new(row, "members", members);
        json_object_set_new(row, "reads", reads_of(self, reader));
        if (reader->is_group)
            status_group(row, reader);
        json_array_append_new(out, row);
    }
    return out;
}
