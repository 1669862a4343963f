"""A worker that hangs, an upstream that does, a broker that is gone, a disk that is full, a key that is wrong, a quota that is used up: each
is told as what it is, and as nothing else of these, by `tipoff status` and by `tipoff check`, within one deadline of the heartbeats; and all
is well again by itself when it ends."""
import os
import signal
import time

SILENCE_S = 5  # who is not heard for so long is replaced
BACKOFF_S = 8
SIX = {"hung", "dead", "broker", "no_space", "timeout", "unauthorized", "rate_limited"}


class Told:
    """What status and check say of a fault, from the moment on that it acts."""

    def __init__(self, night, checks, cause, subject):
        self.night, self.checks, self.cause, self.subject, self.began = night, checks, cause, subject, time.monotonic()

    def status(self):
        said = self.night.query("status")
        if self.subject == "broker":
            return said["broker"]["cause"] or ""
        actor, shard = self.subject.split(".")
        row = next(row for row in said["shards"] if (row["actor"], row["partition"]) == (actor, int(shard)))
        return "hung: " + row["cause"] if row["state"] == "silent" else row["cause"] or ""

    def check(self):
        return [row for row in self.night.check()[1]["causes"] if row["cause"] in SIX]

    def on(self):
        from _drill import until
        for where, said in (("check", lambda: [row["cause"] for row in self.check()]), ("status", lambda: [self.status().split(":")[0]])):
            until(lambda: self.cause in said(), 30, f"{self.cause} is told by {where}")
            seconds = time.monotonic() - self.began
            self.checks.that(seconds <= SILENCE_S, f"{self.cause} was told by {where} after {seconds:.1f} s")
        return self

    def alone(self):
        """Asked when it is on."""
        rows = self.check()
        self.checks.that({(row["cause"], row["subject"]) for row in rows} <= {(self.cause, self.subject)}, f"not only {self.cause}: {rows}")
        return self

    def off(self):
        from _drill import until
        until(lambda: not [row for row in self.check() if row["cause"] == self.cause] and self.cause not in self.status(), 60,
              f"{self.cause} is over")


def broker_gone(night, checks):
    """Its first restart is at once, so it is killed until it stays away for a while."""
    from _drill import until
    told = Told(night, checks, "broker", "broker")

    def gone():
        pid = night.pid("broker")
        if pid:
            told.began = time.monotonic()
            os.kill(pid, signal.SIGKILL)
        return "broker" in night.causes() and not night.pid("broker")
    until(gone, 30, "the broker stays away")
    told.on().alone()
    checks.that(night.check()[0] == 2, "a broker that is gone is not critical")
    told.off()


def drill(night, checks):
    from _drill import until
    once = os.path.join(night.dir, "once")
    os.mkdir(once)
    night.begin(f"watchdog.silence={SILENCE_S}s", f"supervisor.backoff_base={BACKOFF_S}s", "supervisor.crash_loop=1000", "poller.timeout=1s",
                "poller.connect_timeout=1s", "poller.retries=0", "poller.breaker_after=1000", start="2026-01-14T23:55:00Z", speed=400,
                env={"TIPOFF_FAULT": ",".join(f"disk-full:{n}:fail" for n in range(60, 72)), "TIPOFF_FAULT_ONLY": "broker",
                     "TIPOFF_FAULT_ONCE": once}, wait=False)
    until(lambda: "append-failed" in night.logged("broker"), 60, "the disk is full")
    Told(night, checks, "no_space", "broker").on().alone().off()
    night.playing()

    pid = night.signal("grader", signal.SIGSTOP)
    Told(night, checks, "hung", "grader.0").on().alone()
    until(lambda: night.pid("grader") not in (None, pid), 40, "it is replaced")
    until(lambda: not {"hung", "dead"} & night.causes(), 40, "well behind the hang")
    broker_gone(night, checks)

    for kind, wanted in (({"kind": "hang", "seconds": 5}, "timeout"), ({"kind": "unauthorized"}, "unauthorized"),
                         ({"kind": "status", "status": 429, "retry_after": 2}, "rate_limited")):
        night.fault(feed="bdl.live", **kind)
        until(lambda: night.faults()[0]["fired"], 30, f"{wanted} acts")
        told = Told(night, checks, wanted, "poller.0").on().alone()
        night.faults_end()
        told.off()
    classes = {e["class"]: e["example"] for e in night.audit()["errors"]}
    checks.that({"timeout", "unauthorized", "rate_limited"} <= set(classes) and all(classes.values()), f"errors: {classes}")
    until(lambda: night.runs("--name", "PollBdlLive")[-1]["outcome"] in ("success", "unchanged"), 90, "polls go on by themselves")
    until(lambda: night.check()[0] == 0, 90, "all is well")
    night.end()
    night.whole(checks)
