#include "actors/poller/live_list.h"

#include <string.h>

#include "schema/json.h"

int live_list_read(const void *body, size_t size, struct live_list *out)
{
    char why[200];
    json_t *root = json_read(body, size, why, sizeof why);
    const json_t *data = json_object_get(root, "data");
    int result = json_is_array(data) ? 0 : -1;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; result == 0 && i < json_array_size(data); i++) {
        const json_t *game = json_array_get(data, i);
        const json_t *id = json_object_get(game, "id"), *status = json_object_get(game, "status");
        if (json_is_string(status) && strcasestr(json_string_value(status), "final") != NULL) {
            continue;
        }
        double number = json_number_value(id); /* 0 if it is none; 18444564.0 is one */
        if (!(number > 0 && number < 9e15 && number == (double)(int64_t)number) ||
            out->count == LIVE_LIST_MAX) {
            out->unsure = true;
            continue;
        }
        out->ids[out->count++] = (int64_t)number;
    }
    json_decref(root);
    return result;
}

bool live_list_has(const struct live_list *self, int64_t id)
{
    for (int i = 0; i < self->count; i++) {
        if (self->ids[i] == id) {
            return true;
        }
    }
    return self->unsure;
}
