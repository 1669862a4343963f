/* A deterministic world: processes that take turns on one thread, one clock, a network and disks in memory. Every message that is sent or
 * read, every call of the log and every commit of an environment is numbered, and the process may die right before any of them.
 *
 * A process runs real code until it waits (poll, zmq_poll); what comes next is drawn from the seed. The same seed and the same
 * wishes give the same trace: world_hash. */
#ifndef TESTS_SIMULATE_WORLD_H
#define TESTS_SIMULATE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

enum { WORLD_PROCESSES_MAX = 12 };
struct log;

/* Runs until it ends; the result is its exit code: 0 is an end, anything else is started again. */
typedef int world_main(void *context);

struct world_wish {
    uint64_t seed;
    uint64_t crash_at; /* the process dies before call number so; 0: none does */
    uint64_t fail_at;  /* ... or finds the disk full there, if it is a commit or an append */
    uint64_t again;    /* whoever makes the call so many after that death dies, too */
    uint32_t crashes;  /* at random calls, in all */
    uint32_t cuts;     /* connections that fall at random times */
    bool slow;         /* messages take up to a second, each connection its own time */
};

extern bool world_lmdb; /* the broker's log is in LMDB; else on a disk in memory */
void world_open(const struct world_wish *wish);
void world_close(void);
/* Starts at `start_us` of the world's time, and again `world_restart` after it died. */
uint32_t world_process(const char *name, world_main *main, void *context, int64_t start_us);
/* Told of each that died, before it starts again. */
void world_mourn(void (*died)(uint32_t process));
uint32_t world_chance(void); /* a number drawn from the seed */
/* It stands still from then to then, as after SIGSTOP. */
void world_stop(uint32_t process, int64_t from_us, int64_t to_us);
/* Runs until `done` says so (asked now and then, between turns): true; or until `limit_us`. */
bool world_run(bool (*done)(void), int64_t limit_us);
struct log *world_log(uint32_t process); /* that it has open; NULL: it is down */
int64_t world_us(void);                  /* since it began */
uint64_t world_calls(void);              /* so far */
uint64_t world_hash(void);               /* of all that happened, and when */
const char *world_died(void);            /* which process did last, and before what; "" if none */
uint32_t world_deaths(void);
void world_trace(bool on); /* prints what happens */

#endif
