/* tipoff train - fits every system on the games known, shows how it would have done, and promotes it unless it does worse than the
 * model that runs. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/predictor/promoted.h"
#include "actors/predictor/score.h"
#include "broker/link.h"
#include "cli/command.h"
#include "cli/import_run.h"
#include "cli/import_send.h"
#include "cli/past_samples.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/settings.h"
#include "config/version.h"
#include "schema/hash.h"
#include "schema/json.h"
#include "schema/runs.h"

enum {
    PING_MS = 500,
    BROKER_PATIENCE_US = 20 * 1000000,
    MODEL_BYTES_MAX = 8 << 20,
    FEWEST_NEWER = 200 /* games the running model has not learned from, for a comparison */
};
/* Worse is what is worse by more than chance: so many standard errors. What is compared is what the new one said while it walked, up to
 * four weeks behind what it knows now. */
#define NOISE 2.0
#define WORSE 1.01 /* with too few newer games: of what each was off by in its own validation */

struct training {
    struct cli *cli;
    int32_t through;
    int64_t jobs, started_us, opened_us;
    bool force;
    const char *stat; /* in progress */
    struct fitted *fitted;
    struct past_samples past;
    struct trained *made;    /* as it was read back from its bytes */
    struct trained *running; /* NULL: none is promoted */
    struct pack bytes;
    enum stat_id lead; /* the first stat: what models are compared by */
    struct {
        int64_t n;
        double made, running; /* mean absolute errors */
        double noise;         /* standard error of their difference, game by game */
    } newer;
    bool promoted, unchanged, forced;
    char why[240]; /* it was not promoted */
    struct import_send *send;
    struct import_run *run;
    double seconds;
};

static void say_walk(size_t done, size_t all, void *context)
{
    const struct training *self = context;
    char what[64];
    snprintf(what, sizeof what, "training, %s:", self->stat);
    past_progress_say(what, done, all);
}

/* ---- learning ---- */

/* Does it want what there is now? */
static bool same_features(const struct trained *running, const struct samples *samples)
{
    bool same = running->says[samples->stat] && running->width == samples->width;
    for (size_t i = 0; same && i < samples->width; i++) {
        same = strcmp(running->names[i], samples->names[i]) == 0;
    }
    return same;
}

/* How both do on games that the running one has not learned from; of the new one what it said of them as it walked, its ensemble as of the
 * day before them. A running model that cannot be asked is not compared with: training is the remedy. */
static void compare(struct training *self, const struct fit_walk *walk)
{
    const struct samples *samples = walk->samples;
    char why[SYSTEM_WHY] = "";
    if (!self->running || !same_features(self->running, samples)) {
        return;
    }
    size_t first = samples_before(samples, clock_date_add(self->running->through, 1));
    size_t walked = walk->step_count > 0 ? walk->steps[0].first : samples->count;
    first = first > walked ? first : walked;
    double *centres[SYSTEM_COUNT];
    double *memory = malloc((SYSTEM_COUNT * samples->count + 1) * sizeof *memory);
    struct fitted before;
    memset(&before, 0, sizeof before);
    before.stat = samples->stat;
    for (size_t i = 0; memory && i < SYSTEM_COUNT; i++) {
        centres[i] = memory + i * samples->count;
    }
    if (!memory || fit_top(walk, first, &before, why) ||
        fit_say_top(&before, samples, first, samples->count, walk->centres, why) ||
        fit_say(&self->running->fitted[samples->stat], samples, first, samples->count, centres,
                why)) {
        free(memory);
        return;
    }
    double made = 0, running = 0, squares = 0;
    for (size_t i = first; i < samples->count; i++) {
        double mine = walk->centres[SYSTEM_ensemble][i], theirs = centres[SYSTEM_ensemble][i];
        if (!isnan(mine) && !isnan(theirs)) {
            double one = fabs(samples->rows[i].actual - mine);
            double other = fabs(samples->rows[i].actual - theirs);
            made += one;
            running += other;
            squares += (one - other) * (one - other);
            self->newer.n++;
        }
    }
    if (self->newer.n > 0) {
        self->newer.made = made / (double)self->newer.n;
        self->newer.running = running / (double)self->newer.n;
        self->newer.noise = sqrt(squares) / (double)self->newer.n;
    }
    free(memory);
}

/* The fit on all games, while other processes walk. */
static int fit_all(int rounds, void *context, char why[SYSTEM_WHY])
{
    struct training *self = context;
    const struct samples *samples = &self->past.samples;
    return fit_base(samples, samples->count, rounds, self->fitted, why);
}

static int learn_stat(struct training *self, enum stat_id stat, struct trained *out,
                      char why[SYSTEM_WHY])
{
    const struct fit_options options = {
        .jobs = (unsigned)self->jobs, .progress = say_walk, .beside = fit_all, .context = self};
    const struct samples *samples = &self->past.samples;
    struct fitted *fitted = &out->fitted[stat];
    struct fit_walk walk;
    self->stat = stat_name(stat);
    past_samples_of(&self->past, stat);
    int32_t after = clock_date_add(samples->rows[samples->count - 1].date, 1);
    fitted->stat = stat;
    self->fitted = fitted;
    out->says[stat] = true;
    int error = fit_walk(&walk, samples, after, after, 1, &options, why);
    if (!error) {
        error = fit_top(&walk, samples->count, fitted, why);
    }
    if (!error) {
        error = fit_proof(&walk, samples->count, fitted, why);
    }
    if (!error && stat == self->lead) {
        compare(self, &walk);
    }
    fit_walk_free(&walk);
    return error;
}

static struct trained *trained_begin(const struct training *self)
{
    const struct samples *samples = &self->past.samples;
    struct trained *out = calloc(1, sizeof *out);
    if (!out) {
        return NULL;
    }
    snprintf(out->code, sizeof out->code, "%s", version_code());
    out->from = samples->rows[0].date;
    out->through = samples->rows[samples->count - 1].date;
    out->rows = (int64_t)samples->count;
    out->names = calloc(samples->width + 1, sizeof(char *));
    for (size_t i = 0; out->names && i < samples->width; i++) {
        out->names[i] = strdup(samples->names[i]);
        out->width = i + 1;
    }
    return out;
}

static int learn(struct training *self)
{
    const struct settings_list *stats = &self->cli->settings->predictor.stats;
    char why[SYSTEM_WHY] = "";
    struct trained *out = trained_begin(self);
    int error = out && out->names ? 0 : -1;
    self->lead = stats->count > 0 ? stat_named(stats->item[0]) : STAT_COUNT;
    if (self->lead == STAT_COUNT) {
        snprintf(why, sizeof why, "predictor.stats names no stat there is");
        error = -1;
    }
    for (int i = 0; i < stats->count && !error; i++) {
        enum stat_id stat = stat_named(stats->item[i]);
        if (stat == STAT_COUNT) {
            snprintf(why, sizeof why, "predictor.stats: %s: there is no such stat", stats->item[i]);
            error = -1;
        } else {
            error = learn_stat(self, stat, out, why);
        }
    }
    if (!error) {
        error = trained_write(out, &self->bytes, why);
    }
    if (!error && self->bytes.size > MODEL_BYTES_MAX - 65536) {
        snprintf(why, sizeof why, "the model takes %zu bytes, a record at most %d",
                 self->bytes.size, MODEL_BYTES_MAX);
        error = -1;
    }
    trained_free(&out);
    past_progress_end();
    if (!error) {
        self->made = trained_read(self->bytes.data, self->bytes.size, why);
        error = self->made ? 0 : -1;
    }
    return error ? cli_fail(self->cli, EXIT_NO, "%s", why[0] ? why : "no memory") : EXIT_OK;
}

/* ---- the model that runs ---- */

static int read_running(struct training *self)
{
    const struct store_options options = {.read_only = true};
    struct promoted_head head;
    char path[CLI_PATH_MAX], why[SYSTEM_WHY] = "";
    struct store *store;
    struct store_txn *txn;
    struct span bytes;
    struct stat there;
    if (stat(cli_path(self->cli, path, "shards/predictor-0"), &there) != 0 && errno == ENOENT) {
        return EXIT_OK; /* no predictor ran here yet */
    }
    int error = store_open(&store, path, &options);
    if (!error) {
        error = store_begin(store, false, &txn);
        if (!error) {
            error = promoted_get(txn, &head, &bytes);
            self->running = error ? NULL : trained_read(bytes.data, bytes.size, why);
            store_abort(&txn);
        }
        store_close(&store);
    }
    if (error && error != STORE_NOT_FOUND) {
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", path,
                        error == STORE_IO ? strerror(errno) : store_error_text(error));
    }
    if (why[0]) {
        fprintf(stderr, "tipoff train: the model that runs cannot be compared with: %s\n", why);
    }
    return EXIT_OK;
}

static bool is_better(struct training *self)
{
    assert(self->made);
    if (!self->running) {
        return true;
    }
    const struct fit_figures *mine = &self->made->fitted[self->lead].figures[SYSTEM_ensemble];
    const struct fit_figures *theirs = &self->running->fitted[self->lead].figures[SYSTEM_ensemble];
    if (strcmp(self->running->sha256, self->made->sha256) == 0) {
        self->unchanged = true;
        return false;
    }
    if (self->newer.n >= FEWEST_NEWER) {
        snprintf(self->why, sizeof self->why,
                 "on the %" PRId64 " games since %d it is off by %.4f, the model that runs by %.4f "
                 "(+- %.4f)",
                 self->newer.n, self->running->through, self->newer.made, self->newer.running,
                 self->newer.noise);
        return self->newer.made <= self->newer.running + NOISE * self->newer.noise;
    }
    snprintf(self->why, sizeof self->why,
             "in validation it is off by %.4f, the model that runs was by %.4f", mine->mae,
             theirs->mae);
    return !(mine->mae > theirs->mae * WORSE);
}

/* ---- keeping and promoting it ---- */

static int write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t wrote = write(fd, data, size);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            return -1;
        }
        data += wrote;
        size -= (size_t)wrote;
    }
    return fsync(fd);
}

/* DIR/models/<sha256>.model: beside the log's own copy, for people and other tools. */
static int keep_file(struct training *self)
{
    char folder[CLI_PATH_MAX], path[CLI_PATH_MAX + 80], draft[CLI_PATH_MAX + 112];
    cli_path(self->cli, folder, "models");
    if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", folder, strerror(errno));
    }
    snprintf(path, sizeof path, "%s/%s.model", folder, self->made->sha256);
    snprintf(draft, sizeof draft, "%s.%ld.new", path, (long)getpid());
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int error = fd < 0 ? -1 : write_all(fd, self->bytes.data, self->bytes.size);
    if (fd >= 0) {
        error |= close(fd);
    }
    return error || rename(draft, path) != 0
               ? cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", path, strerror(errno))
               : EXIT_OK;
}

static void idle(void *context)
{
    struct training *self = context;
    if (self->run) {
        import_run_turn(self->run);
    }
}

static void fill_run(const struct training *self, const char *host, struct msg_ops_run *run)
{
    message_clear(&msg_ops_run_desc, run);
    snprintf(run->run_id, sizeof run->run_id, "train.0-%" PRIu64 "-1",
             import_send_epoch(self->send));
    snprintf(run->name, sizeof run->name, "Train");
    snprintf(run->actor, sizeof run->actor, "train");
    run->epoch = (int64_t)import_send_epoch(self->send);
    snprintf(run->outcome, sizeof run->outcome, "%s", run_outcome_text(RUN_SUCCESS));
    snprintf(run->error_class, sizeof run->error_class, "%s", error_class_text(ERROR_NONE));
    run->data_date = self->made->through;
    run->opened_at = self->opened_us;
    run->closed_at = clock_league_us();
    run->duration_us = clock_mono_us() - self->started_us;
    run->rows_in = self->made->rows;
    run->rows_out = 1;
    run->rows_refused = 0;
    run->bytes_in = 0;
    run->attempt = 1;
    snprintf(run->cause, sizeof run->cause, "command: tipoff train");
    snprintf(run->code_version, sizeof run->code_version, "%s", version_code());
    settings_hash(self->cli->settings, run->config_hash);
    snprintf(run->host, sizeof run->host, "%s", host);
}

static double coverage_of(const struct fit_figures *figures)
{
    return figures->n > 0 ? (double)figures->inside / (double)figures->n : 0;
}

static void fill_model(const struct training *self, struct msg_model_promoted *row)
{
    const struct fit_figures *figures = &self->made->fitted[self->lead].figures[SYSTEM_ensemble];
    message_clear(&msg_model_promoted_desc, row);
    memcpy(row->sha256, self->made->sha256, HASH_HEX_SIZE);
    snprintf(row->code_version, sizeof row->code_version, "%s", self->made->code);
    row->learned_from = self->made->from;
    row->learned_through = self->made->through;
    row->rows = self->made->rows;
    row->mae = isnan(figures->mae) ? 0 : figures->mae;
    row->coverage_80 = coverage_of(figures);
    row->forced = self->forced;
    row->promoted_at = clock_league_us();
    row->body = (struct span){self->bytes.data, (uint32_t)self->bytes.size};
}

/* With no runtime here the predictor is started for it, so that the next training knows what runs. */
static int wait_applied(struct training *self)
{
    uint64_t position = 0, behind = 0;
    int code =
        import_send_position(self->send, &msg_model_promoted_desc, self->made->sha256, &position);
    if (code) {
        return cli_fail(self->cli, code, "%s", import_send_why(self->send));
    }
    import_run_actors(self->run, READERS_OF_MODELS);
    while (!import_run_applied(self->run, position, &behind)) {
        import_run_turn(self->run);
        if (import_run_broken(self->run)) {
            return cli_fail(self->cli, EXIT_UNREACHABLE,
                            "promoted, but not applied yet: %s; `tipoff up` will go on with it",
                            import_run_broken(self->run));
        }
        poll(NULL, 0, 20);
    }
    return EXIT_OK;
}

static int send_model(struct training *self, const char *host)
{
    struct msg_model_promoted row;
    struct msg_ops_run run;
    fill_model(self, &row);
    int code = import_send_start(self->send, BROKER_PATIENCE_US);
    if (!code) {
        code = import_send_add(self->send, &msg_model_promoted_desc, &row);
    }
    if (!code) {
        fill_run(self, host, &run);
        code = import_send_add(self->send, &msg_ops_run_desc, &run);
    }
    if (!code) {
        code = import_send_flush(self->send);
    }
    if (code) {
        return cli_fail(self->cli, code, "%s", import_send_why(self->send));
    }
    return self->run ? wait_applied(self) : EXIT_OK;
}

static bool broker_answers(const struct settings *settings)
{
    char *answer = link_control(settings->broker.control_endpoint, "PING", PING_MS);
    bool answered = answer != NULL;
    free(answer);
    return answered;
}

static int promote(struct training *self)
{
    char host[65] = "localhost", hash[SETTINGS_HASH_SIZE], env[33] = "";
    int code = EXIT_OK;
    gethostname(host, sizeof host - 1);
    settings_hash(self->cli->settings, hash);
    if (!broker_answers(self->cli->settings)) {
        self->run = import_run_start(self->cli, &code);
        if (!self->run) {
            return code;
        }
    }
    assert(self->made);
    memcpy(env, self->made->sha256, 32);
    const struct import_send_options options = {
        .writer = "train",
        .payload_bytes = MODEL_BYTES_MAX,
        .endpoint = self->cli->settings->broker.endpoint,
        .host = host,
        .env = env,
        .config_hash = hash,
        .idle = idle,
        .context = self,
    };
    self->send = import_send_open(&options);
    code = self->send ? send_model(self, host)
                      : cli_fail(self->cli, EXIT_UNREACHABLE, "%s", strerror(errno));
    self->promoted = code == EXIT_OK;
    import_send_close(&self->send);
    import_run_stop(&self->run);
    return code;
}

/* ---- telling ---- */

static json_t *systems_json(const struct fitted *fitted)
{
    json_t *out = json_array();
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        const struct fit_figures *figures = &fitted->figures[i];
        if (figures->n == 0) {
            continue;
        }
        json_t *row = json_object();
        json_object_set_new(row, "system", json_string(system_at((enum system_id)i)->name));
        json_object_set_new(row, "n", json_integer(figures->n));
        json_object_set_new(row, "mae", json_of_number(round(figures->mae * 1e6) / 1e6));
        json_array_append_new(out, row);
    }
    return out;
}

static void say_json(const struct training *self)
{
    json_t *out = json_object(), *stats = json_array();
    json_object_set_new(out, "model", json_string(self->made->sha256));
    json_object_set_new(out, "bytes", json_integer((json_int_t)self->bytes.size));
    json_object_set_new(out, "learned_from", json_of_date(self->made->from));
    json_object_set_new(out, "learned_through", json_of_date(self->made->through));
    json_object_set_new(out, "rows", json_integer(self->made->rows));
    json_object_set_new(out, "features", json_integer((json_int_t)self->made->width));
    json_object_set_new(out, "code_version", json_string(self->made->code));
    for (int i = 0; i < STAT_COUNT; i++) {
        if (self->made->says[i]) {
            json_t *row = json_object();
            json_object_set_new(row, "stat", json_string(stat_name((enum stat_id)i)));
            json_object_set_new(row, "systems", systems_json(&self->made->fitted[i]));
            json_array_append_new(stats, row);
        }
    }
    json_object_set_new(out, "stats", stats);
    json_object_set_new(
        out, "coverage_80",
        json_of_number(
            round(coverage_of(&self->made->fitted[self->lead].figures[SYSTEM_ensemble]) * 1e6) /
            1e6));
    json_object_set_new(out, "promoted", json_boolean(self->promoted));
    json_object_set_new(out, "unchanged", json_boolean(self->unchanged));
    json_object_set_new(out, "reason", json_of_string(self->promoted ? "" : self->why));
    json_object_set_new(out, "seconds", json_of_number(round(self->seconds * 1000) / 1000));
    json_print(stdout, out, 1);
    json_decref(out);
}

static void say_text(const struct training *self)
{
    char from[CLOCK_DATE_SIZE], through[CLOCK_DATE_SIZE];
    clock_format_date(self->made->from, from);
    clock_format_date(self->made->through, through);
    printf("model %.16s: %" PRId64 " games of players, %s to %s, %zu features, %zu bytes\n",
           self->made->sha256, self->made->rows, from, through, self->made->width,
           self->bytes.size);
    for (int i = 0; i < STAT_COUNT; i++) {
        for (int j = 0; j < SYSTEM_COUNT && self->made->says[i]; j++) {
            const struct fit_figures *figures = &self->made->fitted[i].figures[j];
            if (figures->n > 0) {
                printf("  %-9s %-18s off by %.4f on %" PRId64 " games it had not learned from\n",
                       stat_name((enum stat_id)i), system_at((enum system_id)j)->name, figures->mae,
                       figures->n);
            }
        }
    }
    printf("%s%s%s; %.1f s, of which features %.1f s\n",
           self->promoted    ? "promoted"
           : self->unchanged ? "unchanged: it is the model that runs"
                             : "not promoted: ",
           self->promoted || self->unchanged ? "" : self->why,
           self->promoted || self->unchanged ? "" : " (--force promotes it)", self->seconds,
           self->past.seconds);
}

static int train(struct training *self)
{
    int code = past_samples_make(self->cli, self->through, (unsigned)self->jobs, &self->past);
    if (!code && self->past.samples.count == 0) {
        code = cli_fail(self->cli, EXIT_NO, "no games are known up to that day");
    }
    code = code ? code : read_running(self);
    code = code ? code : learn(self);
    code = code ? code : keep_file(self);
    if (!code) {
        bool better = is_better(self);
        self->forced = self->force && !better && !self->unchanged;
        code = better || self->forced ? promote(self) : EXIT_OK;
    }
    self->seconds = (double)(clock_mono_us() - self->started_us) / 1e6;
    if (!code && self->cli->json) {
        say_json(self);
    } else if (!code) {
        say_text(self);
    }
    return code ? code : self->promoted || self->unchanged ? EXIT_OK : EXIT_NO;
}

static int train_run(struct cli *cli, int argc, char **argv)
{
    struct training self = {.cli = cli,
                            .through = 99991231,
                            .jobs = sysconf(_SC_NPROCESSORS_ONLN),
                            .force = cli_option(cli, "force") != NULL,
                            .started_us = clock_mono_us(),
                            .opened_us = clock_league_us()};
    (void)argc;
    (void)argv;
    int code = cli_date(cli, "through", &self.through);
    code = code ? code : cli_integer(cli, "jobs", 1, 16, &self.jobs);
    if (!code) {
        code = train(&self);
    }
    trained_free(&self.made);
    trained_free(&self.running);
    pack_free(&self.bytes);
    past_samples_free(&self.past);
    return code;
}

static const struct command_option OPTIONS[] = {
    {"through", "D", "the last day it learns from (the newest that is known)"},
    {"force", NULL, "promotes the model even if it does worse than the one that runs"},
    {"jobs", "N", "processes (one a core); the model does not depend on it"},
    {NULL, NULL, NULL},
};

const struct command command_train = {
    .name = "train",
    .args = "",
    .summary = "Fits the systems on the games known, and promotes the model unless it does worse "
               "than the one that runs.",
    .options = OPTIONS,
    .run = train_run,
};
