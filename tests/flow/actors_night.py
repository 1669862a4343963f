#!/usr/bin/python3
# ctest: timeout=300
"""Features, predictor and grader alone, over four recorded nights (tests/programs/actors_night.c): every feature, prediction
and grade equals what Python makes of the CSVs. Needs $TIPOFF_DATA."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import _features_check  # noqa: E402
import _grades_check  # noqa: E402

NIGHTS = ["2025-11-05", "2025-11-09", "2025-11-16", "2025-11-17"]


def main():
    root = os.environ.get("TIPOFF_DATA")
    if not root:
        print("skipped: TIPOFF_DATA is not set")
        return 77
    program = os.path.join(os.environ.get("TIPOFF_BUILD", "build"), "tests", "actors_night")
    faults = []
    for date in NIGHTS:
        done = subprocess.run([program, root, date], check=True, stdout=subprocess.PIPE)
        night = json.loads(done.stdout)
        for prediction in night["predictions"]:
            prediction["active"] = True  # the program prints the newest of each player
        found = _grades_check.check(root, date, night["grades"])
        found += _grades_check.check_predictions(root, date, night["predictions"])
        found += _features_check.check(root, date, night["features"], night["predictions"])
        print(f"{date}: {len(night['features'])} features, {len(night['predictions'])} predictions, "
              f"{len(night['grades'])} grades, {len(found)} faults")
        if len(night["grades"]) < 100:
            found.append(f"{date}: only {len(night['grades'])} grades")
        faults += found
    for fault in faults[:40]:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
