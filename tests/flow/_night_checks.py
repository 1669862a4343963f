"""What must be true of a recorded night once it is over, from the data root's CSVs alone."""
import glob
import os

import _night
from _night import SHARED, instant, rows, rows_of


def box_scores(night, checks):
    wanted = {(r["game_id"], int(r["player_id"])): r for r in rows_of("player_games", date=night.date)}
    got = {(r["game_id"], r["player_id"]): r for r in night.dated("boxscores")}
    games = {r["game_id"]: r for r in rows(os.path.join(_night.DATA, "replay", night.date, "games.csv"))}
    played = {key: row for key, row in got.items() if row["minutes"] or key in wanted}
    checks.that(set(wanted) <= set(got), f"box scores: missing {sorted(set(wanted) - set(got))[:5]}")
    checks.that(set(played) == set(wanted), f"box scores: not in the CSV {sorted(set(played) - set(wanted))[:5]}")
    for key in sorted(set(wanted) & set(got)):
        want, have = wanted[key], got[key]
        checks.that(have["game_status"] == "final", f"{key}: {have['game_status']}, not final")
        checks.that(have["home"] == (want["home"] == "1"), f"{key}: home {have['home']}")
        checks.that(have["player_name"] == want["player_name"], f"{key}: {have['player_name']} / {want['player_name']}")
        checks.that(abs(have["minutes"] - int(want["min"])) <= 1, f"{key}: minutes {have['minutes']} / {want['min']}")
        for column, name in SHARED.items():
            value = have[name] if isinstance(have[name], str) else str(have[name])
            checks.that(value == want[column], f"{key}: {name} {have[name]} / {want[column]}")
        if games[key[0]]["plus_minus_mismatch"] == "0":
            checks.that(str(have["plus_minus"]) == want["plus_minus"],
                        f"{key}: plus_minus {have['plus_minus']} / {want['plus_minus']}")
    return len(wanted)


def odds(night, checks):
    def number(text):
        return float(text) if text else None

    wanted = {(r["game_id"], int(r["player_id"]), r["book"], float(r["line"])):
              (number(r["over_price"]), number(r["under_price"]))
              for r in rows_of("props_points", date=night.date)}
    got = {(r["game_id"], r["player_id"], r["book"], r["line"]): (r["over_price"], r["under_price"])
           for r in night.dated("odds")}
    checks.that(set(wanted) == set(got), f"odds: missing {sorted(set(wanted) - set(got))[:5]}, "
                                         f"too many {sorted(set(got) - set(wanted))[:5]}")
    for key in set(wanted) & set(got):
        checks.that(wanted[key] == got[key], f"odds {key}: {got[key]} / {wanted[key]}")
    return len(wanted)


def predictions(night, checks):
    earlier = {}
    for row in rows_of("player_games", before=night.date):
        earlier[int(row["player_id"])] = earlier.get(int(row["player_id"]), 0) + 1
    tips = {r["game_id"]: r["tip_utc"] for r in rows_of("games", date=night.date)}
    wanted = {(r["game_id"], int(r["player_id"])) for r in rows_of("props_points", date=night.date)
              if r["main"] == "1" and earlier.get(int(r["player_id"]), 0) >= 3}
    active = {(r["game_id"], r["player_id"]): r for r in night.dated("predictions") if r["active"]}
    for key in sorted(wanted):
        checks.that(key in active, f"prediction {key}: none")
        if key in active and tips[key[0]]:
            checks.that(instant(active[key]["made_at"]) < instant(tips[key[0]]),
                        f"prediction {key}: made at {active[key]['made_at']}, tip {tips[key[0]]}")
    return len(wanted)


def summaries(night, checks):
    """What games came to, from the CSV's lines; the line is the one that the predictions in force were made against."""
    def plays(rows):
        return sum(int(r["fga"]) + 0.44 * int(r["fta"]) + int(r["tov"]) for r in rows)

    def near(got, want, what):
        checks.that(got is not None and abs(got - want) < 2e-6, f"{what}: {got} / {want}")
    lines, sides = list(rows_of("player_games", date=night.date)), {}
    for row in lines:
        sides.setdefault((row["game_id"], row["team"]), []).append(row)
    minutes = {(r["game_id"], r["player_id"]): r["minutes"] for r in night.dated("boxscores")}
    against = {(r["game_id"], r["player_id"]): r["line"] for r in night.dated("predictions") if r["active"]}
    got = {(r["game_id"], r["player_id"]): r for r in night.dated("summaries") if r["played"]}
    checks.that(set(got) == {(r["game_id"], int(r["player_id"])) for r in lines}, f"summaries: {len(got)} of {len(lines)}")
    for row in lines:
        key = row["game_id"], int(row["player_id"])
        mine, said = sides[row["game_id"], row["team"]], got.get(key)
        if not said:
            continue
        team_minutes = sum(minutes[r["game_id"], int(r["player_id"])] for r in mine)
        if said["minutes"] and plays(mine):
            near(said["usage"], 100 * plays([row]) * team_minutes / 5 / (said["minutes"] * plays(mine)), f"usage of {key}")
        shooting = int(row["fga"]) + 0.44 * int(row["fta"])
        if shooting:
            near(said["true_shooting"], int(row["pts"]) / (2 * shooting), f"true shooting of {key}")
        if against.get(key) is not None:
            near(said["line"], against[key], f"line of {key}")
            near(said["margin"], int(row["pts"]) - against[key], f"margin of {key}")
            checks.that(said["result"] == ("push" if said["margin"] == 0 else "over" if said["margin"] > 0 else "under"),
                        f"{key}: {said['result']}, {said['margin']}")
    teams = {(r["game_id"], r["team"]): r for r in night.query("summaries", "--teams", "--date", night.date)}
    checks.that(set(teams) == set(sides), f"team summaries: {sorted(set(teams) ^ set(sides))}")
    for (game, team), said in teams.items():
        own, other = sides[game, team], sides[game, said["opponent"]]
        possessions = [plays(side) - sum(int(r["oreb"]) for r in side) for side in (own, other)]
        near(said["possessions"], possessions[0], f"possessions of {team}")
        near(said["offense_rating"], 100 * sum(int(r["pts"]) for r in own) / possessions[0], f"offense of {team}")
        near(said["defense_rating"], 100 * sum(int(r["pts"]) for r in other) / possessions[1], f"defense of {team}")
        checks.that(said["pace"] == teams[game, said["opponent"]]["pace"], f"pace of {team}")
    return len(got)


def logs(night, checks):
    """No process said that it found itself broken (a sanitizer's word would else be lost in a restart)."""
    for path in sorted(glob.glob(os.path.join(night.dir, "logs", "*.log"))):
        with open(path, encoding="utf-8", errors="replace") as stream:
            bad = [line for line in stream if "Sanitizer" in line or "runtime error:" in line or "Assertion" in line]
        checks.that(not bad, f"{os.path.basename(path)}: {bad[:3]}")


def runs(night, checks):
    """Every run is closed, with an outcome and a class."""
    found = night.dated("runs")
    checks.that(len(found) > 0, "no runs")
    for run in found:
        checks.that(run["outcome"] and run["closed_at"] and run["error_class"],
                    f"run {run['run_id']}: outcome {run['outcome']} class {run['error_class']}")
    checks.that(len({r["run_id"] for r in found}) == len(found), "a run id twice")
    return found
