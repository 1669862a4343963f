#!/usr/bin/python3
# ctest: timeout=120
"""balldontlie's odds beside The Odds API's, and a name that nobody knows. The books' lines come from both, as rows of their own, with the
same prices; a player whom the books call otherwise than the cross-walk does is looked up by name, once, and is himself from then on."""
import json
import os
import sys
import unicodedata

sys.path.insert(0, os.path.dirname(__file__))
import _faults  # noqa: E402
from _faults import KEY, Checks, Failed, FaultyNight, until  # noqa: E402
from _proxy import Proxy  # noqa: E402

NICKNAME = "Zebedee"
EVENTS = "/v4/sports/basketball_nba/events"
SEARCH = "/v1/players?search="


def plain(name):
    return unicodedata.normalize("NFD", name).isascii() and len(name.split()) == 2


class Renamed(Proxy):
    """Both services call one player by a nickname, but for box scores; and no two bodies of odds are the same."""
    who = None
    count_of_bodies = 0

    def fetch(self, path, headers):
        status, kept, body = super().fetch(path, headers)
        if status != 200 or self.who is None or not (path.startswith(SEARCH) or path.startswith(EVENTS + "/")):
            return status, kept, body
        value = json.loads(body)
        for row in value["data"] if path.startswith(SEARCH) else []:
            if f"{row['first_name']} {row['last_name']}" == self.who:
                row["first_name"] = NICKNAME
        for book in value["bookmakers"] if path.startswith(EVENTS + "/") else []:
            for outcome in (side for market in book["markets"] for side in market["outcomes"]):
                if outcome["description"] == self.who:
                    outcome["description"] = f"{NICKNAME} {self.who.split()[1]}"
        self.count_of_bodies += 1
        value["odd"] = self.count_of_bodies
        return status, {}, json.dumps(value).encode()


def choose(night):
    """Somebody with a line, an id that the cross-walk has, and a name of two plain words that is nobody else's."""
    for event in night.get(f"{EVENTS}?apiKey={KEY}"):
        body = night.get(f"{EVENTS}/{event['id']}/odds?apiKey={KEY}&regions=us&markets=player_points&oddsFormat=american")
        for book in body["bookmakers"]:
            for name in (outcome["description"] for outcome in book["markets"][0]["outcomes"]):
                rows = night.get(SEARCH + name.split()[1])["data"] if plain(name) else []
                ids = [row["id"] for row in rows if f"{row['first_name']} {row['last_name']}" == name]
                if len(ids) == 1 and ids[0] < 900000000:
                    return name
    raise Failed("nobody will do")


def check_lookup(checks, night, proxy):
    rows = [row for row in night.of("row.odds") if row["player_name"].startswith(NICKNAME)]
    found = {row["player_id"] for row in rows if row["player_known"]}
    true_id = {row["player_id"] for row in night.of("row.odds") if row["player_name"] == proxy.who and row["book"].startswith("bdl-")}
    checks.that(len(found) == 1 and found == true_id, f"{NICKNAME} is {found}, {proxy.who} is {true_id}")
    left = {}
    for row in rows:
        left[(row["player_id"], row["book"], row["line"])] = row["offered"]
    checks.that(not any(offered for (player_id, _, _), offered in left.items() if player_id < 0), "nobody's lines are still on offer")
    checks.that(proxy.count(SEARCH) == 1, f"looked up {proxy.count(SEARCH)} times")
    polls = [run for run in night.of("ops.run") if run["name"] == "PollBdlSearch"]
    checks.that([(run["cause"], run["outcome"]) for run in polls] == [("command", "success")], f"polls: {polls}")
    taken = [run for run in night.of("ops.run") if run["name"] == "BdlSearch"]
    checks.that([run["outcome"] for run in taken] == ["success"], f"taken: {taken}")


def heard(night):
    """{game: until when its lines of The Odds API are all there}: the last of its bodies that was taken before the end."""
    runs = [run for run in night.of("ops.run") if run["game_id"]]
    polls, until_when = {}, {}
    for run in sorted(runs, key=lambda run: run["closed_at"]):
        if run["name"] == "PollOddsProps":
            polls.setdefault(run["game_id"], []).append(run)
    for game_id, made in polls.items():
        taken = sum(run["name"] == "OddsApiProps" and run["game_id"] == game_id for run in runs)
        if taken and all(run["outcome"] in ("success", "skipped") for run in made):
            until_when[game_id] = made[taken - 1]["closed_at"]
    return until_when


def check_second_source(checks, night, who):
    own, other, until_when = {}, {}, heard(night)
    for row in night.of("row.odds"):
        second = row["book"].startswith("bdl-")
        checks.that(row["event_id"].startswith("bdl-") == second, f"mixed: {row}")
        if row["player_name"] == who or row["player_name"].startswith(NICKNAME) or row["snapshot_at"] > until_when.get(row["game_id"], ""):
            continue
        key = (row["game_id"], row["player_id"], row["book"].removeprefix("bdl-"), row["line"])
        (other if second else own).setdefault(key, set()).add((row["over_price"], row["under_price"]))
    checks.that(len(other) > 100, f"{len(other)} lines of the second source")
    strange = [key for key, prices in other.items() if not prices <= own.get(key, set())]
    checks.that(not strange, f"{len(strange)} of them the first has not, e.g. {strange[:2]}")
    aside = [row for row in night.of("row.refused") if row["feed"] in ("bdl_props", "bdl_odds")]
    counted = sum(run["rows_refused"] for run in night.of("ops.run") if run["name"] == "BdlProps" and run["outcome"] == "success")
    checks.that(counted > 0, "no milestone was counted")
    strange = [row for row in aside if row["rule"] != "player_id: nobody knows him"]
    checks.that(not strange, f"set aside: {strange[:2]}")  # until the squads are in, some have a number and no name
    runs = {(run["name"], run["outcome"]) for run in night.of("ops.run")}
    checks.that({("BdlProps", "success"), ("BdlOdds", "success")} <= runs, "not both were taken whole")
    games = [row for row in night.of("row.game_odds") if row["book"].startswith("bdl-")]
    first = {(row["game_id"], row["market"], row["point"]) for row in night.of("row.game_odds") if not row["book"].startswith("bdl-")}
    checks.that(games and {(row["game_id"], row["market"], row["point"]) for row in games} <= first, f"{len(games)} lines of games")


def main():
    checks = Checks()
    proxy = Renamed()
    _faults.SETTINGS += ["poller.timeout=10s", f"poller.bdl.base_url={proxy.url}", f"poller.odds.base_url={proxy.url}", "poller.bdl.odds_interval=5m",
                         "poller.odds_interval=5m", "poller.game_odds_interval=5m"]
    night = FaultyNight(6, 120)

    def listens():
        until(night.status, 30, "the upstream answers")
        proxy.who = choose(night)
        proxy.base = night.base
    try:
        night.start(listens)
        until(lambda: proxy.count(SEARCH), 60, f"they look for {NICKNAME}")
        asked = proxy.count(EVENTS + "/")
        games = len(night.status()["games"])
        until(lambda: proxy.count(EVENTS + "/") >= asked + 2 * games, 60, "every event once more, at least")
        until(lambda: proxy.count("/v2/odds/player_props") >= games and proxy.count("/v2/odds?"), 60, "the second source")
        until(lambda: any(game["status"] != "scheduled" for game in night.status()["games"]), 60, "the night is on")
        night.stop()
        check_lookup(checks, night, proxy)
        check_second_source(checks, night, proxy.who)
    except Failed as failure:
        checks.that(False, str(failure))
    night.remove()
    checks.end()


if __name__ == "__main__":
    main()
