"""3 Phantom failures: every run has one end, whatever kills its process; what was killed is crashed, and nothing else fails."""
import collections
import signal


def drill(night, checks):
    from _drill import until
    night.begin("supervisor.crash_loop=1000", "supervisor.backoff_base=10ms", "supervisor.backoff_cap=50ms", start="2026-01-14T23:55:00Z")
    night.playing()
    kills = 6
    for _ in range(kills):
        pid = night.signal("poller", signal.SIGKILL)
        until(lambda: night.pid("poller") not in (None, pid), 20, "it is back")
        before = len(night.runs("--name", "PollBdlLive"))
        until(lambda: len(night.runs("--name", "PollBdlLive")) > before, 30, "it works")
    ends = collections.Counter(r["payload"]["run_id"] for r in night.said("ops.run"))
    checks.that(max(ends.values()) == 1, f"closed more than once: {ends.most_common(2)}")
    bad = [r for r in night.runs() if r["outcome"] in ("failed", "timeout", "crashed")]
    checks.that(all(r["outcome"] == "crashed" and r["actor"] == "poller" for r in bad), f"not of a kill: {bad[:2]}")
    checks.that(all(r["error_class"] != "none" for r in bad), "a crash without a class")
    poll = next(p for p in night.audit()["phases"] if p["phase"] == "poll")
    wrong = sum(poll["by_outcome"].get(o, 0) for o in ("failed", "timeout", "crashed"))
    checks.that(wrong == len([r for r in bad if r["actor"] == "poller"]) and poll["success_rate"] > 0.5, f"audit: {poll}")
