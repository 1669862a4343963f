"""19 A race around a lock: a holder that is stopped just before its commit, and replaced, commits nothing when it is awake again."""
import collections
import os


def drill(night, checks):
    once = os.path.join(night.dir, "once")
    os.mkdir(once)
    night.begin("watchdog.silence=3s", args=("--until-final",), speed=1200,
                env={"TIPOFF_FAULT": "step-before-commit:9:stop", "TIPOFF_FAULT_ONLY": "grader.0,processor.0", "TIPOFF_FAULT_ONCE": once})
    night.final()
    checks.that(len(os.listdir(once)) == 2, f"stopped: {os.listdir(once)}")
    grades = collections.Counter((g["game_id"], g["player_id"], g["system"], g["stat"]) for g in night.dated("grades"))
    checks.that(grades and max(grades.values()) == 1, "graded twice")
    epochs = {r["epoch"] for r in night.runs() if r["actor"] == "grader"}
    checks.that(len(epochs) >= 2, f"the grader was never replaced: epochs {epochs}")
    night.whole(checks)
