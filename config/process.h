/* What a supervised process owes the system around it: signals as events, readiness told, death with its parent. */
#ifndef CONFIG_PROCESS_H
#define CONFIG_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGCONT, and SIGCHLD if `children`; returns a non-blocking descriptor to poll for
 * them. SIGPIPE is ignored. Call before any thread is started. -1 with errno.
 * A child that is spawned inherits the blocked mask: give it an empty one (POSIX_SPAWN_SETSIGMASK). */
int process_signals_open(bool children);
/* The next signal that came, or 0 if none is waiting. */
int process_signal_next(int fd);

/* With TIPOFF_PARENT=<pid> in the environment: asks the kernel to SIGKILL this process when its parent dies; if that parent
 * is gone already, exits 75 at once. Without it: nothing. The kernel means the parent's *thread* that made us. */
void process_tie_to_parent(void);

/* Cores as "0" or "0-3,6", each below 1024 and no range backwards; empty: as many as there are. */
bool process_cpus_valid(const char *cpus);
/* Runs this process, and what it makes, on these only. 0, or -1 with errno (EINVAL: none of them is there). */
int process_cpus_set(const char *cpus);
/* The same of a setting's value at the start; exits 78 with its name if that fails. */
void process_cpus_keep(const char *setting, const char *cpus);

/* sd_notify without its library: sends e.g. "READY=1", "STATUS=...", "STOPPING=1", "WATCHDOG=1" to NOTIFY_SOCKET.
 * 1 = sent, 0 = nobody asked for it, -1 with errno. */
int process_notify(const char *state);
/* READY=1 there, and a newline on the descriptor that s6 waits for (then closed): `notify_fd`, or if that is
 * -1 the one that --notify-fd named, if it did. Call once, when truly ready. */
void process_ready(int notify_fd);
void process_ready_at(int notify_fd); /* config/options.c tells what --notify-fd was */
/* How often WATCHDOG=1 is due (half of WATCHDOG_USEC, if it is meant for this process); 0: never. */
int64_t process_watchdog_us(void);

#endif
