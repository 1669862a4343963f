#!/usr/bin/python3
# ctest: timeout=120
"""Odds of the past: `tipoff backfill --feed odds_history` gets a day's events and a snapshot of each, within its credits and each once;
they stand in the odds' history where they held, with the prices that the upstream has of then."""
import json
import os
import sys
from datetime import timedelta

sys.path.insert(0, os.path.dirname(__file__))
from _faults import DATE, KEY, START, Checks, Failed, FaultyNight, until  # noqa: E402
from _night import instant  # noqa: E402

BEFORE = (240, 300)
MARKETS = 4  # h2h, spreads, totals, player_points


def backfill(night, *words, check=True):
    return night.run("tipoff", "backfill", "--feed", "odds_history", "--from", DATE, "--to", DATE, "--per-minute", "6000", "--dir",
                     night.dir, "--json", *words, check=check)


def fill(night, checks):
    games = len(night.status()["games"])
    poor = backfill(night, "--before", "240", "--credits", "60", check=False)
    checks.that(poor.returncode == 75 and b"--credits" in poor.stderr and json.loads(poor.stdout)["credits"] == 41, f"poor: {poor}")
    said = json.loads(backfill(night, "--before", ",".join(map(str, BEFORE))).stdout)
    asked = games * len(BEFORE) - 1  # one is there already
    checks.that(said["failed"] == 0 and said["success"] == asked and said["credits"] == 1 + 10 * MARKETS * asked, f"backfill: {said}")
    again = json.loads(backfill(night, "--before", ",".join(map(str, BEFORE))).stdout)
    checks.that(again["credits"] == 1 and again["success"] == 0, f"the same once more: {again}")
    for words in (["--before", "x"], ["--before", ""], ["--before", "-1"], ["--before", "1,2,3,4,5,6,7,8,9"], ["--credits", "0"]):
        checks.that(backfill(night, *words, check=False).returncode == 64, f"usage: {words}")
    return games


def look(night, checks):
    rows = json.loads(night.run("tipoff", "odds", "--date", DATE, "--dir", night.dir, "--json").stdout)
    keys = {}
    for row in rows:
        keys.setdefault((row["game_id"], row["player_id"], row["market"], row["book"], row["line"]), []).append(row)
    for key, seen in keys.items():
        times = [row["snapshot_at"] for row in seen]
        checks.that(times == sorted(times), f"{key}: {times}")
        checks.that([row["tag"] for row in seen].count("opening") <= 1, f"{key}: two openings")
    early = [row for row in rows if instant(row["snapshot_at"]) < instant(START)]
    checks.that(len(early) > 100 and any(row["tag"] == "opening" for row in early), f"{len(early)} rows from before the night")
    return {(row["game_id"], row["player_name"], row["book"], row["line"], row["snapshot_at"]): row["over_price"] for row in early}


def compare(night, checks, early):
    """One event's snapshots, as the upstream tells them, with what is said of them."""
    game = night.status()["games"][0]
    events = night.get(f"/v4/historical/sports/basketball_nba/events?apiKey={KEY}&date={START}")["data"]
    event = next(e for e in events if e["id"] == game["event_id"])
    for before in BEFORE:
        asked = instant(event["commence_time"]) - timedelta(minutes=before)
        body = night.get(f"/v4/historical/sports/basketball_nba/events/{event['id']}/odds?apiKey={KEY}&regions=us&markets=player_points"
                         f"&oddsFormat=american&date={asked:%Y-%m-%dT%H:%M:%SZ}")
        at = instant(body["timestamp"])
        checks.that(0 <= (asked - at).total_seconds() < 300, f"{asked}: snapshot of {at}")
        lines = [(book["key"], side) for book in body["data"]["bookmakers"] for market in book["markets"] for side in market["outcomes"]
                 if side["name"] == "Over"]
        for book, side in lines:
            found = [price for (game_id, name, key, line, when), price in early.items()
                     if (game_id, name, key, line) == (game["game_id"], side["description"], book, side["point"]) and instant(when) == at]
            checks.that(found == [side["price"]], f"{book} {side}: {found}")
        checks.that(len(lines) > 10, f"{len(lines)} lines")


def main():
    checks = Checks()
    night = FaultyNight(5, 240)
    night.only += ",scoreboard"
    try:
        night.start()
        until(lambda: any(game["status"] != "scheduled" for game in night.status()["games"]), 60, "the night is on")
        games = fill(night, checks)
        compare(night, checks, look(night, checks))
        night.stop()
        past = [row for row in night.of("row.odds") if row["past"]]
        checks.that(past and all(instant(row["snapshot_at"]) < instant(row["commence_at"]) for row in past), f"{len(past)} rows of the past")
        markets = {row["market"] for row in night.of("row.game_odds") if row["past"]}
        checks.that(markets <= {"h2h", "spreads", "totals"}, f"markets {markets}")
        names = [row["name"] for row in night.of("ops.run")]
        checks.that(names.count("PollOddsHistory") == games * len(BEFORE), f"{names.count('PollOddsHistory')} polls")
        checks.that(not night.of("dead"), f"dead letters: {night.of('dead')[:2]}")
    except Failed as failure:
        checks.that(False, str(failure))
    night.remove()
    checks.end()


if __name__ == "__main__":
    main()
