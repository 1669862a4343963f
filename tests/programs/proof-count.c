/* proof-count - counts the records of each key. With PROOF_LIE it is no function of its input: what a test must see found out. */
#include <stdlib.h>
#include <string.h>

#include "actors/actor.h"
#include "tests/proof/proof.h"

static enum verdict take_number(struct step *step, const struct input *input, void *self)
{
    const struct msg_proof_number *in = input->message;
    struct msg_proof_counted out = {.number = in->number};
    struct span row;
    (void)self;
    if (store_get(step_store(step), "count", STORE_UNDATED, in->key, strlen(in->key), &row) == 0)
        memcpy(&out.count, row.data, sizeof out.count);
    out.count++;
    if (in->number == 7 && getenv("PROOF_LIE"))
        out.count++;
    store_put(step_store(step), "count", STORE_UNDATED, in->key, strlen(in->key), &out.count,
              sizeof out.count);
    strcpy(out.key, in->key);
    step_emit(step, &msg_proof_counted_desc, &out);
    return DONE;
}

int main(int argc, char **argv)
{
    static const struct take takes[] = {
        {&msg_proof_number_desc, take_number, RUN_PER_STEP, "ProofCount", false},
        {NULL, NULL, RUN_NONE, NULL, false}};
    static const struct actor count = {
        .name = "proof-count", .does = "counts the records of each key", .takes = takes};
    return actor_main(&count, argc, argv);
}
