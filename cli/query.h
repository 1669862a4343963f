/* What the query subcommands share: the scoreboard's tables opened for reading, and JSON or a table printed. */
#ifndef CLI_QUERY_H
#define CLI_QUERY_H

#include "actors/scoreboard/views.h"
#include "cli/command.h"

extern const struct command_option query_date_option[]; /* --date D, and no more */

/* Prints the view `name`, asked with --date (required unless the view can do without). An exit code. */
int query_view(struct cli *cli, const char *name);
/* The same with a query made by the caller. */
int query_print_view(struct cli *cli, const struct view *view, const struct view_query *query);
/* The answer, the caller's; NULL: *code says why, said on stderr. Before anything ever ran: an empty store, see `empty`. */
json_t *query_answer(struct cli *cli, const struct view *view, const struct view_query *query,
                     int *code);

/* Opens the tables and begins a read transaction. EXIT_OK; EXIT_NO with *store NULL: nothing ever ran here (said on stderr). */
int query_open(struct cli *cli, struct store **store, struct store_txn **txn);
void query_close(struct store **store, struct store_txn **txn);

/* --date, required. */
int query_date(struct cli *cli, int32_t *date);
/* JSON with --json; else a list of objects as a table of those keys (NULL: all), an object as lines. */
void query_print(const struct cli *cli, const json_t *value, const char *const *keys);

#endif
