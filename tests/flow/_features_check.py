"""Features and predictions of a night worked out again from the CSVs, sharing no code with the actors.

    faults = check(root, "2025-11-17", features, predictions)

features and predictions as `tipoff features|predictions --date D --json` print them (only active predictions are looked at).
Everything is from games strictly before the day; a feature that needs the day itself or later differs and is a fault."""
import bisect
import collections
import datetime
import glob
import math
import os

import _features_more
import _grades_check

WITHIN = 2e-6


def day_number(text):
    return datetime.date.fromisoformat(text).toordinal()


def season_of(date):
    return int(date[:4]) - (date[5:7] < "07")


class History:
    """Games before the day, per player and per team, oldest first."""

    def __init__(self, root, date):
        self.date, self.players, self.teams = date, collections.defaultdict(list), {}
        games = collections.defaultdict(lambda: collections.defaultdict(collections.Counter))
        for path in sorted(glob.glob(os.path.join(root, "player_games", "*.csv*"))):
            for row in _grades_check.rows(path):
                if row["game_date"] < date:
                    self.take(row, games)
        for lines in self.players.values():
            lines.sort(key=lambda r: (r["game_date"], r["game_id"]))
        self.games = games
        teams = collections.defaultdict(list)
        for key in sorted(games):
            for team, sums in games[key].items():
                other = next(t for t in games[key] if t != team)
                teams[team].append((sums, games[key][other]["pts"]))
        self.teams = teams

    def take(self, row, games):
        self.players[int(row["player_id"])].append(row)
        sums = games[row["game_date"], row["game_id"]][row["team"]]
        for name in ("pts", "min", "fga", "fta", "tov", "oreb"):
            sums[name] += int(row[name])


def ints(lines, name):
    return [int(line[name]) for line in lines]


def mean(values):
    return sum(values) / len(values) if values else None


def aged(values, half_life):
    values = values[-60:][::-1]
    weights = [0.5 ** (i / half_life) for i in range(len(values))]
    return sum(w * v for w, v in zip(weights, values)) / sum(weights) if values else None


def plays(of):
    return int(of["fga"]) + 0.44 * int(of["fta"]) + int(of["tov"])


def pace(games):
    minutes = sum(sums["min"] for sums, _ in games)
    return sum(plays(s) - s["oreb"] for s, _ in games) * 240 / minutes if games else None


def reckon(history, player, team, opponent, home, lines_of_books):
    lines = history.players.get(player, [])
    now = [l for l in lines if season_of(l["game_date"]) == season_of(history.date)]
    ten, thirty = lines[-10:], lines[-30:]
    points, minutes = ints(lines, "pts"), ints(lines, "min")
    today = day_number(history.date)
    rest = today - day_number(now[-1]["game_date"]) if now else None
    deviation = None
    if len(ten) >= 2:
        centre = mean(ints(ten, "pts"))
        deviation = math.sqrt(sum((p - centre) ** 2 for p in ints(ten, "pts")) / (len(ten) - 1))
    could = sum(int(l["min"]) * plays(history.games[l["game_date"], l["game_id"]][l["team"]])
                for l in ten)
    thirty_minutes = sum(ints(thirty, "min"))
    days = [day_number(l["game_date"]) for l in lines]
    against, own = history.teams.get(opponent, [])[-15:], history.teams.get(team, [])[-10:]
    books = sorted(lines_of_books)
    return {
        "points_avg_last_5": mean(points[-5:]),
        "points_avg_last_10": mean(points[-10:]),
        "points_avg_last_20": mean(points[-20:]),
        "points_avg_season": mean(ints(now, "pts")),
        "points_std_last_10": deviation,
        "points_ewma": aged(points, 8),
        "ppm_last_30": sum(ints(thirty, "pts")) / thirty_minutes if thirty_minutes else None,
        "minutes_avg_last_10": mean(minutes[-10:]),
        "minutes_avg_season": mean(ints(now, "min")),
        "minutes_ewma": aged(minutes, 3),
        "minutes_last": minutes[-1] if minutes else None,
        "usage_last_10": 100 * sum(plays(l) for l in ten) * 48 / could if could else None,
        "fga_avg_last_10": mean(ints(ten, "fga")),
        "fta_avg_last_10": mean(ints(ten, "fta")),
        "three_attempts_avg_last_10": mean(ints(ten, "fg3a")),
        "games_in_last_7_days": len(days) - bisect.bisect_left(days, today - 7) if days else None,
        "games_season": len(now),
        "games_career": len(lines),
        "rest_days": rest,
        "back_to_back": None if rest is None else int(rest == 1),
        "home": int(home),
        "opponent_points_allowed_last_15": mean([allowed for _, allowed in against]),
        "opponent_pace_last_15": pace(against),
        "team_pace_last_10": pace(own),
        "line": _grades_check.middle(books) if books else None,
        "line_books": len(books) or None,
    }


def differs(a, b):
    return (a is None) != (b is None) or (a is not None and abs(a - b) > WITHIN)


def blend(v):
    """Mean and deviation, from the values alone (actors/predictor/model.h says the formula)."""
    games = v["games_season"]
    level = ((v["points_avg_season"] or 0) * games + 10 * v["points_avg_last_20"]) / (games + 10)
    per_minute = v["ppm_last_30"]
    mean_points = (0.5609 + 0.1102 * level + 0.4098 * v["points_ewma"]
                   + 0.2479 * per_minute * v["minutes_ewma"]
                   + 0.1835 * per_minute * v["minutes_last"] + level * 0.0102 * v["home"])
    if v["opponent_points_allowed_last_15"] is not None:
        mean_points += level * 0.4213 * (v["opponent_points_allowed_last_15"] - 113) / 100
    if v["rest_days"] is not None:
        rest = v["rest_days"]
        mean_points += level * (0.0184 * (rest == 1) - 0.0394 * (rest > 7) - 0.0740 * (rest > 14))
    mean_points = max(0.0, mean_points)
    if v["line"] is not None:
        mean_points += 0.9223 * (v["line"] - mean_points)
    return mean_points, math.sqrt(9.2977 + 2.4787 * mean_points)


def check_prediction(prediction, values):
    mean_points, deviation = blend(values)
    if abs(prediction["predicted"] - mean_points) > 1e-4:
        yield f"predicted {prediction['predicted']}, it is {mean_points:.6f}"
    if abs(prediction["stddev"] - deviation) > 1e-4:
        yield f"stddev {prediction['stddev']}, it is {deviation:.6f}"
    line = values["line"]
    if line is None:
        if prediction["recommendation"] != "NO_LINE" or prediction["prob_over"] is not None:
            yield f"{prediction['recommendation']} without a line"
        return
    at = math.floor(line) + 0.5
    over = 0.5 * math.erfc((at - mean_points) / (deviation * math.sqrt(2)))
    if prediction["prob_over"] is None or abs(prediction["prob_over"] - over) > 1e-4:
        yield f"prob_over {prediction['prob_over']}, it is {over:.6f}"


def positions_of(root):
    rows = _grades_check.rows(os.path.join(root, "players.csv"))
    return {int(row["player_id"]): row["position"] for row in rows if row["position"]}


def check(root, date, features, predictions):
    night, history = _grades_check.night_of(root, date), History(root, date)
    faults, values = [], {}
    # Whom the report of injuries has out, no CSV knows: that it is taken for absence is what is looked at.
    out = {f["player_id"] for f in features if f["values"].get("injury_risk") == 3}
    sides = _features_more.Sides(history, positions_of(root), out)
    for feature in features:
        key = feature["game_id"], feature["player_id"]
        game, told = night.games.get(key[0]), f"{key[0]} {key[1]}"
        if key in values:
            faults.append(f"{told}: twice")
        if not game or feature["values"]["home"] not in (0, 1):
            faults.append(f"{told}: no such game, or neither home nor away")
            continue
        home = feature["values"]["home"] == 1
        team, opponent = (game["home"], game["away"])[:: 1 if home else -1]
        books = night.by_book.get(key, {}).values()
        values[key] = reckon(history, key[1], team, opponent, home, books)
        values[key] |= _features_more.more(history, sides, key[1], team, opponent, home)
        if set(values[key]) | _features_more.UNSEEN != set(feature["values"]):
            faults.append(f"{told}: features {(set(values[key]) | _features_more.UNSEEN) ^ set(feature['values'])}")
            continue
        faults += [f"{told}: {name} {feature['values'][name]}, it is {value}"
                   for name, value in values[key].items()
                   if differs(feature["values"][name], value)]
    for prediction in predictions:
        key = prediction["game_id"], prediction["player_id"]
        if not prediction["active"]:
            continue
        if key not in values:
            faults.append(f"{key}: a prediction without features")
            continue
        faults += [f"{key}: {fault}" for fault in check_prediction(prediction, values[key])]
    faults += [f"{key}: no features" for key in sorted(night.expected() - set(values))]
    return faults
