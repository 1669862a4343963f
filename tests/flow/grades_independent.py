#!/usr/bin/python3
# ctest: timeout=60
"""The checker of grades finds what is wrong, and nothing where nothing is; then, if $TIPOFF_DIR names a state directory
after a night ($TIPOFF_DATE, default 2025-11-17) and $TIPOFF_DATA its data root, that night's grades are checked."""
import copy
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import _grades_check  # noqa: E402

DATE = "2025-03-02"
GAME = "0029900001"
TABLES = {
    "games/s.csv": ["game_id,game_date,tip_utc,home,away", f"{GAME},{DATE},2025-03-03T00:00:00Z,AAA,BBB"],
    "player_games/s.csv": ["game_id,game_date,player_id,min,pts"]
    + [f"00299000{n}0,2025-02-0{n},{p},30,10" for n in range(1, 4) for p in range(1, 6)]
    + [f"{GAME},{DATE},{p},{m},{pts}" for p, m, pts in
       [(1, 30, 21), (2, 31, 20), (3, 12, 4), (4, 33, 20)]],
    "props_points/s.csv": ["game_id,game_date,book,player_id,line,main"]
    + [f"{GAME},{DATE},{book},{p},{line},{main}" for book, p, line, main in
       [("a", 1, 20.5, 1), ("b", 1, 21.5, 1), ("c", 1, 19.5, 1), ("c", 1, 29.5, 0),
        ("a", 2, 19.5, 1), ("b", 2, 20.5, 1), ("a", 4, 18.5, 1), ("a", 5, 9.5, 1),
        ("a", 6, 9.5, 1)]],  # 6 never played before: nobody need predict him
}


def grade(player, recommendation, line, actual, minutes, outcome, predicted=20.25):
    return {"prediction_id": f"p{player}", "game_id": GAME, "player_id": player,
            "player_name": f"Player {player}", "system": "blend", "stat": "points",
            "predicted": predicted, "line": line, "recommendation": recommendation,
            "actual": actual, "minutes": minutes, "outcome": outcome,
            "error": None if actual is None else predicted - actual}


GRADES = [
    grade(1, "OVER", 20.5, 21, 30, "correct"),
    grade(2, "UNDER", 20.0, 20, 30, "push"),
    grade(3, "NO_LINE", None, 4, 12, "no_line"),
    grade(4, "PASS", 18.5, 20, 33, "pass"),
    grade(5, "UNDER", 9.5, None, None, "void"),
]
# (which, field, wrong value): each must be found
WRONGS = [
    (0, "outcome", "incorrect"), (0, "line", 21.0), (0, "actual", 20), (0, "error", 0.75),
    (0, "minutes", 28), (0, "recommendation", "UNDER"), (0, "recommendation", "NO_LINE"),
    (0, "game_id", "0029900009"), (1, "outcome", "incorrect"), (1, "outcome", "correct"),
    (2, "line", 3.5), (2, "outcome", "void"), (3, "outcome", "correct"), (4, "outcome", "correct"),
    (4, "error", 10.0), (4, "actual", 3), (4, "outcome", None),
]


def make_root(folder):
    for name, lines in TABLES.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


def check_the_checker():
    failures = []
    with tempfile.TemporaryDirectory() as root:
        make_root(root)
        faults = _grades_check.check(root, DATE, GRADES)
        if faults:
            failures.append(f"faults where there are none: {faults}")
        for which, field, value in WRONGS:
            wrong = copy.deepcopy(GRADES)
            wrong[which][field] = value
            if not _grades_check.check(root, DATE, wrong):
                failures.append(f"not found: {field} = {value!r} of grade {which}")
        for which in (0, 4):
            if not _grades_check.check(root, DATE, GRADES[:which] + GRADES[which + 1:]):
                failures.append(f"not missed: grade {which}")
        if not _grades_check.check(root, DATE, GRADES + GRADES[:1]):
            failures.append("not found: a grade twice")
        made = [dict(g, active=True, made_at="2025-03-02T20:00:00.000000Z") for g in GRADES]
        faults = _grades_check.check_predictions(root, DATE, made)
        if faults:
            failures.append(f"faults where there are none: {faults}")
        for change in ({"active": False}, {"made_at": "2025-03-03T00:00:00.000000Z"}):
            if not _grades_check.check_predictions(root, DATE, [dict(made[0], **change)] + made[1:]):
                failures.append(f"not found: {change}")
    return failures


def ask(command, directory, date):
    tipoff = os.path.join(os.environ.get("TIPOFF_BIN", "build/bin"), "tipoff")
    done = subprocess.run([tipoff, command, "--dir", directory, "--date", date, "--json"],
                          check=True, capture_output=True)
    return json.loads(done.stdout)


def main():
    failures = check_the_checker()
    directory, root = os.environ.get("TIPOFF_DIR"), os.environ.get("TIPOFF_DATA")
    if directory and root:
        date = os.environ.get("TIPOFF_DATE", "2025-11-17")
        failures += _grades_check.check(root, date, ask("grades", directory, date))
        failures += _grades_check.check_predictions(root, date, ask("predictions", directory, date))
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
