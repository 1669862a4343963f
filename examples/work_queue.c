/* work-queue - does jobs, each once, with as many workers as are started: `work-queue --shards 3 --shard 0`, 1, 2, anywhere.
 * takes jobs.todo   gives jobs.done   keeps nothing: what is done is behind the cursor */
#include <string.h>
#include <tipoff/actor.h>

#include <tipoff/message_struct.h>
#include "jobs.def"
#include <tipoff/message_end.h>

#include <tipoff/message_table.h>
#include "jobs.def"
#include <tipoff/message_end.h>

static bool prime(uint64_t number)
{
    for (uint64_t divisor = 2; divisor * divisor <= number; divisor++)
        if (number % divisor == 0)
            return false;
    return number >= 2;
}

/* TIP_LATER would offer the job again after actor.retry_wait, and give it up after actor.retry_max_age. */
static enum tip_verdict take_job(struct tip_step *step, const struct tip_input *input, void *self)
{
    const struct msg_job *job = input->message;
    struct msg_job_done done;
    (void)self;
    if (job->below < 2)
        return tip_step_refuse(step, TIP_NEVER, "job.below: nothing to look at");
    tip_message_clear(&msg_job_done_desc, &done);
    memcpy(done.id, job->id, sizeof done.id);
    done.worker = tip_step_shard(step, &(uint32_t){0});
    for (uint64_t number = 2; number < job->below; number++)
        done.primes += prime(number);
    tip_step_emit(step, &msg_job_done_desc, &done);
    return TIP_DONE;
}

int main(int argc, char **argv)
{
    static const struct tip_message_desc *const messages[] = {&msg_job_desc, &msg_job_done_desc,
                                                              NULL};
    static const struct tip_take takes[] = {
        {&msg_job_desc, take_job, TIP_RUN_PER_STEP, "Jobs", false},
        {NULL, NULL, TIP_RUN_NONE, NULL, false}};
    static const struct tip_actor work_queue = {
        .name = "work-queue", .does = "does jobs", .takes = takes, .messages = messages};
    return tip_actor_main(&work_queue, argc, argv);
}
