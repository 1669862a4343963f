/* proof-sum - the sum over each key. Keeps it in memory too, as a cache of the store. */
#include <stdlib.h>
#include <string.h>

#include "actors/actor.h"
#include "tests/proof/proof.h"

struct sums {
    struct msg_proof_sum cached; /* the key seen last; key "" = none */
};

static void *sum_start(const struct settings *settings, bool *failed)
{
    struct sums *self = calloc(1, sizeof *self);
    (void)settings;
    *failed = !self;
    return self;
}

static void sum_forget(void *self)
{
    memset(self, 0, sizeof(struct sums));
}

static enum verdict take_joined(struct step *step, const struct input *input, void *context)
{
    const struct msg_proof_joined *in = input->message;
    struct sums *self = context;
    struct msg_proof_sum *sum = &self->cached;
    if (strcmp(sum->key, in->key) != 0) {
        message_clear(&msg_proof_sum_desc, sum);
        if (store_get_message(step_store(step), "sum", STORE_UNDATED, in->key, strlen(in->key),
                              &msg_proof_sum_desc, sum) != STORE_OK)
            memset(sum, 0, sizeof *sum);
        strcpy(sum->key, in->key);
    }
    sum->number = in->number;
    sum->terms++;
    sum->sum += in->product;
    store_put_message(step_store(step), "sum", STORE_UNDATED, sum->key, strlen(sum->key),
                      &msg_proof_sum_desc, sum);
    step_emit(step, &msg_proof_sum_desc, sum);
    return DONE;
}

int main(int argc, char **argv)
{
    static const struct take takes[] = {
        {&msg_proof_joined_desc, take_joined, RUN_PER_STEP, "ProofSum", false},
        {NULL, NULL, RUN_NONE, NULL, false}};
    static const struct actor sum = {.name = "proof-sum",
                                     .does = "sums over each key",
                                     .takes = takes,
                                     .start = sum_start,
                                     .forget = sum_forget,
                                     .stop = free};
    return actor_main(&sum, argc, argv);
}
