/* Rows of an import: what is taken, and each rule that refuses one, by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/import_plan.h"
#include "config/clock.h"
#include "schema/messages.h"

#define GAMES_HEADER                                                                               \
    "game_id,season,game_date,tip_utc,tip_source,home,away,neutral,status,home_pts,away_pts,"      \
    "periods\n"
#define BOX_HEADER                                                                                 \
    "game_id,season,game_date,player_id,player_name,team,opponent,home,win,starter,min,sec,pts,"   \
    "fgm,fga,fg3m,fg3a,ftm,fta,oreb,dreb,reb,ast,stl,blk,tov,pf,plus_minus\n"
#define PROPS_HEADER                                                                               \
    "game_id,game_date,snapshot_utc,event_id,commence_utc,book,player_id,player_name,line,"        \
    "over_price,under_price,main,played\n"
#define LINES_HEADER                                                                               \
    "game_id,game_date,kind,book,snapshot_utc,spread_home,total,ml_home,ml_away,source\n"
#define TEAMS                                                                                      \
    "team,nba_team_id,bdl_team_id,odds_api_name,bdl_full_name,city,name,conference,division\n"     \
    "AAA,1,1,Alpha Aces,Alpha Aces,Alpha,Aces,East,North\n"                                        \
    "BBB,2,2,Beta Bears,Beta Bears,Beta,Bears,West,South\n"
#define GAME "0022500001,2025-26,2025-10-21,2025-10-21T23:30:00Z,x,AAA,BBB,0,final,110,100,4\n"
#define BOX                                                                                        \
    "0022500001,2025-26,2025-10-21,7,Ann "                                                         \
    "Other,AAA,BBB,1,1,1,30,1800,20,8,15,2,5,2,2,1,4,5,3,1,0,2,"                                   \
    "3,9\n"

static char root[64];

static int start(void **state)
{
    (void)state;
    messages_register();
    return clock_zone_set("America/New_York");
}

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/test_import.XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int drop_root(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    mkdir(path, 0755);
    *slash = '/';
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

/* Checks the root; the caller frees the plan and the rows. */
static struct import_rows *check(struct import_plan *plan, int32_t before)
{
    char why[256];
    *plan = (struct import_plan){0};
    assert_int_equal(import_plan_add(plan, root, why, sizeof why), 0);
    import_plan_sort(plan);
    struct import_rows *rows = import_rows_new("import-1", before);
    assert_non_null(rows);
    assert_int_equal(import_plan_check(plan, rows, NULL, NULL), 0);
    return rows;
}

static void done(struct import_plan *plan, struct import_rows **rows)
{
    import_rows_free(rows);
    import_plan_free(plan);
}

static const struct import_file *file_of(const struct import_plan *plan, const char *name)
{
    for (int i = 0; i < plan->count; i++)
        if (!strcmp(plan->files[i].name, name))
            return &plan->files[i];
    return NULL;
}

static void good_rows_are_taken(void **state)
{
    (void)state;
    struct import_plan plan;
    put("teams.csv", TEAMS);
    put("games/a.csv", GAMES_HEADER GAME);
    put("player_games/a.csv", BOX_HEADER BOX);
    put("props_points/a.csv",
        PROPS_HEADER "0022500001,2025-10-21,2025-10-21T17:00:00Z,e,2025-10-21T23:35:00Z,bk,7,Ann "
                     "Other,18.5,-110,-110,1,1\n");
    put("game_lines/a.csv", LINES_HEADER "0022500001,2025-10-21,close,bk,,-1.5,233.5,-125,105,x\n");
    put("absent.csv", "game_id,player_id\nx,y\n"); /* never read */
    struct import_rows *rows = check(&plan, 0);
    assert_int_equal(plan.refusal_count, 0);
    assert_int_equal(plan.count, 5);
    assert_string_equal(plan.files[0].name, "teams.csv");
    assert_string_equal(plan.files[1].name, "games/a.csv");
    assert_string_equal(plan.files[2].name, "player_games/a.csv");
    assert_int_equal(file_of(&plan, "player_games/a.csv")->rows, 1);
    done(&plan, &rows);
}

static void every_rule_refuses_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *file, *header, *row, *rule;
    } cases[] = {
        {"player_games/a.csv", BOX_HEADER, "0022500001,2025-26,2025-10-21\n",
         "3 fields where the header has 28"},
#define ROW(id, season, date, player, team, min, pts, fgm, fga, reb)                               \
    id "," season "," date "," player ",Ann Other," team ",BBB,1,1,1," min ",1800," pts "," fgm    \
       "," fga ",2,5,2,2,1,4," reb ",3,1,0,2,3,9\n"
        {"player_games/a.csv", BOX_HEADER,
         ROW("0022500001", "2025-26", "2025-10-21", "7", "AAA", "NaN", "20", "8", "15", "5"),
         "min: not a whole number: NaN"},
        {"player_games/a.csv", BOX_HEADER,
         ROW("0022500001", "2025-26", "2025-10-21", "7", "AAA", "30", "21", "8", "15", "5"),
         "pts: 21 is not 2*fgm + fg3m + ftm = 20"},
        {"player_games/a.csv", BOX_HEADER,
         ROW("0022500001", "2025-26", "2025-10-21", "7", "AAA", "30", "20", "8", "7", "5"),
         "fgm: 8 is more than fga 7"},
        {"player_games/a.csv", BOX_HEADER,
         ROW("0022500001", "2025-26", "2025-10-21", "7", "AAA", "30", "20", "8", "15", "6"),
         "reb: 6 is not oreb + dreb = 5"},
        {"player_games/a.csv", BOX_HEADER,
         ROW("0022500001", "2025-26", "2025-10-21", "7", "XYZ", "30", "20", "8", "15", "5"),
         "team: unknown team: XYZ"},
        {"player_games/a.csv", BOX_HEADER,
         ROW("0022500001", "2025-26", "2025-02-30", "7", "AAA", "30", "20", "8", "15", "5"),
         "game_date: no such date: 2025-02-30"},
        {"player_games/a.csv", BOX_HEADER,
         ROW("0022500001", "2024-25", "2025-10-21", "7", "AAA", "30", "20", "8", "15", "5"),
         "season: 2024-25, but the game_id is of 2025-26"},
        {"player_games/a.csv", BOX_HEADER,
         ROW("0022500009", "2025-26", "2024-10-21", "7", "AAA", "30", "20", "8", "15", "5"),
         "game_date: 20241021 is not within the season of 2025"},
        {"player_games/a.csv", BOX_HEADER,
         ROW("22500001", "2025-26", "2025-10-21", "7", "AAA", "30", "20", "8", "15", "5"),
         "game_id: not ten digits of the NBA's form: 22500001"},
        {"player_games/a.csv", BOX_HEADER,
         ROW("0022500001", "2025-26", "2025-10-22", "7", "AAA", "30", "20", "8", "15", "5"),
         "game_date: 20251022, but the game is of 20251021"},
        {"player_games/a.csv", BOX_HEADER,
         ROW("0022500001", "2025-26", "2025-10-21", "", "AAA", "30", "20", "8", "15", "5"),
         "player_id: is missing"},
        {"player_games/a.csv", BOX_HEADER,
         ROW("0022500001", "2025-26", "2025-10-21", "7", "AAA", "30", "inf", "8", "15", "5"),
         "pts: not a whole number: inf"},
        {"player_games/a.csv", BOX_HEADER,
         ROW("0022500001", "2025-26", "2025-10-21", "7", "AAA", "300", "20", "8", "15", "5"),
         "min: out of range: 300"},
        {"props_points/a.csv", PROPS_HEADER, "0022500001,2025-10-21,,e,,bk,7,A,nan,-110,-110,1,1\n",
         "line: not a number: nan"},
        {"props_points/a.csv", PROPS_HEADER, "0022500001,2025-10-21,,e,,bk,7,A,1e1,-110,-110,1,1\n",
         "line: not a number: 1e1"},
        {"props_points/a.csv", PROPS_HEADER, "0022500001,2025-10-21,,e,,bk,7,A,10.5,-50,-110,1,1\n",
         "over_price: not an American price: -50"},
        {"props_points/a.csv", PROPS_HEADER, "0022500001,2025-10-21,,e,,bk,7,A,10.5,,,1,1\n",
         "over_price: a line without any price"},
        {"games/b.csv", GAMES_HEADER, "0022500002,2025-26,2025-10-21,,x,AAA,AAA,0,scheduled,,,\n",
         "away: a team cannot play itself: AAA"},
        {"games/b.csv", GAMES_HEADER, "0022500002,2025-26,2025-10-21,,x,AAA,BBB,0,final,99,99,4\n",
         "home_pts: a final game cannot be tied at 99"},
        {"games/b.csv", GAMES_HEADER, "0022500002,2025-26,2025-10-21,,x,AAA,BBB,0,maybe,,,\n",
         "status: neither scheduled nor final: maybe"},
        {"games/b.csv", GAMES_HEADER, "0022500002,2025-26,2025-10-21,,x,AAA,BBB,0,final,,,\n",
         "status: final without a score"},
        {"games/b.csv", GAMES_HEADER, GAME, "game_id: twice: 0022500001"},
        {"games/b.csv", GAMES_HEADER,
         "0022500002,2025-26,2025-10-21,2025-12-21T23:30:00Z,x,AAA,BBB,0,scheduled,,,\n",
         "tip_utc: 61 days from the game's date"},
        {"game_lines/a.csv", LINES_HEADER, "0022500001,2025-10-21,close,bk,,,,,,x\n",
         "spread_home: neither spread nor total nor money line"},
        {"player_games/a.csv", BOX_HEADER, "\"0022500001\"x,2\n", "text after a closing quote"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[2048];
        struct import_plan plan;
        drop_root(NULL);
        make_root(NULL);
        put("teams.csv", TEAMS);
        put("games/a.csv", GAMES_HEADER GAME);
        snprintf(text, sizeof text, "%s%s", cases[i].header, cases[i].row);
        put(cases[i].file, text);
        struct import_rows *rows = check(&plan, 0);
        assert_int_equal(plan.refusal_count, 1);
        assert_string_equal(plan.refusals[0].rule, cases[i].rule);
        assert_int_equal((int)plan.refusals[0].line, 2);
        assert_string_equal(plan.files[plan.refusals[0].file].name, cases[i].file);
        done(&plan, &rows);
    }
}

static void the_same_player_twice_in_a_game(void **state)
{
    (void)state;
    struct import_plan plan;
    put("teams.csv", TEAMS);
    put("player_games/a.csv", BOX_HEADER BOX BOX);
    struct import_rows *rows = check(&plan, 0);
    assert_int_equal(plan.refusal_count, 1);
    assert_string_equal(plan.refusals[0].rule, "player_id: twice in game 0022500001: 7");
    assert_int_equal((int)plan.refusals[0].line, 3);
    assert_int_equal(file_of(&plan, "player_games/a.csv")->rows, 1);
    done(&plan, &rows);
}

struct taken {
    int games, scheduled, boxes;
};

static int take(void *context, enum import_kind kind, const void *message)
{
    struct taken *taken = context;
    const struct msg_history_game *game = message;
    taken->boxes += kind == IMPORT_PLAYER_GAMES;
    if (kind != IMPORT_GAMES)
        return 0;
    taken->games++;
    if (!strcmp(game->status, "scheduled")) {
        assert_int_equal(game->home_points, MESSAGE_NONE);
        assert_int_equal(game->away_points, MESSAGE_NONE);
        assert_int_equal(game->periods, MESSAGE_NONE);
        assert_true(game->tip_at != MESSAGE_NONE);
        taken->scheduled++;
    }
    return 0;
}

static void read_all(const struct import_plan *plan, struct import_rows *rows, struct taken *taken)
{
    char why[256];
    *taken = (struct taken){0};
    for (int i = 0; i < plan->count; i++)
        assert_int_equal(import_plan_read(plan, i, rows, take, taken, why, sizeof why), 0);
}

static void before_blanks_what_comes_after(void **state)
{
    (void)state;
    struct import_plan all, early;
    struct taken taken;
    put("teams.csv", TEAMS);
    put("games/a.csv", GAMES_HEADER GAME);
    put("player_games/a.csv", BOX_HEADER BOX);
    struct import_rows *rows = check(&all, 0);
    read_all(&all, rows, &taken);
    assert_int_equal(taken.boxes, 1);
    assert_int_equal(taken.scheduled, 0);
    struct import_rows *fewer = check(&early, 20251021);
    read_all(&early, fewer, &taken);
    assert_int_equal(taken.games, 1);
    assert_int_equal(taken.scheduled, 1);
    assert_int_equal(taken.boxes, 0);
    assert_int_equal(file_of(&early, "player_games/a.csv")->left_out, 1);
    /* What is left out is not the same content; what is not touched by it is. */
    assert_string_not_equal(file_of(&all, "games/a.csv")->sha256,
                            file_of(&early, "games/a.csv")->sha256);
    assert_string_equal(file_of(&all, "teams.csv")->sha256, file_of(&early, "teams.csv")->sha256);
    done(&early, &fewer);
    done(&all, &rows);
}

static void refused_rows_change_nothing_of_the_rest(void **state)
{
    (void)state;
    struct import_plan clean, dirty;
    struct taken taken;
    put("teams.csv", TEAMS);
    put("games/a.csv", GAMES_HEADER GAME);
    struct import_rows *first = check(&clean, 0);
    put("games/a.csv", GAMES_HEADER "1,2\n" GAME "\"x,\n");
    struct import_rows *second = check(&dirty, 0);
    assert_int_equal(dirty.refusal_count, 2);
    assert_string_equal(file_of(&clean, "games/a.csv")->sha256,
                        file_of(&dirty, "games/a.csv")->sha256);
    read_all(&dirty, second, &taken);
    assert_int_equal(taken.games, 1);
    done(&clean, &first);
    done(&dirty, &second);
}

static void a_file_that_changes_meanwhile_is_noticed(void **state)
{
    (void)state;
    struct import_plan plan;
    struct taken taken = {0};
    char why[256];
    put("teams.csv", TEAMS);
    put("games/a.csv", GAMES_HEADER GAME);
    struct import_rows *rows = check(&plan, 0);
    put("games/a.csv", GAMES_HEADER
        "0022500001,2025-26,2025-10-21,2025-10-21T23:30:00Z,x,AAA,BBB,0,final,111,100,4\n");
    assert_int_equal(import_plan_read(&plan, 1, rows, take, &taken, why, sizeof why), -1);
    assert_non_null(strstr(why, "changed while it was read"));
    done(&plan, &rows);
}

static void headers_are_checked_before_rows(void **state)
{
    (void)state;
    struct import_plan plan = {0};
    char why[256];
    put("games/a.csv", "game_id,season,game_date,tip_utc,home,away,neutral,status,periods\n");
    assert_int_equal(import_plan_add(&plan, root, why, sizeof why), -1);
    assert_non_null(strstr(why, "column home_pts is missing"));
    import_plan_free(&plan);
    put("games/a.csv", "what,ever\n1,2\n");
    assert_int_equal(import_plan_add(&plan, root, why, sizeof why), -1);
    assert_non_null(strstr(why, "not the columns of any kind"));
    import_plan_free(&plan);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, drop_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_rows_are_taken),
        TEST(every_rule_refuses_by_name),
        TEST(the_same_player_twice_in_a_game),
        TEST(before_blanks_what_comes_after),
        TEST(refused_rows_change_nothing_of_the_rest),
        TEST(a_file_that_changes_meanwhile_is_noticed),
        TEST(headers_are_checked_before_rows),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
