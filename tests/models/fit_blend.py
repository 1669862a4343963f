#!/usr/bin/python3
"""Fits the constants of actors/predictor/model.c, and says how good they are.

    TIPOFF_DATA=root tests/models/fit_blend.py

Walks the seasons 2021-22 to 2024-25 day by day; what is known of a player is what actors/features
would know: games strictly before the day. Coefficients come from ordinary least squares:

  base    points on the inputs below, all players with at least 3 earlier games
  spread  squared residual of base on 1 and base
  line    points - base on line - base, no constant (2024-25 lines of two pick'em books)

First the honest figure: fitted on the seasons before 2024-25, scored on 2024-25 (players with at
least 10 earlier games in the season and 10 minutes on average). Then the constants, fitted on all
four seasons. Nothing dated after the season 2024-25 is read. Exit 77 without $TIPOFF_DATA."""
import collections
import csv
import datetime
import gzip
import math
import os
import statistics
import sys

SEASONS = ["2021-22", "2022-23", "2023-24", "2024-25"]
HELD_OUT = "2024-25"
NAMES = ["constant", "season", "ewma", "pace_of_play", "last_game", "opponent", "home",
         "back_to_back", "rest_week", "rest_fortnight"]
SHRINK_GAMES = 10  # a season's mean counts as if this many games at last-20 form were in it
OPPONENT_MEAN = 113.0


def rows(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def ewma(games, field, half_life):
    decay, weight, total, weights = 0.5 ** (1 / half_life), 1.0, 0.0, 0.0
    for game in reversed(games[-60:]):
        total += weight * game[field]
        weights += weight
        weight *= decay
    return total / weights


def mean(games, field):
    return sum(game[field] for game in games) / len(games)


def sample(player_games, season, day, opponent_games, home):
    """The inputs of one player on one day, or None; `x` is in the order of NAMES."""
    if len(player_games) < 3:
        return None
    now = [g for g in player_games if g["season"] == season]
    minutes = sum(g["minutes"] for g in player_games[-30:])
    if minutes == 0:
        return None
    per_minute = sum(g["points"] for g in player_games[-30:]) / minutes
    level = (sum(g["points"] for g in now) + SHRINK_GAMES * mean(player_games[-20:], "points"))
    level /= len(now) + SHRINK_GAMES
    rest = day - player_games[-1]["day"]
    allowed = opponent_games[-15:]
    harder = sum(allowed) / len(allowed) - OPPONENT_MEAN if allowed else 0.0
    x = [1.0, level, ewma(player_games, "points", 8),
         per_minute * ewma(player_games, "minutes", 3), per_minute * player_games[-1]["minutes"],
         level * harder / 100, level * home, level * (rest == 1),
         level * (bool(now) and rest > 7), level * (bool(now) and rest > 14)]
    scored = len(now) >= 10 and mean(now, "minutes") >= 10
    return {"x": x, "scored": scored, "ewma": ewma(now, "points", 8) if now else None}


def walk(root):
    players, allowed = collections.defaultdict(list), collections.defaultdict(list)
    days = collections.defaultdict(lambda: collections.defaultdict(list))
    for season in SEASONS:
        for row in rows(f"{root}/player_games/{season}.csv.gz"):
            days[row["game_date"]][row["game_id"]].append(row)
    samples = []
    for date in sorted(days):
        day = datetime.date.fromisoformat(date).toordinal()
        for lines in days[date].values():
            for line in lines:
                got = sample(players[line["player_id"]], line["season"], day,
                             allowed[line["opponent"]], int(line["home"]))
                if got:
                    got.update(season=line["season"], y=int(line["pts"]),
                               key=(line["game_id"], line["player_id"]))
                    samples.append(got)
        for lines in days[date].values():
            scored = collections.Counter()
            for line in lines:
                scored[line["team"]] += int(line["pts"])
                players[line["player_id"]].append(
                    {"day": day, "season": line["season"], "points": int(line["pts"]),
                     "minutes": int(line["min"])})
            one, two = scored
            allowed[one].append(scored[two])
            allowed[two].append(scored[one])
    return samples


def least_squares(xs, ys):
    n = len(xs[0])
    m = [[0.0] * (n + 1) for _ in range(n)]
    for x, y in zip(xs, ys):
        for i in range(n):
            row, xi = m[i], x[i]
            for j in range(n):
                row[j] += xi * x[j]
            row[n] += xi * y
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(m[r][i]))
        m[i], m[pivot] = m[pivot], m[i]
        for r in range(n):
            if r != i and m[r][i]:
                factor = m[r][i] / m[i][i]
                for j in range(i, n + 1):
                    m[r][j] -= factor * m[i][j]
    return [m[i][n] / m[i][i] for i in range(n)]


def fit(samples):
    base = least_squares([s["x"] for s in samples], [s["y"] for s in samples])
    for s in samples:
        s["base"] = max(0.0, sum(a * b for a, b in zip(base, s["x"])))
    spread = least_squares([[1.0, s["base"]] for s in samples],
                           [(s["y"] - s["base"]) ** 2 for s in samples])
    return base, spread


def score(name, errors):
    n = len(errors)
    print(f"  {name:34s} n {n:6d}  mae {sum(map(abs, errors)) / n:.4f}  "
          f"rmse {math.sqrt(sum(e * e for e in errors) / n):.4f}  bias {sum(errors) / n:+.4f}")


def covered(samples, spread):
    inside = sum(abs(s["y"] - s["base"]) <= 1.2816 * math.sqrt(spread[0] + spread[1] * s["base"])
                 for s in samples)
    return inside / len(samples)


def lines_of(root):
    lines = collections.defaultdict(list)
    for row in rows(f"{root}/props_points/2024-25_dfs.csv.gz"):
        if row["main"] == "1":
            lines[row["game_id"], row["player_id"]].append(float(row["line"]))
    return {key: statistics.median(value) for key, value in lines.items()}


def main():
    root = os.environ.get("TIPOFF_DATA")
    if not root:
        print("skipped: TIPOFF_DATA is not set")
        return 77
    samples = walk(root)
    base, spread = fit([s for s in samples if s["season"] < HELD_OUT])
    for s in samples:
        s["base"] = max(0.0, sum(a * b for a, b in zip(base, s["x"])))
    test = [s for s in samples if s["season"] == HELD_OUT and s["scored"]]
    print(f"fitted before {HELD_OUT}, scored on {HELD_OUT}:")
    score("mean weighted by age, this season", [s["ewma"] - s["y"] for s in test])
    score("blend without line", [s["base"] - s["y"] for s in test])
    print(f"  80 % interval holds {covered(test, spread):.3f}")
    lines = lines_of(root)
    lined = [s for s in samples if s["key"] in lines]
    gap = least_squares([[lines[s["key"]] - s["base"]] for s in lined],
                        [s["y"] - s["base"] for s in lined])[0]
    score("blend without line, where lined", [s["base"] - s["y"] for s in lined])
    score("line", [lines[s["key"]] - s["y"] for s in lined])
    score("blend with line (weight in sample)",
          [s["base"] + gap * (lines[s["key"]] - s["base"]) - s["y"] for s in lined])
    base, spread = fit(samples)
    print("constants, fitted on all four seasons:")
    for name, value in zip(NAMES, base):
        print(f"  {name:16s} {value:+.4f}")
    print(f"  variance         {spread[0]:+.4f} {spread[1]:+.4f} * base")
    print(f"  line weight      {gap:+.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
