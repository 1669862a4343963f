# ctest: timeout=400
"""Importing real seasons: complete, quick, visible as a whole or not at all, the same twice is nothing, broken rows named."""
import glob
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import _night
from _night import SHARED, Checks, Failed, Night, rows_of

SLOWER = 8 if os.path.exists(os.path.join(os.environ.get("TIPOFF_BUILD", ""), "CMakeCache.txt")) and \
    "TIPOFF_SANITIZE:BOOL=ON" in open(os.path.join(os.environ["TIPOFF_BUILD"], "CMakeCache.txt"), encoding="utf-8").read() \
    else 1
DAY = "2025-11-16"


def tipoff(directory, *words, env=None, timeout=300):
    argv = [os.path.join(_night.BIN, "tipoff"), *words, "--dir", directory]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, check=False,
                          env={**os.environ, **(env or {})})


def imported(directory, *words, env=None):
    done = tipoff(directory, "import", *words, "--json", env=env)
    if done.returncode != 0:
        raise Failed(f"import {words}: exit {done.returncode}: {done.stderr.decode()[-2000:]}")
    return json.loads(done.stdout)


def box_scores(directory, date):
    done = tipoff(directory, "boxscores", "--date", date, "--json")
    if done.returncode == 1:  # nothing has run there yet
        return {}
    if done.returncode != 0:
        raise Failed(f"boxscores: exit {done.returncode}: {done.stderr.decode()[-2000:]}")
    return {(r["game_id"], r["player_id"]): r for r in json.loads(done.stdout)}


def same_as_csv(checks, directory, date, what):
    wanted = {(r["game_id"], int(r["player_id"])): r for r in rows_of("player_games", date=date)}
    got = box_scores(directory, date)
    checks.that(set(wanted) == set(got), f"{what}: {date}: {len(got)} players, not {len(wanted)}")
    for key in set(wanted) & set(got):
        for column, name in SHARED.items():
            checks.that(str(got[key][name]) == wanted[key][column],
                        f"{what}: {key}: {name} {got[key][name]} / {wanted[key][column]}")


def log_state(directory):
    """What the log's files hold: sizes and times of change."""
    return {path: (os.stat(path).st_size, os.stat(path).st_mtime_ns)
            for path in glob.glob(os.path.join(directory, "log", "*", "data.mdb"))}


def whole(checks, directory):
    result = imported(directory, _night.DATA)
    print("all seasons:", {k: result[k] for k in ("files", "rows", "refused", "commit_seconds", "seconds")}, flush=True)
    total = sum(1 for folder in ("games", "player_games", "game_lines", "props_points") for _ in rows_of(folder))
    checks.that(result["rows"] == total + 30 + 986, f"rows {result['rows']}, not {total + 1016}")
    boxes = sum(f["rows"] for f in result["by_file"] if f["file"].startswith("player_games/"))
    checks.that(boxes == 109246, f"player games {boxes}")
    checks.that(result["refused"] == 0, f"refused {result['refused_rows'][:3]}")
    checks.that(result["commit_seconds"] < 5 * SLOWER, f"commit after {result['commit_seconds']} s")
    checks.that(result["seconds"] < 20 * SLOWER, f"applied after {result['seconds']} s")
    for date in ("2021-10-19", "2024-04-14", "2025-11-17"):
        same_as_csv(checks, directory, date, "all seasons")


def twice(checks, directory):
    before = log_state(directory)
    result = imported(directory, _night.DATA)
    checks.that(result["rows"] == 0 and result["unchanged"] > 170000, f"second: {result['rows']} rows sent")
    checks.that(result["files_unchanged"] == result["files"], "second: not every file is called unchanged")
    checks.that(log_state(directory) == before, "second: the log was written to")


def season_root(parent):
    """The season that is on, alone: small enough to be imported many times."""
    root = os.path.join(parent, "root")
    for path in ["teams.csv", "players.csv", *[os.path.relpath(p, _night.DATA) for p in
                 glob.glob(os.path.join(_night.DATA, "*", "2025-26*.csv.gz")) if "pbp" not in p]]:
        os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
        shutil.copy(os.path.join(_night.DATA, path), os.path.join(root, path))
    return root


def before_a_day(checks, root, parent):
    directory = os.path.join(parent, "before")
    imported(directory, root, "--before", DAY)
    checks.that(box_scores(directory, DAY) == {}, "before: box scores of the day itself")
    same_as_csv(checks, directory, "2025-11-15", "before")
    games = {g["game_id"]: g for g in json.loads(tipoff(directory, "games", "--date", DAY, "--json").stdout)}
    wanted = {r["game_id"]: r for r in rows_of("games", date=DAY)}
    checks.that(set(games) == set(wanted), f"before: {len(games)} games of the day, not {len(wanted)}")
    for game in games.values():
        checks.that(game["status"] == "scheduled" and game["home_score"] is None and game["away_score"] is None,
                    f"before: {game}")
    imported(directory, root)  # the rest comes later
    same_as_csv(checks, directory, DAY, "then all")
    checks.that(all(g["status"] == "final" for g in json.loads(
        tipoff(directory, "games", "--date", DAY, "--json").stdout)), "then all: not final")


def broken_rows(checks, root, parent):
    spoilt = os.path.join(parent, "spoilt")
    shutil.copytree(root, spoilt)
    path = glob.glob(os.path.join(spoilt, "player_games", "*.gz"))[0]
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        lines = stream.read().split("\n")
    columns = lines[0].split(",")

    def spoil(line, column, value):
        fields = lines[line - 1].split(",")
        fields[columns.index(column)] = value
        lines[line - 1] = ",".join(fields)

    spoil(2, "pts", "NaN")
    spoil(3, "fgm", "77")
    spoil(4, "team", "XXX")
    spoil(5, "game_date", "2025-02-30")
    spoil(6, "pts", "1")
    lines[6] = lines[6].rsplit(",", 3)[0]
    lines.insert(7, lines[8])
    with gzip.open(path, "wt", encoding="utf-8", newline="") as stream:
        stream.write("\n".join(lines))
    result = imported(os.path.join(parent, "broken"), spoilt)
    found = {r["line"]: r for r in result["refused_rows"]}
    checks.that(result["refused"] == len(found) == 7, f"broken: {result['refused_rows']}")
    for line, rule in {2: "pts: not a whole number", 3: "fgm: ", 4: "team: unknown team: XXX",
                       5: "game_date: no such date", 6: "pts: 1 is not", 7: "25 fields where", 10: "twice"}.items():
        checks.that(line in found and rule in found[line]["rule"], f"broken: line {line}: {found.get(line)}")
        checks.that(line in found and found[line]["file"].startswith("player_games/"), f"broken: line {line}: file")
    said = tipoff(os.path.join(parent, "broken2"), "import", spoilt).stdout.decode()
    checks.that("7 rows refused" in said and ":5  game_date" in said, f"broken: said {said[:600]}")


def killed(checks, root, parent):
    """At its own points, and with an actor killed while it applies: wholly visible, or not at all."""
    points = [("import", "import-batch:1"), ("import", "import-batch:40"), ("import", "import-before-commit:1"),
              ("broker", "append-before-commit:7"), ("broker", "append-committed:9"),
              ("scoreboard.0", "step-before-commit:5"), ("scoreboard.0", "step-committed:11"),
              ("features.0", "step-before-commit:9"), ("processor.0", "step-before-commit:3")]
    for who, point in points:
        directory = os.path.join(parent, f"killed-{who}-{point.split(':')[0]}-{point.split(':')[1]}")
        once = os.path.join(directory, "once")
        os.makedirs(once)
        env = {"TIPOFF_FAULT": point, "TIPOFF_FAULT_ONLY": who, "TIPOFF_FAULT_ONCE": once}
        if who == "broker":
            # libzmq itself loses the first part of a message whose connection goes before the second is written.
            env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        done = tipoff(directory, "import", root, "--json", env=env)
        fired = os.listdir(once)
        checks.that(len(fired) == 1, f"{who} {point}: the point was not passed")
        if who == "import":
            checks.that(done.returncode == -signal.SIGKILL, f"{who} {point}: exit {done.returncode}")
            checks.that(box_scores(directory, DAY) == {}, f"{who} {point}: visible without a commit")
            checks.that(tipoff(directory, "games", "--date", DAY, "--json").stdout.strip() in (b"", b"[]"),
                        f"{who} {point}: games visible without a commit")
            imported(directory, root)
        else:
            checks.that(done.returncode == 0, f"{who} {point}: exit {done.returncode} {done.stderr.decode()[-800:]}")
        for date in (DAY, "2025-10-21"):
            same_as_csv(checks, directory, date, f"{who} {point}")
        again = imported(directory, root)
        checks.that(again["rows"] == 0, f"{who} {point}: sent again: {again['rows']}")


def beside_a_runtime(checks, root, parent):
    """A broker that runs already is used, and goes on."""
    night = Night(DAY, directory=os.path.join(parent, "beside"))
    os.makedirs(night.dir)
    night.start(args=("--only", "broker,scoreboard"))
    try:
        _night.until(lambda: tipoff(night.dir, "status", "--json").returncode == 0, 30 * SLOWER, "a broker that answers")
        imported(night.dir, root)
        wanted = sum(1 for _ in rows_of("player_games", date=DAY))
        _night.until(lambda: len(box_scores(night.dir, DAY)) == wanted, 60 * SLOWER, "the rows in the tables")
        same_as_csv(checks, night.dir, DAY, "beside a runtime")
        checks.that(night.process.poll() is None, "beside a runtime: it ended")
    finally:
        night.process.send_signal(signal.SIGTERM)
        night.process.wait(60)


def main():
    _night.need_data()
    checks = Checks()
    parent = tempfile.mkdtemp(prefix="tipoff-import-")
    try:
        directory = os.path.join(parent, "all")
        whole(checks, directory)
        twice(checks, directory)
        root = season_root(parent)
        before_a_day(checks, root, parent)
        broken_rows(checks, root, parent)
        killed(checks, root, parent)
        beside_a_runtime(checks, root, parent)
    finally:
        shutil.rmtree(parent, ignore_errors=True)
    checks.end()


if __name__ == "__main__":
    sys.exit(main())
