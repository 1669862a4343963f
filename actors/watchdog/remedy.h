/* What mends what is missing, by its cause: which remedy is next, whether the one before helped, what it may cost. Pure, but for who
 * keeps it (remedies.h). The table: remedies.def. */
#ifndef ACTORS_WATCHDOG_REMEDY_H
#define ACTORS_WATCHDOG_REMEDY_H

#include "actors/watchdog/expect.h"
#include "config/settings.h"

enum remedy_kind {
#define REMEDY_KIND(id, verb, target) REMEDY_##id,
#include "actors/watchdog/remedies.def"
#undef REMEDY_KIND
    REMEDY_KINDS
};
enum remedy_cause {
#define REMEDY_CAUSE(id, name) CAUSE_##id,
#include "actors/watchdog/remedies.def"
#undef REMEDY_CAUSE
    REMEDY_CAUSES
};

struct remedy {
    enum output_id output;
    enum remedy_cause cause;
    enum remedy_kind kind;
    const char *subject, *run;
};
#define REMEDIES_MOST 19
extern const struct remedy REMEDIES[REMEDIES_MOST];
const char *remedy_verb(enum remedy_kind kind);
const char *remedy_target(enum remedy_kind kind, const char *output); /* of what output */
const char *remedy_cause_text(enum remedy_cause cause);
/* "" : the game itself. */
#define REMEDY_SUBJECT_SIZE 60
void remedy_subject(const struct remedy *remedy, const struct msg_ops_expected *row,
                    char subject[REMEDY_SUBJECT_SIZE]);

/* ---- limits ---- */

struct remedy_limits {
    int64_t tries, per_hour;
    struct {
        int64_t cooldown_us, per_hour;
    } of[REMEDY_KINDS];
};
void remedy_limits(const struct settings *settings, struct remedy_limits *out);
/* What was asked for in an hour of league time. */
struct remedy_budget {
    int64_t hour, asked[REMEDY_KINDS];
};
void remedy_hour(struct remedy_budget *budget, int64_t now_us); /* a new hour begins with nothing */
bool remedy_affords(const struct remedy_budget *budget, const struct remedy_limits *limits,
                    enum remedy_kind kind);

/* ---- which ---- */

/* What was asked last of one kind for one output of one game. Blank outcome: nothing ever. */
struct remedy_past {
    bool open;                          /* nobody knows yet whether it helped */
    int64_t asked_us, attempts, failed; /* failed: in a row */
};
/* How something that is missing stands: for each cause whether it is so. */
struct remedy_facts {
    bool so[REMEDY_CAUSES];
};
enum remedy_answer {
    REMEDY_ASK,   /* `*remedy` */
    REMEDY_WAIT,  /* one is on its way, cools down, or the hour's are used up */
    REMEDY_SPENT, /* all that fit were tried, and did not help */
    REMEDY_NONE   /* there is none for it */
};
enum remedy_answer remedy_next(enum output_id output, const struct remedy_facts *facts,
                               const struct remedy_past past[REMEDY_KINDS],
                               const struct remedy_limits *limits,
                               const struct remedy_budget *budget, int64_t now_us,
                               const struct remedy **remedy);
/* The same for one kind that is known to be the one. */
enum remedy_answer remedy_again(enum remedy_kind kind, const struct remedy_past *past,
                                const struct remedy_limits *limits,
                                const struct remedy_budget *budget, int64_t now_us);
/* Has it had the time that it is given to help? */
bool remedy_over(enum remedy_kind kind, const struct remedy_past *past,
                 const struct remedy_limits *limits, int64_t now_us);

#endif
