"""The features beyond the first ones, worked out again from the CSVs (actors/features/features.def says what each is), sharing no code
with the actors. `more(history, ...)` -> {name: value or None}. What needs feeds that a recorded night does not have is in UNSEEN."""
import bisect
import collections
import datetime
import math

# Of these only that they are there is looked at: a spread and a total come from games' odds, a report of injuries from its feed, the first
# line from snapshots that no CSV has, and line_prob_over goes with prices that are checked as they are.
UNSEEN = {"spread", "total", "implied_team_points", "injury_risk", "line_opening", "line_move",
          "line_prob_over"}


def day_number(text):
    return datetime.date.fromisoformat(text).toordinal()


def season_of(date):
    return int(date[:4]) - (date[5:7] < "07")


def whole(line, name):
    return int(line[name])


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else None


def ratio(part, all_of_it):
    return part / all_of_it if all_of_it else None


def less(a, b):
    return None if a is None or b is None else a - b


def deviation(values):
    if len(values) < 2:
        return None
    centre = mean(values)
    return math.sqrt(sum((v - centre) ** 2 for v in values) / (len(values) - 1))


def aged(values, half_life, most):
    values = values[-most:][::-1]
    weights = [0.5 ** (i / half_life) for i in range(len(values))]
    return sum(w * v for w, v in zip(weights, values)) / sum(weights) if values else None


def plays(line):
    return whole(line, "fga") + 0.44 * whole(line, "fta") + whole(line, "tov")


def total(lines, name):
    return sum(whole(line, name) for line in lines)


STATS = {"rebounds": lambda l: whole(l, "reb"), "assists": lambda l: whole(l, "ast"),
         "threes": lambda l: whole(l, "fg3m"),
         "pra": lambda l: whole(l, "pts") + whole(l, "reb") + whole(l, "ast")}


class Sides:
    """Games of teams by what each side's players summed to; who was with a team before a day."""

    def __init__(self, history, positions, out):
        self.history, self.positions, self.out = history, positions, out
        self.of = collections.defaultdict(list)  # team -> [(date, game, own lines, other's lines)]
        games = collections.defaultdict(lambda: collections.defaultdict(list))
        for lines in history.players.values():
            for line in lines:
                games[line["game_date"], line["game_id"]][line["team"]].append(line)
        for key in sorted(games):
            one, two = games[key]
            self.of[one].append((*key, games[key][one], games[key][two]))
            self.of[two].append((*key, games[key][two], games[key][one]))
        opening = min((d for t in self.of.values() for d, *_ in t
                       if season_of(d) == season_of(history.date)), default=history.date)
        young = day_number(history.date) <= day_number(opening) + 10
        first = season_of(history.date) - 1
        oldest = f"{first}-07-01" if young else datetime.date.fromordinal(
            day_number(history.date) - 30).isoformat()
        self.squads = collections.defaultdict(list)
        for player, lines in history.players.items():
            if lines and lines[-1]["game_date"] >= oldest:
                self.squads[lines[-1]["team"]].append(player)

    def keys(self, team):
        return [(d, g) for d, g, *_ in self.of[team]]

    def tier(self, team, date):
        games = [g for g in self.of[team] if g[0] < date][-15:]
        return mean(total(other, "pts") for *_, other in games) if len(games) >= 5 else None


def points(history, lines, now, opponent):
    pts = [whole(l, "pts") for l in lines]
    against = [whole(l, "pts") for l in lines[-256:] if l["opponent"] == opponent]
    teams = [history.games[l["game_date"], l["game_id"]][l["team"]] for l in lines[-10:]]
    trend = None
    if len(pts) >= 5:
        apart = (pts[-1] + pts[-2] - pts[-4] - pts[-5]) / 2
        trend = math.copysign(2 if abs(apart) >= 5 else 1 if abs(apart) >= 2 else 0, apart)
    season = mean(whole(l, "pts") for l in now)
    form = mean(pts[-20:])
    return {
        "points_avg_known": mean(pts[-256:]),
        "points_level": None if not pts else
        (sum(whole(l, "pts") for l in now) + 10 * form) / (len(now) + 10),
        "points_std_last_20": deviation(pts[-20:]),
        "points_ewma_3": aged(pts, 3, 60), "points_ewma_25": aged(pts, 25, 256),
        "points_trend": less(mean(pts[-5:]), season), "recent_trend": trend,
        "points_vs_opponent": mean(against), "games_vs_opponent": len(against) if pts else None,
        "points_share_last_10": ratio(sum(pts[-10:]), sum(t["pts"] for t in teams)),
    }


def alike(history, sides, lines, i, opponent, home):
    apart = less(sides.tier(lines[i]["opponent"], lines[i]["game_date"]),
                 sides.tier(opponent, history.date))
    score = 0 if apart is None else 40 if abs(apart) <= 2 else 20 if abs(apart) <= 5 else 0
    bucket = lambda later, line: min(3, max(1, day_number(later) - day_number(line["game_date"])))
    now, then = bucket(history.date, lines[-1]), bucket(lines[i]["game_date"], lines[i - 1])
    score += 30 if now == then else 15 if abs(now - then) == 1 else 0
    score += 15 * (int(lines[i]["home"]) == home)
    form = mean(whole(l, "pts") for l in lines[-5:])
    return score + 15 * (abs(form - mean(whole(l, "pts") for l in lines[i - 5:i])) <= 3)


def similar(history, sides, lines, opponent, home):
    lines = lines[-256:]
    if len(lines) < 10:
        return {"points_similar": None}
    found = []
    for i in range(5, len(lines)):
        weight = alike(history, sides, lines, i, opponent, home)
        found.append((weight * 0.5 ** ((len(lines) - 1 - i) // 15 / 4), i))
    best = sorted(found)[-20:]
    weights = sum(w for w, _ in best)
    return {"points_similar": ratio(sum(w * whole(lines[i], "pts") for w, i in best), weights)}


def minutes(lines, now):
    mins = [whole(l, "min") for l in lines]
    started = [int(l["starter"]) for l in lines[-10:] if l["starter"] != ""]
    recent, steady = aged(mins, 3, 60), aged(mins, 10, 60)
    season = mean(whole(l, "min") for l in now)
    return {
        "minutes_avg_last_5": mean(mins[-5:]), "minutes_ewma_10": steady,
        "minutes_last_2": mins[-2] if len(mins) > 1 else None,
        "minutes_std_last_10": deviation(mins[-10:]),
        "minutes_max_last_10": max(mins[-10:], default=None),
        "minutes_change": None if not season else (mean(mins[-10:]) - season) / season,
        "minutes_projected": None if not mins else 0.5 * recent + 0.3 * steady + 0.2 * mins[-1],
        "starter_share_last_10": mean(started),
    }


def even(history, lines):
    sums = lambda l: history.games[l["game_date"], l["game_id"]]
    team = lambda l: sums(l)[l["team"]]["min"]
    apart = lambda l: abs(sums(l)[l["team"]]["pts"] - sums(l)[l["opponent"]]["pts"])
    flat = [whole(l, "min") * (240 / team(l) if team(l) > 252 else 1) for l in lines]
    return {"minutes_regulation_ewma": aged(flat, 3, 30),
            "minutes_close_last_10": mean(whole(l, "min") for l in lines[-10:] if apart(l) <= 15)}


def here(history, sides, lines, opponent):
    tonight = sides.tier(opponent, history.date)
    total_weight, weights = 0.0, 0.0
    for i, line in enumerate(lines[-60:][::-1]):
        then = sides.tier(line["opponent"], line["game_date"])
        if then and tonight:
            total_weight += 0.5 ** (i / 8) * whole(line, "pts") * tonight / then
            weights += 0.5 ** (i / 8)
    return {"points_here_ewma": ratio(total_weight, weights)}


def shooting(history, lines, projected):
    last = lambda n: lines[-n:]
    played = lambda n: total(last(n), "min")
    rate = None
    if lines and aged([whole(l, "min") for l in lines], 20, 256):
        rate = aged([whole(l, "pts") for l in lines], 20, 256) / aged(
            [whole(l, "min") for l in lines], 20, 256)

    def used(n):
        could = sum(whole(l, "min") * plays(history.games[l["game_date"], l["game_id"]][l["team"]])
                    for l in last(n))
        return ratio(100 * 48 * sum(plays(l) for l in last(n)), could)

    twos = lambda l: whole(l, "fga") - whole(l, "fg3a")
    made = lambda n: total(last(n), "fgm") - total(last(n), "fg3m")
    expected = None
    if lines:
        expected = 2 * (made(60) + 26.5) / (sum(map(twos, last(60))) + 50) * aged(
            [twos(l) for l in lines], 8, 60)
        expected += 3 * (total(last(60), "fg3m") + 36) / (total(last(60), "fg3a") + 100) * aged(
            [whole(l, "fg3a") for l in lines], 8, 60)
        expected += (total(last(60), "ftm") + 23.1) / (total(last(60), "fta") + 30) * aged(
            [whole(l, "fta") for l in lines], 8, 60)
    overtime = None
    if lines:
        last_game = history.games[lines[-1]["game_date"], lines[-1]["game_id"]]
        overtime = int(last_game[lines[-1]["team"]]["min"] > 252)
    plus = [whole(l, "plus_minus") for l in last(10) if l["plus_minus"] != ""]
    attempts = 2 * (total(last(20), "fga") + 0.44 * total(last(20), "fta"))
    return {
        "points_expected_ewma": expected,
        "ppm_last_10": ratio(total(last(10), "pts"), played(10)), "ppm_ewma": rate,
        "points_projected": None if rate is None else rate * projected,
        "usage_last_30": used(30), "usage_change": less(used(5), used(30)),
        "fga_ewma": aged([whole(l, "fga") for l in lines], 8, 60),
        "fta_ewma": aged([whole(l, "fta") for l in lines], 8, 60),
        "two_pct_last_30": ratio(made(30), sum(map(twos, last(30)))),
        "three_pct_last_60": ratio(total(last(60), "fg3m"), total(last(60), "fg3a")),
        "free_throw_pct_last_60": ratio(total(last(60), "ftm"), total(last(60), "fta")),
        "true_shooting_last_20": ratio(total(last(20), "pts"), attempts),
        "three_share_last_20": ratio(3 * total(last(20), "fg3m"), total(last(20), "pts")),
        "free_throw_share_last_20": ratio(total(last(20), "ftm"), total(last(20), "pts")),
        "fouls_per_36_last_20": ratio(36 * total(last(20), "pf"), played(20)),
        "plus_minus_avg_last_10": mean(plus), "overtime_last": overtime,
        **even(history, lines),
    }


def others(sides, lines, now, opponent):
    out, against = {}, sides.of[opponent][-15:]
    for name, of in STATS.items():
        values = [of(l) for l in lines]
        out[f"{name}_avg_last_10"] = mean(values[-10:])
        out[f"{name}_avg_season"] = mean(of(l) for l in now)
        out[f"{name}_ewma"] = aged(values, 8, 60)
        out[f"{name}_std_last_10"] = deviation(values[-10:])
        out[f"{name}_per_min_last_30"] = ratio(sum(values[-30:]), total(lines[-30:], "min"))
        out[f"opponent_{name}_allowed_last_15"] = mean(sum(map(of, g[3])) for g in against)
    return out


def calendar(history, sides, lines, now, team):
    today = day_number(history.date)
    days = [day_number(l["game_date"]) for l in lines]
    since = lambda n: lines[bisect.bisect_left(days, today - n):]
    week, fortnight = since(7), since(14)
    rest = today - day_number(now[-1]["game_date"]) if now else None
    pairs = sum(1 for i, d in enumerate(days) if i and d >= today - 14 and d - days[i - 1] == 1)
    pairs += rest == 1
    score = 100 + (-15 if rest == 1 else 5 if rest is None or rest >= 3 else 0)
    score -= 10 * (len(week) >= 4) + 10 * (total(week, "min") > 240)
    score -= 8 * (total(week, "min") > 35 * len(week))
    score -= 12 if pairs >= 2 else 5 if pairs else 0
    ten = sides.keys(team)[-10:]
    mine = {(l["game_date"], l["game_id"]) for l in lines}
    missed = None
    if now:
        last = now[-1]["game_date"], now[-1]["game_id"]
        missed = sum(key > last for key in sides.keys(team))
    return {
        "games_in_last_14_days": len(fortnight) if lines else None,
        "minutes_in_last_7_days": total(week, "min") if lines else None,
        "fatigue_score": min(100, max(0, score)) if lines else None,
        "team_games_missed": missed,
        "played_share_last_10": mean(float(key in mine) for key in ten),
        "games_with_team": sum(l["team"] == team for l in now),
    }


def teams(history, sides, team, opponent, group):
    today, season = day_number(history.date), season_of(history.date)
    own, other = sides.of[team], sides.of[opponent]
    this = lambda games: [g for g in games if season_of(g[0]) == season]
    rest = lambda games: today - day_number(games[-1][0]) if this(games) else None
    wins = lambda games: mean(float(total(g[2], "pts") > total(g[3], "pts")) for g in this(games)) \
        if len(this(games)) >= 5 else None
    flat = lambda games, i: [l for g in games for l in g[i]]
    rating = lambda lines: ratio(100 * total(lines, "pts"),
                                 sum(map(plays, lines)) - total(lines, "oreb"))
    pace = lambda games: ratio(240 * (sum(map(plays, flat(games, 2)))
                                      - total(flat(games, 2), "oreb")), total(flat(games, 2), "min"))
    allowed = flat(other[-15:], 3)
    to_group = [l for l in flat(other[-20:], 3)
                if group and sides.positions.get(int(l["player_id"]), "")[:1] == group]
    made = total(allowed, "fgm") - total(allowed, "fg3m")
    per = lambda value: ratio(240 * value, total(allowed, "min"))
    ahead, apart = less(rest(own), rest(other)), less(pace(other[-15:]), pace(own[-10:]))
    return {
        "playoff_game": 0.0, "team_rest_days": rest(own), "opponent_rest_days": rest(other),
        "rest_advantage": None if ahead is None else max(-2, min(2, ahead)),
        "season_day": today - day_number(this(own)[0][0]) if this(own) else None,
        "team_points_avg_last_10": mean(total(g[2], "pts") for g in own[-10:]),
        "team_off_rating_last_10": rating(flat(own[-10:], 2)), "team_win_pct": wins(own),
        "opponent_win_pct": wins(other), "opponent_def_rating_last_15": rating(allowed),
        "opponent_two_pct_last_15": ratio(made, total(allowed, "fga") - total(allowed, "fg3a")),
        "opponent_twos_allowed_last_15": per(2 * made),
        "opponent_three_points_allowed_last_15": per(3 * total(allowed, "fg3m")),
        "opponent_free_throws_allowed_last_15": per(total(allowed, "ftm")),
        "opponent_group_points_last_20": ratio(48 * total(to_group, "pts"), total(to_group, "min")),
        "pace_score": None if apart is None else max(-3, min(3, apart / 2)),
    }


def mates(history, sides, player, team, group):
    squad, keys = sides.squads[team], sides.keys(team)
    names = ["absent_minutes", "absent_points", "absent_points_new", "absent_usage",
             "returned_points", "rotation_minutes", "minutes_rank", "points_rank",
             "group_absent_minutes"]
    if not squad:
        return dict.fromkeys(names)
    out = dict.fromkeys(names, 0.0)
    brief = {}
    for one in squad:
        lines = history.players[one]
        ten = lines[-10:]
        last = lines[-1]["game_date"], lines[-1]["game_id"]
        missed = sum(key > last for key in keys)
        back = 0
        if missed == 0 and len(lines) > 1:
            before = lines[-2]["game_date"], lines[-2]["game_id"]
            back = sum(before < key < last for key in keys)
        brief[one] = (total(ten, "min") / len(ten), total(ten, "pts") / len(ten),
                      sum(map(plays, ten)) / len(ten), missed, back)
    ten = history.players.get(player, [])[-10:]
    own = (total(ten, "min") / len(ten), total(ten, "pts") / len(ten)) if ten else (0, 0)
    out["rotation_minutes"], out["minutes_rank"], out["points_rank"] = own[0], 1, 1
    for one, (played, scored, used, missed, back) in brief.items():
        if one == player:
            continue
        absent = missed or one in sides.out
        if not absent:
            out["rotation_minutes"] += played
            out["minutes_rank"] += played > own[0]
            out["points_rank"] += scored > own[1]
        if played < 10:
            continue
        if absent:
            out["absent_minutes"] += played
            out["absent_points"] += scored
            out["absent_usage"] += used
            out["absent_points_new"] += scored * (missed <= 2)
            out["group_absent_minutes"] += played * (sides.positions.get(one, "")[:1] == group)
        elif back >= 3:
            out["returned_points"] += scored
    if not group:
        out["group_absent_minutes"] = None
    return out


def more(history, sides, player, team, opponent, home):
    lines = history.players.get(player, [])
    now = [l for l in lines if season_of(l["game_date"]) == season_of(history.date)]
    group = sides.positions.get(player, "")[:1]
    out = points(history, lines, now, opponent)
    out |= similar(history, sides, lines, opponent, home) | minutes(lines, now)
    out |= here(history, sides, lines, opponent)
    out |= shooting(history, lines, out["minutes_projected"]) | others(sides, lines, now, opponent)
    out |= calendar(history, sides, lines, now, team) | teams(history, sides, team, opponent, group)
    return out | mates(history, sides, player, team, group)
