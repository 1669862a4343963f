#include "actors/watchdog/remedy.h"

#include <stdio.h>
#include <string.h>

#include "config/clock.h"

#define HOUR_US INT64_C(3600000000)

static const struct {
    const char *verb, *target;
} kinds[REMEDY_KINDS] = {
#define REMEDY_KIND(id, verb, target) {#verb, target},
#include "actors/watchdog/remedies.def"
#undef REMEDY_KIND
};
static const char *const causes[REMEDY_CAUSES] = {
#define REMEDY_CAUSE(id, name) name,
#include "actors/watchdog/remedies.def"
#undef REMEDY_CAUSE
};
#define REMEDY(output, cause, kind, subject, run)                                                  \
    {OUTPUT_##output, CAUSE_##cause, REMEDY_##kind, subject, run},
const struct remedy REMEDIES[REMEDIES_MOST] = {
#include "actors/watchdog/remedies.def"
};
#undef REMEDY

const char *remedy_verb(enum remedy_kind kind)
{
    return kinds[kind].verb;
}

const char *remedy_target(enum remedy_kind kind, const char *output)
{
    const struct output *owed = output_named(output);
    return kinds[kind].target[0] || !owed ? kinds[kind].target : owed->actor;
}

const char *remedy_cause_text(enum remedy_cause cause)
{
    return causes[cause];
}

void remedy_subject(const struct remedy *remedy, const struct msg_ops_expected *row,
                    char subject[REMEDY_SUBJECT_SIZE])
{
    size_t size = strlen(remedy->subject);
    int32_t date = row->game_date;
    if (size == 0)
        snprintf(subject, REMEDY_SUBJECT_SIZE, "%s", row->game_id);
    else if (remedy->subject[0] == '@')
        snprintf(subject, REMEDY_SUBJECT_SIZE, "%s:%04d-%02d-%02d", row->game_id, date / 10000,
                 date / 100 % 100, date % 100);
    else if (remedy->subject[size - 1] == ':')
        snprintf(subject, REMEDY_SUBJECT_SIZE, "%s%04d-%02d-%02d", remedy->subject, date / 10000,
                 date / 100 % 100, date % 100);
    else
        snprintf(subject, REMEDY_SUBJECT_SIZE, "%s", remedy->subject);
}

/* ---- limits ---- */

void remedy_limits(const struct settings *settings, struct remedy_limits *out)
{
    const struct settings_watchdog *of = &settings->watchdog;
    *out = (struct remedy_limits){
        .tries = of->heal_tries,
        .per_hour = of->heal_per_hour,
        .of = {[REMEDY_POLL] = {of->poll_cooldown_us, of->poll_per_hour},
               [REMEDY_REPROCESS] = {of->reprocess_cooldown_us, of->reprocess_per_hour},
               [REMEDY_REBUILD] = {of->rebuild_cooldown_us, of->rebuild_per_hour},
               [REMEDY_PREDICT] = {of->predict_cooldown_us, of->predict_per_hour},
               [REMEDY_GRADE] = {of->grade_cooldown_us, of->grade_per_hour},
               [REMEDY_EXPORT] = {of->export_cooldown_us, of->export_per_hour},
               [REMEDY_SAY] = {of->say_cooldown_us, of->say_per_hour},
               [REMEDY_FETCH] = {of->fetch_cooldown_us, of->fetch_per_hour},
               [REMEDY_REWIND] = {of->rewind_cooldown_us, of->rewind_per_hour}}};
}

void remedy_hour(struct remedy_budget *budget, int64_t now_us)
{
    if (budget->hour != now_us / HOUR_US)
        *budget = (struct remedy_budget){.hour = now_us / HOUR_US};
}

bool remedy_affords(const struct remedy_budget *budget, const struct remedy_limits *limits,
                    enum remedy_kind kind)
{
    int64_t all = 0;
    for (int i = 0; i < REMEDY_KINDS; i++)
        all += budget->asked[i];
    return all < limits->per_hour && budget->asked[kind] < limits->of[kind].per_hour;
}

/* ---- which ---- */

bool remedy_over(enum remedy_kind kind, const struct remedy_past *past,
                 const struct remedy_limits *limits, int64_t now_us)
{
    return past->asked_us == CLOCK_NONE || now_us - past->asked_us >= limits->of[kind].cooldown_us;
}

enum remedy_answer remedy_again(enum remedy_kind kind, const struct remedy_past *past,
                                const struct remedy_limits *limits,
                                const struct remedy_budget *budget, int64_t now_us)
{
    if (past->failed >= limits->tries)
        return REMEDY_SPENT;
    return !past->open && remedy_over(kind, past, limits, now_us) &&
                   remedy_affords(budget, limits, kind)
               ? REMEDY_ASK
               : REMEDY_WAIT;
}

enum remedy_answer remedy_next(enum output_id output, const struct remedy_facts *facts,
                               const struct remedy_past past[REMEDY_KINDS],
                               const struct remedy_limits *limits,
                               const struct remedy_budget *budget, int64_t now_us,
                               const struct remedy **remedy)
{
    enum remedy_answer answer = REMEDY_NONE;
    for (int kind = 0; kind < REMEDY_KINDS; kind++)
        if (past[kind].open)
            return REMEDY_WAIT;
    for (size_t i = 0; i < REMEDIES_MOST; i++) {
        const struct remedy *row = &REMEDIES[i];
        if (row->output != output || !facts->so[row->cause])
            continue;
        answer = remedy_again(row->kind, &past[row->kind], limits, budget, now_us);
        *remedy = row;
        if (answer != REMEDY_SPENT)
            return answer;
    }
    return answer;
}
