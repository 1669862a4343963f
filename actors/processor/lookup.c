#include "actors/processor/lookup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/processor/name_key.h"
#include "config/clock.h"
#include "schema/hash.h"

#define SUBJECT "bdl_search:"

static struct store_key key_of(const char *name)
{
    struct store_key key;
    store_key_start(&key);
    store_key_text(&key, name);
    return key;
}

static bool load(struct memory *memory, const char *name, struct msg_processor_lookup *out)
{
    struct store_key key = key_of(name);
    return memory_get(memory, "lookup", STORE_UNDATED, &key, &msg_processor_lookup_desc, out);
}

static void save(struct memory *memory, const char *name, const struct msg_processor_lookup *row)
{
    struct store_key key = key_of(name);
    memory_put(memory, "lookup", STORE_UNDATED, &key, &msg_processor_lookup_desc, row);
}

bool lookup_found(struct memory *memory, const char *key, const char *home, const char *away,
                  struct identity_player *out)
{
    struct msg_processor_lookup row;
    if (key[0] == '\0' || !load(memory, key, &row) || row.player_id == MESSAGE_NONE ||
        (strcmp(row.team, home) != 0 && strcmp(row.team, away) != 0)) {
        return false;
    }
    out->player_id = row.player_id;
    out->known = row.player_id > 0;
    snprintf(out->name, sizeof out->name, "%s", row.player_name);
    return true;
}

/* ---- asking ---- */

/* Takes one of the day's; false: they are spent. */
static bool spend(struct apply *self)
{
    struct store_key key = key_of("");
    struct msg_processor_lookups row;
    int32_t day = clock_league_day(self->raw->fetched_at, self->rollover_hour);
    if (!memory_get(&self->memory, "lookups", STORE_UNDATED, &key, &msg_processor_lookups_desc,
                    &row) ||
        row.day < day) {
        message_clear(&msg_processor_lookups_desc, &row);
        row.day = day;
        row.count = 0;
    }
    if (row.count >= step_settings(self->step)->processor.lookups_per_day) {
        return false;
    }
    row.count++;
    memory_put(&self->memory, "lookups", STORE_UNDATED, &key, &msg_processor_lookups_desc, &row);
    return true;
}

/* A name as a subject has it, and back. */
static void swap(char *text, char from, char to)
{
    for (; *text != '\0'; text++) {
        *text = *text == from ? to : *text;
    }
}

static void ask(struct apply *self, const char *name)
{
    struct msg_ops_command command;
    char arg[NAME_KEY_SIZE];
    message_clear(&msg_ops_command_desc, &command);
    snprintf(arg, sizeof arg, "%s", name);
    swap(arg, ' ', '-');
    snprintf(command.target, sizeof command.target, "poller");
    snprintf(command.verb, sizeof command.verb, "poll");
    snprintf(command.subject, sizeof command.subject, SUBJECT "%s", arg);
    snprintf(command.by, sizeof command.by, "processor");
    snprintf(command.command_id, sizeof command.command_id, "lookup:%016" PRIx64 ":%" PRIx64,
             hash_fnv64(name, strlen(name)), (uint64_t)self->raw->fetched_at);
    step_emit(self->step, &msg_ops_command_desc, &command);
}

void lookup_want(struct apply *self, const char *name)
{
    struct msg_processor_lookup row;
    char key[NAME_KEY_SIZE];
    int64_t cooldown_us = step_settings(self->step)->processor.lookup_cooldown_us;
    name_key(name, key);
    bool before = key[0] != '\0' && load(&self->memory, key, &row);
    if (key[0] == '\0' || (before && self->raw->fetched_at < row.asked_at + cooldown_us) ||
        !spend(self)) {
        return;
    }
    if (!before) {
        message_clear(&msg_processor_lookup_desc, &row);
    }
    row.asked_at = self->raw->fetched_at;
    save(&self->memory, key, &row);
    ask(self, key);
}

/* ---- the answer ---- */

/* Those of the answer who are called so, and the last of them. */
static int count_named(const struct apply *self, const char *name, const struct feed_listed **one,
                       char ids[80])
{
    int count = 0;
    size_t used = 0;
    ids[0] = '\0';
    for (size_t i = 0; i < self->feed->listed_count; i++) {
        const struct feed_listed *listed = &self->feed->listeds[i];
        char key[NAME_KEY_SIZE];
        name_key(listed->name, key);
        if (strcmp(key, name) != 0) {
            continue;
        }
        *one = listed;
        if (used < 60) {
            used += (size_t)snprintf(ids + used, 80 - used, "%s%lld", count > 0 ? ", " : "",
                                     (long long)listed->source_id);
        }
        count++;
    }
    return count;
}

/* The only one of that name; false, and refused, if nobody is, or nobody for sure. */
static bool choose(struct apply *self, const char *name, struct msg_processor_lookup *row)
{
    const struct feed_listed *one = NULL;
    struct identity_player who;
    char ids[80];
    int count = count_named(self, name, &one, ids);
    self->identity_refused = true;
    if (self->feed->next_page > 0) {
        feed_refuse(self->feed, "meta.next_cursor", name,
                    "there are more than one page: who is the only one cannot be told");
        return false;
    }
    if (self->feed->items != self->feed->listed_count) {
        feed_refuse(self->feed, "data", name, "a row was set aside: it may be the one");
        return false;
    }
    if (count == 0) {
        feed_refuse(self->feed, "data", name, "nobody is called so");
        return false;
    }
    if (count > 1) {
        feed_refuse(self->feed, "data", name, "%d are called so: %s", count, ids);
        return false;
    }
    if (!identity_team(&self->memory, &one->team, row->team)) {
        feed_refuse(self->feed, one->path, one->name, "team: no such team is known");
        return false;
    }
    self->identity_refused = false;
    if (!identity_box_player(&self->memory, one->source_id, one->name, row->team, true, &who)) {
        identity_unknown(one->source_id, one->name, &who);
    }
    row->player_id = who.player_id;
    snprintf(row->player_name, sizeof row->player_name, "%s", who.name);
    return true;
}

/* An answer to a question that nobody put here (another shard did, or a person) is taken likewise. */
void apply_lookup(struct apply *self)
{
    struct msg_processor_lookup row, before;
    char key[NAME_KEY_SIZE];
    const char *colon = strchr(self->raw->subject, ':');
    snprintf(key, sizeof key, "%s", colon != NULL ? colon + 1 : "");
    swap(key, '-', ' ');
    message_clear(&msg_processor_lookup_desc, &row);
    row.asked_at = load(&self->memory, key, &before) ? before.asked_at : self->raw->fetched_at;
    if (!choose(self, key, &row)) {
        row.player_id = MESSAGE_NONE;
        row.team[0] = '\0';
    }
    save(&self->memory, key, &row);
}
