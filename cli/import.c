/* tipoff import - seasons as CSV into the log: checked, staged, and visible in one commit. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/link.h"
#include "cli/command.h"
#include "cli/import_plan.h"
#include "cli/import_run.h"
#include "cli/import_seen.h"
#include "cli/import_send.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/fault.h"
#include "config/settings.h"
#include "config/version.h"
#include "schema/hash.h"
#include "schema/json.h"
#include "schema/runs.h"

enum {
    PING_MS = 500,
    BROKER_PATIENCE_US = 20 * 1000000,
    REFUSALS_SHOWN = 40,
    PROGRESS_US = 200000,
    ENV_SIZE = 33
};

struct import {
    struct cli *cli;
    struct import_plan plan;
    struct import_rows *rows;
    struct import_send *send;
    struct import_run *run; /* NULL: a broker ran already */
    char import_id[41], env[ENV_SIZE];
    int32_t before;
    int lock_fd;
    bool terminal;
    int64_t started_us, opened_us, progress_us, committed_us, applied_us;
    int64_t rows_sent, rows_total, rows_unchanged;
    int files_unchanged;
};

/* ---- progress: one line on a terminal, rewritten ---- */

static void progress(void *context, const char *what, int64_t rows)
{
    struct import *self = context;
    int64_t now = clock_mono_us();
    if (self->run)
        import_run_turn(self->run);
    if (!self->terminal || now - self->progress_us < PROGRESS_US)
        return;
    self->progress_us = now;
    fprintf(stderr, "\r\033[K%6.1f s  %s  %lld", (double)(now - self->started_us) / 1e6, what,
            (long long)rows);
}

static void progress_end(const struct import *self)
{
    if (self->terminal)
        fputs("\r\033[K", stderr);
}

static void idle(void *context)
{
    struct import *self = context;
    progress(self, "sending, rows:", self->rows_sent);
}

/* ---- before anything is sent ---- */

static void hex_random(char *out, size_t bytes)
{
    uint8_t random[32];
    if (getrandom(random, bytes, 0) != (ssize_t)bytes)
        memset(random, 0, bytes);
    for (size_t i = 0; i < bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", random[i]);
}

/* One import a directory at a time. The lock's file keeps the name of this importer: whoever holds it is its successor, so
 * that the lease comes at once after a kill. */
static int take_lock(struct import *self)
{
    char path[CLI_PATH_MAX];
    if (mkdir(self->cli->dir, 0755) != 0 && errno != EEXIST)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", self->cli->dir, strerror(errno));
    self->lock_fd =
        open(cli_path(self->cli, path, "import.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (self->lock_fd < 0)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", path, strerror(errno));
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return cli_fail(self->cli, EXIT_AGAIN, "another import runs on %s", self->cli->dir);
    if (pread(self->lock_fd, self->env, ENV_SIZE - 1, 0) == ENV_SIZE - 1)
        return EXIT_OK;
    hex_random(self->env, (ENV_SIZE - 1) / 2);
    if (ftruncate(self->lock_fd, 0) != 0 ||
        pwrite(self->lock_fd, self->env, ENV_SIZE - 1, 0) != ENV_SIZE - 1)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", path, strerror(errno));
    return EXIT_OK;
}

static int read_paths(struct import *self, int argc, char **argv)
{
    char why[512];
    if (argc == 0)
        return cli_fail(self->cli, EXIT_USAGE, "wants a data root or CSV files; see --help");
    for (int i = 0; i < argc; i++)
        if (import_plan_add(&self->plan, argv[i], why, sizeof why) != 0)
            return cli_fail(self->cli, EXIT_DATA, "%s", why);
    import_plan_sort(&self->plan);
    return EXIT_OK;
}

static void know_team(void *context, const char *team)
{
    import_rows_know_team(context, team);
}

/* Single files may name teams of the root they lie in. */
static void know_root_teams(struct import *self)
{
    struct csv_row row;
    int column = -1;
    struct csv *csv = self->plan.teams_path ? csv_open(self->plan.teams_path) : NULL;
    while (csv && csv_next(csv, &row) == CSV_ROW) {
        if (column >= 0 && column < row.count)
            import_rows_know_team(self->rows, row.field[column]);
        for (int i = 0; column < 0 && i < row.count; i++)
            if (!strcmp(row.field[i], "team"))
                column = i;
    }
    csv_close(&csv);
}

static int check_rows(struct import *self)
{
    char why[512];
    struct import_seen *seen = import_seen_load(self->cli->dir, why, sizeof why);
    if (!seen)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s", why);
    self->rows = import_rows_new(self->import_id, self->before);
    if (self->rows) {
        import_seen_teams(seen, know_team, self->rows);
        know_root_teams(self);
    }
    if (!self->rows || import_plan_check(&self->plan, self->rows, progress, self) != 0) {
        import_seen_free(&seen);
        return cli_fail(self->cli, EXIT_UNREACHABLE, "out of memory");
    }
    for (int i = 0; i < self->plan.count; i++) {
        struct import_file *file = &self->plan.files[i];
        const char *known = import_seen_sha256(seen, file->name);
        file->unchanged = known && !strcmp(known, file->sha256);
        self->files_unchanged += file->unchanged;
        self->rows_unchanged += file->unchanged ? file->rows : 0;
        self->rows_total += file->unchanged ? 0 : file->rows;
    }
    import_seen_free(&seen);
    progress_end(self);
    return EXIT_OK;
}

/* ---- sending ---- */

static int take_row(void *context, enum import_kind kind, const void *message)
{
    struct import *self = context;
    self->rows_sent++;
    return import_send_add(self->send, import_kind_desc(kind), message);
}

static int send_failed(struct import *self, int code)
{
    progress_end(self);
    const char *broken = self->run ? import_run_broken(self->run) : NULL;
    return cli_fail(self->cli, code, "%s%s%s", import_send_why(self->send), broken ? "; " : "",
                    broken ? broken : "");
}

static int send_rows(struct import *self)
{
    char why[512] = "";
    for (int i = 0; i < self->plan.count; i++) {
        if (self->plan.files[i].unchanged)
            continue;
        int code = import_plan_read(&self->plan, i, self->rows, take_row, self, why, sizeof why);
        if (code < 0)
            return cli_fail(self->cli, EXIT_DATA, "%s", why);
        if (code > 0)
            return send_failed(self, code);
    }
    int code = import_send_flush(self->send);
    return code ? send_failed(self, code) : EXIT_OK;
}

static int send_files(struct import *self, struct msg_import_commit *commit)
{
    struct hash *all = hash_open();
    int code = EXIT_OK;
    for (int i = 0; i < self->plan.count && !code; i++) {
        const struct import_file *file = &self->plan.files[i];
        struct msg_import_file message;
        if (file->unchanged)
            continue;
        message_clear(&msg_import_file_desc, &message);
        memcpy(message.import_id, self->import_id, sizeof message.import_id);
        memcpy(message.file, file->name, sizeof message.file);
        memcpy(message.sha256, file->sha256, sizeof message.sha256);
        message.rows = file->rows;
        message.refused = file->refused;
        hash_add(all, file->name, strlen(file->name) + 1);
        hash_add(all, file->sha256, strlen(file->sha256) + 1);
        commit->files++;
        commit->rows += file->rows;
        commit->refused += file->refused;
        code = import_send_add(self->send, &msg_import_file_desc, &message);
    }
    hash_close(&all, commit->sha256);
    if (!code)
        code = import_send_flush(self->send);
    return code ? send_failed(self, code) : EXIT_OK;
}

static void fill_run(const struct import *self, const char *host, struct msg_ops_run *run)
{
    message_clear(&msg_ops_run_desc, run);
    snprintf(run->run_id, sizeof run->run_id, "import.0-%llu-1",
             (unsigned long long)import_send_epoch(self->send));
    snprintf(run->name, sizeof run->name, "Import");
    snprintf(run->actor, sizeof run->actor, "import");
    run->epoch = (int64_t)import_send_epoch(self->send);
    snprintf(run->outcome, sizeof run->outcome, "%s",
             run_outcome_text(self->plan.refusal_count ? RUN_PARTIAL : RUN_SUCCESS));
    snprintf(run->error_class, sizeof run->error_class, "%s",
             error_class_text(self->plan.refusal_count ? ERROR_INVALID : ERROR_NONE));
    if (self->plan.refusal_count)
        snprintf(run->error_message, sizeof run->error_message,
                 "%zu rows refused, first %s:%llu %s", self->plan.refusal_count,
                 self->plan.files[self->plan.refusals[0].file].name,
                 (unsigned long long)self->plan.refusals[0].line, self->plan.refusals[0].rule);
    run->opened_at = self->opened_us;
    run->closed_at = clock_league_us();
    run->duration_us = clock_mono_us() - self->started_us;
    run->rows_in = self->rows_total + (int64_t)self->plan.refusal_count;
    run->rows_out = self->rows_sent;
    run->rows_refused = (int64_t)self->plan.refusal_count;
    run->attempt = 1;
    snprintf(run->cause, sizeof run->cause, "command: tipoff import");
    snprintf(run->code_version, sizeof run->code_version, "%s", version_code());
    settings_hash(self->cli->settings, run->config_hash);
    snprintf(run->host, sizeof run->host, "%s", host);
}

static int send_commit(struct import *self, const char *host, uint64_t *position)
{
    struct msg_import_commit commit;
    struct msg_ops_run run;
    message_clear(&msg_import_commit_desc, &commit);
    memcpy(commit.import_id, self->import_id, sizeof commit.import_id);
    commit.before = self->before;
    int code = send_files(self, &commit);
    if (code)
        return code;
    fault_hit(FAULT_IMPORT_BEFORE_COMMIT);
    fill_run(self, host, &run);
    code = import_send_add(self->send, &msg_import_commit_desc, &commit);
    if (!code)
        code = import_send_add(self->send, &msg_ops_run_desc, &run);
    if (!code)
        code = import_send_flush(self->send);
    self->committed_us = clock_mono_us();
    if (!code)
        code = import_send_position(self->send, &msg_import_commit_desc, self->import_id, position);
    return code ? send_failed(self, code) : EXIT_OK;
}

/* Is there a broker on this directory? */
static bool broker_answers(const struct settings *settings)
{
    char *answer = link_control(settings->broker.control_endpoint, "PING", PING_MS);
    bool answered = answer != NULL;
    free(answer);
    return answered;
}

static int wait_applied(struct import *self, uint64_t position)
{
    uint64_t behind = 0;
    while (!import_run_applied(self->run, position, &behind)) {
        progress(self, "applying, records left:", (int64_t)behind);
        import_run_turn(self->run);
        if (import_run_broken(self->run)) {
            progress_end(self);
            return cli_fail(self->cli, EXIT_UNREACHABLE,
                            "committed, but not applied yet: %s; `tipoff up` will go on with it",
                            import_run_broken(self->run));
        }
        poll(NULL, 0, 20);
    }
    self->applied_us = clock_mono_us();
    return EXIT_OK;
}

static int publish(struct import *self)
{
    char host[65] = "localhost", hash[SETTINGS_HASH_SIZE];
    uint64_t position = 0;
    int code = EXIT_OK;
    gethostname(host, sizeof host - 1);
    settings_hash(self->cli->settings, hash);
    if (!broker_answers(self->cli->settings)) {
        self->run = import_run_start(self->cli, &code);
        if (!self->run)
            return code;
    }
    const struct import_send_options options = {
        .writer = "import",
        .payload_bytes = 8192,
        .endpoint = self->cli->settings->broker.endpoint,
        .host = host,
        .env = self->env,
        .config_hash = hash,
        .idle = idle,
        .context = self,
    };
    self->send = import_send_open(&options);
    if (!self->send)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s", strerror(errno));
    if ((code = import_send_start(self->send, BROKER_PATIENCE_US)) != 0)
        return send_failed(self, code);
    code = send_rows(self);
    if (!code)
        code = send_commit(self, host, &position);
    if (!code &&
        self->run) { /* not before: the commit need not share the processor with its readers */
        import_run_actors(self->run, READERS_OF_HISTORY);
        code = wait_applied(self, position);
    }
    progress_end(self);
    return code;
}

/* ---- what came of it ---- */

static double seconds(const struct import *self, int64_t until_us)
{
    return (double)((until_us ? until_us : clock_mono_us()) - self->started_us) / 1e6;
}

static json_t *refusals_json(const struct import *self)
{
    json_t *out = json_array();
    for (size_t i = 0; i < self->plan.refusal_count; i++) {
        const struct import_refusal *at = &self->plan.refusals[i];
        json_t *row = json_object();
        json_object_set_new(row, "file", json_of_string(self->plan.files[at->file].name));
        json_object_set_new(row, "line", json_of_int((int64_t)at->line));
        json_object_set_new(row, "rule", json_of_string(at->rule));
        json_array_append_new(out, row);
    }
    return out;
}

static void say_json(const struct import *self)
{
    json_t *out = json_object(), *files = json_array();
    bool sent = self->committed_us != 0;
    for (int i = 0; i < self->plan.count; i++) {
        const struct import_file *file = &self->plan.files[i];
        json_t *row = json_object();
        json_object_set_new(row, "file", json_of_string(file->name));
        json_object_set_new(row, "rows", json_of_int(file->rows));
        json_object_set_new(row, "left_out", json_of_int(file->left_out));
        json_object_set_new(row, "refused", json_of_int(file->refused));
        json_object_set_new(row, "unchanged", json_boolean(file->unchanged));
        json_object_set_new(row, "sha256", json_of_string(file->sha256));
        json_array_append_new(files, row);
    }
    json_object_set_new(out, "files", json_of_int(self->plan.count));
    json_object_set_new(out, "rows", json_of_int(self->rows_sent));
    json_object_set_new(out, "unchanged", json_of_int(self->rows_unchanged));
    json_object_set_new(out, "refused", json_of_int((int64_t)self->plan.refusal_count));
    json_object_set_new(out, "seconds", json_of_number(seconds(self, self->applied_us)));
    json_object_set_new(out, "commit_seconds",
                        sent ? json_of_number(seconds(self, self->committed_us)) : json_null());
    json_object_set_new(out, "import_id", sent ? json_of_string(self->import_id) : json_null());
    json_object_set_new(out, "files_unchanged", json_of_int(self->files_unchanged));
    json_object_set_new(out, "refused_rows", refusals_json(self));
    json_object_set_new(out, "by_file", files);
    json_print(stdout, out, 0);
    putchar('\n');
    json_decref(out);
}

static void say_text(const struct import *self)
{
    for (size_t i = 0; i < self->plan.refusal_count && i < REFUSALS_SHOWN; i++)
        printf("refused  %s:%llu  %s\n", self->plan.files[self->plan.refusals[i].file].name,
               (unsigned long long)self->plan.refusals[i].line, self->plan.refusals[i].rule);
    if (self->plan.refusal_count > REFUSALS_SHOWN)
        printf("refused  ... and %zu more (--json lists all)\n",
               self->plan.refusal_count - REFUSALS_SHOWN);
    if (self->files_unchanged == self->plan.count)
        printf("unchanged: all %d files are as they were last imported; nothing was sent\n",
               self->plan.count);
    else
        printf("%lld rows of %d files imported, %d files (%lld rows) unchanged\n",
               (long long)self->rows_sent, self->plan.count - self->files_unchanged,
               self->files_unchanged, (long long)self->rows_unchanged);
    printf("%zu rows refused\n", self->plan.refusal_count);
    if (self->committed_us)
        printf("committed after %.2f s", seconds(self, self->committed_us));
    if (self->applied_us)
        printf(", applied after %.2f s", seconds(self, self->applied_us));
    printf("%s%.2f s in all\n", self->committed_us ? ", " : "", seconds(self, 0));
}

static int import_run_command(struct cli *cli, int argc, char **argv)
{
    struct import self = {.cli = cli, .lock_fd = -1, .started_us = clock_mono_us()};
    self.opened_us = clock_league_us();
    self.terminal = isatty(STDERR_FILENO) && !cli->json;
    fault_init("import");
    memcpy(self.import_id, "import-", 7);
    hex_random(self.import_id + 7, 12);
    int code = cli_date(cli, "before", &self.before);
    if (!code)
        code = read_paths(&self, argc, argv);
    if (!code)
        code = take_lock(&self);
    if (!code)
        code = check_rows(&self);
    if (!code && self.files_unchanged < self.plan.count)
        code = publish(&self);
    import_send_close(&self.send);
    import_run_stop(&self.run);
    if (!code) {
        if (cli->json)
            say_json(&self);
        else
            say_text(&self);
    }
    import_rows_free(&self.rows);
    import_plan_free(&self.plan);
    if (self.lock_fd >= 0)
        close(self.lock_fd);
    return code;
}

static const struct command_option options[] = {
    {"before", "D", "only what is dated before D; later games as scheduled, without results"},
    {NULL, NULL, NULL},
};

const struct command command_import = {
    .name = "import",
    .args = "PATH...",
    .summary = "Takes seasons as CSV: a data root, or single files of one.",
    .options = options,
    .run = import_run_command,
};
