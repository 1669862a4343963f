"""8 A run that is stuck blocks what follows: one whose process is killed is closed as crashed by the next, at once, and the work is done."""

import os


def drill(night, checks):
    from _drill import until
    once = os.path.join(night.dir, "once")
    os.mkdir(once)
    night.begin(env={"TIPOFF_FAULT": "handler:5", "TIPOFF_FAULT_ONLY": "processor.0", "TIPOFF_FAULT_ONCE": once}, start="2026-01-14T23:55:00Z")
    until(lambda: any(r["outcome"] == "crashed" for r in night.runs()), 60, "the killed run is closed")
    crashed = [r for r in night.runs() if r["outcome"] == "crashed"]
    checks.that(len(crashed) == 1 and crashed[0]["error_class"] == "crash", f"crashed: {crashed}")
    night.playing()
    ids = [r["run_id"] for r in night.runs()]
    checks.that(len(ids) == len(set(ids)), "a run was closed twice")
    night.end()
    night.whole(checks)
