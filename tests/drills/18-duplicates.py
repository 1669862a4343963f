"""18 Duplicates across batches: answers repeated, and actors killed when they have published and not heard of it, so that they publish
again; and everything is there once."""
import collections
import os


def drill(night, checks):
    once = os.path.join(night.dir, "once")
    os.mkdir(once)
    night.faults_first({"kind": "duplicate", "feed": "bdl.live", "every": 3})
    night.begin("supervisor.crash_loop=1000", "supervisor.backoff_base=10ms", "supervisor.backoff_cap=50ms", args=("--until-final",),
                speed=1500, env={"TIPOFF_FAULT": "step-published:7,step-published:23", "TIPOFF_FAULT_ONCE": once,
                                 "TIPOFF_FAULT_ONLY": "processor.0,predictor.0,features.0,grader.0"})
    night.final()
    checks.that(len(os.listdir(once)) == 8, f"killed: {os.listdir(once)}")
    boxes = collections.Counter((b["game_id"], b["player_id"]) for b in night.dated("boxscores"))
    grades = collections.Counter((g["game_id"], g["player_id"], g["system"], g["stat"]) for g in night.dated("grades"))
    checks.that(max(boxes.values()) == 1 and max(grades.values()) == 1, "there twice")
    audit = night.audit()
    checks.that(all(r["state"] == "COMPLETE" for r in audit["expected"]), f"{[r for r in audit['expected'] if r['state'] != 'COMPLETE'][:2]}")
    night.whole(checks)
