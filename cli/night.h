/* How far a night has come, from the scoreboard's tables: what is shown live, and when `up --until-final` may end. */
#ifndef CLI_NIGHT_H
#define CLI_NIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/messages.h"

#define NIGHT_GAMES_MAX 64

struct night {
    int games, final, postponed;
    struct msg_row_game game[NIGHT_GAMES_MAX]; /* as last seen, by tip and id */
    int predictions;                           /* active ones, of the games of this night */
    int graded;                                /* ... with a final grade */
    int box_scores, final_box_scores;          /* players' lines */
    int undecided; /* expected outputs past their deadline of which the ledger has not said what they are */
};

struct night_reader;

/* Nothing is opened yet: the tables may not exist so far. NULL: no memory. */
struct night_reader *night_open(const char *dir);
void night_close(struct night_reader **self);
/* 0; 1 if the tables do not exist yet (`out` is empty); -1: they cannot be read, said in the log. */
int night_read(struct night_reader *self, int32_t date, struct night *out);
/* Every game final (or put off), every active prediction graded for good; false while no game is known. */
bool night_over(const struct night *self);

#endif
