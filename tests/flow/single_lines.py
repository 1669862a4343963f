#!/usr/bin/python3
# ctest: timeout=120
"""Lines of single players: `tipoff backfill --feed bdl_stats` gets a day's pages, one behind the other; they change nothing of today, and
where a box score is another it is said by name; so it is where the play-by-play or another source's score is another. Teams are held against
those that are known."""
import json
import os
import sys
from datetime import timedelta

sys.path.insert(0, os.path.dirname(__file__))
import _faults  # noqa: E402
from _faults import DATE, Checks, Failed, FaultyNight, until  # noqa: E402
from _night import instant  # noqa: E402


def looked_up(night, games):
    """Every play-by-play was asked for, and an hour is over in which another source's scores were."""
    runs = json.loads(night.run("tipoff", "runs", "--name", "PollNbaPlays", "--dir", night.dir, "--json").stdout)
    return {run["game_id"] for run in runs} == games and \
        instant(night.status()["league_now"]) > max(instant(run["closed_at"]) for run in runs) + timedelta(minutes=75)


def main():
    checks = Checks()
    _faults.SETTINGS.append("poller.plays_after=5m")
    night = FaultyNight(6, 1200)
    night.only += ",scoreboard"
    try:
        night.start()
        game = night.status()["games"][0]
        night.add({"kind": "stat", "stat": "oreb", "by": 1, "game": game["home"], "feed": "bdl.box_scores"})
        scored = night.status()["games"][1]
        night.add({"kind": "stat", "stat": "pts", "by": 2, "game": scored["home"], "feed": "bdl.box_scores"})
        games = {game["game_id"] for game in night.status()["games"]}
        until(lambda: night.finals() == games, 100, "every game is final")
        until(lambda: looked_up(night, games), 60, "every play-by-play is in")
        said = json.loads(night.run("tipoff", "backfill", "--feed", "bdl_stats", "--from", DATE, "--to", DATE, "--per-minute", "6000",
                                    "--dir", night.dir, "--json").stdout)
        rows = night.get(f"/v1/stats?dates[]={DATE}&per_page=100")
        pages, total = 1, len(rows["data"])
        while "next_cursor" in rows["meta"]:
            rows = night.get(f"/v1/stats?dates[]={DATE}&per_page=100&cursor={rows['meta']['next_cursor']}")
            pages, total = pages + 1, total + len(rows["data"])
        checks.that(pages > 1 and said["success"] == pages and said["failed"] == 0, f"{pages} pages: {said}")
        everybody = night.get("/v1/players?per_page=100")
        checks.that(len(everybody["data"]) == 100 and everybody["meta"]["next_cursor"] == 100, f"{everybody['meta']}")
        name = everybody["data"][7]["last_name"]
        found = night.get(f"/v1/players?search={name.split()[-1]}")["data"] if name.isascii() else everybody["data"]
        checks.that(everybody["data"][7]["id"] in {row["id"] for row in found}, f"search {name}")
        night.stop()
        runs = [run for run in night.of("ops.run") if run["name"] == "PollBdlStats"]
        checks.that([run["cause"] for run in runs if run["cause"] != "retry"] == ["command"] + ["page"] * (pages - 1),
                    f"causes {[run['cause'] for run in runs]}")
        taken = [run for run in night.of("ops.run") if run["name"] == "BdlStats"]
        checks.that(sum(run["rows_in"] for run in taken) == total and {run["outcome"] for run in taken} == {"success"}, f"{total} rows: {taken}")
        found = [(row["game_id"], row["good"], row["value"]) for row in night.of("row.check") if row["check"] == "stats_other"]
        checks.that(sorted(found) == sorted([(game["game_id"], False, 1), (scored["game_id"], False, 1)]), f"stats_other: {found}")
        for check in ("plays_points", "score_other"):
            found = [(row["game_id"], row["good"], row["value"]) for row in night.of("row.check") if row["check"] == check]
            checks.that(found == [(scored["game_id"], False, 2)], f"{check}: {found}")
        polls = [run["game_id"] for run in night.of("ops.run") if run["name"] == "PollNbaPlays" and run["outcome"] == "success"]
        checks.that(sorted(polls) == sorted(games), f"play-by-play: {polls}")
        plays = night.of("row.play")
        checks.that(len(plays) > 300 * len(games) and not any(row["removed"] for row in plays), f"{len(plays)} actions")
        checks.that({row["feed"] for row in night.of("row.game")}.isdisjoint({"bdl_stats"}), "a game of today came of single lines")
        teams = [run["outcome"] for run in night.of("ops.run") if run["name"] == "BdlTeams"]
        checks.that(teams == ["success"], f"teams: {teams}")
        scores = {run["outcome"] for run in night.of("ops.run") if run["name"] == "OddsApiScores"}
        checks.that(scores == {"success"}, f"scores: {scores}")
    except Failed as failure:
        checks.that(False, str(failure))
    night.remove()
    checks.end()


if __name__ == "__main__":
    main()
