# ctest: timeout=120
"""What a system does against growing, on a real one: tables let go of what is older than their days, an environment that is mostly
free shrinks while it is asked, each said as a run; leftovers of dead owners go; `tipoff compact` does the same for a stopped system."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import _night
from _night import Checks, Night

DATE = "2025-10-21"
TESTS = os.path.join(os.environ.get("TIPOFF_BUILD", "build"), "tests")
DAY_IN_S = 1.2  # a league day lasts so long


class System:
    def __init__(self, parent):
        self.night = Night(DATE, directory=os.path.join(parent, "state"))
        self.out = os.path.join(parent, "up.out")
        self.env = os.path.join(self.night.dir, "shards", "scoreboard-0")
        self.data = os.path.join(self.env, "data.mdb")

    def start(self, *sets):
        argv = [os.path.join(_night.BIN, "tipoff"), "up", "--dir", self.night.dir, "--only", "broker,scoreboard,janitor", "--date", DATE,
                "--speed", str(86400 / DAY_IN_S)]
        for one in ("scoreboard.port=0", "scoreboard.exports=false", "janitor.interval=1h", *sets):
            argv += ["--set", one]
        with open(self.out, "ab") as out:
            self.night.process = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def stop(self):
        if self.night.process and self.night.process.poll() is None:
            self.night.process.send_signal(signal.SIGTERM)
            self.night.process.wait(60)

    def runs(self, *words):
        done = self.night.command("runs", "--json", *words, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else []

    def hollow(self, mib):
        subprocess.run([os.path.join(TESTS, "store_edit"), "hollow", self.env, str(mib)], check=True)
        return os.path.getsize(self.data)

    def compact(self, *words):
        done = self.night.command("compact", "--json", *words, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout else None


def retention(checks, system):
    system.start("retention.tables=scoreboard.run=3", "store.compact_percent=0")
    _night.until(lambda: system.runs("--last", "1"), 30, "a first run")
    first = min(run["opened_at"][:10] for run in system.runs())
    _night.until(lambda: min(run["opened_at"][:10] for run in system.runs()) > first, 60, "the first day's runs are gone")
    said = _night.until(lambda: system.runs("--name", "StoreRetain"), 30, "a run that says so")
    checks.that(all(run["outcome"] == "success" and run["rows_in"] > 0 and run["actor"] == "scoreboard" for run in said), f"{said[:2]}")
    days = sorted({run["opened_at"][:10] for run in system.runs()})
    checks.that(2 <= len(days) <= 6, f"days that are kept: {days}")
    checks.that(sum(len(system.runs("--outcome", o)) for o in ("success", "partial", "failed", "skipped", "crashed")) > 3, "the index")
    system.stop()


def shrinks(checks, system):
    size = system.hollow(200)
    held = system.runs("--date", max(run["opened_at"][:10] for run in system.runs("--last", "1")))
    system.start("store.compact_every=300ms", "retention.tables=scoreboard.run=0")
    _night.until(lambda: os.path.getsize(system.data) < size // 10, 60, "the file is small")
    run = _night.until(lambda: system.runs("--name", "StoreCompact", "--outcome", "success"), 30, "a run that says so")[0]
    checks.that(run["actor"] == "scoreboard" and abs(run["bytes_in"] - size) < 1 << 22 and run["bytes_out"] < size // 10, f"{run}")
    checks.that("bytes are free" in run["cause"] and run["rows_in"] > 0, f"{run}")
    now = {row["run_id"] for row in system.runs()}
    checks.that(held and all(row["run_id"] in now for row in held), "runs are missing after it")
    code, rows = system.compact("scoreboard.0")
    checks.that(code == 75 and rows[0]["why"] == "somebody has it open", f"compact beside its owner: {code} {rows}")


def leftovers(checks, system):
    """Of an environment whose owner is gone, and of those that live."""
    gone = os.path.join(system.night.dir, "shards", "gone-0")
    os.makedirs(gone)
    paths = [os.path.join(folder, name) for folder in (gone, system.env) for name in ("data.compact", "data.new")]
    for path in paths:
        with open(path, "wb") as out:
            out.write(b"\0" * 10000)
    _night.until(lambda: not any(map(os.path.exists, paths[:2])), 30, "what a dead owner left is gone")
    checks.that(all(map(os.path.exists, paths[2:])), "the janitor touched what a living one holds")
    _night.until(lambda: any(run["rows_in"] > 0 for run in system.runs("--name", "JanitorSweep")), 30, "a sweep that found something")
    system.stop()


def stopped(checks, system):
    size = system.hollow(100)
    before = system.runs()
    code, rows = system.compact()
    row = {row["shard"]: row for row in rows}["scoreboard.0"]
    checks.that(code == 0 and {"scoreboard.0", "janitor.0"} <= {row["shard"] for row in rows}, f"{code} {rows}")
    checks.that(row["bytes"] > size * 0.9 and row["bytes_out"] < size // 10 and row["rows"] > 0, f"{row}")
    checks.that(os.path.getsize(system.data) == row["bytes_out"], "the file is not what was said")
    checks.that(system.runs() == before, "other rows than before")
    code, rows = system.compact("nobody.0")
    checks.that(code == 1 and rows[0]["why"] == "not found", f"{code} {rows}")
    verify = system.night.command("verify", check=False)
    checks.that(verify.returncode == 0, f"verify: {verify.stdout[-500:]}{verify.stderr[-500:]}")


def main():
    checks = Checks()
    parent = tempfile.mkdtemp(prefix="tipoff-janitor-")
    system = System(parent)
    try:
        for part in (retention, shrinks, leftovers, stopped):
            part(checks, system)
    finally:
        system.stop()
        if checks.bad or sys.exc_info()[0]:
            print(system.night.tail())
            logs = os.path.join(system.night.dir, "logs", "scoreboard.0.log")
            if os.path.exists(logs):
                with open(logs, encoding="utf-8", errors="replace") as stream:
                    print(stream.read()[-3000:])
        shutil.rmtree(parent, ignore_errors=True)
    checks.end()


if __name__ == "__main__":
    main()
