"""38 A guard that fails open: what is wrong with the configuration stops the start, and tables that cannot be read are not well."""
import glob
import os
import subprocess


def drill(night, checks):
    try:
        done = night.command("up", "--set", "watchdog.stale_warn=soon", "--date", night.date, check=False, timeout=20)
        checks.that(done.returncode in (64, 78), f"a bad setting did not stop the start: exit {done.returncode}")
    except subprocess.TimeoutExpired:
        checks.that(False, "a bad setting did not stop the start: it runs")
    night.begin(start="2026-01-14T23:30:00Z")
    checks.that(night.check()[0] == 0, f"well: {night.check()}")
    night.end()
    for path in glob.glob(os.path.join(night.dir, "shards", "scoreboard-0", "data.mdb")):
        with open(path, "r+b") as stream:
            stream.write(b"\7" * 8192)
    code, said = night.check()
    checks.that(code in (2, 3) and any(c["cause"] == "tables" for c in said["causes"]), f"broken tables: {code} {said}")
