"""24 Locks that leak: all is killed with its locks in hand, and who comes next waits for none of them."""
import os
import signal
import time

import _night


def drill(night, checks):
    from _drill import until
    night.begin("broker.lease=90s", start="2026-01-14T23:30:00Z")
    children = _night.children_of(night.process.pid)
    os.kill(night.process.pid, signal.SIGKILL)
    night.process.wait()
    until(lambda: not any(_night.name_of(p) for p in children), 20, "its children are gone with it")
    began = time.monotonic()
    night.begin("broker.lease=90s", start="2026-01-14T23:30:00Z", wait=False)  # nobody waits for the leases of the dead
    until(night.ready, 30, "all are ready again")
    checks.that(time.monotonic() - began < 20, f"it took {time.monotonic() - began:.1f} s")
    night.end()
    night.whole(checks)
