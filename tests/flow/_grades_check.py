"""Every grade of a night worked out again from the CSVs of a data root, sharing no code with the grader.

    faults = check(root, "2025-11-17", grades)      # grades: what `tipoff grades --date D --json` printed
    faults += check_predictions(root, "2025-11-17", predictions)

A fault is one line of text; none means all is right. As a program:

    _grades_check.py ROOT DATE GRADES.json [PREDICTIONS.json]      exit 1 if there are faults

The rules: a player's line is the median of the books' main lines, the mean of the two middle ones for an even number. Not in
the box score: void. No line: no_line. Recommendation PASS: pass. Points on the line: push. Else the side is right or wrong
by strict inequality. error is predicted - actual, absent when void."""
import collections
import csv
import datetime
import functools
import glob
import gzip
import json
import os
import sys

MIN_GAMES = 3
MINUTES_WITHIN = 1  # one source rounds, the other cuts off


def rows(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def files(root, folder):
    return sorted(glob.glob(os.path.join(root, folder, "*.csv*")))


class Night:
    """What the CSVs say of one league day."""

    def __init__(self, root, date):
        self.games = {}
        for path in files(root, "games"):
            for row in rows(path):
                if row["game_date"] == date:
                    self.games[row["game_id"]] = row
        self.box, self.earlier = {}, collections.Counter()
        for path in files(root, "player_games"):
            for row in rows(path):
                if row["game_date"] == date:
                    self.box[row["game_id"], int(row["player_id"])] = row
                elif row["game_date"] < date:
                    self.earlier[int(row["player_id"])] += 1
        books = collections.defaultdict(dict)
        for path in files(root, "props_points"):
            for row in rows(path):
                if row["game_date"] == date and row["main"] == "1":
                    key = row["game_id"], int(row["player_id"])
                    books[key][row["book"]] = float(row["line"])
        self.lines = {key: middle(sorted(lines.values())) for key, lines in books.items()}
        self.by_book = dict(books)

    def expected(self):
        """(game, player) that must have a prediction: a main line and enough earlier games."""
        return {key for key in self.lines if self.earlier[key[1]] >= MIN_GAMES}


@functools.lru_cache(maxsize=1)
def night_of(root, date):
    return Night(root, date)


def middle(values):
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def outcome_of(recommendation, line, points):
    if points is None:
        return "void"
    if line is None:
        return "no_line"
    if recommendation == "PASS":
        return "pass"
    if points == line:
        return "push"
    return "correct" if (points > line) == (recommendation == "OVER") else "incorrect"


def same(a, b, within=0.0):
    if a is None or b is None:
        return a is None and b is None
    return abs(a - b) <= within


def check_one(night, grade):
    key = grade["game_id"], grade["player_id"]
    line, box = night.lines.get(key), night.box.get(key)
    points = int(box["pts"]) if box else None
    if key[0] not in night.games:
        yield "no such game that day"
        return
    if not same(grade["line"], line, 1e-9):
        yield f"line {grade['line']}, the median is {line}"
    if (grade["recommendation"] == "NO_LINE") != (line is None):
        yield f"recommendation {grade['recommendation']} with line {line}"
    if grade["recommendation"] not in ("OVER", "UNDER", "PASS", "NO_LINE"):
        yield f"recommendation {grade['recommendation']}"
    want = outcome_of(grade["recommendation"], line, points)
    if grade["outcome"] != want:
        yield f"outcome {grade['outcome']}, it is {want}: {grade['recommendation']} {line}, {points}"
    if points is None:
        if grade["actual"] not in (None, 0) or grade["error"] is not None:
            yield f"actual {grade['actual']}, error {grade['error']}: he did not play"
        return
    if grade["actual"] != points:
        yield f"actual {grade['actual']}, he scored {points}"
    if not same(grade["minutes"], float(box["min"]), MINUTES_WITHIN):
        yield f"minutes {grade['minutes']}, he played {box['min']}"
    if not same(grade["error"], grade["predicted"] - points, 1e-6):
        yield f"error {grade['error']}, it is {grade['predicted'] - points:.6f}"


def told(grade):
    return f"{grade['game_id']} {grade['player_id']} {grade['player_name']} {grade['system']}"


def check(root, date, grades):
    night = night_of(root, date)
    faults, seen = [], collections.Counter()
    for grade in grades:
        seen[grade["game_id"], grade["player_id"], grade["system"], grade["stat"]] += 1
        faults += [f"{told(grade)}: {fault}" for fault in check_one(night, grade)]
    faults += [f"{key}: graded {count} times" for key, count in seen.items() if count > 1]
    graded = {key[:2] for key in seen}
    faults += [f"{key}: not graded" for key in sorted(night.expected() - graded)]
    if not night.games:
        faults.append(f"no game on {date} in {root}")
    return faults


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def check_predictions(root, date, predictions):
    """Each player with a main line and enough earlier games has an active one, made before his tip."""
    night = night_of(root, date)
    faults, active = [], collections.Counter()
    for prediction in predictions:
        if not prediction["active"]:
            continue
        key = prediction["game_id"], prediction["player_id"]
        active[key + (prediction["system"], prediction["stat"])] += 1
        tip = night.games[key[0]]["tip_utc"]
        if tip and key in night.lines and instant(prediction["made_at"]) >= instant(tip):
            faults.append(f"{told(prediction)}: made at {prediction['made_at']}, the tip was {tip}")
    have = {key[:2] for key in active}
    faults += [f"{key}: no active prediction" for key in sorted(night.expected() - have)]
    faults += [f"{key}: {count} active ones" for key, count in active.items() if count > 1]
    return faults


def main():
    if len(sys.argv) not in (4, 5):
        print(__doc__, file=sys.stderr)
        return 64
    root, date = sys.argv[1:3]
    with open(sys.argv[3], encoding="utf-8") as file:
        grades = json.load(file)
    faults = check(root, date, grades)
    if len(sys.argv) == 5:
        with open(sys.argv[4], encoding="utf-8") as file:
            faults += check_predictions(root, date, json.load(file))
    for fault in faults:
        print(fault)
    outcomes = collections.Counter(grade["outcome"] for grade in grades)
    print(f"{date}: {len(grades)} grades, {len(faults)} faults, {dict(outcomes)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
