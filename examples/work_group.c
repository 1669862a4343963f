/* work-group - does jobs as a member of a work group: `work-group ipc://data/broker.ipc`, as often as wanted. No actor: the broker keeps
 * the place, each job goes to one member at a time, and comes again if that one dies. Prints what it did, then what is settled. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <tipoff/link.h>
#include <tipoff/record.h>

#include <tipoff/message_struct.h>
#include "jobs.def"
#include <tipoff/message_end.h>

#include <tipoff/message_table.h>
#include "jobs.def"
#include <tipoff/message_end.h>

static struct tip_link *broker;
static bool joined;

/* False: it comes again after 100 ms; after the third time the broker makes it a dead letter. */
static bool do_job(uint64_t position, const struct tip_record *record)
{
    struct tip_message_error error;
    struct msg_job job;
    if (tip_message_decode(&msg_job_desc, record->payload.data, record->payload.size, &job,
                           &error) != 0 ||
        job.below < 2)
        return false;
    usleep((useconds_t)job.below); /* work */
    printf("did %" PRIu64 " %s\n", position, job.id);
    return fflush(stdout) == 0; /* what it did is out before the broker is told so */
}

static void work(void *context, const struct tip_link_work *work)
{
    struct tip_batch_reader reader;
    struct tip_record record;
    const char *rule = "";
    (void)context;
    bool good = tip_batch_open(&reader, work->batch.body.data, work->batch.body.size,
                               work->batch.count, &rule) == 0;
    for (uint32_t i = 0; i < work->first + work->item.count; i++) {
        good = good && tip_batch_next(&reader, &record, &rule) == 1;
        if (i < work->first)
            continue; /* another member's */
        struct tip_link_item one = {work->item.lease, work->batch.base + i, 1};
        bool did = good && do_job(one.position, &record);
        tip_link_settle(broker, &(struct tip_link_settle){did ? TIP_LINK_ACK : TIP_LINK_NACK, &one,
                                                          1, 100000, "no such job", one.position});
    }
}

static void lost(void *context, const char *why)
{
    (void)context;
    joined = false; /* silent for too long: what it held is the others' */
    printf("lost %s\n", why);
    fflush(stdout);
}

static void settled(void *context, const struct tip_link_settled *answer)
{
    (void)context;
    if (answer->does == TIP_LINK_ACK && answer->records > 0)
        printf("acked %" PRIu64 "\n", answer->serial); /* durable: it never comes again */
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const char *const streams[] = {"jobs.todo", NULL};
    char pid[20];
    const struct tip_link_options options = {argc > 1 ? argv[1] : "",
                                             "work-group",
                                             "localhost",
                                             pid,
                                             "1",
                                             "",
                                             {.work = work, .settled = settled, .lost = lost},
                                             NULL};
    const struct tip_link_join join = {.name = "job-group",
                                       .kind = TIP_LINK_GROUP,
                                       .streams = streams,
                                       .start = "head",
                                       .records = 4,
                                       .bytes = 1 << 20,
                                       .lease_us = 2000000,
                                       .attempts = 3};
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    broker = tip_link_open(&options);
    while (broker && (joined || tip_link_join(broker, &join) == 0)) {
        struct pollfd fd = {.fd = tip_link_fd(broker), .events = POLLIN};
        joined = true;
        poll(&fd, 1, (int)(tip_link_timeout_us(broker) / 1000) + 1);
        tip_link_turn(broker);
    }
    return EXIT_FAILURE;
}
