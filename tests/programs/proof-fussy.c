/* proof-fussy - counts the records of each key, and refuses some: number 666 until a record of key "permit" has come (what it
 * takes is a matter of its state), and the number that FUSSY_REFUSES says (a matter of its configuration). */
#include <stdlib.h>
#include <string.h>

#include "actors/actor.h"
#include "tests/proof/proof.h"

static uint64_t counted(struct step *step, const char *key)
{
    struct span row;
    uint64_t count = 0;
    if (store_get(step_store(step), "count", STORE_UNDATED, key, strlen(key), &row) == 0)
        memcpy(&count, row.data, sizeof count);
    return count;
}

static enum verdict take_number(struct step *step, const struct input *input, void *self)
{
    const struct msg_proof_number *in = input->message;
    const char *refused = getenv("FUSSY_REFUSES");
    struct msg_proof_counted out = {.number = in->number};
    (void)self;
    out.count = counted(step, in->key) + 1;
    if (store_put(step_store(step), "count", STORE_UNDATED, in->key, strlen(in->key), &out.count,
                  sizeof out.count) != STORE_OK)
        return step_refuse(step, LATER, "it cannot be written down now");
    if (in->number == 666 && counted(step, "permit") == 0)
        return step_refuse(step, NEVER, "666 without a permit");
    if (refused && in->number == strtoul(refused, NULL, 10))
        return step_refuse(step, NEVER, "the configuration refuses %s", refused);
    strcpy(out.key, in->key);
    step_emit(step, &msg_proof_counted_desc, &out);
    return DONE;
}

int main(int argc, char **argv)
{
    static const struct take takes[] = {
        {&msg_proof_number_desc, take_number, RUN_PER_STEP, "ProofCount", false},
        {NULL, NULL, RUN_NONE, NULL, false}};
    static const struct actor fussy = {.name = "proof-fussy",
                                       .does = "counts the records of each key, but not all",
                                       .takes = takes};
    return actor_main(&fussy, argc, argv);
}
