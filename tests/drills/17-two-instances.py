"""17 Two instances on one day: the second is refused by name, whoever starts it."""
import os
import subprocess

import _night


def refused(checks, who, *argv):
    """It ends by itself, at once, and says that it is one too many."""
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20, check=False)
        checks.that(done.returncode == 75, f"a second {who} was not refused: exit {done.returncode}: {done.stderr.decode()[-300:]}")
    except subprocess.TimeoutExpired:
        checks.that(False, f"a second {who} was not refused: it runs")


def drill(night, checks):
    night.begin(start="2026-01-14T23:30:00Z")
    first = night.pid("grader")
    refused(checks, "tipoff up", os.path.join(night.bin, "tipoff"), "up", "--dir", night.dir, "--upstream", night.upstream, "--date", night.date)
    refused(checks, "grader", os.path.join(night.bin, "tipoff-grader"), "--dir", night.dir, "--shard", "0")
    checks.that(first and night.pid("grader") == first and all(s["state"] == "ready" for s in night.shards()), "the first ones were disturbed")
    night.end()
    night.whole(checks)
    checks.that(_night.name_of(night.process.pid) == "", "still there")
