"""18 Duplicates across batches: answers repeated and actors killed, and everything is there once."""
import collections
import signal


def drill(night, checks):
    from _drill import until
    night.faults_first({"kind": "duplicate", "feed": "bdl.live", "every": 3})
    night.begin("supervisor.crash_loop=1000", "supervisor.backoff_base=10ms", "supervisor.backoff_cap=50ms", args=("--until-final",),
                speed=1500)
    for name in ("processor", "predictor", "features", "grader"):
        pid = night.signal(name, signal.SIGKILL)
        until(lambda: night.pid(name) not in (None, pid), 20, "it is back")
    night.final()
    boxes = collections.Counter((b["game_id"], b["player_id"]) for b in night.dated("boxscores"))
    grades = collections.Counter((g["game_id"], g["player_id"], g["system"], g["stat"]) for g in night.dated("grades"))
    checks.that(max(boxes.values()) == 1 and max(grades.values()) == 1, "there twice")
    audit = night.audit()
    checks.that(all(r["state"] == "COMPLETE" for r in audit["expected"]), f"{[r for r in audit['expected'] if r['state'] != 'COMPLETE'][:2]}")
    night.whole(checks)
