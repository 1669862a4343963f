"""A worker that hangs, an upstream that does, a broker that is gone, a disk that is full, a key that is wrong, a quota that is used up: each
is told as what it is, and all is well again by itself when it ends."""
import os
import signal


def drill(night, checks):
    from _drill import until
    once = os.path.join(night.dir, "once")
    os.mkdir(once)
    night.begin("watchdog.silence=3s", "poller.timeout=1s", "poller.connect_timeout=1s", "poller.retries=0", start="2026-01-14T23:55:00Z",
                speed=400, env={"TIPOFF_FAULT": ",".join(f"disk-full:{n}:fail" for n in range(60, 72)), "TIPOFF_FAULT_ONLY": "broker",
                                "TIPOFF_FAULT_ONCE": once}, wait=False)
    until(lambda: "no_space" in night.causes(), 60, "a full disk is told")
    until(lambda: "no_space" not in night.causes(), 60, "there is space again")
    night.playing()

    def well():
        return night.check()[0] == 0 or night.causes() <= {"starting", "stale", "frozen", "late", "unprocessed"}

    pid = night.signal("grader", signal.SIGSTOP)
    until(lambda: any(c["cause"] in ("hung", "dead") and c["subject"] == "grader.0" for c in night.check()[1]["causes"]), 30, "hung is told")
    until(lambda: night.pid("grader") not in (None, pid), 40, "it is replaced")
    until(well, 40, "well behind the hang")

    broker = night.signal("broker", signal.SIGSTOP)
    until(lambda: "broker" in night.causes(), 20, "a broker that does not answer is told")
    checks.that(night.check()[0] == 2, "a broker that is gone is not critical")
    if night.pid("broker") == broker:
        os.kill(broker, signal.SIGCONT)
    until(lambda: "broker" not in night.causes(), 60, "the broker is back")

    for kind, wanted in (({"kind": "hang", "seconds": 5}, "timeout"), ({"kind": "unauthorized"}, "unauthorized"),
                         ({"kind": "status", "status": 429, "retry_after": 2}, "rate_limited")):
        night.fault(feed="bdl.live", **kind)
        until(lambda: any(r["error_class"] == wanted for r in night.runs("--name", "PollBdlLive")), 60, f"{wanted} is told")
        night.faults_end()
    classes = {e["class"]: e["example"] for e in night.audit()["errors"]}
    checks.that({"timeout", "unauthorized", "rate_limited"} <= set(classes), f"errors: {classes}")
    until(lambda: night.runs("--name", "PollBdlLive")[-1]["outcome"] in ("success", "unchanged"), 90, "polls go on by themselves")
    until(lambda: night.check()[0] == 0, 90, "all is well")
    night.end()
    night.whole(checks)
