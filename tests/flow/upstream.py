# ctest: timeout=120
"""The upstream over HTTP: every body in the vendors' shapes, and every fault on request.

The league clock is the file that a broker would write: here it stands at the instant a check needs.
"""

import contextlib
import csv
import datetime
import glob
import gzip
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zlib

BIN = os.environ["TIPOFF_BIN"] + "/tipoff-upstream"
UTC = datetime.timezone.utc


def us(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000000)


def rows(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Upstream:
    def __init__(self, folder, *args):
        self.folder = folder
        port_file = folder + "/port"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(port_file)
        self.process = subprocess.Popen(
            [BIN, "--dir", folder, "--port-file", port_file, "--log-level", "warn", *args])
        deadline = time.monotonic() + 60
        while not os.path.exists(port_file):
            assert self.process.poll() is None, "the upstream ended"
            assert time.monotonic() < deadline, "the upstream does not listen"
            time.sleep(0.01)
        self.port = int(open(port_file).read())

    def stop(self):
        self.process.terminate()
        code = self.process.wait(30)
        assert code == 0, f"exit {code}"

    def stand_at(self, instant):
        beside = self.folder + "/clock.new"
        with open(beside, "w") as file:
            file.write(f"league_us {instant}\nreal_us {time.time_ns() // 1000}\nspeed 1\nrunning 0\n")
        os.rename(beside, self.folder + "/clock")

    def ask(self, path, headers=None, method="GET", timeout=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, headers={"Authorization": "key", **(headers or {})})
            response = connection.getresponse()
            return Answer(response, response.read())
        finally:
            connection.close()

    def get(self, path):
        answer = self.ask(path)
        assert answer.status == 200, (path, answer.status, answer.body[:200])
        return answer.json

    def fault(self, **fault):
        query = urllib.parse.quote(json.dumps(fault))
        answer = self.ask("/sim/faults?fault=" + query, method="POST")
        assert answer.status == 200, answer.body

    def heal(self):
        assert self.ask("/sim/faults", method="DELETE").json == {"faults": []}


ODDS = "/v4/sports/basketball_nba"
LIVE = "/v1/box_scores/live"
GAME_KEYS = ["id", "date", "season", "status", "period", "time", "postseason", "home_team_score",
             "visitor_team_score", "datetime", "home_team", "visitor_team"]
TEAM_KEYS = {"id", "conference", "division", "city", "name", "full_name", "abbreviation"}
COUNTS = {"fgm", "fga", "fg3m", "fg3a", "ftm", "fta", "oreb", "dreb", "reb", "ast", "stl", "blk", "turnover",
          "pf", "pts", "plus_minus"}
SHARES = {"fg_pct": ("fgm", "fga"), "fg3_pct": ("fg3m", "fg3a"), "ft_pct": ("ftm", "fta")}
PERSON_KEYS = {"id", "first_name", "last_name", "position", "height", "weight", "jersey_number", "college",
               "country", "draft_year", "draft_round", "draft_number"}


def odds_path(event, style="american"):
    return f"{ODDS}/events/{event}/odds?apiKey=k&regions=us&markets=player_points&oddsFormat={style}"


def lines(game):
    return game["home_team"]["players"] + game["visitor_team"]["players"]


def check_line(line):
    assert set(line) == COUNTS | set(SHARES) | {"min", "player"}, line
    assert all(isinstance(line[name], int) for name in COUNTS)
    assert isinstance(line["min"], str) and line["min"].isdigit() and (line["min"] == "0" or len(line["min"]) == 2)
    assert line["pts"] == 2 * line["fgm"] + line["fg3m"] + line["ftm"] and line["reb"] == line["oreb"] + line["dreb"]
    if line["min"] == "00":
        assert not any(line[name] for name in COUNTS), line
    for share, (made, tried) in SHARES.items():
        expected = None if line[tried] == 0 else round(line[made] / line[tried], 3)
        assert line[share] == expected or abs(line[share] - expected) < 0.0011, (share, line)
    assert set(line["player"]) == PERSON_KEYS and "team" not in line["player"]


def check_box(game):
    assert set(GAME_KEYS) < set(game), set(GAME_KEYS) - set(game)
    for side in ("home", "visitor"):
        team = game[side + "_team"]
        assert set(team) == TEAM_KEYS | {"players"}
        for line in team["players"]:
            check_line(line)
        parts = [game[f"{side}_{part}"] for part in ("q1", "q2", "q3", "q4", "ot1", "ot2", "ot3")]
        known = [part for part in parts if part is not None]
        assert len(known) == game["period"] and sum(known) == game[side + "_team_score"]
        assert sum(line["pts"] for line in team["players"]) == game[side + "_team_score"]
    ids = [line["player"]["id"] for line in lines(game)]
    assert len(ids) == len(set(ids))


class Night:
    """What the data root says, read independently."""

    def __init__(self, root, date):
        self.date, self.teams = date, {row["team"]: row for row in rows(root + "/teams.csv")}
        self.players = {row["player_id"]: row for row in rows(root + "/players.csv")}
        season = int(date[:4]) - (int(date[5:7]) < 7)
        self.season = rows(f"{root}/games/{season}-{season % 100 + 1:02d}.csv.gz")
        self.games = [row for row in self.season if row["game_date"] == date]
        self.events = rows(f"{root}/replay/{date}/events.csv.gz")
        self.props = [row for path in sorted(glob.glob(root + "/props_points/*")) for row in rows(path)
                      if row["game_date"] == date]

    def tips(self):
        return [us(game["tip_utc"]) for game in self.games]


def check_scheduled(up, night):
    up.stand_at(min(night.tips()) - 3600 * 1000000)
    games = up.get(f"/v1/games?dates[]={night.date}&per_page=100")
    assert games["meta"] == {"per_page": 100} and len(games["data"]) == len(night.games)
    for game in games["data"]:
        assert list(game) == GAME_KEYS and set(game["home_team"]) == TEAM_KEYS
        assert game["period"] == 0 and game["time"] is None and game["home_team_score"] == 0
        assert us(game["status"]) == us(game["datetime"]) and game["datetime"].endswith(".000Z")
        assert up.get(f"/v1/games/{game['id']}") == {"data": game}
        assert 18000000 <= game["id"] < 19000000
    assert up.get(LIVE) == {"data": []}
    boxes = up.get(f"/v1/box_scores?date={night.date}")["data"]
    assert len(boxes) == len(night.games) and all(lines(box) == [] for box in boxes)
    assert up.get("/v1/box_scores?date=2001-01-01") == {"data": []}
    assert up.ask("/v1/box_scores?date=soon").status == 400 and up.ask("/v1/games/1").status == 404


def check_paging(up, night):
    seen, cursor = [], None
    while True:
        page = up.get("/nba/v1/games?per_page=50" + (f"&cursor={cursor}" if cursor else ""))
        seen += [game["id"] for game in page["data"]]
        cursor = page["meta"].get("next_cursor")
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == len(night.season)
    days = urllib.parse.quote("dates[]") + "=" + night.season[0]["game_date"]
    both = up.get(f"/v1/games?{days}&dates[]={night.date}&per_page=100")["data"]
    assert {game["date"] for game in both} == {night.season[0]["game_date"], night.date}
    assert all(game["status"] == "Final" for game in both if game["date"] != night.date)


def check_live(up, night):
    first = min(night.tips())
    up.stand_at(first + 11 * 60000000)
    for game in up.get(LIVE)["data"]:
        check_box(game)
        assert game["status"] == "1st Qtr" and game["time"] == "11:33" and game["period"] == 1
        assert sum(line["min"] == "0" for line in lines(game)) == 10
    up.stand_at(first + 60 * 60000000)
    games = up.get(LIVE)["data"]
    assert games and up.get("/nba/v1/box_scores/live")["data"] == games
    for game in games:
        check_box(game)
        never = sum(line["min"] == "00" for line in lines(game))
        assert len(lines(game)) - never >= 15
    up.stand_at(first + 75 * 60000000)  # in the break of the first games
    assert any(game["status"] == "Halftime" and game["time"] == "0:00" and game["period"] == 2
               for game in up.get(LIVE)["data"])


TYPES = {"fg2_made": {"fgm": 1, "fga": 1, "pts": 2}, "fg2_miss": {"fga": 1},
         "fg3_made": {"fgm": 1, "fga": 1, "fg3m": 1, "fg3a": 1, "pts": 3}, "fg3_miss": {"fga": 1, "fg3a": 1},
         "ft_made": {"ftm": 1, "fta": 1, "pts": 1}, "ft_miss": {"fta": 1}, "oreb": {"oreb": 1, "reb": 1},
         "dreb": {"dreb": 1, "reb": 1}, "assist": {"ast": 1}, "steal": {"stl": 1}, "block": {"blk": 1},
         "turnover": {"turnover": 1}, "foul": {"pf": 1}}


def check_final(up, night):
    """Every final line is the sum of the night's events, under an id that is not the league's own."""
    last = max(us(event["est_utc"]) for event in night.events)
    up.stand_at(last + 2 * 60000000)
    live = up.get(LIVE)["data"]
    assert live and all(game["status"] == "Final" for game in live)  # for a few minutes
    up.stand_at(last + 3600 * 1000000)
    assert up.get(LIVE) == {"data": []}
    expected = {}
    for event in night.events:
        if event["player_id"]:
            sums = expected.setdefault(event["player_id"], dict.fromkeys(COUNTS - {"plus_minus"}, 0))
            for name, by in TYPES.get(event["type"], {}).items():
                sums[name] += by
    by_bdl = {row["bdl_player_id"]: row for row in night.players.values() if row["bdl_player_id"]}
    by_name = {row["player_name"]: row for row in night.players.values() if not row["bdl_player_id"]}
    boxes, found = up.get(f"/v1/box_scores?date={night.date}")["data"], 0
    for box in boxes:
        check_box(box)
        assert box["status"] == box["time"] == "Final"
        for line in lines(box):
            player = line["player"]
            row = by_bdl.get(str(player["id"]))
            if row is None:
                assert player["id"] >= 900000000
                row = by_name[f"{player['first_name']} {player['last_name']}".strip()]
            assert f"{player['first_name']} {player['last_name']}".strip() == row["player_name"]
            if line["min"] != "00":
                found += 1
                sums = expected[row["player_id"]]
                assert {name: line[name] for name in sums} == sums, (row, line)
            else:
                assert row["player_id"] not in expected
    assert found == len(expected)


def offered(night, game_id, now):
    """(book, name, point, side, price) of the newest snapshot of each book."""
    mine = [row for row in night.props if row["game_id"] == game_id and us(row["snapshot_utc"]) <= now]
    newest = {}
    for row in mine:
        newest[row["book"]] = max(newest.get(row["book"], ""), row["snapshot_utc"])
    out = set()
    for row in mine:
        if row["snapshot_utc"] == newest[row["book"]]:
            for side, price in (("Over", row["over_price"]), ("Under", row["under_price"])):
                if price:
                    out.add((row["book"], row["player_name"], float(row["line"]), side, int(price)))
    return out


def served(event):
    return {(book["key"], outcome["description"], outcome["point"], outcome["name"], outcome["price"])
            for book in event["bookmakers"] for market in book["markets"] for outcome in market["outcomes"]}


def check_odds(up, night):
    total = 0
    for now in (us(night.date + "T17:30:00Z"), min(night.tips()) - 60000000):
        up.stand_at(now)
        events = up.get(ODDS + "/events?apiKey=k")
        assert len(events) == len(night.games)
        for event in events:
            assert set(event) == {"id", "sport_key", "sport_title", "commence_time", "home_team", "away_team"}
            game = next(row for row in night.games
                        if night.teams[row["home"]]["odds_api_name"] == event["home_team"])
            assert night.teams[game["away"]]["odds_api_name"] == event["away_team"]
            assert us(event["commence_time"]) - us(game["tip_utc"]) in range(0, 601 * 1000000)
            odds = up.get(odds_path(event["id"]))
            assert {key: odds[key] for key in event} == event
            assert served(odds) == offered(night, game["game_id"], now)
            for book in odds["bookmakers"]:
                assert set(book) == {"key", "title", "markets"} and len(book["markets"]) == 1
                market = book["markets"][0]
                assert market["key"] == "player_points" and us(market["last_update"]) <= now
            total += len(served(odds))
    assert total > 1000
    american = up.get(odds_path(events[0]["id"]))["bookmakers"][0]
    decimal = up.get(odds_path(events[0]["id"], "decimal"))["bookmakers"][0]
    for a, d in zip(american["markets"][0]["outcomes"], decimal["markets"][0]["outcomes"]):
        expected = 1 + (a["price"] / 100 if a["price"] > 0 else 100 / -a["price"])
        assert abs(d["price"] - expected) <= 0.0051 and a["point"] == d["point"]
    one = up.get(odds_path(events[0]["id"]) + "&bookmakers=" + american["key"])
    assert [book["key"] for book in one["bookmakers"]] == [american["key"]]


def check_odds_errors(up, night):
    up.stand_at(min(night.tips()))
    event = up.get(ODDS + "/events?apiKey=k")[0]["id"]
    cases = [(ODDS + "/events", 401, "MISSING_KEY"), (ODDS + "/events?apiKey=", 401, "MISSING_KEY"),
             ("/v4/sports/curling/events?apiKey=k", 404, "UNKNOWN_SPORT"),
             (odds_path("0" * 32), 404, "EVENT_NOT_FOUND"), (odds_path("short"), 422, "INVALID_EVENT_ID"),
             (odds_path(event, "roman"), 422, "INVALID_ODDS_FORMAT"),
             (f"{ODDS}/events/{event}/odds?apiKey=k&regions=us&markets=h2h", 422, "INVALID_MARKET")]
    for path, status, code in cases:
        answer = up.ask(path)
        assert (answer.status, answer.json["error_code"]) == (status, code), (path, answer.body)
    answer = up.ask(odds_path(event))
    assert answer.headers["x-requests-last"] == "1" and int(answer.headers["x-requests-used"]) > 0
    up.stand_at(max(night.tips()) + 6 * 3600 * 1000000)
    assert up.ask(odds_path(event)).status == 404 and up.get(ODDS + "/events?apiKey=k") == []
    assert up.get(ODDS + "/scores?apiKey=k") == [] and up.ask(ODDS + "/scores?apiKey=k&daysFrom=9").status == 422
    scores = up.get(ODDS + "/scores?apiKey=k&daysFrom=1")
    assert len(scores) == len(night.tips()) and all(row["completed"] and isinstance(row["scores"][0]["score"], str) for row in scores)
    up.stand_at(min(night.tips()))
    assert all(row["scores"] is None and not row["completed"] for row in up.get(ODDS + "/scores?apiKey=k"))


def check_second_hand(up, night):
    """BettingPros' offers are the lines that the books have then, under other names."""
    up.stand_at(min(night.tips()) - 60 * 60000000)
    events = up.get(f"/v3/events?sport=NBA&date={night.date}")["events"]
    assert len(events) == len(night.tips()) and up.get("/v3/events?date=2001-01-01")["events"] == []
    assert up.ask("/v3/events").status == 400 and up.ask("/v3/offers?market_id=157&event_id=1").status == 400
    names = {10: "fanduel", 12: "draftkings", 13: "williamhill_us", 18: "betrivers", 19: "betmgm"}
    lines = set()
    for event in events:
        for offer in up.get(f"/v3/offers?sport=NBA&market_id=156&event_id={event['id']}")["offers"]:
            for side in offer["selections"]:
                lines |= {(offer["participants"][0]["name"], names[book["id"]], side["selection"], line["line"], line["cost"])
                          for book in side["books"] for line in book["lines"]}
    wanted = {(side["description"], book["key"], side["name"].lower(), side["point"], side["price"])
              for event in up.get(ODDS + "/events?apiKey=k")
              for book in up.get(odds_path(event["id"]))["bookmakers"] if book["key"] in names.values()
              for market in book["markets"] for side in market["outcomes"]}
    assert lines == wanted, (len(lines), len(wanted))  # the books of the simulated league have no numbers there


def check_second_source(up, night):
    """balldontlie's props are the lines that the books have then, by number, and a milestone a main line; its odds those of the games."""
    up.stand_at(min(night.tips()) - 60 * 60000000)
    games = up.get(f"/v1/games?dates[]={night.date}&per_page=100")["data"]
    assert up.ask("/v2/odds").status == 400 and up.ask("/v2/odds/player_props").status == 400
    assert up.get("/v2/odds?dates[]=2001-01-01")["data"] == [] and up.get("/v2/odds/player_props?game_id=1")["data"] == []
    lines, milestones = set(), 0
    for game in games:
        for row in up.get(f"/v2/odds/player_props?game_id={game['id']}")["data"]:
            assert row["game_id"] == game["id"] and isinstance(row["line_value"], str) and row["player_id"] > 0
            milestones += row["market"]["type"] == "milestone"
            if row["market"]["type"] == "over_under":
                lines |= {(row["vendor"], side, float(row["line_value"]), row["market"][side + "_odds"])
                          for side in ("over", "under") if row["market"][side + "_odds"] is not None}
    wanted = {(book["key"], side["name"].lower(), side["point"], side["price"])
              for event in up.get(ODDS + "/events?apiKey=k")
              for book in up.get(odds_path(event["id"]))["bookmakers"] for market in book["markets"] for side in market["outcomes"]}
    assert lines == wanted and milestones > 0, (len(lines), len(wanted), milestones)
    first = up.get(f"/v2/odds?dates[]={night.date}&per_page=1")
    rows = first["data"]
    while "next_cursor" in first["meta"]:
        first = up.get(f"/v2/odds?dates[]={night.date}&per_page=1&cursor={first['meta']['next_cursor']}")
        rows += first["data"]
    priced = [event for event in up.get(f"{ODDS}/odds?apiKey=k&regions=us&markets=spreads,totals&oddsFormat=american")
              if event["bookmakers"]]
    assert len(rows) == len(priced) and {row["game_id"] for row in rows} <= {game["id"] for game in games}
    points = sorted(side["point"] for event in priced for market in event["bookmakers"][0]["markets"]
                    if market["key"] == "totals" for side in market["outcomes"] if side["name"] == "Over")
    assert sorted(float(row["total_value"]) for row in rows if row["total_value"] is not None) == points
    up.stand_at(max(night.tips()) + 6 * 3600 * 1000000)
    assert up.get(f"/v2/odds?dates[]={night.date}")["data"] == []
    assert all(up.get(f"/v2/odds/player_props?game_id={game['id']}")["data"] == [] for game in games)


def check_schedule(up, night):
    path = "/static/json/staticData/scheduleLeagueV2.json"
    up.stand_at(min(night.tips()) + 20 * 60000000)
    days = up.get(path)["leagueSchedule"]["gameDates"]
    games = {game["gameId"]: game for day in days for game in day["games"]}
    assert len(games) == len(night.season)
    for row in night.season:
        game = games[row["game_id"]]
        assert (game["homeTeam"]["teamTricode"], game["awayTeam"]["teamTricode"]) == (row["home"], row["away"])
        if row["tip_utc"]:
            assert game["gameDateTimeUTC"] == row["tip_utc"]
        assert game["gameDateEst"] == row["game_date"] + "T00:00:00Z"
        if row["game_date"] < night.date:
            assert game["gameStatus"] == 3 and game["homeTeam"]["score"] == int(row["home_pts"])
        elif row["game_date"] > night.date:
            assert game["gameStatus"] == 1 and game["homeTeam"]["score"] == 0
        else:
            assert game["gameStatus"] == (2 if us(row["tip_utc"]) + 600000000 <= min(night.tips()) + 1200000000 else 1)
            assert game["homeTeam"]["score"] == 0  # never before it is final
    up.stand_at(max(us(event["est_utc"]) for event in night.events) + 60000000)
    games = [game for day in up.get(path)["leagueSchedule"]["gameDates"] for game in day["games"]]
    tonight = [game for game in games if game["gameDateEst"].startswith(night.date)]
    assert all(game["gameStatus"] == 3 and game["homeTeam"]["score"] > 50 for game in tonight)
    plays = up.get(f"/static/json/liveData/playbyplay/playbyplay_{tonight[0]['gameId']}.json")["game"]["actions"]
    assert int(plays[-1]["scoreHome"]) == tonight[0]["homeTeam"]["score"]


def check_http(up, night):
    up.stand_at(min(night.tips()) + 30 * 60000000)
    for path in (LIVE, ODDS + "/events?apiKey=k", "/static/json/staticData/scheduleLeagueV2.json"):
        plain = up.ask(path)
        tag = plain.headers["ETag"]
        again = up.ask(path, {"If-None-Match": tag})
        assert again.status == 304 and again.body == b"" and again.headers["ETag"] == tag
        assert up.ask(path, {"If-None-Match": 'W/"0"'}).body == plain.body
        packed = up.ask(path, {"Accept-Encoding": "gzip"})
        assert packed.headers["Content-Encoding"] == "gzip" and len(packed.body) < len(plain.body)
        assert gzip.decompress(packed.body) == plain.body and packed.headers["ETag"] == tag
        head = up.ask(path, method="HEAD")
        assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) == len(plain.body)
    up.stand_at(min(night.tips()) + 40 * 60000000)
    assert up.ask(LIVE, {"If-None-Match": up.ask(LIVE).headers["ETag"]}).status == 304
    missing = up.ask(LIVE, {"Authorization": ""})
    assert (missing.status, missing.body) == (401, b"Unauthorized")
    assert up.ask(LIVE, method="PUT").status == 405 and up.ask("/elsewhere").status == 404
    status = up.get("/sim/status")
    assert status["date"] == night.date and len(status["games"]) == len(night.games)


def check_answer_faults(up, night):
    up.stand_at(min(night.tips()) + 40 * 60000000)
    good = up.ask(LIVE).body
    up.fault(kind="status", path=LIVE, status=503, times=2)
    assert [up.ask(LIVE).status for _ in range(3)] == [503, 503, 200]
    up.fault(kind="status", feed="bdl.live", status=429, retry_after=7, times=1)
    slow = up.ask(LIVE)
    assert (slow.status, slow.headers["Retry-After"]) == (429, "7")
    up.fault(kind="status", feed="bdl.live", status=429, times=1, body="html")
    slow = up.ask(LIVE)
    assert slow.status == 429 and slow.headers["Retry-After"] is None and b"<html>" in slow.body
    up.heal()
    up.fault(kind="status", feed="bdl.live", skip=1, every=2)
    assert [up.ask(LIVE).status for _ in range(5)] == [200, 500, 200, 500, 200]
    assert up.get(f"/v1/games?dates[]={night.date}")
    up.heal()
    up.fault(kind="unauthorized", path="/v1", times=1)
    refused = up.ask(LIVE)
    assert (refused.status, refused.body) == (401, b"Unauthorized")
    up.fault(kind="truncated", path=LIVE, times=1)
    cut = up.ask(LIVE).body
    assert cut == good[:len(good) // 2]
    up.fault(kind="reset", path=LIVE, times=1)
    try:
        up.ask(LIVE)
        raise AssertionError("not cut")
    except (http.client.IncompleteRead, ConnectionError):
        pass
    up.fault(kind="html", path=LIVE, times=1)
    page = up.ask(LIVE)
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html") and b"<html>" in page.body
    up.fault(kind="empty", path=LIVE, times=1)
    assert [up.get(LIVE), up.get(LIVE)] == [{"data": []}, json.loads(good)]
    up.stand_at(min(night.tips()) + 30 * 60000000)
    earlier = up.ask(LIVE).body
    up.stand_at(min(night.tips()) + 40 * 60000000)
    up.fault(kind="stale", path=LIVE, minutes=10, times=1)
    assert up.ask(LIVE).body == earlier != good
    up.heal()
    up.fault(kind="hang", path=LIVE, seconds=1, times=1)
    begin = time.monotonic()
    try:
        up.ask(LIVE)
        raise AssertionError("answered")
    except (http.client.HTTPException, ConnectionError):
        assert time.monotonic() - begin > 0.9
    up.fault(kind="duplicate", path=LIVE, skip=1, times=1)
    tag = up.ask(LIVE).headers["ETag"]
    up.stand_at(min(night.tips()) + 43 * 60000000)
    same = up.ask(LIVE, {"If-None-Match": tag})
    assert same.status == 200 and same.body == good
    assert up.ask(LIVE).body != good
    up.heal()


def memory_kib(up):
    with open(f"/proc/{up.process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def check_big_bodies(up, night):
    before = memory_kib(up)
    for declared in (False, True):
        up.fault(kind="huge", path=LIVE, bytes=200 << 20, declared=declared, times=1)
        connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=60)
        connection.request("GET", LIVE, headers={"Authorization": "key"})
        response = connection.getresponse()
        assert (response.headers["Content-Length"] == str(200 << 20)) == declared
        size, start, end = 0, b"", b""
        while block := response.read(1 << 20):
            size, start, end = size + len(block), start or block[:12], block[-4:]
        assert size == 200 << 20 and start.startswith(b'{"data":[') and end.endswith(b"0]}")
        connection.close()
    up.fault(kind="huge", path=LIVE, bytes=1001, times=1)
    assert len(up.get(LIVE)["data"]) == (1001 - 9 - 3) // 2 + 1
    up.heal()
    up.fault(kind="gzip_bomb", path=LIVE, bytes=256 << 20, times=1)
    bomb = up.ask(LIVE, {"Accept-Encoding": "gzip"})
    assert bomb.headers["Content-Encoding"] == "gzip" and len(bomb.body) < 1 << 20
    unpack, size = zlib.decompressobj(31), 0
    data = bomb.body
    while data or not unpack.eof:
        size += len(unpack.decompress(data, 1 << 20))
        data = unpack.unconsumed_tail
    assert size == 256 << 20 and unpack.eof
    assert memory_kib(up) - before < 30000, "bodies were held"


def check_scene_faults(up, night):
    first = min(night.games, key=lambda row: row["tip_utc"])
    tip = us(first["tip_utc"])

    def box(path=LIVE):
        return next(game for game in up.get(path)["data"]
                    if game["home_team"]["abbreviation"] == first["home"])

    up.stand_at(tip + 60 * 60000000)
    true = box()
    up.fault(kind="altered_score", game=first["game_id"], by=5, feed="bdl.live")
    altered = box()
    assert altered["home_team_score"] == true["home_team_score"] + 5 and box() == true  # A, B, A
    up.heal()
    ends = {row["game_id"]: us(row["final_at"]) for row in up.get("/sim/status")["games"]}
    end = ends[first["game_id"]]
    up.fault(kind="stat", game=first["game_id"], stat="pts", by=2, **{"from": "tip+30", "to": "tip+100"})
    up.fault(kind="stat", game=first["game_id"], stat="ast", by=1, **{"from": "final", "to": "final+8"})
    up.stand_at(tip + 20 * 60000000)
    plain = box()
    up.stand_at(tip + 60 * 60000000)
    raised = box()
    check_box(raised)
    assert raised["home_team_score"] == true["home_team_score"] + 2
    assert sum(line["pts"] for line in lines(raised)) == sum(line["pts"] for line in lines(true)) + 2
    up.stand_at(end + 60000000)
    final_path = f"/v1/box_scores?date={night.date}"
    high = sum(line["ast"] for line in lines(box(final_path)))
    up.stand_at(end + 20 * 60000000)
    assert sum(line["ast"] for line in lines(box(final_path))) == high - 1
    assert plain["home_team_score"] <= true["home_team_score"]
    up.heal()
    up.fault(kind="postponed", game=first["home"])
    up.stand_at(tip + 60 * 60000000)
    assert all(game["home_team"]["abbreviation"] != first["home"] for game in up.get(LIVE)["data"])
    off = box(f"/v1/games?dates[]={night.date}&per_page=100")
    assert off["status"] == "Postponed" and off["period"] == 0
    days = up.get("/static/json/staticData/scheduleLeagueV2.json")["leagueSchedule"]["gameDates"]
    entry = next(game for day in days for game in day["games"] if game["gameId"] == first["game_id"])
    assert entry["postponedStatus"] == "Y" and entry["gameStatus"] == 1
    assert len(up.get(ODDS + "/events?apiKey=k")) == len(night.games) - 1
    up.heal()


def check_row_faults(up, night):
    up.stand_at(min(night.tips()) + 60 * 60000000)
    good = up.get(LIVE)["data"][0]
    for how, check in (("string", lambda line: line["fgm"] == "seven"),
                       ("impossible", lambda line: line["fgm"] > line["fga"]),
                       ("negative", lambda line: line["reb"] < 0), ("missing", lambda line: "pts" not in line),
                       ("null", lambda line: line["player"] is None)):
        up.fault(kind="malformed_row", how=how, feed="bdl.live", times=1)
        bad = up.get(LIVE)["data"][0]
        assert check(bad["home_team"]["players"][0]), how
        assert lines(bad)[1:] == lines(good)[1:]
    up.fault(kind="unknown_player", feed="bdl.live", times=1)
    extra = lines(up.get(LIVE)["data"][0])
    assert len(extra) == len(lines(good)) + 1
    assert any(line["player"]["id"] == 999999999 and line["min"] == "03" for line in extra)
    up.fault(kind="same_name", feed="bdl.live", times=1)
    twin = [line for line in lines(up.get(LIVE)["data"][0]) if line["player"]["id"] == 999999998]
    assert len(twin) == 1 and twin[0]["player"]["last_name"].isupper()
    up.fault(kind="extra_fields", feed="bdl.live", times=1)
    wide = up.get(LIVE)
    assert "x_unheard_of" in wide and "x_unheard_of" in lines(wide["data"][0])[0]["player"]
    up.fault(kind="names", how="ascii", feed="bdl.live", times=1)
    body = up.ask(LIVE).body
    assert body.isascii()
    up.fault(kind="names", how="decomposed", feed="bdl.live", times=1)
    assert up.ask(LIVE).body != body and up.get(LIVE)["data"][0] == good
    up.heal()
    for fault in ({"kind": "nonsense"}, {"kind": "stat", "stat": "dunks"}, {"kind": "hang", "secs": 3},
                  {"kind": "status", "from": "noon"}, {"kind": "status", "game": "XXX"}):
        query = urllib.parse.quote(json.dumps(fault))
        assert up.ask("/sim/faults?fault=" + query, method="POST").status == 400, fault
    assert up.get("/sim/faults") == {"faults": []}


def check_push(up, night):
    up.stand_at(min(night.tips()) - 60000000)
    game = min(night.games, key=lambda row: row["tip_utc"])
    event = next(row["event_id"] for row in night.props if row["game_id"] == game["game_id"])
    before = up.get(odds_path(event))
    up.fault(kind="push", game=game["game_id"])
    after = up.get(odds_path(event))
    moved = {(name, point) for _, name, point, _, _ in served(after) - served(before)}
    assert len({name for name, _ in moved}) == 1 and len(moved) == 1, moved
    name, point = next(iter(moved))
    person = next(row["player_id"] for row in night.props if row["player_name"] == name)
    scored = sum(int(row["points"] or 0) for row in night.events if row["player_id"] == person)
    assert point == scored
    books = {book for book, who, at, _, _ in served(after) if (who, at) == (name, point)}
    assert len(books) >= 3
    up.heal()


def check_night(up, night):
    for check in (check_scheduled, check_paging, check_live, check_final, check_odds, check_odds_errors, check_second_hand, check_second_source,
                  check_schedule, check_http, check_answer_faults, check_big_bodies, check_scene_faults,
                  check_row_faults, check_push):
        check(up, night)
        print(night.date, check.__name__, "ok", flush=True)


def check_faults_files(folder):
    """Given on the command line or beside the state: they are there from the first request, also after a restart."""
    for name, args in (("/given.json", ["--faults", folder + "/given.json"]), ("/upstream-faults.json", [])):
        with open(folder + name, "w") as file:
            json.dump({"faults": [{"kind": "html", "feed": "bdl.live"}]}, file)
        for _ in range(2):
            up = Upstream(folder, "--sim", "7", "--key", "secret", *args)
            assert up.ask(LIVE).status == 401 and up.ask(LIVE, {"Authorization": "Bearer secret"}).status == 200
            assert b"<html>" in up.ask(LIVE, {"Authorization": "secret"}).body
            assert up.ask(ODDS + "/events?apiKey=k").json["error_code"] == "INVALID_KEY"
            up.stop()
        os.unlink(folder + name)
    with open(folder + "/given.json", "w") as file:
        file.write('{"kind": "dance"}')
    refused = subprocess.run([BIN, "--dir", folder, "--sim", "7", "--faults", folder + "/given.json"],
                             stderr=subprocess.PIPE, timeout=60)
    assert refused.returncode == 64 and b"kind: unknown: dance" in refused.stderr, refused
    nowhere = subprocess.run([BIN, "--dir", folder, "--root", folder, "--date", "2025-11-17"],
                             stderr=subprocess.PIPE, timeout=60)
    assert nowhere.returncode == 65 and b"teams.csv" in nowhere.stderr, nowhere


def main():
    data = os.environ.get("TIPOFF_DATA")
    folder = tempfile.mkdtemp(prefix="tipoff-upstream.")
    try:
        up = Upstream(folder, "--sim", "7")
        try:
            check_night(up, Night(folder + "/league", "2026-01-14"))
        finally:
            up.stop()
        check_faults_files(folder)
        if data is None:
            print("recorded night: skipped, TIPOFF_DATA is not set")
            return
        os.unlink(folder + "/clock")
        up = Upstream(folder, "--root", data, "--date", "2025-11-17")
        try:
            night = Night(data, "2025-11-17")
            check_night(up, night)
            up.stand_at(us("2025-11-17T18:00:00Z"))
            events = up.get(ODDS + "/events?apiKey=k")
            count = sum(len({outcome[:3] for outcome in served(up.get(odds_path(event["id"])))})
                        for event in events)
            assert count == len(night.props) == 1426, count
        finally:
            up.stop()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
