/* Bodies that were not taken whole. */
#include "actors/processor/partly.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_PARTLY "partly"
#define PARTLY_MOST_US                                                                             \
    (INT64_C(4) * 24 * 3600 * 1000000) /* a body so old is of no game that is asked about */

struct old {
    int64_t before_us;
    char subject[sizeof((struct msg_raw_exchange *)0)->subject];
};

static int find_old(const struct store_row *row, void *context)
{
    struct old *old = context;
    struct span rest = row->key;
    struct msg_raw_exchange raw;
    struct message_error error;
    const char *subject;
    if (store_key_read_text(&rest, &subject) != 0 ||
        message_decode(&msg_raw_exchange_desc, row->value.data, row->value.size, &raw, &error) !=
            0) {
        return STORE_CORRUPT;
    }
    if (raw.fetched_at >= old->before_us) {
        return 0;
    }
    strcpy(old->subject, raw.subject);
    return 1;
}

static void del(struct memory *memory, const char *subject)
{
    struct store_key key;
    store_key_start(&key);
    store_key_text(&key, subject);
    if (memory->error == STORE_OK) {
        memory_ok(memory, store_del(memory->txn, TABLE_PARTLY, STORE_UNDATED, key.data, key.size));
    }
}

/* Whoever keeps something lets go of what is too old: there is never more than a few days of it. */
static void drop_old(struct memory *memory, int64_t now_us)
{
    struct old old = {.before_us = now_us - PARTLY_MOST_US};
    while (memory->error == STORE_OK &&
           store_scan(memory->txn, TABLE_PARTLY, STORE_UNDATED, STORE_UNDATED, NULL, 0, false,
                      find_old, &old) == 1) {
        del(memory, old.subject);
    }
}

void partly_put(struct memory *memory, const struct msg_raw_exchange *raw,
                const struct span *payload, bool whole)
{
    struct store_key key;
    if (whole) {
        del(memory, raw->subject);
        return;
    }
    store_key_start(&key);
    store_key_text(&key, raw->subject);
    drop_old(memory, raw->fetched_at);
    if (memory->error == STORE_OK) {
        memory_ok(memory, store_put(memory->txn, TABLE_PARTLY, STORE_UNDATED, key.data, key.size,
                                    payload->data, payload->size));
    }
}

bool partly_get(struct memory *memory, const char *subject, struct msg_raw_exchange *raw,
                struct span *payload)
{
    struct store_key key;
    struct span value;
    struct message_error error;
    store_key_start(&key);
    store_key_text(&key, subject);
    if (memory->error != STORE_OK ||
        !memory_ok(memory, store_get(memory->txn, TABLE_PARTLY, STORE_UNDATED, key.data, key.size,
                                     &value))) {
        return false;
    }
    void *copy = malloc(value.size + 1); /* the map changes under what is written of it */
    if (!copy) {
        memory->error = STORE_FULL;
        return false;
    }
    memcpy(copy, value.data, value.size);
    *payload = (struct span){copy, value.size};
    if (message_decode(&msg_raw_exchange_desc, copy, value.size, raw, &error) == 0) {
        return true;
    }
    memory->error = STORE_CORRUPT;
    free(copy);
    return false;
}
