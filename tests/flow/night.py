# ctest: timeout=400 processors=2
"""A real night, end to end: imported history, the recorded upstream, everything that `tipoff up` starts, until every game
is final and graded. Then every number is compared with the CSVs it must have come from.

usage: night.py [DATE [SPEED]]"""
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
import _features_check
import _grades_check
import _night
import _night_checks

KEEP = os.environ.get("TIPOFF_KEEP")
SANITIZED = "build-check" in os.environ.get("TIPOFF_BIN", "")
MEMORY_MOST = 200 * 1000 * 1000


def watch(night, timeout):
    """Waits for the end; returns the most memory that all processes had together, and who had how much then."""
    deadline = time.monotonic() + timeout
    most, who = 0, {}
    while night.process.poll() is None:
        now = _night.memory_of_all(night.process.pid)
        total = sum(size for _, size in now.values())
        if total > most:
            most, who = total, now
        if time.monotonic() > deadline:
            night.wait(1)
        time.sleep(0.25)
    return most, who


def recompute(night, checks):
    """Features, predictions and grades worked out again from the CSVs by code that shares none with the actors."""
    grades, predictions = night.dated("grades"), night.dated("predictions")
    for fault in (_grades_check.check(_night.DATA, night.date, grades)
                  + _grades_check.check_predictions(_night.DATA, night.date, predictions)
                  + _features_check.check(_night.DATA, night.date, night.dated("features"), predictions)):
        checks.that(False, fault)
    checks.that(all(grade["outcome"] for grade in grades), "a grade without an outcome")
    return len(grades)


def main():
    _night.need_data()
    date = sys.argv[1] if len(sys.argv) > 1 else "2025-11-17"
    speed = float(sys.argv[2]) if len(sys.argv) > 2 else 600
    checks = _night.Checks()
    night = _night.Night(date, speed)
    try:
        imported = night.imported()
        print(f"import: {imported['rows']} rows, {imported['refused']} refused, {imported['seconds']} s")
        begun = time.monotonic()
        night.start()
        most, who = watch(night, 300)
        seconds = time.monotonic() - begun
        checks.that(night.process.returncode == 0, f"up: exit {night.process.returncode}\n{night.tail()}")
        print(f"night of {date} at {speed:g}: {seconds:.1f} s, {most / 1e6:.1f} MB without page cache at most")
        for name, size in sorted(who.values(), key=lambda each: -each[1]):
            print(f"    {name:20} {size / 1e6:7.1f} MB")
        if not SANITIZED:
            checks.that(seconds < 90 * max(1, 600 / speed), f"took {seconds:.1f} s")
            checks.that(most < MEMORY_MOST, f"{most} bytes of memory")
        if night.process.returncode == 0:
            print("players:", _night_checks.box_scores(night, checks))
            print("odds rows:", _night_checks.odds(night, checks))
            print("players with a line and a past:", _night_checks.predictions(night, checks))
            print("grades recomputed:", recompute(night, checks))
            print("runs:", len(_night_checks.runs(night, checks)))
            verified = night.query("verify", check=False)
            checks.that(not verified["bad"] and not verified["unhandled"], f"verify: {str(verified)[:800]}")
            replayed = night.query("replay", "--date", date, check=False, timeout=300)
            checks.that(replayed["identical"], f"replay: {str(replayed)[:800]}")
            print(f"verified {verified['records']} records; replayed {replayed['records']} in {replayed['seconds']} s")
            print("digest:", night.dated("digest"))
    finally:
        if KEEP:
            print("kept:", night.dir)
        else:
            shutil.rmtree(night.dir, ignore_errors=True)
    checks.end()


if __name__ == "__main__":
    main()
