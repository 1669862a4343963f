#include "actors/predictor/fit.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/clock.h"

enum { JOBS_MOST = 16, FEWEST_ROWS = 1000 };

void fitted_free(struct fitted *fitted)
{
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        system_fit_free(&fitted->fits[i]);
    }
}

/* ---- one fit ---- */

static int fit_systems(const struct samples *samples, size_t end,
                       const struct system_options *options, struct fitted *fitted,
                       char why[SYSTEM_WHY])
{
    struct system_rows rows = {.samples = samples, .end = end};
    fitted->stat = samples->stat;
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        const struct system *system = system_at((enum system_id)i);
        if (system->from_others || !system_says((enum system_id)i, samples->stat)) {
            continue;
        }
        if (system_learn(system, &rows, options, &fitted->fits[i], why)) {
            return -1;
        }
    }
    return 0;
}

int fit_base(const struct samples *samples, size_t end, int rounds, struct fitted *fitted,
             char why[SYSTEM_WHY])
{
    const struct system_options options = {.rounds = rounds};
    return fit_systems(samples, end, &options, fitted, why);
}

static int say_base(const struct fitted *fitted, const struct samples *samples, size_t first,
                    size_t end, double *const centres[SYSTEM_COUNT], char why[SYSTEM_WHY])
{
    struct system_rows rows = {samples, first, end, centres};
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        const struct system *system = system_at((enum system_id)i);
        if (!system->from_others && system_says((enum system_id)i, samples->stat) &&
            system_say(system, &fitted->fits[i], &rows, centres[i] + first, why)) {
            return -1;
        }
    }
    return 0;
}

int fit_say_top(const struct fitted *fitted, const struct samples *samples, size_t first,
                size_t end, double *const centres[SYSTEM_COUNT], char why[SYSTEM_WHY])
{
    struct system_rows rows = {samples, first, end, centres};
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        const struct system *system = system_at((enum system_id)i);
        if (system->from_others &&
            system_say(system, &fitted->fits[i], &rows, centres[i] + first, why)) {
            return -1;
        }
    }
    return 0;
}

int fit_say(const struct fitted *fitted, const struct samples *samples, size_t first, size_t end,
            double *const centres[SYSTEM_COUNT], char why[SYSTEM_WHY])
{
    return say_base(fitted, samples, first, end, centres, why) ||
                   fit_say_top(fitted, samples, first, end, centres, why)
               ? -1
               : 0;
}

/* ---- steps ---- */

/* Where each game day before row `end` begins, newest last; how many. */
static size_t list_days(const struct samples *samples, size_t end, size_t *firsts, size_t most)
{
    size_t count = 0;
    for (size_t i = end; i > 0; i--) {
        if (i == 1 || samples->rows[i - 2].date != samples->rows[i - 1].date) {
            if (count == most) {
                break;
            }
            firsts[count++] = i - 1; /* newest first for now */
        }
    }
    for (size_t i = 0; i < count / 2; i++) {
        size_t kept = firsts[i];
        firsts[i] = firsts[count - 1 - i];
        firsts[count - 1 - i] = kept;
    }
    return count;
}

/* Two thirds of the days before row `end`, at most FIT_WINDOW_DAYS: the rest is what the first step learns from. */
static size_t window_days(const struct samples *samples, size_t end)
{
    size_t count = 0;
    for (size_t i = 0; i < end; i++) {
        count += i == 0 || samples->rows[i].date != samples->rows[i - 1].date;
    }
    return 2 * count / 3 < FIT_WINDOW_DAYS ? 2 * count / 3 : FIT_WINDOW_DAYS;
}

static int cut_steps(struct fit_walk *walk, int32_t from, int32_t to, int every)
{
    const struct samples *samples = walk->samples;
    size_t days[FIT_WINDOW_DAYS], begin = samples_before(samples, from), most = 64;
    size_t count = list_days(samples, begin, days, window_days(samples, begin));
    for (int32_t day = from; day <= to; day = clock_date_add(day, every)) {
        most++;
    }
    walk->steps = calloc(most, sizeof *walk->steps);
    if (!walk->steps) {
        return -1;
    }
    for (size_t i = 0; i < count; i += FIT_STEP_DAYS) {
        size_t end = i + FIT_STEP_DAYS < count ? days[i + FIT_STEP_DAYS] : begin;
        walk->steps[walk->step_count++] = (struct fit_step){days[i], end};
    }
    for (int32_t day = from; day <= to; day = clock_date_add(day, every)) {
        int32_t next = clock_date_add(day, every), last = clock_date_add(to, 1);
        size_t first = samples_before(samples, day);
        size_t end = samples_before(samples, next < last ? next : last);
        if (end > first) {
            walk->steps[walk->step_count++] = (struct fit_step){first, end};
        }
    }
    return 0;
}

/* What processes share while they work. */
struct shared {
    atomic_size_t next, done;
    atomic_int failed, rounds;
    char why[SYSTEM_WHY];
};

/* The number of rounds, which the process of the first step says: its end of the pipe is closed when it has, or is no more. */
struct awaited {
    struct boost_limit limit;
    struct shared *shared;
    int fd;
};

static int awaited_rounds(const struct boost_limit *limit, bool wait)
{
    const struct awaited *self = (const struct awaited *)(const void *)limit;
    int rounds = atomic_load(&self->shared->rounds);
    if (rounds > 0 || !wait) {
        return rounds;
    }
    char nothing;
    while (read(self->fd, &nothing, 1) < 0 && errno == EINTR) {
    }
    rounds = atomic_load(&self->shared->rounds);
    return rounds > 0 ? rounds : -1;
}

static int do_step(struct fit_walk *walk, size_t index, struct shared *shared,
                   const struct awaited *awaited)
{
    const struct fit_step *step = &walk->steps[index];
    struct fitted fitted = {.stat = walk->samples->stat};
    struct system_options options = {.rounds = atomic_load(&shared->rounds),
                                     .limit = &awaited->limit};
    char why[SYSTEM_WHY] = "";
    if (index == 0) {
        options = (struct system_options){.stop_first = step->first, .stop_end = step->end};
    }
    int error = fit_systems(walk->samples, step->first, &options, &fitted, why);
    if (!error && index == 0) {
        atomic_store(&shared->rounds, fitted.fits[SYSTEM_gradient_boosting].rounds);
    }
    if (!error) {
        error = say_base(&fitted, walk->samples, step->first, step->end, walk->centres, why);
    }
    fitted_free(&fitted);
    if (error && atomic_exchange(&shared->failed, 1) == 0) {
        memcpy(shared->why, why, sizeof why);
    }
    atomic_fetch_add(&shared->done, 1);
    return error;
}

/* So many steps at most, until there is none: the last ones first, which have most to learn from, so that nobody ends long after the
 * others. */
static void do_steps(struct fit_walk *walk, struct shared *shared, const struct awaited *awaited,
                     const struct fit_options *options, size_t most)
{
    for (size_t i = 0; i < most; i++) {
        size_t index = atomic_fetch_add(&shared->next, 1);
        if (index >= walk->step_count || atomic_load(&shared->failed)) {
            return;
        }
        (void)do_step(walk, walk->step_count - index, shared, awaited);
        if (options) {
            options->progress(atomic_load(&shared->done), walk->step_count, options->context);
        }
    }
}

static void child_await(pid_t child, struct shared *shared)
{
    int status = 1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0 && !atomic_exchange(&shared->failed, 1)) {
        snprintf(shared->why, sizeof shared->why, "a process of the walk ended early");
    }
}

/* The first step's process, which says how many rounds the others take; then it works like them. */
static void first_work(struct fit_walk *walk, struct shared *shared, struct awaited *awaited,
                       int said_fd, bool alone)
{
    int error = do_step(walk, 0, shared, awaited);
    close(said_fd);
    if (!error && !alone) {
        do_steps(walk, shared, awaited, NULL, SIZE_MAX);
    }
    _exit(error ? 1 : 0);
}

/* The children end with what they do; this process works beside them. With one job, after the first step's. One thread each, so that
 * there is no pool of threads that a fork would lose. */
static void work(struct fit_walk *walk, struct shared *shared, const struct fit_options *options)
{
    pid_t children[JOBS_MOST];
    unsigned jobs = options->jobs < 1 ? 1 : options->jobs > JOBS_MOST ? JOBS_MOST : options->jobs;
    unsigned count = 0;
    int ends[2] = {-1, -1};
    struct awaited awaited = {.limit = {awaited_rounds}, .shared = shared};
    atomic_store(&shared->next, 1);
    pid_t first = pipe2(ends, O_CLOEXEC) == 0 ? fork() : -1;
    awaited.fd = ends[0];
    if (first == 0) {
        first_work(walk, shared, &awaited, ends[1], jobs == 1);
    }
    if (first < 0) {
        atomic_store(&shared->failed, 1);
        snprintf(shared->why, sizeof shared->why, "the process of the first step: %s",
                 strerror(errno));
    } else if (jobs == 1) {
        child_await(first, shared);
    } else {
        children[count++] = first;
    }
    if (ends[1] >= 0) {
        close(ends[1]);
    }
    while (first > 0 && count > 0 && count + 1 < jobs) {
        pid_t pid = fork();
        if (pid == 0) {
            do_steps(walk, shared, &awaited, NULL, SIZE_MAX);
            _exit(0);
        }
        if (pid < 0) {
            break;
        }
        children[count++] = pid;
    }
    const struct fit_options *told = options->progress ? options : NULL;
    char why[SYSTEM_WHY] = "";
    if (jobs > 1) { /* until the number of rounds is known, and a while longer */
        do_steps(walk, shared, &awaited, told, 1);
    }
    if (options->beside && !atomic_load(&shared->failed) &&
        awaited_rounds(&awaited.limit, true) > 0 &&
        options->beside(atomic_load(&shared->rounds), options->context, why) &&
        !atomic_exchange(&shared->failed, 1)) {
        memcpy(shared->why, why, sizeof why);
    }
    do_steps(walk, shared, &awaited, told, SIZE_MAX);
    for (unsigned i = 0; i < count; i++) {
        child_await(children[i], shared);
    }
    if (ends[0] >= 0) {
        close(ends[0]);
    }
}

static int map_centres(struct fit_walk *walk, struct shared **shared)
{
    size_t rows = walk->samples->count * sizeof(double);
    walk->mapped = sizeof **shared + 64 + SYSTEM_COUNT * rows;
    char *memory =
        mmap(NULL, walk->mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return -1;
    }
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        walk->centres[i] = (double *)(void *)(memory + (size_t)i * rows);
        for (size_t j = 0; j < walk->samples->count; j++) {
            walk->centres[i][j] = NAN;
        }
    }
    *shared = (struct shared *)(void *)(memory + SYSTEM_COUNT * rows);
    return 0;
}

int fit_walk(struct fit_walk *walk, const struct samples *samples, int32_t from, int32_t to,
             int every, const struct fit_options *options, char why[SYSTEM_WHY])
{
    struct shared *shared;
    *walk = (struct fit_walk){.samples = samples};
    if (cut_steps(walk, from, to, every) || map_centres(walk, &shared)) {
        snprintf(why, SYSTEM_WHY, "no memory");
        return -1;
    }
    if (walk->step_count == 0 || walk->steps[0].first < FEWEST_ROWS) {
        snprintf(why, SYSTEM_WHY,
                 "%zu games of players are known before the first day to be said, %d "
                 "are needed: import earlier seasons",
                 walk->step_count ? walk->steps[0].first : samples->count, FEWEST_ROWS);
        return -1;
    }
    work(walk, shared, options);
    walk->rounds = atomic_load(&shared->rounds);
    if (atomic_load(&shared->failed)) {
        memcpy(why, shared->why, SYSTEM_WHY);
        return -1;
    }
    return 0;
}

void fit_walk_free(struct fit_walk *walk)
{
    free(walk->steps);
    if (walk->centres[0]) {
        munmap(walk->centres[0], walk->mapped);
    }
    *walk = (struct fit_walk){0};
}

/* ---- what the walk has proved ---- */

static struct fit_figures figures_of(const struct samples *samples, size_t first, size_t end,
                                     const double *centres, const struct spread *spread)
{
    struct fit_figures figures = {0, NAN, 0};
    double sum = 0;
    for (size_t i = first; i < end; i++) {
        if (!isnan(centres[i])) {
            struct outlook outlook = spread_at(spread, samples, i, centres[i]);
            double actual = samples->rows[i].actual;
            sum += fabs(actual - outlook_median(&outlook));
            figures.inside += outlook_quantile(&outlook, 0.1) <= actual &&
                              actual <= outlook_quantile(&outlook, 0.9);
            figures.n++;
        }
    }
    if (figures.n > 0) {
        figures.mae = sum / (double)figures.n;
    }
    return figures;
}

int fit_top(const struct fit_walk *walk, size_t end, struct fitted *fitted, char why[SYSTEM_WHY])
{
    size_t days[FIT_WINDOW_DAYS];
    size_t count = list_days(walk->samples, end, days, FIT_WINDOW_DAYS);
    size_t first = count > 0 ? days[0] : end;
    const struct system_options options = {0};
    struct system_rows rows = {walk->samples, first, end, walk->centres};
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        const struct system *system = system_at((enum system_id)i);
        if (system->from_others && system_learn(system, &rows, &options, &fitted->fits[i], why)) {
            return -1;
        }
    }
    double *said = malloc((end + 1) * sizeof *said);
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        const double *centres = walk->centres[i];
        if (!said || !system_says((enum system_id)i, walk->samples->stat)) {
            continue;
        }
        if (system_at((enum system_id)i)->from_others) {
            if (system_say(system_at((enum system_id)i), &fitted->fits[i], &rows, said + first,
                           why)) {
                free(said);
                return -1;
            }
            centres = said;
        }
        if (spread_fit(&fitted->spreads[i], walk->samples, first, end, centres)) {
            snprintf(why, SYSTEM_WHY, "%s: too few games to learn its spread from",
                     system_at((enum system_id)i)->name);
            free(said);
            return -1;
        }
    }
    if (!said) {
        snprintf(why, SYSTEM_WHY, "no memory");
        return -1;
    }
    free(said);
    return 0;
}

int fit_proof(const struct fit_walk *walk, size_t end, struct fitted *fitted, char why[SYSTEM_WHY])
{
    size_t days[FIT_WINDOW_DAYS];
    size_t count = list_days(walk->samples, end, days, FIT_WINDOW_DAYS);
    size_t middle = count > 1 ? days[count / 2] : end;
    struct fitted before;
    memset(&before, 0, sizeof before);
    before.stat = fitted->stat;
    if (fit_top(walk, middle, &before, why) ||
        fit_say_top(&before, walk->samples, middle, end, walk->centres, why)) {
        return -1;
    }
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        if (system_says((enum system_id)i, fitted->stat)) {
            fitted->figures[i] =
                figures_of(walk->samples, middle, end, walk->centres[i], &before.spreads[i]);
        }
    }
    return 0;
}
