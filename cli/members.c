#include "cli/members.h"

#include <stdio.h>
#include <string.h>

static bool text_is(const json_t *row, const char *key, const char *value)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text && !strcmp(text, value);
}

/* The row of the shard "actor.number", or NULL. */
static const json_t *shard_of(const json_t *status, const char *wanted)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(status, "shards"), i, row)
    {
        const char *actor = json_string_value(json_object_get(row, "actor"));
        char name[64];
        snprintf(name, sizeof name, "%.40s.%lld", actor ? actor : "",
                 (long long)json_integer_value(json_object_get(row, "partition")));
        if (!strcmp(name, wanted))
            return row;
    }
    return NULL;
}

struct members_word members_word(const json_t *status, const json_t *member, const char *host)
{
    struct members_word word = {.ready = true, .idle = true};
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(member, "shards"), i, name)
    {
        const json_t *shard = shard_of(status, json_string_value(name));
        const json_t *lag = json_object_get(shard, "lag");
        bool ready = shard && text_is(shard, "host", host) && text_is(shard, "state", "ready");
        word.ready = word.ready && ready;
        word.idle = word.idle && ready && json_is_integer(lag) && json_integer_value(lag) == 0;
    }
    return word;
}
