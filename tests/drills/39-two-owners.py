"""39 Two owners of one counter: attempts are counted by the run's one owner, each once, whatever restarts."""
import signal


def drill(night, checks):
    from _drill import until
    night.faults_first({"kind": "status", "status": 503, "feed": "bdl.live", "every": 2})
    night.begin("poller.retries=3", "poller.retry_base=10ms", start="2026-01-14T23:55:00Z")
    night.playing()
    pid = night.signal("poller", signal.SIGKILL)
    until(lambda: night.pid("poller") not in (None, pid), 20, "it is back")
    before = len(night.runs("--name", "PollBdlLive"))
    until(lambda: len(night.runs("--name", "PollBdlLive")) > before + 6, 60, "it works")
    attempts = [r["attempt"] for r in night.runs("--name", "PollBdlLive")]
    checks.that(max(attempts) in (2, 3, 4) and min(attempts) == 1, f"attempts: {sorted(set(attempts))}")
    checks.that(all(b == a + 1 or b == 1 for a, b in zip(attempts, attempts[1:])), f"not counted one by one: {attempts}")
