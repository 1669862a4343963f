/* libFuzzer: any bytes, as the body of a feed (the first byte says which). Whatever is taken must keep what the rows
 * promise, and whatever is refused must say where and why.
 * Build and run: see tests/fuzz/run.py. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "actors/processor/feed.h"
#include "actors/processor/name_key.h"
#include "schema/utf8.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static feed_parse *const PARSERS[] = {feed_bdl_games,   feed_bdl_box_scores,      feed_odds_events,
                                      feed_odds_props,  feed_nba_schedule,        feed_bdl_injuries,
                                      feed_odds_games,  feed_bdl_players,         feed_bdl_lineups,
                                      feed_odds_scores, feed_odds_history_events, feed_odds_history,
                                      feed_bdl_stats,   feed_bdl_teams,           feed_bp_events,
                                      feed_bp_offers,   feed_nba_plays,           feed_bdl_odds,
                                      feed_bdl_props};
#define PARSER_COUNT (sizeof PARSERS / sizeof PARSERS[0])

static const char *const SEEDS[PARSER_COUNT] = {
    "{\"data\":[{\"id\":7,\"date\":\"2025-11-17\",\"datetime\":\"2025-11-18T00:00:00.000Z\","
    "\"status\":\"Final\",\"period\":4,\"time\":\"Final\",\"home_team_score\":1,"
    "\"visitor_team_score\":2,\"home_team\":{\"id\":2,\"abbreviation\":\"BOS\"},"
    "\"visitor_team\":{\"team\":{\"id\":28}}}],\"meta\":{\"next_cursor\":5}}",
    "{\"data\":[{\"date\":\"2025-11-17\",\"status\":\"3rd Qtr\",\"period\":3,\"time\":\"5:42\","
    "\"home_team\":{\"id\":2,\"players\":[{\"min\":\"12:30\",\"fgm\":3,\"fga\":5,\"fg3m\":1,"
    "\"fg3a\":2,\"ftm\":2,\"fta\":2,\"oreb\":1,\"dreb\":2,\"reb\":3,\"ast\":0,\"stl\":0,\"blk\":0,"
    "\"turnover\":0,\"pf\":0,\"pts\":9,\"plus_minus\":-4,\"player\":{\"id\":11,\"first_name\":"
    "\"A\",\"last_name\":\"B\"}}]},\"visitor_team\":{\"id\":28,\"players\":[]}}]}",
    "[{\"id\":\"e1\",\"commence_time\":\"2025-11-18T00:10:00Z\",\"home_team\":\"Boston Celtics\","
    "\"away_team\":\"Toronto Raptors\"}]",
    "{\"id\":\"e1\",\"commence_time\":\"2025-11-18T00:10:00Z\",\"home_team\":\"Boston Celtics\","
    "\"away_team\":\"Toronto Raptors\",\"bookmakers\":[{\"key\":\"dk\",\"markets\":[{\"key\":"
    "\"player_points\",\"outcomes\":[{\"name\":\"Over\",\"description\":\"A B\",\"price\":-110,"
    "\"point\":10.5},{\"name\":\"Under\",\"description\":\"A B\",\"price\":1.91,\"point\":10.5}]}]}"
    "]}",
    "{\"leagueSchedule\":{\"gameDates\":[{\"games\":[{\"gameId\":\"0022500241\",\"gameStatus\":1,"
    "\"gameDateEst\":\"2025-11-17T00:00:00Z\",\"gameDateTimeUTC\":\"2025-11-18T00:00:00Z\","
    "\"gameDateTimeEst\":\"2025-11-17T19:00:00Z\",\"postponedStatus\":\"N\",\"homeTeam\":"
    "{\"teamTricode\":\"BOS\"},\"awayTeam\":{\"teamTricode\":\"TOR\"}}]}]}}",
    "{\"data\":[{\"player\":{\"id\":11,\"first_name\":\"A\",\"last_name\":\"B\",\"team_id\":2},"
    "\"return_date\":\"Oct "
    "1\",\"description\":\"Knee.\",\"status\":\"Out\"}],\"meta\":{\"next_cursor\":"
    "277,\"per_page\":100}}",
    "[{\"id\":\"e1\",\"commence_time\":\"2025-11-18T00:10:00Z\",\"home_team\":\"H\",\"away_team\":"
    "\"A\","
    "\"bookmakers\":[{\"key\":\"dk\",\"markets\":[{\"key\":\"spreads\",\"outcomes\":[{\"name\":"
    "\"H\","
    "\"price\":-110,\"point\":-7.5},{\"name\":\"A\",\"price\":1.91,\"point\":7.5}]}]}]}]",
    "{\"data\":[{\"id\":3,\"first_name\":\"A\",\"last_name\":\"B\",\"weight\":\"265\",\"team\":{"
    "\"id\":2}}],"
    "\"meta\":{\"next_cursor\":9}}",
    "{\"data\":[{\"game_id\":77,\"starter\":true,\"player\":{\"id\":11,\"first_name\":\"A\"},"
    "\"team\":{"
    "\"id\":2}}]}",
    "[{\"id\":\"e1\",\"commence_time\":\"2025-11-18T00:10:00Z\",\"completed\":true,\"home_team\":"
    "\"H\",\"away_team\":\"A\",\"scores\":[{\"name\":\"H\",\"score\":\"101\"},{\"name\":\"A\","
    "\"score\":\"99\"}],\"last_update\":\"2025-11-18T02:30:00Z\"}]",
    "{\"timestamp\":\"2025-11-17T23:55:38Z\",\"previous_timestamp\":\"2025-11-17T23:50:38Z\","
    "\"next_timestamp\":null,\"data\":[{\"id\":\"e1\",\"commence_time\":\"2025-11-18T00:10:00Z\","
    "\"home_team\":\"H\",\"away_team\":\"A\"}]}",
    "{\"timestamp\":\"2025-11-17T23:55:38Z\",\"data\":{\"id\":\"e1\",\"commence_time\":"
    "\"2025-11-18T00:10:00Z\",\"home_team\":\"H\",\"away_team\":\"A\",\"bookmakers\":[{\"key\":"
    "\"dk\",\"markets\":[{\"key\":\"player_points\",\"outcomes\":[{\"name\":\"Over\","
    "\"description\":\"A B\",\"price\":-110,\"point\":10.5}]},{\"key\":\"h2h\",\"outcomes\":[{"
    "\"name\":\"A\",\"price\":3.3},{\"name\":\"H\",\"price\":1.32}]}]}]}}",
    "{\"data\":[{\"min\":\"12:30\",\"fgm\":3,\"fga\":5,\"fg3m\":1,\"fg3a\":2,\"ftm\":2,\"fta\":2,"
    "\"oreb\":1,"
    "\"dreb\":2,\"reb\":3,\"ast\":0,\"stl\":0,\"blk\":0,\"turnover\":0,\"pf\":0,\"pts\":9,"
    "\"player\":{\"id\":11,"
    "\"first_name\":\"A\"},\"team\":{\"id\":2,\"abbreviation\":\"BOS\"},\"game\":{\"id\":7,"
    "\"date\":\"2025-11-17\","
    "\"status\":\"Final\",\"period\":4,\"home_team_id\":2,\"visitor_team_id\":28}}],\"meta\":{"
    "\"next_cursor\":5}}",
    "{\"data\":[{\"id\":2,\"conference\":\"East\",\"abbreviation\":\"BOS\",\"full_name\":\"Boston "
    "Celtics\"}]}",
    "{\"events\":[{\"id\":5,\"scheduled\":\"2021-10-21 "
    "23:30:00\",\"home\":\"ATL\",\"visitor\":\"DAL\"}]}",
    "{\"offers\":[{\"event_id\":5,\"market_id\":156,\"participants\":[{\"name\":\"A "
    "B\"}],\"selections\":[{\"selection\":"
    "\"over\",\"books\":[{\"id\":10,\"lines\":[{\"line\":10.5,\"cost\":-110,\"active\":true}]}]},{"
    "\"selection\":\"under\","
    "\"books\":[{\"id\":10,\"lines\":[{\"line\":10.5,\"cost\":-105}]}]}]}]}",
    "{\"game\":{\"gameId\":\"0022500241\",\"actions\":[{\"actionNumber\":2,\"clock\":\"PT11M38."
    "00S\",\"period\":1,"
    "\"actionType\":\"2pt\",\"shotResult\":\"Made\",\"personId\":101,\"teamTricode\":\"BOS\","
    "\"scoreHome\":\"2\","
    "\"scoreAway\":\"0\"}]}}",
    "{\"data\":[{\"game_id\":7,\"vendor\":\"dk\",\"spread_home_value\":\"-3.5\",\"spread_home_"
    "odds\":-110,"
    "\"spread_away_value\":\"3.5\",\"spread_away_odds\":-110,\"moneyline_home_odds\":-160,"
    "\"moneyline_away_odds\":135,\"total_value\":228,\"total_over_odds\":null}],\"meta\":{"
    "\"next_cursor\":5}}",
    "{\"data\":[{\"game_id\":7,\"player_id\":11,\"vendor\":\"dk\",\"prop_type\":\"points\",\"line_"
    "value\":"
    "\"25.5\",\"market\":{\"type\":\"over_under\",\"over_odds\":-110,\"under_odds\":-110}},{\"game_"
    "id\":7,"
    "\"player_id\":11,\"vendor\":\"dk\",\"prop_type\":\"points\",\"line_value\":\"30.0\","
    "\"market\":{"
    "\"type\":\"milestone\",\"odds\":200}}]}",
};

/* TIPOFF_FUZZ_SEEDS names a folder: a sound body of each feed is put there to start from. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *folder = getenv("TIPOFF_FUZZ_SEEDS");
    for (size_t i = 0; folder && i < PARSER_COUNT; i++) {
        char path[4096];
        mkdir(folder, 0777);
        snprintf(path, sizeof path, "%s/feed-%zu", folder, i);
        FILE *out = fopen(path, "w");
        if (!out) {
            perror(path);
            exit(1);
        }
        fputc((int)i, out);
        fputs(SEEDS[i], out);
        fclose(out);
    }
    return 0;
}

static void check_text(const char *text)
{
    assert(utf8_valid(text, strlen(text)) == strlen(text));
}

static void check_player(const struct feed *feed, const struct feed_player *player)
{
    const struct feed_stats *stats = &player->stats;
    char key[NAME_KEY_SIZE];
    assert(player->game < feed->game_count && player->source_id > 0);
    assert(stats->minutes >= 0 && stats->minutes <= 100 && stats->points <= 200);
    assert(stats->points ==
           2 * stats->field_goals_made + stats->three_pointers_made + stats->free_throws_made);
    assert(stats->field_goals_made <= stats->field_goals_attempted);
    assert(stats->rebounds == stats->offensive_rebounds + stats->defensive_rebounds);
    assert(player->name[0] != '\0');
    check_text(player->name);
    name_key(player->name, key);
}

static void check_line(const struct feed_line *line)
{
    assert(line->line >= 0 && line->line <= 200);
    assert(line->over_price != MESSAGE_NONE || line->under_price != MESSAGE_NONE);
    assert(!line->main || (line->over_price != MESSAGE_NONE && line->under_price != MESSAGE_NONE));
    assert(line->over_price == MESSAGE_NONE || llabs(line->over_price) <= 100000);
    assert(line->under_price == MESSAGE_NONE || llabs(line->under_price) <= 100000);
    check_text(line->player);
    check_text(line->book);
    check_text(line->market);
    assert(line->source_id >= 0 && line->player[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {0};
    char error[FEED_ERROR_SIZE] = "";
    if (size == 0) {
        return 0;
    }
    if (PARSERS[data[0] % PARSER_COUNT](data + 1, size - 1, &feed, error) != 0) {
        assert(error[0] != '\0');
        assert(feed.game_count + feed.player_count + feed.event_count + feed.line_count == 0);
        assert(feed.report_count + feed.market_count + feed.listed_count + feed.score_count == 0);
        assert(feed.club_count + feed.play_count == 0);
        assert(feed.snapshot_us == 0);
        check_text(error);
    }
    for (size_t i = 0; i < feed.game_count; i++) {
        assert(feed.games[i].period >= 0 && feed.games[i].period <= 14 && feed.games[i].date > 0);
        assert(feed.games[i].players <= FEED_GAME_PLAYERS_MAX);
        check_text(feed.games[i].clock);
    }
    for (size_t i = 0; i < feed.player_count; i++) {
        check_player(&feed, &feed.players[i]);
    }
    feed_parse *parser = PARSERS[data[0] % PARSER_COUNT];
    bool offers = parser == feed_bp_offers || parser == feed_bdl_odds ||
                  parser == feed_bdl_props; /* these name it by number alone */
    for (size_t i = 0; i < feed.event_count; i++) {
        assert(feed.events[i].event_id[0] != '\0' && (offers || feed.events[i].home[0] != '\0'));
    }
    for (size_t i = 0; i < feed.line_count; i++) {
        check_line(&feed.lines[i]);
    }
    for (size_t i = 0; i < feed.report_count; i++) {
        const struct feed_report *report = &feed.reports[i];
        assert(report->source_id > 0 && report->name[0] != '\0' && report->status[0] != '\0');
        check_text(report->description);
        check_text(report->return_date);
    }
    for (size_t i = 0; i < feed.listed_count; i++) {
        const struct feed_listed *listed = &feed.listeds[i];
        assert(listed->source_id > 0 && listed->name[0] != '\0');
        assert(listed->weight == MESSAGE_NONE || (listed->weight >= 50 && listed->weight <= 600));
        check_text(listed->position);
        check_text(listed->height);
        check_text(listed->jersey);
    }
    for (size_t i = 0; i < feed.market_count; i++) {
        const struct feed_market *market = &feed.markets[i];
        assert(market->event < feed.event_count);
        assert(i == 0 || market->event >= feed.markets[i - 1].event);
        assert(isnan(market->point) == (strcmp(market->market, "h2h") == 0));
        assert(llabs(market->first_price) <= 100000 && llabs(market->second_price) <= 100000);
    }
    for (size_t i = 0; i < feed.club_count; i++) {
        assert(feed.clubs[i].team.source_id != MESSAGE_NONE);
        check_text(feed.clubs[i].team.full_name);
    }
    for (size_t i = 0; i < feed.play_count; i++) {
        const struct feed_play *play = &feed.plays[i];
        assert(play->number > 0 && play->period >= 1 && play->period <= 14 &&
               play->kind[0] != '\0');
        assert(play->points >= 0 && play->points <= 3);
        assert(play->points == 0 || play->player_id > 0);
        check_text(play->clock);
        check_text(play->kind);
    }
    for (size_t i = 0; i < feed.score_count; i++) {
        const struct feed_score *score = &feed.scores[i];
        assert(score->event == i && feed.event_count == feed.score_count);
        assert(feed.snapshot_us == 0);
        assert((score->home_score == MESSAGE_NONE) == (score->away_score == MESSAGE_NONE));
        assert(score->home_score <= 300 && score->away_score <= 300);
        assert(!score->over || score->home_score >= 0);
    }
    for (size_t i = 0; i < feed.refusal_count; i++) {
        assert(feed.refusals[i].path[0] != '\0' && feed.refusals[i].rule[0] != '\0');
        check_text(feed.refusals[i].path);
        check_text(feed.refusals[i].rule);
        check_text(feed.refusals[i].about);
    }
    assert(feed_broken(&feed) <= feed.refusal_count && feed.aside <= feed.items);
    feed_free(&feed);
    return 0;
}
