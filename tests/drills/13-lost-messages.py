"""13 Messages silently lost: the broker is killed again and again, and everything that was owed is there."""
import signal


def drill(night, checks):
    from _drill import until
    night.begin("supervisor.crash_loop=1000", "supervisor.backoff_base=10ms", "supervisor.backoff_cap=50ms", args=("--until-final",),
                speed=1500)
    for _ in range(5):
        pid = night.signal("broker", signal.SIGKILL)
        until(lambda: night.pid("broker") not in (None, pid), 20, "it is back")
        before = len(night.runs())
        until(lambda: len(night.runs()) > before + 3 or night.process.poll() is not None, 40, "work goes on")
    night.final()
    audit = night.audit()
    checks.that(audit["expected"] and all(r["state"] == "COMPLETE" for r in audit["expected"]),
                f"{[r for r in audit['expected'] if r['state'] != 'COMPLETE'][:2]}")
    night.whole(checks)
