"""13 Messages silently lost: the broker is killed again and again, twice of it with what it was given and has not written yet, and
everything that was owed is there."""
import os
import signal


def drill(night, checks):
    from _drill import until
    once = os.path.join(night.dir, "once")
    os.mkdir(once)
    night.begin("supervisor.crash_loop=1000", "supervisor.backoff_base=10ms", "supervisor.backoff_cap=50ms", args=("--until-final",),
                speed=1500, env={"TIPOFF_FAULT": "append-before-commit:40,append-before-commit:80", "TIPOFF_FAULT_ONLY": "broker",
                                 "TIPOFF_FAULT_ONCE": once})
    for _ in range(5):
        pid = night.signal("broker", signal.SIGKILL)
        until(lambda: night.pid("broker") not in (None, pid), 20, "it is back")
        before = len(night.runs())
        until(lambda: len(night.runs()) > before + 3 or night.process.poll() is not None, 40, "work goes on")
    night.final()
    checks.that(len(os.listdir(once)) == 2, f"killed before a commit: {os.listdir(once)}")
    audit = night.audit()
    checks.that(audit["expected"] and all(r["state"] == "COMPLETE" for r in audit["expected"]),
                f"{[r for r in audit['expected'] if r['state'] != 'COMPLETE'][:2]}")
    night.whole(checks)
