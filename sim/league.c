#include "sim/league.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "config/clock.h"
#include "sim/league_parts.h"
#include "sim/root.h"

#define STAMP "league.stamp" /* written last: what it says is there is there whole */
#define STAMP_VERSION 1
#define STAMP_SIZE 80
#define PROPS_COLUMNS                                                                              \
    "game_id,game_date,snapshot_utc,event_id,commence_utc,book,player_id,player_name,line,"        \
    "over_price,under_price,main,played"

/* ---- files ---- */

struct files {
    const char *path;
    int32_t night; /* the one in hand; 0: none so far */
    gzFile games, player_games, props, game_lines, absent;
    gzFile events, night_props; /* of the night in hand; night_props only where several are lived */
    FILE *teams, *players, *replay;
    bool failed;
};

static void full_path(const struct files *self, const char *name, char path[PATH_MAX])
{
    if (snprintf(path, PATH_MAX, "%s/%s", self->path, name) >= PATH_MAX) {
        path[0] = '\0';
    }
}

static void make_folder(struct files *self, const char *name)
{
    char path[PATH_MAX];
    full_path(self, name, path);
    self->failed = self->failed || mkdir(path, 0755) != 0;
}

/* Without names or times in the header: the same rows are the same bytes. */
static gzFile open_gz(struct files *self, const char *name, const char *header)
{
    char path[PATH_MAX];
    full_path(self, name, path);
    gzFile file = gzopen(path, "wbe6");
    self->failed = self->failed || file == NULL || gzprintf(file, "%s\n", header) <= 0;
    return file;
}

static FILE *open_plain(struct files *self, const char *name, const char *header)
{
    char path[PATH_MAX];
    full_path(self, name, path);
    FILE *file = fopen(path, "we");
    self->failed = self->failed || file == NULL || fprintf(file, "%s\n", header) <= 0;
    return file;
}

static void open_files(struct files *self, const struct league *league)
{
    char name[128];
    make_folder(self, "games");
    make_folder(self, "player_games");
    make_folder(self, "props_points");
    make_folder(self, "game_lines");
    make_folder(self, "replay");
    self->teams = open_plain(self, "teams.csv",
                             "team,nba_team_id,bdl_team_id,odds_api_name,bdl_full_name,city,name,"
                             "conference,division");
    self->players = open_plain(self, "players.csv",
                               "player_id,player_name,name_key,position,bdl_player_id,first_game");
    snprintf(name, sizeof name, "games/%s.csv.gz", league->season);
    self->games = open_gz(self, name,
                          "game_id,season,game_date,tip_utc,tip_source,home,away,neutral,status,"
                          "home_pts,away_pts,periods");
    snprintf(name, sizeof name, "player_games/%s.csv.gz", league->season);
    self->player_games =
        open_gz(self, name,
                "game_id,season,game_date,player_id,player_name,team,opponent,home,win,starter,min,"
                "sec,pts,fgm,fga,fg3m,fg3a,ftm,fta,oreb,dreb,reb,ast,stl,blk,tov,pf,plus_minus");
    snprintf(name, sizeof name, "props_points/%s.csv.gz", league->season);
    self->props = open_gz(self, name, PROPS_COLUMNS);
    snprintf(name, sizeof name, "game_lines/%s.csv.gz", league->season);
    self->game_lines = open_gz(self, name,
                               "game_id,game_date,kind,book,snapshot_utc,spread_home,total,ml_home,"
                               "ml_away,source");
    self->absent =
        open_gz(self, "absent.csv.gz", "game_id,season,game_date,team,player_id,player_name");
}

static void close_gz(struct files *self, gzFile *file)
{
    self->failed = (*file != NULL && gzclose(*file) != Z_OK) || self->failed;
    *file = NULL;
}

static void close_plain(struct files *self, FILE **file)
{
    self->failed = (*file != NULL && fclose(*file) != 0) || self->failed;
    *file = NULL;
}

static void close_night(struct files *self)
{
    close_gz(self, &self->events);
    close_gz(self, &self->night_props);
    close_plain(self, &self->replay);
}

/* The folder of a night that is lived, once for all its games. */
static void open_night(struct files *self, const struct league *league, int32_t date)
{
    char day[CLOCK_DATE_SIZE], name[64];
    if (self->night == date) {
        return;
    }
    close_night(self);
    self->night = date;
    clock_format_date(date, day);
    snprintf(name, sizeof name, "replay/%s", day);
    make_folder(self, name);
    snprintf(name, sizeof name, "replay/%s/events.csv.gz", day);
    self->events = open_gz(self, name,
                           "game_id,seq,period,clock,elapsed,est_utc,team,player_id,player_name,"
                           "type,points,home_score,away_score");
    if (league->last_date != league->demo_date) {
        snprintf(name, sizeof name, "replay/%s/props_points.csv.gz", day);
        self->night_props = open_gz(self, name, PROPS_COLUMNS);
    }
    snprintf(name, sizeof name, "replay/%s/games.csv", day);
    self->replay = open_plain(self, name,
                              "game_id,game,periods,events,stat_mismatches,max_sec_diff,"
                              "plus_minus_mismatch,players,final");
}

static void close_files(struct files *self)
{
    gzFile *packed[] = {&self->games, &self->player_games, &self->props, &self->game_lines,
                        &self->absent};
    close_night(self);
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++) {
        close_gz(self, packed[i]);
    }
    close_plain(self, &self->teams);
    close_plain(self, &self->players);
}

static void put(struct files *self, gzFile file, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void put(struct files *self, gzFile file, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    self->failed = gzvprintf(file, fmt, args) <= 0 || self->failed;
    va_end(args);
}

/* ---- rows ---- */

static void instant_text(int64_t instant_us, char text[CLOCK_TEXT_SIZE])
{
    char full[CLOCK_TEXT_SIZE];
    clock_format_utc(instant_us, full);
    snprintf(text, CLOCK_TEXT_SIZE, "%.19sZ", full);
}

static void write_people(struct files *files, const struct league *league)
{
    for (int t = 0; t < LEAGUE_TEAMS; t++) {
        const struct league_team *team = &league->team[t];
        fprintf(files->teams, "%s,%d,%d,%s %s,%s %s,%s,%s,%s,%s\n", team->code, 1612900001 + t,
                t + 1, team->city, team->name, team->city, team->name, team->city, team->name,
                team->conference, team->division);
    }
    for (int i = 0; i < LEAGUE_PLAYERS; i++) {
        const struct league_player *player = &league->player[i];
        char first[CLOCK_DATE_SIZE] = "", known[24] = "";
        if (player->games > 0) {
            clock_format_date(player->first_game, first);
        }
        if (player->bdl_id != 0) {
            snprintf(known, sizeof known, "%" PRId64, player->bdl_id);
        }
        fprintf(files->players, "%" PRId64 ",%s,%s,%s,%s,%s\n", player->id, player->name,
                player->key, player->position, known, first);
    }
}

static void write_match(struct files *files, const struct league *league,
                        const struct league_game *match, const struct night_game *played)
{
    char day[CLOCK_DATE_SIZE], tip[CLOCK_TEXT_SIZE];
    clock_format_date(match->date, day);
    instant_text(match->tip_us, tip);
    put(files, files->games, "%s,%s,%s,%s,league,%s,%s,0,", match->id, league->season, day, tip,
        league->team[match->team[NIGHT_HOME]].code, league->team[match->team[NIGHT_AWAY]].code);
    if (played == NULL) {
        put(files, files->games, "scheduled,,,\n");
        return;
    }
    const int *score = played->events[played->event_count - 1].score;
    put(files, files->games, "final,%d,%d,%d\n", score[NIGHT_HOME], score[NIGHT_AWAY],
        played->periods);
}

static void write_player(struct files *files, const struct league *league,
                         const struct league_game *match, const struct night_member *member,
                         const struct night_state *end, const struct night_stat *stat)
{
    const struct league_player *player = &league->player[member->player];
    enum night_side side = member->side;
    char day[CLOCK_DATE_SIZE];
    clock_format_date(match->date, day);
    put(files, files->player_games,
        "%s,%s,%s,%" PRId64
        ",%s,%s,%s,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d\n",
        match->id, league->season, day, player->id, player->name,
        league->team[match->team[side]].code, league->team[match->team[1 - side]].code,
        side == NIGHT_HOME, end->score[side] > end->score[1 - side], member->starter,
        (int)(stat->seconds / 60 + 0.5), (int)stat->seconds, stat->pts, stat->fgm, stat->fga,
        stat->fg3m, stat->fg3a, stat->ftm, stat->fta, stat->oreb, stat->dreb,
        stat->oreb + stat->dreb, stat->ast, stat->stl, stat->blk, stat->tov, stat->pf,
        stat->plus_minus);
}

/* Who dressed and never came in. */
static void write_absent(struct files *files, const struct league *league,
                         const struct league_game *match, const struct night_member *member)
{
    char day[CLOCK_DATE_SIZE];
    clock_format_date(match->date, day);
    put(files, files->absent, "%s,%s,%s,%s,%" PRId64 ",%s\n", match->id, league->season, day,
        league->team[match->team[member->side]].code, league->player[member->player].id,
        league->player[member->player].name);
}

static int write_rows(struct files *files, const struct league *league,
                      const struct league_game *match, const struct night_game *played)
{
    struct night_state end;
    int players = 0;
    night_game_state(played, played->end_us, &end);
    for (int m = 0; m < played->roster_count; m++) {
        const struct night_member *member = &played->roster[m];
        if (member->player < 0) {
            continue;
        }
        if (!end.stat[m].came_in) {
            write_absent(files, league, match, member);
            continue;
        }
        players++;
        if (match->date < league->demo_date) {
            write_player(files, league, match, member, &end, &end.stat[m]);
        }
    }
    return players;
}

static void write_event(struct files *files, const struct league *league,
                        const struct league_game *match, const struct night_game *played,
                        size_t index)
{
    static const int points[NIGHT_EVENT_TYPES] = {
        [NIGHT_FG2_MADE] = 2, [NIGHT_FG3_MADE] = 3, [NIGHT_FT_MADE] = 1};
    const struct night_event *event = &played->events[index];
    char at[CLOCK_TEXT_SIZE], worth[8] = "", id[24] = "";
    int left_s = (int)(night_period_base_s(event->period) + night_period_length_s(event->period) -
                       event->elapsed_s);
    const struct league_player *player =
        event->member < 0 ? NULL : &league->player[played->roster[event->member].player];
    instant_text(event->est_us, at);
    if (points[event->type] != 0) {
        snprintf(worth, sizeof worth, "%d", points[event->type]);
    }
    if (player != NULL) {
        snprintf(id, sizeof id, "%" PRId64, player->id);
    }
    put(files, files->events, "%s,%zu,%d,%d.0,%d.0,%s,%s,%s,%s,%s,%s,%d,%d\n", match->id, index + 1,
        event->period, left_s, (int)event->elapsed_s, at,
        league->team[match->team[event->side]].code, id, player != NULL ? player->name : "",
        night_event_name(event->type), worth, event->score[NIGHT_HOME], event->score[NIGHT_AWAY]);
}

static void write_replay(struct files *files, const struct league *league,
                         const struct league_game *match, const struct night_game *played,
                         int players)
{
    const int *score = played->events[played->event_count - 1].score;
    for (size_t i = 0; i < played->event_count; i++) {
        write_event(files, league, match, played, i);
    }
    fprintf(files->replay, "%s,%s@%s,%d,%zu,0,0,0,%d,%d-%d\n", match->id,
            league->team[match->team[NIGHT_AWAY]].code, league->team[match->team[NIGHT_HOME]].code,
            played->periods, played->event_count, players, score[NIGHT_AWAY], score[NIGHT_HOME]);
}

/* ---- lines ---- */

struct line_writer {
    struct files *files;
    const struct league *league;
    const struct league_game *match;
    const struct night_game *played;
    char event_id[40], commence[CLOCK_TEXT_SIZE], day[CLOCK_DATE_SIZE];
};

static bool appeared(const struct night_game *played, int player)
{
    for (int m = 0; m < played->roster_count; m++) {
        if (played->roster[m].player == player) {
            return played->roster[m].appears || played->roster[m].starter;
        }
    }
    return false;
}

static int write_line(void *context, const struct league_line *line)
{
    struct line_writer *self = context;
    const struct league_player *player = &self->league->player[line->player];
    char at[CLOCK_TEXT_SIZE];
    instant_text(line->snapshot_us, at);
    gzFile file = self->files->night_props != NULL ? self->files->night_props : self->files->props;
    put(self->files, file, "%s,%s,%s,%s,%s,%s,%" PRId64 ",%s,%d.%d,%d,%d,%d,%d\n", self->match->id,
        self->day, at, self->event_id, self->commence, line->book, player->id, player->name,
        line->half_points / 2, line->half_points % 2 * 5, line->over, line->under, line->main,
        appeared(self->played, line->player));
    return self->files->failed ? -1 : 0;
}

static void write_lines(struct files *files, const struct league *league,
                        const struct league_game *match, const struct night_game *played,
                        const struct league_squad squads[2])
{
    struct line_writer writer = {
        .files = files, .league = league, .match = match, .played = played};
    struct random random =
        random_of(league->seed, "event", (uint64_t)strtoull(match->id, NULL, 10));
    uint64_t first = random_next(&random), second = random_next(&random);
    snprintf(writer.event_id, sizeof writer.event_id, "%016" PRIx64 "%016" PRIx64, first, second);
    instant_text(match->tip_us + NIGHT_TIP_LAG_US, writer.commence);
    clock_format_date(match->date, writer.day);
    league_make_lines(league, match, squads, league_lived(league, match->date), write_line,
                      &writer);
}

/* "-7.5" of -15 halves. */
static void halves_text(int halves, char text[16])
{
    snprintf(text, 16, "%s%d.%d", halves < 0 ? "-" : "", abs(halves) / 2, abs(halves) % 2 * 5);
}

/* The books know how strong both sides are, and that home is worth something. */
static void write_game_line(struct files *files, const struct league *league,
                            const struct league_game *match)
{
    struct random random =
        random_of(league->seed, "game-line", (uint64_t)strtoull(match->id, NULL, 10));
    int edge = league->team[match->team[NIGHT_HOME]].strength -
               league->team[match->team[NIGHT_AWAY]].strength;
    char day[CLOCK_DATE_SIZE], spread[16], total[16];
    clock_format_date(match->date, day);
    halves_text(-(edge * 6 / 10 + 5), spread);
    halves_text(449 + random_bell(&random, 4), total);
    put(files, files->game_lines, "%s,%s,close,avg,,%s,%s,,,sim\n", match->id, day, spread, total);
}

/* ---- the whole ---- */

static int make_game(struct files *files, struct league *league, const struct league_game *match)
{
    struct random random =
        random_of(league->seed, "squads", (uint64_t)strtoull(match->id, NULL, 10));
    struct league_squad squads[2];
    static struct night_game played; /* large */
    league_pick_squad(league, match->team[NIGHT_HOME], &random, &squads[NIGHT_HOME]);
    league_pick_squad(league, match->team[NIGHT_AWAY], &random, &squads[NIGHT_AWAY]);
    if (league_play(league, match, squads, &played) != 0) {
        return -1;
    }
    bool lived = league_lived(league, match->date);
    if (lived) {
        open_night(files, league, match->date);
    }
    write_lines(files, league, match, &played, squads);
    write_game_line(files, league, match);
    int players = write_rows(files, league, match, &played);
    if (lived) {
        write_replay(files, league, match, &played, players);
    }
    /* Of several nights all know how those before them ended; of one, nothing is said. */
    bool told = !lived || league->last_date != league->demo_date;
    write_match(files, league, match, told ? &played : NULL);
    if (told) {
        league_count_game(league, &played, match->date);
    }
    free(played.events);
    return 0;
}

int league_generate(const char *path, uint64_t seed, int32_t first, int32_t last, char *why,
                    size_t why_size)
{
    struct files files = {.path = path};
    struct league *league = calloc(1, sizeof *league);
    int result = -1;
    snprintf(why, why_size, "no memory");
    if (league == NULL) {
        return -1;
    }
    league->seed = seed;
    league->demo_date = first;
    league->last_date = last;
    root_season_of(first, league->season);
    league_make_people(league);
    if (league_make_schedule(league) != 0) {
        snprintf(why, why_size, "more than %d games", LEAGUE_GAMES_MAX);
        goto out;
    }
    open_files(&files, league);
    for (int i = 0; i < league->game_count && !files.failed; i++) {
        if (league->game[i].date > last) {
            write_match(&files, league, &league->game[i], NULL);
        } else if (make_game(&files, league, &league->game[i]) != 0) {
            snprintf(why, why_size, "game %s cannot be played", league->game[i].id);
            close_files(&files);
            goto out;
        }
    }
    if (!files.failed) {
        write_people(&files, league);
    }
    close_files(&files);
    result = files.failed ? -1 : 0;
    if (files.failed) {
        snprintf(why, why_size, "%.150s: %s", path, strerror(errno));
    }
out:
    free(league);
    return result;
}

/* ---- beside, then in place ---- */

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *ftw)
{
    (void)about, (void)kind, (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void stamp_text(uint64_t seed, int32_t first, int32_t last, char text[STAMP_SIZE])
{
    int size = snprintf(text, STAMP_SIZE, "tipoff league %d seed %" PRIu64 " date %d",
                        STAMP_VERSION, seed, (int)first);
    if (last != first) {
        size += snprintf(text + size, STAMP_SIZE - (size_t)size, " to %d", (int)last);
    }
    snprintf(text + size, STAMP_SIZE - (size_t)size, "\n");
}

static bool is_there(const char *path, const char *stamp)
{
    char name[PATH_MAX + 32], text[STAMP_SIZE] = "";
    snprintf(name, sizeof name, "%s/%s", path, STAMP);
    FILE *in = fopen(name, "re");
    if (in == NULL) {
        return false;
    }
    bool same = fgets(text, sizeof text, in) != NULL && strcmp(text, stamp) == 0;
    fclose(in);
    return same;
}

static int write_stamp(const char *path, const char *stamp)
{
    char name[PATH_MAX + 32];
    snprintf(name, sizeof name, "%s/%s", path, STAMP);
    FILE *out = fopen(name, "we");
    bool good =
        out != NULL && fputs(stamp, out) >= 0 && fflush(out) == 0 && fsync(fileno(out)) == 0;
    return out != NULL && fclose(out) == 0 && good ? 0 : -1;
}

int league_ensure(const char *path, uint64_t seed, int32_t first, int32_t last, char *why,
                  size_t why_size)
{
    char fresh[PATH_MAX], old[PATH_MAX], stamp[STAMP_SIZE];
    stamp_text(seed, first, last, stamp);
    if (is_there(path, stamp)) {
        return 0;
    }
    if (snprintf(fresh, sizeof fresh, "%s-new-%ld", path, (long)getpid()) >= PATH_MAX ||
        snprintf(old, sizeof old, "%s-old-%ld", path, (long)getpid()) >= PATH_MAX) {
        snprintf(why, why_size, "path is too long");
        return -1;
    }
    remove_tree(fresh);
    if (mkdir(fresh, 0755) != 0) {
        snprintf(why, why_size, "%.150s: %s", fresh, strerror(errno));
        return -1;
    }
    if (league_generate(fresh, seed, first, last, why, why_size) != 0) {
        remove_tree(fresh);
        return -1;
    }
    bool moved = rename(path, old) == 0; /* another seed's, or half a one */
    if (write_stamp(fresh, stamp) != 0 || rename(fresh, path) != 0) {
        snprintf(why, why_size, "%.150s: %s", path, strerror(errno));
        remove_tree(fresh);
        return -1;
    }
    if (moved) {
        remove_tree(old);
    }
    return 1;
}
