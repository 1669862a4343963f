/* link_reader ENDPOINT CURSOR STREAM POSITION: reads a named cursor through the link as far as below POSITION; says where it joined, what it took,
 * what is done, why it was refused. tests/fault/readers.py reads that. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/link.h"

static struct link *broker;
static uint64_t done_below;

static void hear_joined(void *context, const struct link_joined *joined)
{
    (void)context;
    printf("joined %" PRIu64 "\n", joined->position);
}

static void hear_batch(void *context, const struct link_batch *batch)
{
    (void)context;
    printf("took %" PRIu64 " %u\n", batch->base, batch->count);
    link_taken(broker, batch->count, batch->body.size);
    link_done(broker, batch->base + batch->count);
}

static void hear_done(void *context, uint64_t position)
{
    (void)context;
    done_below = position;
    printf("done %" PRIu64 "\n", position);
}

static void hear_refused(void *context, const char *tag, const char *text, const char *stream,
                         uint16_t partition, uint64_t first_seq)
{
    (void)context, (void)text, (void)stream, (void)partition, (void)first_seq;
    printf("refused %s\n", tag);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 64;
    const char *const streams[] = {argv[3], NULL};
    char pid[20];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    const struct link_options options = {
        argv[1],
        "link-reader",
        "here",
        pid,
        "1",
        "",
        {.joined = hear_joined, .batch = hear_batch, .done = hear_done, .refused = hear_refused},
        NULL};
    struct link_join join = {
        .name = "", .kind = LINK_CURSOR, .streams = streams, .records = 2, .bytes = 1000};
    const uint64_t enough = strtoull(argv[4], NULL, 10);
    broker = link_open(&options);
    if (!broker || link_join(broker, &join) == 0 || link_done(broker, 1))
        return 70; /* no name, and nothing joined */
    join.name = argv[2];
    if (link_join(broker, &join) != 0)
        return 71;
    while (done_below < enough) {
        struct pollfd fd = {.fd = link_fd(broker), .events = POLLIN};
        fflush(stdout);
        poll(&fd, 1, (int)(link_timeout_us(broker) / 1000) + 1);
        link_turn(broker);
    }
    link_close(&broker);
    return 0;
}
