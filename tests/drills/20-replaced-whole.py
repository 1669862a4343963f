"""20 Delete, then insert: who reads an export while its writer is killed again and again reads a whole one, always."""
import glob
import json
import os
import signal


def drill(night, checks):
    from _drill import until
    night.begin("supervisor.crash_loop=1000", "supervisor.backoff_base=10ms", "supervisor.backoff_cap=50ms", start="2026-01-14T23:55:00Z")
    night.playing()
    reads = 0
    for _ in range(5):
        pid = night.signal("scoreboard", signal.SIGKILL)

        def whole():
            nonlocal reads
            for path in glob.glob(os.path.join(night.dir, "exports", "live*", "latest.json")):
                with open(path, encoding="utf-8") as stream:
                    json.load(stream)
                reads += 1
            return night.pid("scoreboard") not in (None, pid)
        until(whole, 20, "it is back")
        for _ in range(50):
            whole()
    checks.that(reads > 100, f"{reads} reads")
