/* proof-sink - writes down how often each (key, number) came, and with what. */
#include <string.h>

#include "actors/actor.h"
#include "tests/proof/proof.h"

static enum verdict take_sum(struct step *step, const struct input *input, void *self)
{
    const struct msg_proof_sum *in = input->message;
    uint64_t row[3] = {0, in->terms, in->sum}; /* times, terms, sum: read by the test */
    struct store_key key;
    struct span old;
    (void)self;
    store_key_start(&key);
    store_key_text(&key, in->key);
    store_key_i64(&key, (int64_t)in->number);
    if (store_get(step_store(step), "seen", STORE_UNDATED, key.data, key.size, &old) == STORE_OK)
        memcpy(row, old.data, sizeof *row);
    row[0]++;
    store_put(step_store(step), "seen", STORE_UNDATED, key.data, key.size, row, sizeof row);
    return DONE;
}

int main(int argc, char **argv)
{
    static const struct take takes[] = {
        {&msg_proof_sum_desc, take_sum, RUN_PER_STEP, "ProofSink", false},
        {NULL, NULL, RUN_NONE, NULL, false}};
    static const struct actor sink = {
        .name = "proof-sink", .does = "writes down what came", .takes = takes};
    return actor_main(&sink, argc, argv);
}
