/* Members: what they say, and what they are told (PROTOCOL.md §4). */
#include <inttypes.h>
#include <stdio.h>

#include "broker/members.h"
#include "broker/server.h"
#include "config/log.h"

static void tell(struct server *self, struct core_session *session)
{
    struct msg_asgn asgn;
    struct pack list = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < self->members.count; i++)
        count += members_runs(session, &self->members.places[i]);
    pack_array(&list, count);
    for (uint32_t i = 0; i < self->members.count; i++) {
        const struct member_place *place = &self->members.places[i];
        if (!members_runs(session, place))
            continue;
        pack_array(&list, 2);
        pack_text(&list, place->actor);
        pack_u64(&list, place->shard);
    }
    message_clear(&msg_asgn_desc, &asgn);
    asgn.shards = (struct span){list.data, (uint32_t)list.size};
    if (session->member)
        session->member->untold = false;
    if (!list.failed)
        server_send_map(self, session, "ASGN", &msg_asgn_desc, &asgn);
    pack_free(&list);
}

void server_member(struct server *self, struct core_session *session, const struct msg_memb *said)
{
    struct core_session *old;
    char why[240];
    enum refusal refusal = members_join(self->core, session, said, self->turn_us, &old, why);
    if (refusal != REFUSAL_NONE) {
        server_refuse(self, session, "MEMB", refusal, NULL, "%s", why);
        return;
    }
    log_info("member", "name=%s actor=%s pid=%" PRIu64 " actors=%u capacity=%u",
             session->member->name, session->actor, session->pid, session->member->actor_count,
             session->member->capacity);
    if (old)
        tell(self, old); /* nothing, from here on */
    server_members_turn(self);
}

void server_members_turn(struct server *self)
{
    int moved = members_turn(&self->members, self->core, self->turn_us);
    if (moved > 0)
        log_info("assigned", "moved=%d shards=%u", moved, self->members.count);
    for (struct core_session *session = self->core->sessions; session; session = session->next)
        if (session->member && session->member->untold && !session->gone)
            tell(self, session);
}

json_t *server_members_status(struct server *self)
{
    json_t *out = json_array();
    for (const struct core_session *session = self->core->sessions; session;
         session = session->next) {
        if (!session->member)
            continue;
        json_t *row = json_object(), *shards = json_array();
        for (uint32_t i = 0; i < self->members.count; i++) {
            const struct member_place *place = &self->members.places[i];
            char name[48];
            snprintf(name, sizeof name, "%s.%u", place->actor, place->shard);
            if (members_runs(session, place))
                json_array_append_new(shards, json_string(name));
        }
        json_object_set_new(row, "member", json_of_string(session->member->name));
        json_object_set_new(row, "actor", json_of_string(session->actor));
        json_object_set_new(row, "pid", json_integer((json_int_t)session->pid));
        json_object_set_new(row, "capacity", json_integer(session->member->capacity));
        json_object_set_new(row, "silent_ms",
                            json_integer((self->turn_us - session->seen_us) / 1000));
        json_object_set_new(row, "shards", shards);
        json_array_append_new(out, row);
    }
    return out;
}
