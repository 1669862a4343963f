#include "actors/features/features_docs.h"

#include "actors/features/window.h"

static const struct {
    int index;
    const char *theirs, *ours, *why;
} REPLACED_ROWS[] = {
#define REPLACED(index, theirs, ours, why) {index, theirs, ours, why},
#include "actors/features/replaced.def"
#undef REPLACED
};

static const char INTRO[] =
    "# Features\n"
    "\n"
    "What is known of a player before a game: the values of `feature.player`, in this order. "
    "Printed "
    "from `actors/features/features.def`; `tipoff features --list` prints it, too, `tipoff "
    "features "
    "--date D` what they were.\n"
    "\n"
    "Every window ends strictly before the game's league day. *last n* are the n newest games he "
    "appeared in, of any season; *season* is the season of the game only; *known* are his newest "
    "%d "
    "games; *half-life n*: a game weighs half of one n games later. A team's *last n* are its "
    "newest "
    "games of any season. *Plays* are FGA + .44 FTA + TO (for a team's pace less offensive "
    "rebounds). "
    "A *regular* is a teammate with %d minutes or more a game over his last ten. He is *absent* "
    "who is "
    "with the team (his last game of the last 30 days was for it) and was not in its last game, or "
    "whom the injury report has out: who else plays tonight is not known before a game, and is not "
    "looked at.\n"
    "\n"
    "Nothing is made up: what is unknown is nil, and `quality` is the share of features that have "
    "a "
    "value. The source of a value says how much it rests on: `games:10`, `team_games:15`, "
    "`mates:9`, "
    "`odds:8`, `schedule`. Values are rounded to six decimals.\n"
    "\n"
    "The same code makes them for tonight (the actor, from its store) and for every game of the "
    "past "
    "(`tipoff train`, `tipoff backtest`). A game changes the rows of its players and its two "
    "teams, "
    "and nothing else.\n"
    "\n"
    "| feature | unit | over | without data | source |\n"
    "|---|---|---|---|---|\n";

static const char REPLACED_INTRO[] = "\n"
                                     "## The 33 of before\n"
                                     "\n"
                                     "What stands for each number of the feature vector "
                                     "`v2_33features` that this list takes the place "
                                     "of.\n"
                                     "\n"
                                     "| # | theirs | here | what is different |\n"
                                     "|---|---|---|---|\n";

void features_print_docs(FILE *out)
{
    fprintf(out, INTRO, WINDOW_LINES_MAX, WINDOW_REGULAR_MINUTES);
    for (int i = 0; i < FEATURE_COUNT; i++) {
        const struct feature_about *about = feature_about((enum feature)i);
        fprintf(out, "| `%s` | %s | %s | %s | %s |\n", about->name, about->unit, about->window,
                about->missing, about->source);
    }
    fputs(REPLACED_INTRO, out);
    for (size_t i = 0; i < sizeof REPLACED_ROWS / sizeof REPLACED_ROWS[0]; i++) {
        const char *ours = REPLACED_ROWS[i].ours;
        fprintf(out, "| %d | `%s` | %s%s%s | %s |\n", REPLACED_ROWS[i].index,
                REPLACED_ROWS[i].theirs, ours ? "`" : "", ours ? ours : "none", ours ? "`" : "",
                REPLACED_ROWS[i].why);
    }
}
