#include "tests/protocol/run.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BEGIN_US INT64_C(1000000000000)
enum { APART_SECONDS = 120 };

/* ---- comparing ---- */

static const struct answer *of_peer(const struct answers *answers, uint32_t peer, uint32_t *at)
{
    while (*at < answers->count && answers->items[*at].peer != peer)
        ++*at;
    return *at < answers->count ? &answers->items[(*at)++] : NULL;
}

static void tags_text(uint32_t tags, char *out, size_t size)
{
    int used = 0;
    out[0] = '\0';
    for (int i = 0; i < REFUSAL_COUNT; i++)
        if (tags >> i & 1)
            used += snprintf(out + used, size - (size_t)used, "%s%s", used ? "|" : " ",
                             refusal_text((enum refusal)i));
}

static void answer_text(const struct answer *answer, char *out, size_t size)
{
    char tags[200];
    if (!answer) {
        snprintf(out, size, "nothing");
        return;
    }
    tags_text(answer->tags, tags, sizeof tags);
    snprintf(out, size, "%s%s %s", answer->verb, tags, answer->text);
}

static bool text_same(const struct answer *expected, const char *said)
{
    size_t head = strlen(expected->text);
    while (head > 0 && expected->text[head - 1] >= '0' && expected->text[head - 1] <= '9')
        head--;
    if (!expected->loose_by || strncmp(expected->text, said, head) != 0)
        return strcmp(expected->text, said) == 0;
    uint64_t most = strtoull(expected->text + head, NULL, 10), number;
    char *end;
    number = strtoull(said + head, &end, 10);
    return *end == '\0' && number <= most && number >= most - expected->loose_by;
}

static bool same(const struct answer *expected, const struct answer *said)
{
    if (!expected || !said)
        return expected == said;
    return strcmp(expected->verb, said->verb) == 0 && text_same(expected, said->text) &&
           (expected->tags == said->tags || (expected->tags & said->tags) != 0);
}

static bool answers_agree(const struct model *model, const struct subject *subject,
                          struct run_result *result)
{
    for (uint32_t peer = 0; peer <= MODEL_PEERS; peer++) { /* the last is control */
        uint32_t at = 0, there = 0;
        for (;;) {
            const struct answer *expected = of_peer(&model->expected, peer, &at);
            const struct answer *said = of_peer(&subject->said, peer, &there);
            if (!same(expected, said)) {
                char wanted[420], got[420];
                snprintf(result->kind, sizeof result->kind, "%s %s",
                         expected ? expected->verb : "-", said ? said->verb : "-");
                answer_text(expected, wanted, sizeof wanted);
                answer_text(said, got, sizeof got);
                snprintf(result->why, sizeof result->why,
                         "peer %u\n  by the page: %s\n  the broker:  %s", peer, wanted, got);
                return false;
            }
            if (!expected)
                break;
        }
    }
    return true;
}

static bool ack_covers(const struct ack *said, const struct ack *owed)
{
    return said->peer == owed->peer && said->producer == owed->producer &&
           said->epoch == owed->epoch && said->stream == owed->stream &&
           said->partition == owed->partition && said->last >= owed->last;
}

/* Acknowledgements: each one true, and none that is owed left out. */
static bool acks_agree(const struct model *model, const struct subject *subject,
                       struct run_result *result)
{
    for (uint32_t i = 0; i < subject->acked.count; i++) {
        const struct ack *ack = &subject->acked.items[i];
        if (model_ack_holds(model, ack))
            continue;
        snprintf(result->why, sizeof result->why,
                 "peer %u: acknowledged what is not so: producer %" PRIu32 " epoch %" PRIu64
                 " stream %u partition %u last %" PRIu64,
                 ack->peer, ack->producer, ack->epoch, ack->stream, ack->partition, ack->last);
        return false;
    }
    for (uint32_t i = 0; i < model->owed.count; i++) {
        const struct ack *owed = &model->owed.items[i];
        bool covered = false;
        for (uint32_t j = 0; j < subject->acked.count && !covered; j++)
            covered = ack_covers(&subject->acked.items[j], owed);
        if (covered || !model_ack_holds(model, owed)) /* or the lease went to another since */
            continue;
        snprintf(result->why, sizeof result->why,
                 "peer %u: not acknowledged: producer %" PRIu32 " epoch %" PRIu64
                 " stream %u partition %u last %" PRIu64,
                 owed->peer, owed->producer, owed->epoch, owed->stream, owed->partition,
                 owed->last);
        return false;
    }
    return true;
}

/* ---- one step ---- */

static void step_take(struct model *model, struct subject *subject, const struct script_step *step)
{
    const int32_t *args = step->args;
    uint32_t peer = (uint32_t)args[0] % MODEL_PEERS;
    struct ask ask;
    switch (step->verb) {
    case SCRIPT_TURN:
        model_turn(model, args[0] != 0, false);
        subject_turn(subject, args[0] != 0, false);
        break;
    case SCRIPT_CLOCK:
        model->now_us += ((int64_t)args[0] & 0xfffff) * 1000;
        subject_clock(model->now_us);
        break;
    case SCRIPT_DEAF:
        model_deaf(model, peer, args[1] != 0);
        subject_deaf(subject, peer, args[1] != 0);
        break;
    case SCRIPT_TRIM: {
        model_trim(model);
        uint64_t head = model_head(model), back = (uint64_t)args[0] & 0xffff;
        uint64_t to = head > back ? head - back : 1;
        to = to < model_needed(model) ? to : model_needed(model);
        uint64_t first = subject_trim(subject, to);
        if (first < model_first(model) || first > head)
            subject->broken = "the log begins where it cannot";
        else if (first != model_first(model) && first > to)
            subject->broken = "trimmed more than was asked for";
        model_trimmed(model, first);
        break;
    }
    case SCRIPT_REWIND: {
        uint32_t reader = (uint32_t)args[0] % MODEL_READERS;
        model_rewind(model, reader, args[1]);
        int64_t to = (int64_t)model_head(model) - args[1];
        subject_rewind(subject, reader, to < 1 ? 1 : (uint64_t)to);
        break;
    }
    case SCRIPT_FORGET:
        model_forget(model, (uint32_t)args[0] % MODEL_READERS);
        subject_forget(subject, (uint32_t)args[0] % MODEL_READERS);
        break;
    case SCRIPT_SET:
        model_set(model, args[0] * INT64_C(1000), args[1] != 0);
        subject_set(subject, args[0] * INT64_C(1000), args[1] != 0);
        break;
    case SCRIPT_FULL:
        model_full(model, args[0] != 0);
        subject_full(subject, args[0] != 0);
        break;
    case SCRIPT_CRASH:
        if (args[0]) { /* the commit was the last that it did */
            model_turn(model, false, true);
            subject_turn(subject, false, true);
        }
        model_crash(model);
        subject_crash(subject);
        break;
    default:
        model_spell(model, step, &ask);
        model_say(model, &ask);
        subject_say(subject, &ask);
    }
}

/* What was handed out: each of it may be, and nothing is held back. */
static const char *works_agree(struct model *model, struct subject *subject, bool turned)
{
    const char *wrong = NULL;
    for (uint32_t i = 0; i < subject->works.count && !wrong; i++)
        wrong = model_work(model, &subject->works.items[i]);
    subject->works.count = 0;
    model_worked(model);
    return wrong || !turned ? wrong : model_idle(model);
}

static bool step_agrees(struct model *model, struct subject *subject,
                        const struct script_step *step, struct run_result *result)
{
    bool good = answers_agree(model, subject, result);
    const char *wrong = works_agree(model, subject, step->verb == SCRIPT_TURN);
    if (wrong && !subject->broken)
        subject->broken = wrong;
    if (good && subject->broken) {
        snprintf(result->why, sizeof result->why, "%s", subject->broken);
        good = false;
    }
    if (good && (model->committed || subject->acked.count))
        good = acks_agree(model, subject, result);
    if (good && step->verb == SCRIPT_TURN && subject_head(subject) != model_head(model)) {
        snprintf(result->why, sizeof result->why, "head %" PRIu64 ", by the page %" PRIu64,
                 subject_head(subject), model_head(model));
        good = false;
    }
    model->expected.count = subject->said.count = 0;
    model->totals.acked += subject->acked.count;
    if (model->committed)
        model->owed.count = 0;
    model->committed = false;
    subject->acked.count = 0;
    return good;
}

/* ---- a run ---- */

static volatile uint32_t *progress; /* shared with whoever waits for this process */
static struct script_step *mirror;

void run_script(struct script *script, uint32_t steps, uint64_t seed, enum lie lie,
                struct run_result *result, struct model_totals *totals)
{
    struct model model;
    struct subject subject;
    uint64_t state = seed * 2654435761u + 1;
    uint32_t known = script->count;
    memset(result, 0, sizeof *result);
    subject_clock(BEGIN_US);
    model_open(&model, BEGIN_US);
    subject_open(&subject, lie);
    for (uint32_t i = 0; i < known + steps && !result->failed; i++) {
        model.now_us++; /* no two at once */
        subject_clock(model.now_us);
        if (i >= known) {
            struct script_step step;
            generate_step(&state, &model, &step);
            script_add(script, &step);
            if (mirror)
                mirror[i] = step;
        }
        if (progress)
            *progress = i;
        result->step = i;
        step_take(&model, &subject, &script->steps[i]);
        result->failed = !step_agrees(&model, &subject, &script->steps[i], result);
    }
    if (totals)
        *totals = model.totals;
    subject_close(&subject);
    model_close(&model);
}

struct apart {
    uint32_t progress;
    struct run_result result;
    struct model_totals totals;
    struct script_step steps[];
};

void run_apart(struct script *script, uint32_t steps, uint64_t seed, enum lie lie,
               struct run_result *result, struct model_totals *totals)
{
    size_t size = sizeof(struct apart) + (script->count + (size_t)steps) * sizeof *script->steps;
    struct apart *apart =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint32_t known = script->count;
    int status = 0;
    if (apart == MAP_FAILED)
        abort();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(APART_SECONDS);
        progress = &apart->progress;
        mirror = apart->steps;
        run_script(script, steps, seed, lie, &apart->result, &apart->totals);
        _exit(apart->result.failed);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        abort();
    *result = apart->result;
    if (totals)
        *totals = apart->totals;
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && !result->failed)) {
        result->failed = true;
        result->step = apart->progress;
        snprintf(result->why, sizeof result->why, "the broker ended: %s %d",
                 WIFEXITED(status) ? "exit" : "signal",
                 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
    for (uint32_t i = known; result->failed && i <= result->step; i++)
        script_add(script, &apart->steps[i]);
    munmap(apart, size);
}

/* ---- shrinking ---- */

static bool still_fails(const struct script *script, enum lie lie, struct run_result *result)
{
    struct script copy = {0};
    struct run_result now;
    for (uint32_t i = 0; i < script->count; i++)
        script_add(&copy, &script->steps[i]);
    run_apart(&copy, 0, 0, lie, &now, NULL);
    script_free(&copy);
    if (!now.failed || strcmp(now.kind, result->kind) != 0)
        return false;
    *result = now;
    return true;
}

/* Leaves out `size` steps at a time, from the end on. True if any could be. */
static bool shrink_chunks(struct script *script, uint32_t size, enum lie lie,
                          struct run_result *result)
{
    bool less = false;
    struct script without = {0};
    for (uint32_t end = script->count; end > 0;) {
        uint32_t begin = end > size ? end - size : 0;
        without.count = 0;
        for (uint32_t i = 0; i < script->count; i++)
            if (i < begin || i >= end)
                script_add(&without, &script->steps[i]);
        if (still_fails(&without, lie, result)) {
            struct script old = *script;
            *script = without;
            without = old;
            script->count = result->step + 1 < script->count ? result->step + 1 : script->count;
            less = true;
            end = begin < script->count ? begin : script->count;
        } else {
            end = begin;
        }
    }
    script_free(&without);
    return less;
}

/* A value that does not matter becomes 0, or as small as may be. */
static bool shrink_args(struct script *script, enum lie lie, struct run_result *result)
{
    bool less = false;
    for (uint32_t i = 0; i < script->count; i++)
        for (uint32_t j = 0; j < script_args((enum script_verb)script->steps[i].verb); j++) {
            int32_t *arg = &script->steps[i].args[j], was = *arg;
            int32_t smaller[] = {0, was > 0 ? 1 : -1, was / 2};
            for (size_t k = 0; k < 3; k++) {
                if (smaller[k] == was || abs(smaller[k]) >= abs(was))
                    continue;
                *arg = smaller[k];
                if (still_fails(script, lie, result)) {
                    less = true;
                    break;
                }
                *arg = was;
            }
        }
    return less;
}

void run_shrink(struct script *script, enum lie lie, struct run_result *result)
{
    script->count = result->step + 1;
    for (bool less = true; less;) {
        less = false;
        for (uint32_t size = script->count / 2; size >= 1; size /= 2)
            less = shrink_chunks(script, size, lie, result) || less;
        less = shrink_args(script, lie, result) || less;
    }
}
