# ctest: timeout=240
"""Bodies that are well-formed and yet odd: a count that is corrected downwards, in play and after the final; a score that goes
A, B, A; a game called off; a player nobody knows; two with one name; rows that break a rule; names spelled otherwise; old
news; fields nobody has heard of. What is said in the end is right, and what was set aside is named."""
import sys

from _faults import FaultyNight, Checks, Failed, check_finals, newest, truth_of, until

UNKNOWN, NAMESAKE = -999999999, -999999998


def live(night, codes):
    night.start()
    games = sorted(night.status()["games"], key=lambda game: (game["tip_at"], game["game_id"]))
    codes += [game["home"] for game in games[:5]]
    night.add(
        {"kind": "stat", "stat": "pts", "by": 2, "game": codes[0], "from": "tip+30", "to": "tip+60"},
        {"kind": "stat", "stat": "pts", "by": 2, "game": codes[1], "from": "final", "to": "final+20"},
        {"kind": "altered_score", "by": 3, "game": codes[2], "feed": "bdl.live", "from": "tip+40"},
        {"kind": "postponed", "game": codes[3]},
        {"kind": "unknown_player", "game": codes[4]},
        {"kind": "same_name", "game": codes[4]},
        {"kind": "malformed_row", "how": "impossible", "feed": "bdl.live", "times": 2, "from": "tip+20"},
        {"kind": "malformed_row", "how": "missing", "feed": "odds.event_odds", "times": 1},
        {"kind": "names", "how": "decomposed", "feed": "bdl.live", "from": "tip+70", "to": "tip+80"},
        {"kind": "names", "how": "upper", "feed": "bdl.live", "from": "tip+80", "to": "tip+90"},
        {"kind": "extra_fields", "from": "tip+90", "to": "tip+100"},
        {"kind": "stale", "minutes": 6, "feed": "bdl.live", "every": 3, "from": "tip+100", "to": "tip+130"},
    )
    until(lambda: len(night.finals()) == len(games) - 1, 150, "every game but one has its final box score")
    corrected = next(game["game_id"] for game in games if game["home"] == codes[1])
    until(lambda: sum(row["game_id"] == corrected and row["status"] == "final" and row["box_players"] > 0
                      for row in night.games()) >= 2, 60, "the final is corrected")
    acted = {(fault["kind"], fault.get("game")): fault["fired"] for fault in night.faults()}
    night.get("/sim/faults", "DELETE")
    truth = truth_of(night.get("/v1/box_scores?date=2026-01-14"))
    night.stop()
    return {sides: lines for sides, lines in truth.items() if codes[3] not in sides}, acted


def drops(rows, final):
    """Players whose points went down from one row to the next."""
    found, last = set(), {}
    for row in rows:
        key = (row["game_id"], row["player_id"])
        if key in last and row["points"] < last[key]["points"] and last[key]["final"] == row["final"] == final:
            found.add(key)
        last[key] = row
    return found


def check(checks, night, codes):
    box = night.of("row.box_score")
    states = night.of("row.game")
    ids = {row["home"]: row["game_id"] for row in states}
    checks.that({game for game, _ in drops(box, False)} >= {ids[codes[0]]}, "no count went down in play")
    checks.that({game for game, _ in drops(box, True)} == {ids[codes[1]]}, "the final was not corrected downwards")
    scores = [row["home_score"] for row in states if row["home"] == codes[2]]
    checks.that(any(a < b > c for a, b, c in zip(scores, scores[1:], scores[2:]) if None not in (a, b, c)),
                "the score did not go up and back")
    off = [row for row in states if row["home"] == codes[3]]
    checks.that(off and off[-1]["status"] == "postponed", f"not postponed: {off[-1:]}")
    checks.that(not [row for row in box if row["game_id"] == ids[codes[3]]], "a postponed game has a box score")
    for odd, what in ((UNKNOWN, "unknown player"), (NAMESAKE, "namesake")):
        rows = [row for row in box if row["player_id"] == odd]
        checks.that(rows and not any(row["player_known"] for row in rows), f"the {what} is not kept and flagged")
    refused = night.of("row.refused")
    checks.that(any(row["feed"] == "bdl_live" and ".players[" in row["path"] for row in refused),
                "no line was set aside")
    checks.that(any(row["feed"] == "odds_props" and row["path"].startswith("bookmakers[") for row in refused),
                "no price was set aside")
    checks.that(all(row["rule"] and row["subject"] for row in refused), "a refusal does not say why")
    runs = night.of("ops.run")
    for name in ("BdlLiveBoxscores", "OddsApiProps"):
        checks.that(any(run["name"] == name and run["outcome"] == "partial" and run["rows_refused"] > 0 for run in runs),
                    f"no partial run of {name}")
    late = [record for record in night.records if record["stream"] == "row.box_score" and
            "2026-01-15T05:00" <= record["time"]]
    checks.that(late and all(record["payload"]["game_date"] == "2026-01-14" for record in late),
                f"{len(late)} rows after midnight, not all of the day of their game")
    lines = newest(night.of("row.odds"), "game_id", "player_id", "book", "line").values()
    checks.that(lines and all(row["player_known"] for row in lines), "a bookmaker's player is not known")
    checks.that(not night.of("dead"), "there are dead letters")


def main():
    night, checks, codes = FaultyNight(seed=5, speed=1200), Checks(), []
    try:
        truth, acted = live(night, codes)
        checks.that(all(acted.values()), f"some faults never acted: {acted}")
        check(checks, night, codes)
        check_finals(checks, night, truth, {UNKNOWN, NAMESAKE})
    except Failed as failure:
        checks.that(False, f"{failure}\n{night.logs()[-3000:]}")
    finally:
        night.remove()
    checks.end()


if __name__ == "__main__":
    sys.exit(main())
