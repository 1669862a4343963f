/* What is counted, so that STATUS can say it. */
#include "broker/server.h"

void server_spread_add(struct server_spread *self, uint64_t value)
{
    uint32_t bucket = value ? 64 - (uint32_t)__builtin_clzll(value) : 0;
    self->buckets[bucket < SERVER_SPREAD ? bucket : SERVER_SPREAD - 1]++;
    self->count++;
    self->sum += value;
    if (value > self->most)
        self->most = value;
}

uint64_t server_spread_at(const struct server_spread *self, double percent)
{
    uint64_t below = 0;
    for (uint32_t i = 0; i < SERVER_SPREAD && self->count; i++) {
        below += self->buckets[i];
        if ((double)below >= (double)self->count * percent / 100) {
            uint64_t edge = i ? (UINT64_C(1) << i) - 1 : 0;
            return edge < self->most ? edge : self->most;
        }
    }
    return 0;
}

static void add(struct core_traffic *traffic, const struct batch_header *header)
{
    traffic->batches++;
    traffic->records += header->count;
    traffic->bytes += header->size;
}

void server_count_delivered(struct server *self, struct core_session *session,
                            const struct batch_header *header)
{
    add(&self->delivered, header);
    add(&self->core->streams[header->stream].delivered, header);
    if (session->producer)
        add(&session->producer->delivered, header);
}
