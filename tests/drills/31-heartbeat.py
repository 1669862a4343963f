"""31 The heartbeat itself fails silently: a watchdog that stands still is seen by whoever asks, and replaced."""
import signal


def drill(night, checks):
    from _drill import until
    night.begin("watchdog.silence=2s", start="2026-01-14T23:30:00Z")
    pid = night.signal("watchdog", signal.SIGSTOP)
    until(lambda: any(c["subject"] == "watchdog.0" for c in night.check()[1]["causes"]), 30, "its silence is named")
    until(lambda: night.pid("watchdog") not in (None, pid), 40, "it is replaced")
    until(lambda: night.check()[0] == 0, 40, "all is well again")
    checks.that(night.pid("watchdog") != pid, "the one that stood still is still there")
