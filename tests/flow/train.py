#!/usr/bin/python3
# ctest: timeout=400
"""Training and backtest on one real season and the start of the next: a model is its bytes and is promoted once, a backtest is the same
however many processes walk it, is honest in its figures and never looks ahead. Needs $TIPOFF_DATA."""
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import _night
from _night import Checks

FILES = ["players.csv", "teams.csv", "player_games/2024-25.csv.gz", "games/2024-25.csv.gz",
         "player_games/2025-26_to_2025-11-17.csv.gz", "games/2025-26.csv.gz",
         "game_lines/2021-22_to_2024-25.csv.gz", "props_points/2025-26_to_2025-11-17.csv.gz"]
SYSTEMS = {"moving_average", "zone_matchup", "similarity", "gradient_boosting", "ensemble"}


def tipoff(directory, *words):
    argv = [os.path.join(_night.BIN, "tipoff"), *words, "--dir", directory, "--json"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False)
    try:
        said = json.loads(done.stdout) if done.stdout else None
    except ValueError:
        said = None
    return done.returncode, said, done.stderr.decode()


def train(checks, directory):
    code, first, why = tipoff(directory, "train", "--through", "2025-11-09")
    if not checks.that(code == 0 and first and first["promoted"], f"train: exit {code}: {why}"):
        return
    files = glob.glob(os.path.join(directory, "models", "*"))
    checks.that([os.path.basename(f) for f in files] == [first["model"] + ".model"], f"files {files}")
    body = open(files[0], "rb").read()
    checks.that(hashlib.sha256(body).hexdigest() == first["model"], "the file is not what its name says")
    checks.that(len(body) == first["bytes"] < 4 << 20, f"{len(body)} bytes")
    checks.that(first["learned_through"] == "2025-11-09", f"learned through {first['learned_through']}")
    systems = {s["system"]: s for s in first["stats"][0]["systems"]}
    checks.that(set(systems) == SYSTEMS, f"systems {set(systems)}")
    checks.that(all(3.5 < s["mae"] < 5.5 and s["n"] > 10000 for s in systems.values()), f"{systems}")
    checks.that(systems["ensemble"]["mae"] < systems["moving_average"]["mae"], "the ensemble is no better")
    checks.that(0.78 < first["coverage_80"] < 0.82, f"coverage {first['coverage_80']}")
    code, again, why = tipoff(directory, "train", "--through", "2025-11-09", "--jobs", "1")
    checks.that(code == 0 and again and again["unchanged"] and not again["promoted"]
                and again["model"] == first["model"], f"trained twice: exit {code} {again} {why}")


def backtest(checks, directory):
    page = os.path.join(directory, "page.html")
    days = ["--from", "2025-11-10", "--to", "2025-11-17"]
    code, first, why = tipoff(directory, "backtest", *days, "--html", page, "--min-games", "5")
    if not checks.that(code == 0 and first, f"backtest: exit {code}: {why}"):
        return
    code, again, why = tipoff(directory, "backtest", *days, "--jobs", "1", "--min-games", "5")
    checks.that(first == again, "one process and several differ")
    systems = {s["system"]: s for s in first["systems"]}
    keys = {"system", "n", "mae", "rmse", "bias", "within_3", "n_lines", "hit_rate", "roi", "brier", "log_loss",
            "coverage_80"}
    checks.that(set(systems) == SYSTEMS and all(keys <= set(s) for s in systems.values()), f"{systems.keys()}")
    best = systems["ensemble"]
    checks.that(first["days"] == 8 and first["predictions"] == best["n"] > 800, f"{first['days']} days, {best['n']}")
    checks.that(4 < best["mae"] < 5.5 and abs(best["bias"]) < 1.5, f"mae {best['mae']} bias {best['bias']}")
    checks.that(0.72 < best["coverage_80"] < 0.88, f"coverage {best['coverage_80']}")
    checks.that(0.4 < best["hit_rate"] < 0.6, f"hit rate {best['hit_rate']}: too good or too bad to be true")
    checks.that(best["n_lines"] > 500 and best["n_priced"] > 400, f"lines {best['n_lines']}")
    checks.that(abs(best["priced_log_loss"] - best["market_log_loss"]) < 0.02, "far from the market")
    text = open(page, encoding="utf-8").read()
    checks.that(text.count("<svg") == 3 and not re.search(r"https?://|<script|src=", text), "the page asks for more")


def errors(checks, directory):
    code, _, why = tipoff(directory, "backtest", "--from", "2025-11-10")
    checks.that(code == 64 and "--to" in why, f"no --to: {code} {why}")
    code, _, why = tipoff(directory, "backtest", "--from", "2025-11-10", "--to", "2025-11-12", "--stat", "dunks")
    checks.that(code == 64 and "dunks" in why, f"--stat dunks: {code} {why}")
    code, _, why = tipoff(directory, "backtest", "--from", "2024-10-25", "--to", "2024-10-26")
    checks.that(code == 1 and "import earlier seasons" in why, f"too early: {code} {why}")
    with tempfile.TemporaryDirectory() as empty:
        code, _, why = tipoff(empty, "train")
        checks.that(code == 1 and "tipoff import" in why, f"nothing imported: {code} {why}")


def main():
    _night.need_data()
    checks = Checks()
    directory = tempfile.mkdtemp(prefix="tipoff-train-")
    try:
        files = [os.path.join(_night.DATA, name) for name in FILES]
        code, _, why = tipoff(directory, "import", *files)
        checks.that(code == 0, f"import: exit {code}: {why}")
        train(checks, directory)
        backtest(checks, directory)
        errors(checks, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    checks.end()


if __name__ == "__main__":
    sys.exit(main())
