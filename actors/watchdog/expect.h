/* Expected outputs: what every game owes, by when, and what became of it. Pure: times and facts are handed in. The rows are ops_expected
 * messages; who keeps them is due.c. */
#ifndef ACTORS_WATCHDOG_EXPECT_H
#define ACTORS_WATCHDOG_EXPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/messages.h"

enum output_since { SINCE_TIP, SINCE_FINAL };
#define OUTPUT(id, name, actor, since, after_min, ahead_min, least, told_only, any_time, doc)      \
    OUTPUT_##id,
enum output_id {
#include "actors/watchdog/outputs.def"
    OUTPUT_COUNT
};
#undef OUTPUT

struct output {
    const char *name, *actor;
    enum output_since since;
    int64_t after_us;
    int64_t ahead_us; /* so long before its deadline what does not come is asked for */
    int64_t least;    /* rows */
    bool told_only;
    bool any_time; /* it can be made long after */
    const char *doc;
};
extern const struct output OUTPUTS[OUTPUT_COUNT];
const struct output *output_named(const char *name); /* NULL */

/* How its owner is, as far as it excuses or explains. */
struct owner {
    bool halted;
    bool working; /* has records to take and takes them: what is due may be among them */
    char cause[121];
    const char *last_error; /* class of the newest failure of what feeds it; NULL: none */
};
#define EXPECT_CHECK_SIZE 140

/* A new row; deadline of SINCE_FINAL is blank until expect_final. */
void expect_begin(struct msg_ops_expected *row, const struct output *output, const char *game_id,
                  int32_t game_date, int64_t tip_us);
/* The tip is another, or is known now. */
void expect_tip(struct msg_ops_expected *row, const struct output *output, int64_t tip_us);
void expect_final(struct msg_ops_expected *row, const struct output *output, int64_t final_us);
/* Nothing is owed any more: postponed, moved. */
void expect_void(struct msg_ops_expected *row, const char *reason);
/* `more` rows came, `wanted` more are wanted, at league time `at_us`. True: it was settled and is open again. */
bool expect_count(struct msg_ops_expected *row, int64_t more, int64_t wanted, int64_t at_us);
int64_t expect_need(const struct msg_ops_expected
                        *row); /* rows that there must be: what others lead to, and the least */
bool expect_open(const struct msg_ops_expected *row);    /* still to be judged */
bool expect_missing(const struct msg_ops_expected *row); /* due, and not there */
/* Settled, and not there: nobody waits for it any more, and it could still be made. */
bool expect_hole(const struct msg_ops_expected *row);
/* A check of what it is made of was said: it is judged anew. */
void expect_again(struct msg_ops_expected *row);
/* As of now. `check`: one that fails of what it is made of ("": none): it is there, and not to be relied on. True: the state is another, or says why
 * otherwise. */
bool expect_judge(struct msg_ops_expected *row, const struct owner *owner, const char *check,
                  int64_t now_us);
/* May something be asked for that mends it? It is late; or it is ahead of its deadline, and nothing came of it for a while. */
bool expect_wanting(const struct msg_ops_expected *row, const struct owner *owner, int64_t now_us);

#endif
