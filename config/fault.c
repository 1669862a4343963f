#include "config/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/exit.h"
#include "config/log.h"

#define ARMED_MAX 64

enum fault_action { ACTION_KILL, ACTION_STOP, ACTION_FAIL, ACTION_COUNT };
static const char *const action_names[] = {"kill", "stop", "fail"};

#define FAULT_POINT_NAME(id, name, doc) name,
static const char *const point_names[] = {FAULT_POINTS(FAULT_POINT_NAME)};
#undef FAULT_POINT_NAME

struct armed {
    enum fault_point point;
    enum fault_action action;
    unsigned long nth;
    bool and_later;
};

static struct {
    const char *name;
    const char *once; /* directory, or NULL */
    struct armed armed[ARMED_MAX];
    int armed_count;
    unsigned long passed[FAULT_COUNT];
} self;

static int find(const char *const *names, int count, const char *name, size_t length)
{
    for (int i = 0; i < count; i++) {
        if (strlen(names[i]) == length && strncmp(names[i], name, length) == 0) {
            return i;
        }
    }
    return -1;
}

/* One "point:nth[:action]", which ends before `end`. */
static void arm(const char *text, const char *end)
{
    const char *colon = memchr(text, ':', (size_t)(end - text));
    char *after = NULL;
    int point =
        find(point_names, FAULT_COUNT, text, (size_t)((colon != NULL ? colon : end) - text));
    unsigned long nth =
        colon != NULL && colon[1] >= '1' && colon[1] <= '9' ? strtoul(colon + 1, &after, 10) : 0;
    int action = ACTION_KILL;
    bool and_later = after != NULL && after < end && *after == '+';
    if (and_later) {
        after++;
    }
    if (after != NULL && after < end && *after == ':') {
        action = find(action_names, ACTION_COUNT, after + 1, (size_t)(end - after - 1));
    } else if (after != end) {
        action = -1;
    }
    if (point < 0 || nth == 0 || action < 0 || self.armed_count == ARMED_MAX) {
        log_fatal(EXIT_USAGE, "fault-unknown",
                  "fault=\"%.*s\" rule=\"point:nth[+][:kill|stop|fail]\"", (int)(end - text), text);
    }
    self.armed[self.armed_count++] = (struct armed){.point = (enum fault_point)point,
                                                    .action = (enum fault_action)action,
                                                    .nth = nth,
                                                    .and_later = and_later};
}

static bool meant(const char *name)
{
    const char *only = getenv("TIPOFF_FAULT_ONLY");
    if (only == NULL) {
        return true;
    }
    for (const char *end; *only != '\0'; only = *end == ',' ? end + 1 : end) {
        end = strchrnul(only, ',');
        if (strlen(name) == (size_t)(end - only) && strncmp(name, only, strlen(name)) == 0) {
            return true;
        }
    }
    return false;
}

void fault_init(const char *name)
{
    const char *list = getenv("TIPOFF_FAULT");
    memset(&self, 0, sizeof self);
    self.name = name;
    self.once = getenv("TIPOFF_FAULT_ONCE");
    for (const char *end; list != NULL && *list != '\0'; list = *end == ',' ? end + 1 : end) {
        end = strchrnul(list, ',');
        arm(list, end);
    }
    if (!meant(name)) {
        self.armed_count = 0;
    }
}

/* True for the first that asks, over all incarnations of this process: the file is made before the deed. */
static bool first_time(const struct armed *armed)
{
    char path[PATH_MAX];
    if (self.once == NULL) {
        return true;
    }
    snprintf(path, sizeof path, "%s/%s.%s.%lu.%s", self.once, self.name, point_names[armed->point],
             armed->nth, action_names[armed->action]);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        if (errno != EEXIST) {
            log_fatal(EXIT_CONFIG, "fault-once", "path=%s why=\"%s\"", path, strerror(errno));
        }
        return false;
    }
    close(fd);
    return true;
}

static bool strike(const struct armed *armed)
{
    log_warn("fault", "point=%s nth=%lu action=%s", point_names[armed->point], armed->nth,
             action_names[armed->action]);
    if (armed->action == ACTION_FAIL) {
        return true;
    }
    kill(getpid(), armed->action == ACTION_KILL ? SIGKILL : SIGSTOP);
    return false;
}

static bool passage(enum fault_point point)
{
    bool fail = false;
    unsigned long nth = ++self.passed[point];
    for (int i = 0; i < self.armed_count; i++) {
        const struct armed *armed = &self.armed[i];
        bool due = armed->nth == nth || (armed->and_later && armed->nth < nth);
        if (armed->point == point && due && first_time(armed)) {
            fail |= strike(armed);
        }
    }
    return fail;
}

bool fault_hit(enum fault_point point)
{
    return self.armed_count > 0 && passage(point);
}
