/* Rows of an import: from the columns of a CSV file to the history_* message, every rule checked. Pure: no files, no
 * log. What is refused is refused with the column and the rule it broke. */
#ifndef CLI_IMPORT_ROWS_H
#define CLI_IMPORT_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/csv.h"
#include "schema/messages.h"
#include "schema/hash.h"

/* In the order they are imported: what a kind refers to comes before it. */
enum import_kind {
    IMPORT_TEAMS,
    IMPORT_PLAYERS,
    IMPORT_GAMES,
    IMPORT_PLAYER_GAMES,
    IMPORT_GAME_LINES,
    IMPORT_PROPS,
    IMPORT_KINDS
};
const struct message_desc *import_kind_desc(enum import_kind kind);

union import_message {
    struct msg_history_team team;
    struct msg_history_player player;
    struct msg_history_game game;
    struct msg_history_player_game player_game;
    struct msg_history_game_line game_line;
    struct msg_history_prop_line prop_line;
};

#define IMPORT_COLUMNS_MAX 32
/* Which column of a file goes where. */
struct import_layout {
    enum import_kind kind;
    int count; /* columns of the file */
    int column[IMPORT_COLUMNS_MAX];
};
#define IMPORT_RULE_SIZE 200
/* Tells the kind of a file by its header. 0, or -1 with `rule`: no kind has these columns, or one is missing. */
int import_layout_of(struct import_layout *out, const struct csv_row *header,
                     char rule[IMPORT_RULE_SIZE]);

struct import_rows;
struct import_rows *import_rows_new(const char *import_id, int32_t before); /* before 0: all */
void import_rows_free(struct import_rows **self);
/* A team that rows may name beside those of the teams files taken. */
void import_rows_know_team(struct import_rows *self, const char *team);

enum import_verdict {
    IMPORT_TAKEN,
    IMPORT_LEFT_OUT, /* not dated before `before` */
    IMPORT_REFUSED   /* `rule` says why */
};
/* Fills `message` from the row. Every row must come by here once, files of a kind before those of the next. */
enum import_verdict import_rows_take(struct import_rows *self, const struct import_layout *layout,
                                     const struct csv_row *row, const char *file,
                                     union import_message *message, struct hash *taken,
                                     char rule[IMPORT_RULE_SIZE]);
/* The same for a row that was taken before: fills `message`, checks nothing against other rows. */
enum import_verdict import_rows_again(struct import_rows *self, const struct import_layout *layout,
                                      const struct csv_row *row, const char *file,
                                      union import_message *message, struct hash *taken,
                                      char rule[IMPORT_RULE_SIZE]);

#endif
