#include "tests/simulate/world.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "broker/log.h"
#include "broker/log_memory.h"
#include "tests/simulate/disk.h"
#include "tests/simulate/net.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBERS_TOLD 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FIBERS_TOLD 1
#endif
#ifdef FIBERS_TOLD /* the sanitizer has to know whose stack it looks at */
#include <sanitizer/common_interface_defs.h>
#else
#define __sanitizer_start_switch_fiber(save, bottom, size)                                         \
    ((void)(save), (void)(bottom), (void)(size))
#define __sanitizer_finish_switch_fiber(saved, bottom, size)                                       \
    ((void)(saved), (void)(bottom), (void)(size))
#endif

#define BEGIN_US INT64_C(1763337600000000) /* 2025-11-17 */
#define RESTART_US 50000
enum { STACK_BYTES = 1 << 20, CUTS_MAX = 64, FILES_MAX = 8 };

enum state { DOWN, WAITING, ENDED };

struct process {
    const char *name;
    world_main *main;
    void *context;
    enum state state;
    int64_t start_us, wake_us;   /* of the world */
    int64_t stop_us, goes_on_us; /* stands still in between */
    uint32_t lives;
    ucontext_t fiber;
    void *stack, *fake_stack;
    struct log *log; /* it has open */
    int files[FILES_MAX];
    int file_count;
};

static struct {
    struct world_wish wish;
    uint64_t random, hash, calls, next_crash;
    void (*mourn)(uint32_t process);
    int64_t now_us;
    struct process processes[WORLD_PROCESSES_MAX];
    struct log_disk *disk; /* of the log; NULL: LMDB */
    uint32_t count;
    int running; /* index; -1: the world itself */
    ucontext_t home;
    int64_t cuts[CUTS_MAX];
    uint32_t cut_count, cut_at, deaths;
    bool trace, dying;
    char died[120];
} world;
static void *stacks[WORLD_PROCESSES_MAX]; /* for every world that comes */
static const void *home_stack;
static size_t home_size;

/* ---- chance, and the trace ---- */

static uint64_t next_random(void)
{
    world.random = world.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint64_t mixed = world.random ^ world.random >> 29;
    return mixed * UINT64_C(0xbf58476d1ce4e5b9) >> 20;
}

static void happened(const char *what, uint64_t value)
{
    const char *name = world.running >= 0 ? world.processes[world.running].name : "world";
    for (const char *at = what; *at; at++)
        world.hash = (world.hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    world.hash = (world.hash ^ (uint64_t)world.now_us) * UINT64_C(0x100000001b3);
    world.hash = (world.hash ^ (uint64_t)(world.running + 1)) * UINT64_C(0x100000001b3);
    world.hash = (world.hash ^ value) * UINT64_C(0x100000001b3);
    if (world.trace)
        printf("%10.6f %-10s %s %" PRIu64 "\n", (double)world.now_us / 1e6, name, what, value);
}

int64_t world_us(void)
{
    return world.now_us;
}

struct log *world_log(uint32_t process)
{
    return world.processes[process].log;
}

uint64_t world_calls(void)
{
    return world.calls;
}

uint64_t world_hash(void)
{
    return world.hash;
}

const char *world_died(void)
{
    return world.died;
}

uint32_t world_deaths(void)
{
    return world.deaths;
}

void world_trace(bool on)
{
    world.trace = on;
}

/* ---- processes ---- */

static void go_home(void)
{
    struct process *self = &world.processes[world.running];
    __sanitizer_start_switch_fiber(world.dying ? NULL : &self->fake_stack, home_stack, home_size);
    swapcontext(&self->fiber, &world.home);
    __sanitizer_finish_switch_fiber(self->fake_stack, &home_stack, &home_size);
}

static void wait_until(int64_t timeout_us)
{
    struct process *self = &world.processes[world.running];
    self->state = WAITING;
    self->wake_us = timeout_us < 0 ? INT64_MAX : world.now_us + timeout_us;
    go_home();
}

static void fiber_begin(void)
{
    __sanitizer_finish_switch_fiber(NULL, &home_stack, &home_size);
    struct process *self = &world.processes[world.running];
    int code = self->main(self->context);
    happened("exit", (uint64_t)code);
    net_end((uint32_t)world.running);
    disk_end((uint32_t)world.running);
    self->state = code == 0 ? ENDED : DOWN;
    self->start_us = world.now_us + RESTART_US;
    world.dying = true;
    go_home();
    abort();
}

static void process_go(uint32_t index)
{
    struct process *self = &world.processes[index];
    void *fake = NULL;
    world.running = (int)index;
    if (self->state == DOWN) {
        happened("start", ++self->lives);
        getcontext(&self->fiber);
        self->fiber.uc_stack.ss_sp = self->stack;
        self->fiber.uc_stack.ss_size = STACK_BYTES;
        self->fiber.uc_link = NULL;
        makecontext(&self->fiber, fiber_begin, 0);
    }
    __sanitizer_start_switch_fiber(&fake, self->stack, STACK_BYTES);
    swapcontext(&world.home, &self->fiber);
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
    world.running = -1;
}

/* What the kernel does for a dead process. */
static void process_bury(uint32_t index)
{
    struct process *self = &world.processes[index];
    if (self->log) {
        struct log *log = self->log;
        self->log = NULL;
        log_close(&log);
    }
    for (int i = 0; i < self->file_count; i++)
        close(self->files[i]);
    self->file_count = 0;
    net_end(index);
    disk_end(index);
}

static void die(const char *what)
{
    struct process *self = &world.processes[world.running];
    snprintf(world.died, sizeof world.died, "%s before call %" PRIu64 " (%s)", self->name,
             world.calls, what);
    happened("dies", world.calls);
    world.deaths++;
    world.dying = true;
    self->state = DOWN;
    self->start_us = world.now_us + RESTART_US;
    go_home();
    abort();
}

/* Some soon after the last one, in the midst of what that one left to be mended. */
static void crashes_plan(void)
{
    uint64_t within = next_random() % 3 ? 1500 : 80;
    if (world.wish.again && world.deaths == 1)
        world.next_crash = world.calls + world.wish.again;
    else
        world.next_crash =
            world.deaths < world.wish.crashes ? world.calls + 1 + next_random() % within : 0;
}

/* Before every call that leaves the process. */
static void call(const char *what)
{
    if (world.running < 0)
        return;
    world.calls++;
    happened(what, world.calls);
    if (world.calls == world.wish.crash_at)
        die(what);
    if (world.next_crash && world.calls >= world.next_crash) {
        world.next_crash = 0;
        die(what);
    }
}

static bool fails(const char *what)
{
    (void)what;
    return world.running >= 0 && world.calls == world.wish.fail_at;
}

static uint32_t caller(void)
{
    return world.running < 0 ? WORLD_PROCESSES_MAX : (uint32_t)world.running;
}

static int64_t delay_us(void)
{
    return world.wish.slow ? (int64_t)(next_random() % (next_random() % 8 ? 5000 : 1000000))
                           : 20 + (int64_t)(next_random() % 60);
}

/* ---- the world ---- */

bool world_lmdb;

void world_open(const struct world_wish *wish)
{
    const struct net_hooks net = {
        .process = caller, .now_us = world_us, .delay_us = delay_us, .call = call};
    const struct disk_hooks disk = {.process = caller, .call = call, .fails = fails};
    bool trace = world.trace;
    memset(&world, 0, sizeof world);
    world.trace = trace;
    world.wish = *wish;
    world.random = wish->seed * 2654435761u + 1;
    world.hash = UINT64_C(0xcbf29ce484222325);
    world.running = -1;
    if (!world_lmdb)
        world.disk = log_disk_new();
    net_open(&net);
    disk_open(&disk);
    for (uint32_t i = 0; i < wish->cuts && i < CUTS_MAX; i++)
        world.cuts[world.cut_count++] =
            (i ? world.cuts[i - 1] : 0) + (int64_t)(next_random() % 1500000);
    crashes_plan();
}

void world_close(void)
{
    for (uint32_t i = 0; i < world.count; i++)
        process_bury(i);
    world.count = 0;
    log_disk_free(&world.disk);
    net_close();
    disk_close();
}

uint32_t world_process(const char *name, world_main *main, void *context, int64_t start_us)
{
    struct process *self = &world.processes[world.count];
    self->name = name;
    self->main = main;
    self->context = context;
    self->start_us = start_us;
    self->stop_us = self->goes_on_us = INT64_MAX;
    if (!stacks[world.count])
        stacks[world.count] = malloc(STACK_BYTES);
    self->stack = stacks[world.count];
    if (!self->stack)
        abort();
    return world.count++;
}

void world_mourn(void (*died)(uint32_t process))
{
    world.mourn = died;
}

uint32_t world_chance(void)
{
    return (uint32_t)next_random();
}

void world_stop(uint32_t process, int64_t from_us, int64_t to_us)
{
    world.processes[process].stop_us = from_us;
    world.processes[process].goes_on_us = to_us;
}

/* When it can go on next; now, or in the past: at once. */
static int64_t due_us(uint32_t index)
{
    const struct process *self = &world.processes[index];
    int64_t at = INT64_MAX;
    if (self->state == DOWN)
        at = self->start_us;
    if (self->state == WAITING) {
        int64_t arrives = net_next_us(index);
        at = self->wake_us < arrives ? self->wake_us : arrives;
    }
    int64_t then = at > world.now_us ? at : world.now_us;
    return at < INT64_MAX && then >= self->stop_us && then < self->goes_on_us ? self->goes_on_us
                                                                              : at;
}

static void cuts_turn(void)
{
    while (world.cut_at < world.cut_count && world.cuts[world.cut_at] <= world.now_us) {
        uint32_t process = (uint32_t)(next_random() % world.count);
        happened("cut", process);
        net_cut(process);
        world.cut_at++;
    }
}

bool world_run(bool (*done)(void), int64_t limit_us)
{
    for (uint64_t turn = 0; world.now_us < limit_us; turn++) {
        uint32_t ready[WORLD_PROCESSES_MAX], count = 0;
        int64_t next_us = INT64_MAX;
        cuts_turn();
        for (uint32_t i = 0; i < world.count; i++) {
            int64_t due = due_us(i);
            if (due <= world.now_us)
                ready[count++] = i;
            next_us = due < next_us ? due : next_us;
        }
        if (count == 0) {
            if (next_us == INT64_MAX || done())
                return done();
            world.now_us = next_us;
            continue;
        }
        uint32_t chosen = ready[next_random() % count];
        process_go(chosen);
        world.now_us += 1 + (int64_t)(next_random() % 20);
        if (!world.dying)
            continue;
        world.dying = false;
        process_bury(chosen);
        if (world.mourn)
            world.mourn(chosen);
        if (!world.next_crash)
            crashes_plan();
    }
    return false;
}

/* ---- what the linker puts in place of the real calls ---- */

int __wrap_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_flock(int fd, int operation);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags);

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
    int64_t us = world.now_us + (id == CLOCK_REALTIME ? BEGIN_US : 1000000);
    now->tv_sec = (time_t)(us / 1000000);
    now->tv_nsec = (long)(us % 1000000) * 1000;
    return 0;
}

/* The kit's wait: for its link, above all. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    wait_until(timeout_ms < 0 ? -1 : timeout_ms * INT64_C(1000));
    for (nfds_t i = 0; i < count; i++)
        fds[i].revents = 0;
    bool readable = net_readable((uint32_t)world.running);
    if (readable && count > 0)
        fds[0].revents = POLLIN;
    return readable;
}

/* Locks are what a dead process gives up: its descriptor is closed for it. */
int __wrap_flock(int fd, int operation)
{
    (void)operation;
    struct process *self = world.running < 0 ? NULL : &world.processes[world.running];
    if (self && self->file_count < FILES_MAX)
        self->files[self->file_count++] = fd;
    return 0;
}

ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)(next_random() >> 8);
    return (ssize_t)size;
}

/* The log of the broker, call by call. */
int __real_log_open(struct log **out, const char *dir, const struct log_options *options);
int __wrap_log_open(struct log **out, const char *dir, const struct log_options *options);
void __real_log_close(struct log **self);
void __wrap_log_close(struct log **self);

int __wrap_log_open(struct log **out, const char *dir, const struct log_options *options)
{
    call("log_open");
    struct log_options mine = *options;
    mine.disk = world.disk;
    int error = __real_log_open(out, dir, &mine);
    if (world.running >= 0)
        world.processes[world.running].log = *out;
    return error;
}

void __wrap_log_close(struct log **self)
{
    if (world.running >= 0)
        world.processes[world.running].log = NULL;
    __real_log_close(self);
}

int __real_log_commit(struct log *self);
int __wrap_log_commit(struct log *self);
int __wrap_log_commit(struct log *self)
{
    call("log_commit");
    if (!fails("log_commit"))
        return __real_log_commit(self);
    log_abort(self);
    return LOG_FULL;
}

#define LOG_CALL(name, args, values, failing)                                                      \
    int __real_log_##name args;                                                                    \
    int __wrap_log_##name args;                                                                    \
    int __wrap_log_##name args                                                                     \
    {                                                                                              \
        call("log_" #name);                                                                        \
        return failing && fails("") ? LOG_FULL : __real_log_##name values;                         \
    }
LOG_CALL(begin, (struct log * self), (self), true)
LOG_CALL(append, (struct log * self, const struct batch_header *header, const void *body),
         (self, header, body), true)
LOG_CALL(later_put, (struct log * self, const struct batch_header *header, const void *body),
         (self, header, body), true)
LOG_CALL(later_next, (struct log * self, int64_t *due, uint64_t *id), (self, due, id), false)
LOG_CALL(later_take,
         (struct log * self, int64_t due, uint64_t id, struct batch_header *header,
          struct span *body),
         (self, due, id, header, body), false)
LOG_CALL(put_meta,
         (struct log * self, enum log_meta kind, const void *key, size_t key_size,
          const void *value, size_t value_size),
         (self, kind, key, key_size, value, value_size), true)
LOG_CALL(next,
         (struct log * self, uint16_t stream, uint16_t partition, uint64_t position,
          uint64_t *base),
         (self, stream, partition, position, base), false)
LOG_CALL(batch, (struct log * self, uint64_t base, struct batch_header *header, struct span *body),
         (self, base, header, body), false)
LOG_CALL(lane_find,
         (struct log * self, uint32_t producer, uint16_t stream, uint16_t partition, uint64_t seq,
          struct log_seq *out),
         (self, producer, stream, partition, seq, out), false)
LOG_CALL(roll, (struct log * self), (self), false)
