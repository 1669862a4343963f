#include "actors/predictor/promoted.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "promoted"

_Static_assert(sizeof(struct promoted_head) == 80, "stored as it is");

int promoted_put(struct store_txn *txn, const struct msg_model_promoted *row, uint64_t position)
{
    struct promoted_head head;
    size_t size = sizeof head + row->body.size;
    char *value = malloc(size);
    if (!value) {
        return STORE_FULL;
    }
    memset(&head, 0, sizeof head);
    head.position = position;
    memcpy(head.sha256, row->sha256, HASH_HEX_SIZE);
    memcpy(value, &head, sizeof head);
    memcpy(value + sizeof head, row->body.data, row->body.size);
    int error = store_put(txn, "model", STORE_UNDATED, KEY, strlen(KEY), value, size);
    free(value);
    return error;
}

int promoted_get(struct store_txn *txn, struct promoted_head *head, struct span *bytes)
{
    struct span value;
    int error = store_get(txn, "model", STORE_UNDATED, KEY, strlen(KEY), &value);
    if (error) {
        return error;
    }
    if (value.size < sizeof *head) {
        return STORE_CORRUPT;
    }
    memcpy(head, value.data, sizeof *head);
    *bytes = (struct span){value.data + sizeof *head, value.size - (uint32_t)sizeof *head};
    return head->sha256[HASH_HEX_SIZE - 1] == 0 ? 0 : STORE_CORRUPT;
}

void promoted_drop(struct promoted *self)
{
    trained_free(&self->trained);
    free(self->values);
    *self = (struct promoted){0};
}

int promoted_refresh(struct promoted *self, struct store_txn *txn, char why[SYSTEM_WHY])
{
    struct promoted_head head = {.position = 0};
    struct span bytes;
    int error = promoted_get(txn, &head, &bytes);
    if (error == STORE_NOT_FOUND) {
        promoted_drop(self);
        return 0;
    }
    if (error || (self->trained && strcmp(self->trained->sha256, head.sha256) == 0)) {
        snprintf(why, SYSTEM_WHY, "the promoted model: %s", store_error_text(error));
        return error;
    }
    promoted_drop(self);
    self->position = head.position;
    self->trained = trained_read(bytes.data, bytes.size, why);
    if (!self->trained) {
        return STORE_CORRUPT;
    }
    self->values = calloc(self->trained->width + 1, sizeof *self->values);
    return self->values ? 0 : STORE_FULL;
}

/* Where the model has this feature; its width if it has it not. Names come in the model's own order as a rule: looked for from `from`
 * on. */
static size_t place_of(const struct trained *trained, const char *name, uint32_t size, size_t from)
{
    for (size_t i = 0; i < trained->width; i++) {
        size_t at = (from + i) % trained->width;
        if (strlen(trained->names[at]) == size && memcmp(trained->names[at], name, size) == 0) {
            return at;
        }
    }
    return trained->width;
}

bool promoted_values(struct promoted *self, const struct span *map, double *market)
{
    static const char MARKET[] = "line_prob_over";
    struct unpack in = {.data = map->data, .size = map->size};
    const struct trained *trained = self->trained;
    uint32_t count, size;
    size_t next = 0;
    for (size_t i = 0; i < trained->width; i++) {
        self->values[i] = NAN;
    }
    if (!unpack_map(&in, &count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *name;
        double value = NAN;
        if (!unpack_str(&in, &name, &size)) {
            return false;
        }
        if (unpack_peek(&in) == PACK_NIL ? !unpack_nil(&in) : !unpack_f64(&in, &value)) {
            return false;
        }
        size_t at = place_of(trained, name, size, next);
        if (at < trained->width) {
            self->values[at] = (float)value;
            next = at + 1;
        }
        if (size == sizeof MARKET - 1 && memcmp(name, MARKET, size) == 0) {
            *market = value;
        }
    }
    return true;
}
