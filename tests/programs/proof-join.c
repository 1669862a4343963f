/* proof-join - joins each number with its count; when they do not meet at once, a timer looks again. */
#include <string.h>

#include "actors/actor.h"
#include "tests/proof/proof.h"

#define LOOK_AGAIN_US 20000 /* league time */

static void key_make(struct store_key *key, const char *name, uint64_t number)
{
    store_key_start(key);
    store_key_text(key, name);
    store_key_i64(key, (int64_t)number);
}

static bool half(struct step *step, const char *table, const struct store_key *key, uint64_t *value)
{
    struct span row;
    if (store_get(step_store(step), table, STORE_UNDATED, key->data, key->size, &row) != STORE_OK)
        return false;
    memcpy(value, row.data, sizeof *value);
    return true;
}

static void half_put(struct step *step, const char *table, const char *name, uint64_t number,
                     uint64_t value)
{
    struct store_key key;
    key_make(&key, name, number);
    store_put(step_store(step), table, STORE_UNDATED, key.data, key.size, &value, sizeof value);
}

static enum verdict take_number(struct step *step, const struct input *input, void *self)
{
    const struct msg_proof_number *in = input->message;
    struct msg_proof_timer timer = {.number = in->number, .turn = 1};
    (void)self;
    half_put(step, "value", in->key, in->number, in->value);
    strcpy(timer.key, in->key);
    step_later(step, &msg_proof_timer_desc, &timer, step_now_us(step) + LOOK_AGAIN_US);
    return DONE;
}

static enum verdict take_counted(struct step *step, const struct input *input, void *self)
{
    const struct msg_proof_counted *in = input->message;
    (void)self;
    half_put(step, "count", in->key, in->number, in->count);
    return DONE;
}

static enum verdict take_timer(struct step *step, const struct input *input, void *self)
{
    const struct msg_proof_timer *in = input->message;
    struct store_key key;
    uint64_t value, count;
    (void)self;
    key_make(&key, in->key, in->number);
    if (!half(step, "value", &key, &value))
        return step_refuse(step, NEVER, "a timer without a number");
    if (!half(step, "count", &key, &count)) {
        struct msg_proof_timer again = *in;
        again.turn++;
        step_later(step, &msg_proof_timer_desc, &again, step_now_us(step) + LOOK_AGAIN_US);
        return DONE;
    }
    struct msg_proof_joined out = {.number = in->number, .product = value * count};
    strcpy(out.key, in->key);
    step_emit(step, &msg_proof_joined_desc, &out);
    store_del(step_store(step), "value", STORE_UNDATED, key.data, key.size);
    store_del(step_store(step), "count", STORE_UNDATED, key.data, key.size);
    return DONE;
}

int main(int argc, char **argv)
{
    static const struct take takes[] = {
        {&msg_proof_number_desc, take_number, RUN_NONE, NULL, false},
        {&msg_proof_counted_desc, take_counted, RUN_NONE, NULL, false},
        {&msg_proof_timer_desc, take_timer, RUN_PER_RECORD, "ProofJoin", false},
        {NULL, NULL, RUN_NONE, NULL, false}};
    static const struct actor join = {
        .name = "proof-join", .does = "joins each number with its count", .takes = takes};
    return actor_main(&join, argc, argv);
}
