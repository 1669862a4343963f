/* tipoff-upstream: a recorded night, or one of a simulated league, in the formats of the real APIs, on the league clock. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/clock.h"
#include "config/exit.h"
#include "config/httpd.h"
#include "config/log.h"
#include "config/options.h"
#include "config/process.h"
#include "sim/league.h"
#include "sim/serve.h"

#define HOUR_US (3600 * INT64_C(1000000))
#define FAULTS_FILE_MAX (1 << 20)
#define FAULTS_NAME "upstream-faults.json"

struct wishes {
    const char *root, *sim, *date, *to, *port, *port_file, *faults, *key, *speed, *start,
        *generate_only;
};

/* ---- what to serve ---- */

static int32_t date_of(const struct wishes *wishes, int32_t otherwise)
{
    int32_t date = otherwise;
    if (wishes->date != NULL && clock_parse_date(wishes->date, &date) != 0) {
        log_fatal(EXIT_USAGE, "date-invalid", "date=\"%s\" why=\"not YYYY-MM-DD\"", wishes->date);
    }
    if (date == 0) {
        log_fatal(EXIT_USAGE, "date-missing", "why=\"--root needs --date\"");
    }
    return date;
}

/* The last night to serve: --to, or the first one. */
static int32_t last_date_of(const struct wishes *wishes, int32_t first)
{
    int32_t last = first;
    if (wishes->to != NULL && (clock_parse_date(wishes->to, &last) != 0 || last < first)) {
        log_fatal(EXIT_USAGE, "to-invalid", "to=\"%s\" why=\"not YYYY-MM-DD, or before --date\"",
                  wishes->to);
    }
    return last;
}

/* The simulated league's root, generated if it is not there. */
static void make_league(const struct wishes *wishes, const struct settings *settings, int32_t first,
                        int32_t last, char *path, size_t size)
{
    char why[256], *end = NULL;
    unsigned long long seed = wishes->sim[0] != '\0' ? strtoull(wishes->sim, &end, 10)
                                                     : (unsigned long long)settings->upstream.seed;
    if (end != NULL && *end != '\0') {
        log_fatal(EXIT_USAGE, "seed-invalid", "seed=\"%s\" why=\"not a number\"", wishes->sim);
    }
    if (settings_path(settings, path, size, "league") != 0) {
        log_fatal(EXIT_CONFIG, "path-too-long", "dir=\"%s\"", settings->dir);
    }
    int made = league_ensure(path, seed, first, last, why, sizeof why);
    if (made < 0) {
        log_fatal(EXIT_AGAIN, "league-failed", "why=\"%s\"", why);
    }
    log_info(made > 0 ? "league-made" : "league-there", "path=\"%s\" seed=%llu", path, seed);
}

static struct nights *open_nights(const struct wishes *wishes, const struct settings *settings)
{
    char path[PATH_MAX], why[256];
    const char *from = wishes->root != NULL ? wishes->root : settings->upstream.root;
    bool sim = wishes->sim != NULL || from[0] == '\0';
    int32_t date = date_of(wishes, sim ? LEAGUE_DEMO_DATE : 0), last = last_date_of(wishes, date);
    snprintf(path, sizeof path, "%s", from);
    if (sim) {
        struct wishes seeded = *wishes;
        seeded.sim = wishes->sim != NULL ? wishes->sim : "";
        make_league(&seeded, settings, date, last, path, sizeof path);
    }
    if (wishes->generate_only != NULL) {
        exit(EXIT_OK);
    }
    struct nights *nights =
        nights_open(path, date, last, (int)settings->day.rollover_hour, why, sizeof why);
    if (nights != NULL) {
        const struct root *root = nights_of(nights, date)->root;
        log_info("root-loaded", "root=\"%s\" games=%d season_games=%d players=%d to=%d", path,
                 root->game_count, root->match_count, root->player_count, (int)last);
        return nights;
    }
    log_fatal(EXIT_DATA, "root-refused", "root=\"%s\" why=\"%s\"", path, why);
}

/* ---- its clock ---- */

static int64_t first_tip_us(const struct root *root)
{
    int64_t first_us = INT64_MAX;
    for (int i = 0; i < root->game_count; i++) {
        int64_t tip_us = root->games[i].tip_us;
        first_us = tip_us != CLOCK_NONE && tip_us < first_us ? tip_us : first_us;
    }
    return first_us != INT64_MAX ? first_us : clock_date_start_us(root->date) + 19 * HOUR_US;
}

/* With --speed there is no broker to follow: this process keeps the clock's file itself. */
static void open_clock(struct follow *clock, const struct wishes *wishes,
                       const struct settings *settings, const struct root *root)
{
    char path[PATH_MAX];
    int64_t start_us = first_tip_us(root) - HOUR_US;
    if (settings_path(settings, path, sizeof path, "clock") != 0) {
        log_fatal(EXIT_CONFIG, "path-too-long", "dir=\"%s\"", settings->dir);
    }
    if (wishes->start != NULL && clock_parse_utc(wishes->start, &start_us) != 0) {
        log_fatal(EXIT_USAGE, "start-invalid", "start=\"%s\"", wishes->start);
    }
    if (wishes->speed == NULL) {
        follow_init(clock, path, start_us);
        return;
    }
    char *end = NULL;
    double speed = strtod(wishes->speed, &end);
    if (*wishes->speed == '\0' || *end != '\0' || !(speed >= 0 && speed <= 1e6)) {
        log_fatal(EXIT_USAGE, "speed-invalid", "speed=\"%s\"", wishes->speed);
    }
    follow_init(clock, "", start_us); /* follows nothing */
    if (speed > 0) {
        clock_league_set(&(struct clock_anchor){
            .league_us = start_us, .real_us = clock_real_us(), .speed = speed, .running = true});
    }
}

/* ---- faults given at the start ---- */

static void load_faults(struct serve *serve, const char *path)
{
    char why[256];
    char *text = malloc(FAULTS_FILE_MAX);
    FILE *in = fopen(path, "re");
    size_t size = 0;
    if (in != NULL && text != NULL) {
        size = fread(text, 1, FAULTS_FILE_MAX, in);
        fclose(in);
    } else {
        log_fatal(EXIT_USAGE, "faults-unreadable", "file=\"%s\" why=\"%s\"", path, strerror(errno));
    }
    json_t *value = json_read(text, size, why, sizeof why);
    free(text);
    if (value == NULL || serve_add_faults(serve, value, why, sizeof why) != 0) {
        log_fatal(EXIT_USAGE, "faults-refused", "file=\"%s\" why=\"%s\"", path, why);
    }
    json_decref(value);
}

/* ---- the loop ---- */

static void write_port(const char *path, int port)
{
    char beside[PATH_MAX];
    snprintf(beside, sizeof beside, "%s.%ld.new", path, (long)getpid());
    FILE *out = fopen(beside, "we");
    bool good = out != NULL && fprintf(out, "%d\n", port) > 0;
    good = out != NULL && fclose(out) == 0 && good;
    if (!good || rename(beside, path) != 0) {
        log_fatal(EXIT_AGAIN, "port-file-failed", "file=\"%s\" why=\"%s\"", path, strerror(errno));
    }
}

/* --faults FILE, else DIR/upstream-faults.json if it is there: for whoever has the upstream started by another. */
static struct serve *open_serve(const struct wishes *wishes, const struct settings *settings,
                                struct nights *nights, struct follow *clock)
{
    char beside[PATH_MAX];
    const char *faults = wishes->faults;
    struct serve *serve = serve_open(nights, clock, wishes->key);
    if (serve == NULL) {
        log_fatal(EXIT_AGAIN, "no-memory", "why=\"serve\"");
    }
    if (faults == NULL && settings_path(settings, beside, sizeof beside, FAULTS_NAME) == 0 &&
        access(beside, R_OK) == 0) {
        faults = beside;
    }
    if (faults != NULL) {
        load_faults(serve, faults);
        log_info("faults-loaded", "file=\"%s\"", faults);
    }
    return serve;
}

static struct httpd *open_httpd(const struct wishes *wishes, const struct settings *settings,
                                struct serve *serve)
{
    char *end = NULL;
    long port =
        wishes->port != NULL ? strtol(wishes->port, &end, 10) : (long)settings->upstream.port;
    if ((end != NULL && *end != '\0') || port < 0 || port > 65535) {
        log_fatal(EXIT_USAGE, "port-invalid", "port=\"%s\"", wishes->port);
    }
    struct httpd *httpd =
        httpd_open(settings->upstream.address, (uint16_t)port, serve_request, serve);
    if (httpd == NULL) {
        log_fatal(EXIT_AGAIN, "listen-failed", "address=%s port=%ld why=\"%s\"",
                  settings->upstream.address, port, strerror(errno));
    }
    if (wishes->port_file != NULL) {
        write_port(wishes->port_file, httpd_port(httpd));
    }
    return httpd;
}

static void run(struct httpd *httpd, struct serve *serve, int signals)
{
    for (bool going = true; going;) {
        struct pollfd wait[] = {{.fd = httpd_fd(httpd), .events = POLLIN},
                                {.fd = signals, .events = POLLIN}};
        int timeout_ms = httpd_timeout_ms(httpd), hung_ms = serve_timeout_ms(serve);
        timeout_ms =
            hung_ms >= 0 && (timeout_ms < 0 || hung_ms < timeout_ms) ? hung_ms : timeout_ms;
        if (poll(wait, 2, timeout_ms) < 0 && errno != EINTR) {
            log_fatal(EXIT_BUG, "poll-failed", "why=\"%s\"", strerror(errno));
        }
        for (int signal; (signal = process_signal_next(signals)) != 0;) {
            going = going && signal != SIGTERM && signal != SIGINT;
        }
        serve_turn(serve);
        httpd_turn(httpd);
    }
}

int main(int argc, char **argv)
{
    static struct settings settings;
    static struct follow clock;
    struct wishes wishes = {0};
    const struct options_own own[] = {
        {"root", "ROOT", "data root of recorded nights (setting upstream.root)", &wishes.root},
        {"sim", "SEED", "the simulated league of that seed, generated into DIR/league",
         &wishes.sim},
        {"date", "D", "the night to serve, YYYY-MM-DD", &wishes.date},
        {"to", "D", "... and those after it, to this one, as league time goes", &wishes.to},
        {"generate-only", NULL, "generate the simulated league and stop", &wishes.generate_only},
        {"port", "P", "port to listen on; 0: any (setting upstream.port)", &wishes.port},
        {"port-file", "FILE", "write the port there once it listens", &wishes.port_file},
        {"faults", "FILE", "faults to begin with, as JSON", &wishes.faults},
        {"key", "KEY", "the only API key accepted; default: any", &wishes.key},
        {"speed", "X",
         "keep a clock of its own, so much faster (0: it stands), instead of DIR/clock",
         &wishes.speed},
        {"start", "INSTANT", "league time to begin at; default: an hour before the first tip",
         &wishes.start},
        {0}};
    struct options options;
    options_parse(&options, argc, argv, "a night in the formats of the real APIs", own);
    options_settings(&options, &settings);
    log_init("upstream", (enum log_level)settings.log.level,
             settings.log.format == LOG_FORMAT_JSON);
    process_tie_to_parent();
    int signals = process_signals_open(false);
    if (signals < 0) {
        log_fatal(EXIT_BUG, "signals-failed", "why=\"%s\"", strerror(errno));
    }
    struct nights *nights = open_nights(&wishes, &settings);
    int32_t first = date_of(&wishes, LEAGUE_DEMO_DATE);
    open_clock(&clock, &wishes, &settings, nights_of(nights, first)->root);
    struct serve *serve = open_serve(&wishes, &settings, nights, &clock);
    struct httpd *httpd = open_httpd(&wishes, &settings, serve);
    log_info("listening", "url=http://%s:%u date=%d", settings.upstream.address,
             (unsigned)httpd_port(httpd), (int)first);
    process_ready(options.notify_fd);
    run(httpd, serve, signals);
    httpd_close(&httpd);
    serve_close(&serve);
    nights_close(&nights);
    return EXIT_OK;
}
