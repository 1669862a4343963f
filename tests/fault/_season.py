"""A season of the simulated league: its nights, what happens to them by a seed, and what is said of them afterwards."""
import collections
import contextlib
import csv
import datetime
import gzip
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "flow"))
import _night  # noqa: E402

FIRST = datetime.date(2025, 10, 21)
LEAD_HOURS = 2
MINUTE_US, HOUR_US = 60_000_000, 3_600_000_000
ACTORS = "poller processor features predictor grader watchdog janitor scoreboard".split()
# Waits and timeouts are real time: a tenth of a second is twenty minutes of such a season.
SETS = ("scoreboard.port=0", f"poller.odds_lead={LEAD_HOURS}h", "poller.retry_base=1ms", "poller.retry_cap=20ms",
        "poller.timeout=500ms", "poller.connect_timeout=250ms", "supervisor.backoff_base=1ms", "supervisor.backoff_cap=1s", "broker.lease=2s",
        # The whole ledger is gone through all the time; a hole that the source could not fill is tried again the next day.
        "watchdog.sweep=6h", "watchdog.hole_again=1d", "broker.segment_bytes=8MiB")


def micros(text):
    return int(_night.instant(text).timestamp() * 1_000_000)


def utc(us):
    return datetime.datetime.fromtimestamp(us / 1e6, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Season:
    """One state directory that lives the nights from FIRST on, and the commands on it."""

    def __init__(self, directory, seed, nights, speed):
        self.dir, self.seed, self.speed = directory, seed, speed
        self.last = FIRST + datetime.timedelta(days=nights - 1)
        self.log = os.path.join(directory, "up.out")
        self.process, self.read_to, self.lines = None, 0, []
        self.context = zmq.Context.instance()
        self.socket = None
        self.seconds = 0.0  # for which it was up

    # ---- the league ----

    def make(self):
        """The league's files, before anything runs: what happens to which game can be planned."""
        os.makedirs(self.dir, exist_ok=True)
        subprocess.run([os.path.join(_night.BIN, "tipoff-upstream"), "--sim", str(self.seed), "--date", str(FIRST), "--to",
                        str(self.last), "--generate-only", "--dir", self.dir], check=True, stderr=subprocess.DEVNULL)
        return self

    def games(self):
        """date -> its games, by tip."""
        out = collections.defaultdict(list)
        for path in pathlib.Path(self.dir, "league", "games").glob("*.csv.gz"):
            with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream):
                    if str(FIRST) <= row["game_date"] <= str(self.last):
                        out[row["game_date"]].append((micros(row["tip_utc"]), row["game_id"], row["home"], row["away"]))
        return {date: sorted(games) for date, games in sorted(out.items())}

    # ---- running ----

    def start(self, *more):
        argv = [os.path.join(_night.BIN, "tipoff"), "up", "--dir", self.dir, "--upstream", f"sim:{self.seed}", "--date", str(FIRST),
                "--to", str(self.last), "--lead", str(LEAD_HOURS), "--speed", str(self.speed), *more]
        for text in SETS:
            argv += ["--set", text]
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self.began = time.monotonic()
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def ended(self, timeout):
        code = self.process.wait(timeout)
        self.seconds += time.monotonic() - self.began
        return code

    def stop(self):
        if self.running():
            for pid in _night.children_of(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
            return self.ended(60)
        return self.process.returncode if self.process else 0

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()

    def news(self):
        """The lines that `up` wrote since the last call."""
        with contextlib.suppress(OSError), open(self.log, "rb") as stream:
            stream.seek(self.read_to)
            text = stream.read()
            whole = text[:text.rfind(b"\n") + 1]
            self.read_to += len(whole)
            lines = whole.decode(errors="replace").splitlines()
            self.lines += [line for line in lines if " info up game " not in line]
            return lines
        return []

    def league_us(self):
        """None: the broker does not answer now, or it is not the season's clock."""
        if self.socket is None:
            self.socket = self.context.socket(zmq.REQ)
            self.socket.setsockopt(zmq.LINGER, 0)
            self.socket.setsockopt(zmq.RCVTIMEO, 300)
            self.socket.connect(f"ipc://{self.dir}/control.ipc")
        try:
            self.socket.send(b"CLOCK")
            clock = json.loads(self.socket.recv())
            # Before the season begins it is the real clock.
            return clock["league_us"] if clock["running"] and clock["speed"] == self.speed else None
        except zmq.ZMQError:
            self.socket.close()
            self.socket = None
            return None

    def forget(self):
        """Another thread may ask from now on."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def pid(self, name):
        return next((p for p in _night.children_of(self.process.pid) if _night.name_of(p) == f"tipoff-{name}"), None)

    def signal(self, name, number):
        """True: there was one to signal."""
        pid = self.pid(name)
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False

    # ---- what is said ----

    def command(self, *words, check=True, timeout=900):
        argv = [os.path.join(_night.BIN, "tipoff"), words[0], "--dir", self.dir, *words[1:]]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise _night.Failed(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.decode()[-1500:]}")
        return done.stdout

    def query(self, *words, check=True):
        return json.loads(self.command(*words, "--json", check=check))

    def expected(self, date):
        """(game, output) -> its row of the audit."""
        return {(row["partition"], row["output"]): row for row in self.query("audit", "--date", date, check=False)["expected"]}

    def finals(self, date):
        """(game, player) -> what he did, of games that are over."""
        return {(row["game_id"], row["player_id"]): {key: value for key, value in row.items() if key != "player_name"}
                for row in self.query("boxscores", "--date", date) if row["game_status"] == "final"}

    def grades(self, date):
        """(game, player, system, stat) -> the actual, and how it was graded."""
        return {(row["game_id"], row["player_id"], row["system"], row["stat"]):
                (row["actual"], (row["outcome"], row["line"], row["recommendation"], row["predicted"]))
                for row in self.query("grades", "--date", date)}

    def control(self, word):
        """What the broker answers."""
        self.forget()
        socket = self.context.socket(zmq.REQ)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVTIMEO, 30000)
        socket.connect(f"ipc://{self.dir}/control.ipc")
        socket.send(word.encode())
        answer = json.loads(socket.recv())
        socket.close()
        return answer

    def records(self, pattern, keys=None):
        """From the log, as they come; of these keys only."""
        wanted = None if keys is None else {f'"key":"{key}"'.encode() for key in keys}
        argv = [os.path.join(_night.BIN, "tipoff"), "tap", "--dir", self.dir, pattern, "--from", "1"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as tap:
            for line in tap.stdout:
                if wanted is None or any(key in line[:300] for key in wanted):
                    yield json.loads(line)
        if tap.returncode != 0:
            raise _night.Failed(f"tap {pattern}: exit {tap.returncode}")

    def logged(self, text):
        count = 0
        for path in pathlib.Path(self.dir, "logs").glob("*.log"):
            with open(path, "rb") as stream:
                count += sum(text.encode() in line for line in stream)
        return count


# ---- what happens ----

class Plan:
    """Faults of the upstream, signals, and holes: all from the seed. Half of the nights are left alone."""

    def __init__(self, seed, games):
        self.random = random.Random(seed)
        self.games = games
        self.dates = list(games)
        self.faults, self.signals = [], []  # signals: (league us, name, number, real seconds until SIGCONT)
        self.holes = []  # dicts: kind, date, games
        self.halts = {}  # date -> what is punched once its night is over and everything stands
        self.troubled = collections.defaultdict(set)  # date -> what was wrong there
        self.late_on_purpose = set()

    def hole(self, kind, date, *games):
        self.holes.append({"kind": kind, "date": date, "games": games})

    def place(self, share):
        return self.dates[min(len(self.dates) - 1, int(share * len(self.dates)))]

    def fault(self, date, **fault):
        self.faults.append({"date": date, **fault})

    def upstream_trouble(self, date):
        pick = self.random
        feeds = ["bdl.live", "bdl.live", "bdl.box_scores", "bdl.games", "bdl.player_injuries", "odds.events", "odds.odds", "cdn.schedule"]
        after = pick.randrange(-60, 150)
        window = {"from": f"tip{after:+d}", "to": f"tip{after + pick.randrange(8, 40):+d}"}
        kinds = [{"kind": "status", "status": pick.choice((500, 502, 503, 429)), "feed": pick.choice(feeds), **window},
                 {"kind": "reset", "every": pick.randrange(2, 9), "feed": pick.choice(feeds)},
                 {"kind": "truncated", "times": pick.randrange(1, 4), "feed": pick.choice(feeds), **window},
                 {"kind": "html", "times": pick.randrange(1, 5), "feed": pick.choice(feeds), **window},
                 {"kind": "hang", "seconds": 1, "times": 1, "feed": pick.choice(feeds), **window},
                 {"kind": "empty", "feed": "bdl.live", **window},
                 {"kind": "stale", "minutes": 9, "every": 3, "feed": "bdl.live"},
                 {"kind": "stale", "minutes": 60, "feed": "bdl.box_scores"},  # final box scores come late
                 {"kind": "duplicate", "every": 4, "feed": "bdl.live"},
                 {"kind": "extra_fields"},
                 {"kind": "malformed_row", "how": pick.choice(("string", "missing", "negative")), "times": 2, "feed": "bdl.live"}]
        fault = pick.choice(kinds)
        self.fault(date, **fault)
        self.troubled[date].add(f"{fault['kind']} {fault.get('feed', '')}")

    def process_trouble(self, date):
        pick = self.random
        tips = [game[0] for game in self.games[date]]
        at = pick.randrange(tips[0] - 30 * MINUTE_US, tips[-1] + 150 * MINUTE_US)
        name = pick.choice([*ACTORS, "broker", "upstream"])
        stop = name not in ("broker", "upstream") and pick.random() < 0.3
        self.signals.append((at, name, signal.SIGSTOP if stop else signal.SIGKILL, pick.uniform(0.05, 0.3) if stop else 0))
        self.troubled[date].add(f"{'stopped' if stop else 'killed'} {name}")

    def silent_game(self, date, until):
        """No box score has it, until then; None: ever."""
        _, game, *_ = self.random.choice(self.games[date])
        self.fault(date, kind="missing", game=game, to=until or "2027-01-01T00:00:00Z")
        self.troubled[date].add("a game that no box score has")
        self.hole("silent" if until else "never", date, game)

    def called_off(self, date):
        _, game, *_ = self.random.choice(self.games[date])
        self.fault(date, kind="postponed", game=game)
        self.hole("postponed", date, game)

    def moved(self, date, days):
        """Until the morning of whichever day comes first the schedule had it on another."""
        tip, game, *_ = self.random.choice(self.games[date])
        was = tip + days * 24 * HOUR_US
        self.fault(date, kind="moved", game=game, was=utc(was), until=utc(min(tip, was) - 12 * HOUR_US))
        self.hole("moved", date, game)

    def processor_halted(self, date):
        """From the last tip on, over all deadlines of the night."""
        last = self.games[date][-1][0]
        self.signals.append((last + 45 * MINUTE_US, "processor", signal.SIGSTOP, (last + 5 * HOUR_US)))
        self.troubled[date].add("processor halted")
        self.hole("halted", date)

    def make(self):
        count = len(self.dates)
        free = set(self.dates)
        # Holes early and all along; everything is looked for at the end.
        for i in range(max(1, count // 20)):
            date = self.place((i + 0.1) / max(1, count // 20))
            morning = micros(date + "T00:00:00Z") + 34 * HOUR_US
            # Long after, never, in the morning; a short season has the first two.
            self.silent_game(date, (utc(morning + min(33, count // 2) * 24 * HOUR_US), None, utc(morning))[i % 3])
            free.discard(date)
        if count < 40:
            date = self.place(0.4)
            self.silent_game(date, None)
            free.discard(date)
        for i in range(max(1, count // 25)):
            date = self.place((i + 0.3) / max(1, count // 25))
            if date in free:
                self.called_off(date)
                free.discard(date)
        for i in range(max(1, count // 25)):
            date = self.place((i + 0.9) / max(1, count // 25))
            if date in free:
                self.moved(date, self.random.choice((-2, -1, 1, 2)))
        for i in range(max(1, count // 30)):
            date = self.place((i + 0.5) / max(1, count // 30))
            if date in free:
                self.processor_halted(date)
                free.discard(date)
        for i in range(max(1, count // 60)):
            self.halts[self.place((i + 0.6) / max(1, count // 60))] = ("rows", "environment", "exports")
        if count >= 8:
            self.halts.setdefault(self.place(0.85), ("rows",))
        for date in sorted(free):
            if count < 8 or self.random.random() < 0.5:
                for _ in range(self.random.randrange(1, 4)):
                    self.upstream_trouble(date)
                for _ in range(self.random.randrange(1, 4)):
                    self.process_trouble(date)
        self.signals.sort()
        return self
