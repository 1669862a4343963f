/* tipoff top - what happens now: rates, lag, restarts and memory, of the broker, each shard and each stream. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "broker/link.h"
#include "cli/command.h"
#include "cli/procs.h"
#include "cli/rates.h"
#include "cli/screen.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/process.h"
#include "config/settings.h"

#define ANSWER_MS 1000
#define PROCESSES_MAX 1024

struct seen {
    int64_t pid, cpu_us;
};

struct top {
    const struct cli *cli;
    struct screen *screen; /* NULL: plain lines */
    struct termios before;
    int signals;
    int64_t interval_us, left; /* left: blocks still to be shown; -1: no end */
    json_t *last;              /* STATUS before; NULL: none */
    int64_t last_us;           /* monotonic */
    char host[64];
    struct seen seen[PROCESSES_MAX];
    size_t seen_count;
};

static void line(struct top *self, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void line(struct top *self, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (self->screen)
        screen_line(self->screen, "%s", text);
    else
        puts(text);
}

/* ---- processes ---- */

static int64_t cpu_before(const struct top *self, int64_t pid)
{
    for (size_t i = 0; i < self->seen_count; i++)
        if (self->seen[i].pid == pid)
            return self->seen[i].cpu_us;
    return -1;
}

static json_t *bytes_json(int64_t bytes)
{
    return bytes < 0 ? json_null() : json_integer(bytes);
}

/* `row`: a broker or shard, with its pid. Elsewhere: null. */
static void add_process(const struct top *self, json_t *row, bool here, double seconds,
                        struct seen *now, size_t *count)
{
    struct proc_use use = {.rss_bytes = -1, .pss_bytes = -1};
    int64_t pid = json_integer_value(json_object_get(row, "pid"));
    json_t *cpu = json_null();
    const char *state = json_string_value(json_object_get(row, "state"));
    bool ended = state && (!strcmp(state, "gone") || !strcmp(state, "stopped"));
    if (here && !ended && procs_read(pid, &use) == 0) {
        int64_t before_us = cpu_before(self, pid);
        if (before_us >= 0 && seconds > 0)
            cpu = json_real((double)(use.cpu_us - before_us) / 1e4 / seconds);
        if (*count < PROCESSES_MAX)
            now[(*count)++] = (struct seen){pid, use.cpu_us};
    }
    json_object_set_new(row, "rss_bytes", bytes_json(use.rss_bytes));
    json_object_set_new(row, "pss_bytes", bytes_json(use.pss_bytes));
    json_object_set_new(row, "cpu_pct", cpu);
}

static void add_processes(struct top *self, json_t *rates, double seconds)
{
    static struct seen now[PROCESSES_MAX];
    size_t count = 0, i;
    json_t *row;
    add_process(self, json_object_get(rates, "broker"), true, seconds, now, &count);
    json_array_foreach(json_object_get(rates, "shards"), i, row)
    {
        const char *host = json_string_value(json_object_get(row, "host"));
        add_process(self, row, host && !strcmp(host, self->host), seconds, now, &count);
    }
    memcpy(self->seen, now, count * sizeof *now);
    self->seen_count = count;
}

/* ---- for people ---- */

/* "1.2k", "3.4M": four places at most; "-" if it is not known. */
static const char *brief(char out[16], const json_t *value)
{
    static const char units[] = {' ', 'k', 'M', 'G', 'T'};
    double number = json_number_value(value);
    size_t unit = 0;
    if (!json_is_number(value)) {
        strcpy(out, "-");
        return out;
    }
    for (; number >= 1000 && unit < sizeof units - 1; unit++)
        number /= 1000;
    if (unit == 0)
        snprintf(out, 16, number < 10 && number != (double)(int)number ? "%.1f" : "%.0f", number);
    else
        snprintf(out, 16, "%.*f%c", number < 10 ? 2 : number < 100 ? 1 : 0, number, units[unit]);
    return out;
}
#define BRIEF(row, key) brief((char[16]){0}, json_object_get(row, key))

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

static void draw_broker(struct top *self, const json_t *rates)
{
    const json_t *broker = json_object_get(rates, "broker");
    char at[CLOCK_TEXT_SIZE];
    clock_format_utc(clock_real_us(), at);
    line(self, "tipoff top  %.19sZ  league time %.19sZ  log %lld..%lld  %s bytes in %lld segments",
         at, text_of(broker, "league_time"),
         (long long)json_integer_value(json_object_get(broker, "first")),
         (long long)json_integer_value(json_object_get(broker, "head")) - 1, BRIEF(broker, "bytes"),
         (long long)json_integer_value(json_object_get(broker, "segments")));
    line(self, "broker  in %s rec/s %s B/s  out %s rec/s %s B/s  commits %s/s  acks %s/s  tap %s/s",
         BRIEF(broker, "records_in_per_s"), BRIEF(broker, "bytes_in_per_s"),
         BRIEF(broker, "records_out_per_s"), BRIEF(broker, "bytes_out_per_s"),
         BRIEF(broker, "commits_per_s"), BRIEF(broker, "acks_per_s"), BRIEF(broker, "tap_per_s"));
    line(self,
         "        sync p50 %s us p99 %s us  batches a commit %s  sessions %s  pss %s rss %s cpu "
         "%s%%",
         BRIEF(broker, "sync_p50_us"), BRIEF(broker, "sync_p99_us"), BRIEF(broker, "group_p50"),
         BRIEF(broker, "sessions"), BRIEF(broker, "pss_bytes"), BRIEF(broker, "rss_bytes"),
         BRIEF(broker, "cpu_pct"));
}

static void draw_shards(struct top *self, const json_t *rates)
{
    size_t i;
    json_t *row;
    line(self, "%s", "");
    line(self, "%-16s %-10s %7s %7s %7s %7s %7s %6s %6s %8s %6s %6s %5s  %s", "shard", "state",
         "lag", "in/s", "steps/s", "out/s", "B/s out", "outbox", "never", "restarts", "pss", "rss",
         "cpu%", "cause");
    json_array_foreach(json_object_get(rates, "shards"), i, row)
    {
        char name[48];
        snprintf(name, sizeof name, "%s.%lld", text_of(row, "actor"),
                 (long long)json_integer_value(json_object_get(row, "partition")));
        line(self, "%-16s %-10s %7s %7s %7s %7s %7s %6s %6s %8s %6s %6s %5s  %s", name,
             text_of(row, "state"), BRIEF(row, "lag"), BRIEF(row, "taken_per_s"),
             BRIEF(row, "steps_per_s"), BRIEF(row, "records_out_per_s"),
             BRIEF(row, "bytes_out_per_s"), BRIEF(row, "outbox"), BRIEF(row, "never"),
             BRIEF(row, "restarts"), BRIEF(row, "pss_bytes"), BRIEF(row, "rss_bytes"),
             BRIEF(row, "cpu_pct"), text_of(row, "cause"));
    }
}

static void draw_streams(struct top *self, const json_t *rates)
{
    size_t i;
    json_t *row;
    line(self, "%s", "");
    line(self, "%-24s %8s %8s %8s %8s %8s", "stream", "in/s", "B/s in", "out/s", "B/s out",
         "records");
    json_array_foreach(json_object_get(rates, "streams"), i, row)
    {
        if (json_integer_value(json_object_get(row, "records")) > 0)
            line(self, "%-24s %8s %8s %8s %8s %8s", text_of(row, "stream"),
                 BRIEF(row, "records_in_per_s"), BRIEF(row, "bytes_in_per_s"),
                 BRIEF(row, "records_out_per_s"), BRIEF(row, "bytes_out_per_s"),
                 BRIEF(row, "records"));
    }
}

static void draw(struct top *self, const json_t *rates)
{
    if (self->screen)
        screen_begin(self->screen);
    if (rates) {
        draw_broker(self, rates);
        draw_shards(self, rates);
        draw_streams(self, rates);
    } else {
        line(self, "no broker answers at %s", self->cli->settings->broker.control_endpoint);
    }
    if (self->screen) {
        line(self, "%s", "");
        line(self, "q ends it");
        screen_end(self->screen);
    } else {
        puts(""); /* a block ends */
    }
}

/* ---- looking ---- */

static json_t *ask(const struct top *self)
{
    char why[160];
    char *text = link_control(self->cli->settings->broker.control_endpoint, "STATUS", ANSWER_MS);
    json_t *status = text ? json_read(text, strlen(text), why, sizeof why) : NULL;
    free(text);
    return status;
}

/* False if nothing answered. */
static bool look(struct top *self, bool show)
{
    json_t *status = ask(self), *rates = status ? rates_between(self->last, status) : NULL;
    int64_t now_us = clock_mono_us();
    if (rates)
        add_processes(self, rates, self->last_us ? (double)(now_us - self->last_us) / 1e6 : 0);
    if (show && self->cli->json) {
        json_t *out = json_object();
        json_object_set_new(out, "at", json_of_time(clock_real_us()));
        if (rates)
            json_object_update(out, rates);
        else
            json_object_set_new(out, "broker", json_null());
        json_print(stdout, out, 0);
        json_decref(out);
    } else if (show) {
        draw(self, rates);
    }
    fflush(stdout);
    json_decref(rates);
    json_decref(self->last);
    self->last = status;
    self->last_us = status ? now_us : 0;
    return status != NULL;
}

/* Until the interval is over, but hears what was asked for even if it is already. False: somebody wants an end. */
static bool pause_until(struct top *self, int64_t until_us)
{
    struct pollfd fds[] = {{.fd = self->signals, .events = POLLIN},
                           {.fd = self->screen ? STDIN_FILENO : -1, .events = POLLIN}};
    int64_t left_us;
    do {
        char key;
        left_us = until_us - clock_mono_us();
        if (poll(fds, 2, left_us > 0 ? (int)((left_us + 999) / 1000) : 0) < 0 && errno != EINTR)
            return false;
        for (int signal; (signal = process_signal_next(self->signals)) != 0;)
            if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP)
                return false;
        if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR)) &&
            (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q'))
            return false;
    } while (until_us > clock_mono_us());
    return !ferror(stdout);
}

static int run(struct top *self)
{
    int64_t due_us = clock_mono_us();
    bool answered = look(self, false);
    if (!answered)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "nothing runs: no broker answers at %s",
                        self->cli->settings->broker.control_endpoint);
    while (self->left != 0) {
        due_us += self->interval_us;
        if (due_us < clock_mono_us()) /* an answer took longer than that */
            due_us = clock_mono_us();
        if (!pause_until(self, due_us))
            break;
        answered = look(self, true);
        if (self->left > 0)
            self->left--;
    }
    return answered ? EXIT_OK : EXIT_UNREACHABLE;
}

/* Keys come at once, unseen. */
static void terminal_take(struct top *self)
{
    if (self->cli->json || !isatty(STDOUT_FILENO) || cli_option(self->cli, "once") ||
        tcgetattr(STDIN_FILENO, &self->before) != 0)
        return;
    struct termios raw = self->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    self->screen = screen_open(stdout);
    if (self->screen)
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static int top_run(struct cli *cli, int argc, char **argv)
{
    static struct top self;
    double seconds = 1;
    (void)argc;
    (void)argv;
    self = (struct top){.cli = cli, .left = -1};
    int code = cli_number(cli, "interval", 0.05, 3600, &seconds);
    if (!code)
        code = cli_integer(cli, "count", 1, INT64_MAX, &self.left);
    if (code)
        return code;
    if (cli_option(cli, "once"))
        self.left = 1;
    self.interval_us = (int64_t)(seconds * 1e6);
    if (gethostname(self.host, sizeof self.host - 1) != 0)
        self.host[0] = '\0';
    self.signals = process_signals_open(false);
    if (self.signals < 0)
        return cli_fail(cli, EXIT_BUG, "signals: %s", strerror(errno));
    terminal_take(&self);
    bool screened = self.screen != NULL;
    code = run(&self);
    screen_close(&self.screen);
    if (screened)
        tcsetattr(STDIN_FILENO, TCSANOW, &self.before);
    json_decref(self.last);
    close(self.signals);
    return code;
}

static const struct command_option options[] = {
    {"interval", "S", "seconds between two looks (1)"},
    {"count", "N", "end after so many; default: with q, or when asked to"},
    {"once", NULL, "one block of plain lines, after one interval"},
    {NULL, NULL, NULL},
};

const struct command command_top = {
    .name = "top",
    .args = "",
    .summary = "live: rates, lag, restarts and memory of the broker, each shard and each stream",
    .options = options,
    .run = top_run,
};
