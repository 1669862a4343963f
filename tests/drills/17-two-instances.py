"""17 Two instances on one day: the second is refused by name, whoever starts it."""
import os
import subprocess

import _night


def drill(night, checks):
    night.begin(start="2026-01-14T23:30:00Z")
    second = subprocess.run([os.path.join(night.bin, "tipoff"), "up", "--dir", night.dir, "--upstream", night.upstream, "--date",
                             night.date], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
    checks.that(second.returncode == 75, f"a second `tipoff up`: exit {second.returncode}: {second.stderr.decode()[-300:]}")
    grader = subprocess.run([os.path.join(night.bin, "tipoff-grader"), "--dir", night.dir, "--shard", "0"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, timeout=60, check=False)
    checks.that(grader.returncode == 75, f"a second grader: exit {grader.returncode}: {grader.stderr.decode()[-300:]}")
    checks.that(all(s["state"] == "ready" for s in night.shards()), "the first ones were disturbed")
    night.end()
    night.whole(checks)
    checks.that(_night.name_of(night.process.pid) == "", "still there")
