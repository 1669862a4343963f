#include "config/process.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/exit.h"
#include "config/log.h"

int process_signals_open(bool children)
{
    static const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCONT};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        sigaddset(&set, wanted[i]);
    }
    if (children) {
        sigaddset(&set, SIGCHLD);
    }
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        return -1;
    }
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int process_signal_next(int fd)
{
    struct signalfd_siginfo info;
    ssize_t got;
    do {
        got = read(fd, &info, sizeof info);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

void process_tie_to_parent(void)
{
    const char *text = getenv("TIPOFF_PARENT");
    if (text == NULL) {
        return;
    }
    char *end = NULL;
    long parent = strtol(text, &end, 10);
    if (end == text || *end != '\0' || parent <= 0) {
        log_fatal(EXIT_USAGE, "parent-invalid", "TIPOFF_PARENT=\"%s\"", text);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() !=
        (pid_t)parent) { /* it died before the kernel knew: nobody will tell us any more */
        log_fatal(EXIT_AGAIN, "parent-gone", "parent=%ld", parent);
    }
}

int process_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || path[0] == '\0') {
        return 0;
    }
    size_t length = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || length >= sizeof address.sun_path) {
        errno = EINVAL;
        return -1;
    }
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') { /* a name in the abstract namespace begins with a NUL */
        address.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    socklen_t size =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] == '/' ? 1 : 0));
    ssize_t sent =
        sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address, size);
    int cause = errno;
    close(fd);
    errno = cause;
    return sent == (ssize_t)strlen(state) ? 1 : -1;
}

static int asked_fd = -1;

void process_ready_at(int notify_fd)
{
    asked_fd = notify_fd;
}

void process_ready(int notify_fd)
{
    notify_fd = notify_fd >= 0 ? notify_fd : asked_fd;
    asked_fd = -1;
    if (process_notify("READY=1") < 0) {
        log_warn("notify-failed", "why=\"%s\"", strerror(errno));
    }
    if (notify_fd >= 0) {
        if (write(notify_fd, "\n", 1) != 1) {
            log_warn("notify-failed", "fd=%d why=\"%s\"", notify_fd, strerror(errno));
        }
        close(notify_fd);
    }
}

int64_t process_watchdog_us(void)
{
    const char *period = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (period == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid())) {
        return 0;
    }
    long long value = strtoll(period, NULL, 10);
    return value > 0 ? value / 2 : 0;
}

/* ---- cores ---- */

/* A number of at most four digits; -1: there is none. */
static int cpu_read(const char **at)
{
    int cpu = -1;
    for (int digits = 0; **at >= '0' && **at <= '9' && digits < 4; digits++, ++*at) {
        cpu = (cpu < 0 ? 0 : cpu) * 10 + (**at - '0');
    }
    return cpu;
}

static bool cpus_read(const char *at, cpu_set_t *out)
{
    CPU_ZERO(out);
    for (;;) {
        int first = cpu_read(&at), last = first;
        if (*at == '-') {
            at++;
            last = cpu_read(&at);
        }
        if (first < 0 || last < first || last >= CPU_SETSIZE) {
            return false;
        }
        for (int cpu = first; cpu <= last; cpu++) {
            CPU_SET((size_t)cpu, out);
        }
        if (*at != ',') {
            return *at == '\0';
        }
        at++;
    }
}

bool process_cpus_valid(const char *cpus)
{
    cpu_set_t set;
    return cpus[0] == '\0' || cpus_read(cpus, &set);
}

int process_cpus_set(const char *cpus)
{
    cpu_set_t set;
    if (cpus[0] == '\0') {
        return 0;
    }
    if (!cpus_read(cpus, &set)) {
        errno = EINVAL;
        return -1;
    }
    return sched_setaffinity(0, sizeof set, &set);
}

void process_cpus_keep(const char *setting, const char *cpus)
{
    if (process_cpus_set(cpus) != 0) {
        log_fatal(EXIT_CONFIG, "cpus-refused", "setting=%s value=%s why=\"%s\"", setting, cpus,
                  strerror(errno));
    }
}
