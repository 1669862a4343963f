/* A measured load, whoever the broker is. */
#include "cli/load.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config/clock.h"

#define PROGRESS_US 250000
#define NAP_US 200
#define READY_MOST_US 30000000
#define GRACE_US 60000000 /* for what is under way when publishing ends */

/* Times by powers of two, each in 64 parts: within 1.6 %, whatever their number. */
enum { PARTS = 64, PARTS_BITS = 6, POWERS = 40 };
struct spread {
    _Atomic uint64_t count[POWERS * PARTS];
};

struct load {
    struct load_shape shape;
    atomic_uint ready, producing;
    atomic_bool go;
    _Atomic int64_t began_us, last_ack_us, last_take_us;
    _Atomic uint64_t sent, acked, taken;
    struct spread acks, deliveries;
};

static void nap(int64_t us)
{
    nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
}

/* ---- times ---- */

static uint32_t spread_place(int64_t us)
{
    uint64_t value = us > 0 ? (uint64_t)us : 0;
    if (value < PARTS)
        return (uint32_t)value;
    uint32_t power = 63 - (uint32_t)__builtin_clzll(value) - PARTS_BITS + 1;
    if (power >= POWERS)
        return POWERS * PARTS - 1;
    return power * PARTS + (uint32_t)((value >> (power - 1)) & (PARTS - 1));
}

static double spread_value(uint32_t place)
{
    uint32_t power = place / PARTS;
    double part = place % PARTS;
    return power == 0 ? part : (part + 0.5 + PARTS) * (double)(UINT64_C(1) << (power - 1));
}

static double spread_at(const struct spread *self, double share)
{
    uint64_t sum = 0, seen = 0;
    for (uint32_t i = 0; i < POWERS * PARTS; i++)
        sum += self->count[i];
    uint64_t wanted = (uint64_t)((double)sum * share);
    for (uint32_t i = 0; i < POWERS * PARTS; i++) {
        seen += self->count[i];
        if (seen > wanted)
            return spread_value(i);
    }
    return -1;
}

static double spread_most(const struct spread *self)
{
    for (uint32_t i = POWERS * PARTS; i-- > 0;)
        if (self->count[i])
            return spread_value(i);
    return -1;
}

/* ---- for the workers ---- */

const struct load_shape *load_shape(const struct load *self)
{
    return &self->shape;
}

void load_ready(struct load *self)
{
    atomic_fetch_add(&self->ready, 1);
    while (!atomic_load(&self->go))
        nap(NAP_US);
}

bool load_ended(const struct load *self)
{
    return clock_mono_us() >= self->began_us + (int64_t)(self->shape.seconds * 1e6);
}

uint32_t load_allows(struct load *self, uint64_t sent, uint64_t acked, int64_t *wait_us)
{
    const struct load_shape *shape = &self->shape;
    uint64_t window = shape->window / shape->producers, free = 0;
    *wait_us = -1;
    if (window < shape->batch)
        window = shape->batch;
    if (sent - acked < window)
        free = window - (sent - acked);
    if (shape->rate > 0) {
        double rate = shape->rate / shape->producers;
        int64_t passed = clock_mono_us() - self->began_us;
        uint64_t due = (uint64_t)((double)passed * rate / 1e6) / shape->batch * shape->batch;
        uint64_t next = (sent / shape->batch + 1) * shape->batch;
        if (due <= sent)
            *wait_us = (int64_t)((double)next * 1e6 / rate) - passed + 1;
        if (free > (due > sent ? due - sent : 0))
            free = due > sent ? due - sent : 0;
    } else if (sent != acked && free < window / 4) {
        free = 0; /* a quarter at a time */
    }
    return (uint32_t)(free / shape->batch * shape->batch);
}

void load_stamp(uint8_t at[LOAD_STAMP_BYTES], int64_t us)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < LOAD_STAMP_BYTES; i++)
        at[i] = (uint8_t)digits[(uint64_t)us >> (60 - 4 * i) & 15];
}

int64_t load_stamped(const uint8_t at[LOAD_STAMP_BYTES])
{
    uint64_t us = 0;
    for (int i = 0; i < LOAD_STAMP_BYTES; i++)
        us = us << 4 | (uint64_t)(at[i] <= '9' ? at[i] - '0' : at[i] - 'a' + 10);
    return (int64_t)us;
}

void load_acked(struct load *self, uint64_t messages)
{
    atomic_fetch_add(&self->acked, messages);
    atomic_store(&self->last_ack_us, clock_mono_us());
}

void load_ack_took(struct load *self, int64_t us)
{
    atomic_fetch_add_explicit(&self->acks.count[spread_place(us)], 1, memory_order_relaxed);
}

void load_sent(struct load *self, uint64_t messages)
{
    atomic_fetch_add(&self->sent, messages);
    atomic_fetch_sub(&self->producing, 1);
}

void load_took(struct load *self, uint64_t messages)
{
    atomic_fetch_add(&self->taken, messages);
    atomic_store(&self->last_take_us, clock_mono_us());
}

void load_delivery_took(struct load *self, int64_t us)
{
    atomic_fetch_add_explicit(&self->deliveries.count[spread_place(us)], 1, memory_order_relaxed);
}

bool load_all_taken(const struct load *self)
{
    return atomic_load(&self->producing) == 0 &&
           atomic_load(&self->taken) >= atomic_load(&self->sent);
}

/* ---- the one that looks on ---- */

struct crowd {
    pid_t pids[LOAD_WORKERS_MAX];
    uint32_t alive;
    bool failed;
};

static void crowd_start(struct crowd *self, struct load *load, const struct load_work *work)
{
    uint32_t consumers = load->shape.consumers, all = consumers + load->shape.producers;
    for (uint32_t i = 0; i < all; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            prctl(PR_SET_TIMERSLACK, 1UL);
            if (i < consumers)
                work->consume(load, i, work->context);
            else
                work->produce(load, i - consumers, work->context);
            _exit(0);
        }
        self->pids[i] = pid;
        self->alive += pid > 0;
        self->failed = self->failed || pid < 0;
    }
}

static void crowd_reap(struct crowd *self)
{
    int code;
    for (uint32_t i = 0; i < LOAD_WORKERS_MAX; i++)
        if (self->pids[i] > 0 && waitpid(self->pids[i], &code, WNOHANG) == self->pids[i]) {
            self->pids[i] = 0;
            self->alive--;
            self->failed = self->failed || code != 0;
        }
}

static void crowd_kill(struct crowd *self)
{
    for (uint32_t i = 0; i < LOAD_WORKERS_MAX; i++)
        if (self->pids[i] > 0) {
            kill(self->pids[i], SIGKILL);
            waitpid(self->pids[i], NULL, 0);
            self->pids[i] = 0;
        }
    self->alive = 0;
}

static void progress_say(FILE *out, const struct load *load, int64_t now)
{
    double seconds = (double)(now - load->began_us) / 1e6;
    if (!out || seconds <= 0)
        return;
    fprintf(out, "\r%5.1f of %.0f s  %10.0f published/s  %10.0f delivered/s ", seconds,
            load->shape.seconds, (double)load->acked / seconds, (double)load->taken / seconds);
    fflush(out);
}

static double per_second(uint64_t messages, int64_t from_us, int64_t to_us)
{
    return messages && to_us > from_us ? (double)messages * 1e6 / (double)(to_us - from_us) : 0;
}

static void result_take(const struct load *load, struct load_result *out)
{
    *out = (struct load_result){
        .published = load->acked,
        .delivered = load->taken,
        .published_per_s = per_second(load->acked, load->began_us, load->last_ack_us),
        .delivered_per_s = per_second(load->taken, load->began_us, load->last_take_us),
        .ack_p50_us = spread_at(&load->acks, 0.5),
        .ack_p99_us = spread_at(&load->acks, 0.99),
        .ack_max_us = spread_most(&load->acks),
        .e2e_p50_us = spread_at(&load->deliveries, 0.5),
        .e2e_p99_us = spread_at(&load->deliveries, 0.99)};
}

static void look_on(struct crowd *crowd, struct load *load, const struct load_work *work,
                    FILE *progress)
{
    int64_t end = load->began_us + (int64_t)(load->shape.seconds * 1e6) + GRACE_US, said = 0;
    while (crowd->alive && !crowd->failed) {
        int64_t now = clock_mono_us();
        if (now > end) {
            fprintf(stderr, "bench: not done %d s after the last message was sent\n",
                    GRACE_US / 1000000);
            crowd->failed = true;
        }
        if (now - said >= PROGRESS_US) {
            progress_say(progress, load, now);
            if (work->beside)
                work->beside(work->beside_context);
            said = now;
        }
        nap(2000);
        crowd_reap(crowd);
    }
    if (progress)
        fprintf(progress, "\r%70s\r", "");
}

int load_run(const struct load_shape *shape, const struct load_work *work, FILE *progress,
             struct load_result *result)
{
    struct crowd crowd = {0};
    struct load *load =
        mmap(NULL, sizeof *load, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (load == MAP_FAILED)
        return -1;
    load->shape = *shape;
    load->producing = shape->producers;
    crowd_start(&crowd, load, work);
    int64_t asked = clock_mono_us();
    while (!crowd.failed && load->ready < shape->producers + shape->consumers) {
        nap(NAP_US);
        crowd_reap(&crowd);
        if (clock_mono_us() - asked > READY_MOST_US) {
            fprintf(stderr, "bench: nobody answers\n");
            crowd.failed = true;
        }
    }
    if (!crowd.failed) {
        load->began_us = clock_mono_us();
        atomic_store(&load->go, true);
        look_on(&crowd, load, work, progress);
    }
    crowd_kill(&crowd);
    result_take(load, result);
    munmap(load, sizeof *load);
    return crowd.failed ? -1 : 0;
}
