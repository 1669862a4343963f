"""Recorded nights: what the tests of them share. Nothing here looks into the project's files: it runs the commands and
reads the data root's CSVs."""
import contextlib
import csv
import datetime
import glob
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BIN = os.environ.get("TIPOFF_BIN", "")
DATA = os.environ.get("TIPOFF_DATA", "")
SKIPPED = 77


def sanitized():
    """Is this a build whose times and sizes say nothing about the real ones?"""
    with contextlib.suppress(OSError), open(os.path.join(os.path.dirname(BIN), "CMakeCache.txt"), encoding="utf-8") as cache:
        return "TIPOFF_SANITIZE:BOOL=ON" in cache.read()
    return False


# Column of the CSV -> key of `tipoff boxscores`.
SHARED = {
    "team": "team", "opponent": "opponent", "pts": "points", "fgm": "field_goals_made",
    "fga": "field_goals_attempted", "fg3m": "three_pointers_made", "fg3a": "three_pointers_attempted",
    "ftm": "free_throws_made", "fta": "free_throws_attempted", "oreb": "offensive_rebounds",
    "dreb": "defensive_rebounds", "reb": "rebounds", "ast": "assists", "stl": "steals", "blk": "blocks",
    "tov": "turnovers", "pf": "personal_fouls",
}


def need_data():
    """The real data, or the test is reported as skipped."""
    global DATA
    if not DATA:
        print("TIPOFF_DATA is not set: skipped")
        sys.exit(SKIPPED)
    DATA = os.path.abspath(DATA)
    return DATA


def rows(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def rows_of(folder, date=None, before=None):
    for path in sorted(glob.glob(os.path.join(DATA, folder, "*.csv.gz"))):
        for row in rows(path):
            day = row["game_date"]
            if (date is None or day == date) and (before is None or day < before):
                yield row


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class Failed(Exception):
    """A check did not hold; the text says which and on what."""


class Checks:
    """Collects what does not hold, so that one run says all of it."""

    def __init__(self):
        self.bad = []
        self.done = 0

    def that(self, holds, text):
        self.done += 1
        if not holds:
            self.bad.append(text)
            if len(self.bad) <= 40:
                print("NOT:", text, flush=True)
        return holds

    def end(self):
        print(f"{self.done} checks, {len(self.bad)} failed", flush=True)
        sys.exit(1 if self.bad else 0)


class Night:
    """One state directory, and the commands on it."""

    def __init__(self, date, speed=600, directory=None, bin_dir=None, upstream=None):
        self.date = date
        self.speed = speed
        self.bin = bin_dir or BIN
        self.upstream = upstream or DATA
        self.dir = directory or tempfile.mkdtemp(prefix=f"tipoff-night-{date}-")
        self.process = None
        self.log = os.path.join(self.dir, "up.out")

    def command(self, *words, timeout=120, check=True):
        argv = [os.path.join(self.bin, "tipoff"), words[0], "--dir", self.dir, *words[1:]]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise Failed(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.decode()[-2000:]}")
        return done

    def query(self, *words, timeout=120, check=True):
        return json.loads(self.command(*words, "--json", timeout=timeout, check=check).stdout)

    def dated(self, name):
        return self.query(name, "--date", self.date)

    def imported(self):
        return self.query("import", self.upstream, "--before", self.date, timeout=300)

    def start(self, *more, env=None, args=("--until-final",)):
        argv = [os.path.join(self.bin, "tipoff"), "up", "--dir", self.dir, "--upstream", self.upstream, "--date",
                self.date, "--speed", str(self.speed), "--set", "scoreboard.port=0", *args, *more]
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                            env={**os.environ, **(env or {})})
        return self.process

    def wait(self, timeout):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
            self.process.kill()
            self.process.wait()
            raise Failed(f"the night was not over after {timeout} s:\n{self.tail()}") from None

    def tail(self, size=3000):
        with contextlib.suppress(OSError), open(self.log, "rb") as stream:
            return stream.read()[-size:].decode(errors="replace")
        return ""

    def copy_to(self, directory):
        """The state as it is (nothing may run), for another night that begins the same."""
        shutil.copytree(self.dir, directory, ignore=lambda folder, names: [n for n in names if n.endswith(".ipc")])
        return Night(self.date, self.speed, directory, self.bin, self.upstream)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def children_of(pid):
    """Process ids of all descendants."""
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(OSError), open(path, encoding="ascii") as stream:
            for child in stream.read().split():
                found += [int(child)] + children_of(int(child))
    return found


def memory_of(pid):
    """PSS without page cache, in bytes: anonymous and shared memory of the process, each page by its share."""
    total = 0
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as stream:
        for line in stream:
            if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                total += int(line.split()[1]) * 1024
    return total


def name_of(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as stream:
        return os.path.basename(stream.read().split(b"\0")[0].decode())
    return ""


def memory_of_all(pid):
    return {p: (name_of(p), memory_of(p)) for p in [pid] + children_of(pid)}


def until(condition, timeout, what):
    """Asks again and again; the condition decides, not the time."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"not within {timeout} s: {what}")
        time.sleep(0.02)
