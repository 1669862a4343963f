"""A night of the simulated league whose upstream misbehaves as told: what the tests of faults share. They look at what is on
the log (tipoff tap) and compare it with what the upstream says once its faults are taken away."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
from _night import BIN, Checks, Failed, until  # noqa: F401  (Checks, Failed: for the tests)

DATE = "2026-01-14"
START = "2026-01-14T23:40:00Z"  # the first tip is at 00:30; the last final after midnight Eastern
SETTINGS = ["poller.timeout=700ms", "poller.connect_timeout=500ms", "poller.retry_base=5ms",
            "poller.retry_cap=50ms", "poller.bdl.key=env:TIPOFF_TEST_KEY",
            "poller.odds.key=env:TIPOFF_TEST_KEY", "scoreboard.port=0"]
KEY = "open-sesame-4711"


class FaultyNight:
    only = "broker,upstream,poller,processor"

    def __init__(self, seed, speed):
        self.dir = tempfile.mkdtemp(prefix="tipoff-faults-")
        self.seed = seed
        self.speed = speed
        self.process = self.follower = None
        self.records = []

    def run(self, program, *words, check=True):
        done = subprocess.run([os.path.join(BIN, program), *words], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=200, check=False)
        if check and done.returncode != 0:
            raise Failed(f"{program} {words[0]}: exit {done.returncode}: {done.stderr.decode()[-1500:]}")
        return done

    def start(self, listens=None):
        """Imports the league's past, then starts the four processes that turn its bodies into rows."""
        self.run("tipoff-upstream", "--sim", str(self.seed), "--dir", self.dir, "--generate-only")
        self.run("tipoff", "import", os.path.join(self.dir, "league"), "--before", DATE, "--dir", self.dir,
                 check=False)  # says 75 where an actor that is not wanted here has not applied it
        sets = [word for setting in SETTINGS for word in ("--set", setting)]
        argv = [os.path.join(BIN, "tipoff"), "up", "--dir", self.dir, "--upstream", f"sim:{self.seed}", "--date", DATE,
                "--start", START, "--speed", str(self.speed), "--only", self.only, *sets]
        with open(os.path.join(self.dir, "up.out"), "ab") as out:
            self.process = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                            env={**os.environ, "TIPOFF_TEST_KEY": KEY})
        port = os.path.join(self.dir, "upstream.port")
        until(lambda: os.path.exists(port) and open(port, encoding="ascii").read().strip(), 60, "the upstream listens")
        with open(port, encoding="ascii") as stream:
            self.base = f"http://127.0.0.1:{int(stream.read())}"
        if listens:
            listens()  # base is known, before anybody is told
        until(self.status, 30, "the upstream answers")
        self.follower = subprocess.Popen(
            [os.path.join(BIN, "tipoff"), "tap", "row.game", "--from", "1", "--dir", self.dir, "--json"],
            stdout=open(os.path.join(self.dir, "games.jsonl"), "wb"), stderr=subprocess.DEVNULL)

    def get(self, path, method="GET"):
        request = urllib.request.Request(self.base + path, headers={"Authorization": KEY}, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def status(self):
        try:
            return self.get("/sim/status")
        except OSError:
            return None

    def add(self, *faults):
        for fault in faults:
            self.get("/sim/faults?" + urllib.parse.urlencode({"fault": json.dumps(fault)}), "POST")

    def faults(self):
        return self.get("/sim/faults")["faults"]

    def tap(self, pattern):
        done = self.run("tipoff", "tap", pattern, "--from", "1", "--dir", self.dir, "--json", check=False)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def of(self, stream):
        return [record["payload"] for record in self.records if record["stream"] == stream]

    def games(self):
        """What was said of games so far, while everything runs."""
        with open(os.path.join(self.dir, "games.jsonl"), encoding="utf-8") as stream:
            lines = stream.read().split("\n")[:-1]  # the last one may be half written
        return [json.loads(line)["payload"] for line in lines]

    def finals(self):
        """Games whose final box score is accepted."""
        return {row["game_id"] for row in self.games() if row["status"] == "final" and row["box_players"] > 0}

    def stop(self):
        """Ends in order, and reads everything but raw bodies and history from the log."""
        self.follower.kill()
        self.follower.wait()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        for stream in ("row.*", "ops.run", "dead"):
            self.records += self.tap(stream)

    def logs(self):
        text = ""
        for folder, _, names in os.walk(self.dir):
            for name in names:
                if name.endswith((".log", ".out")):
                    with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as stream:
                        text += stream.read()
        return text

    def remove(self):
        for process in (self.follower, self.process):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


# What row.box_score calls what balldontlie calls otherwise.
COUNTS = {"points": "pts", "rebounds": "reb", "offensive_rebounds": "oreb", "defensive_rebounds": "dreb",
          "assists": "ast", "steals": "stl", "blocks": "blk", "turnovers": "turnover", "personal_fouls": "pf",
          "field_goals_made": "fgm", "field_goals_attempted": "fga", "three_pointers_made": "fg3m",
          "three_pointers_attempted": "fg3a", "free_throws_made": "ftm", "free_throws_attempted": "fta",
          "plus_minus": "plus_minus"}


def truth_of(body):
    """{(home, away): {player name: counts}} of a body of box scores."""
    truth = {}
    for game in body["data"]:
        sides = (game["home_team"]["abbreviation"], game["visitor_team"]["abbreviation"])
        lines = {}
        for side in ("home_team", "visitor_team"):
            for line in game[side]["players"]:
                name = (game[side]["abbreviation"], line["player"]["first_name"] + " " + line["player"]["last_name"])
                lines[name] = {ours: line[theirs] for ours, theirs in COUNTS.items()}
                lines[name]["minutes"] = int(line["min"])
        truth[sides] = lines
    return truth


def newest(rows, *keys):
    last = {}
    for row in rows:
        last[tuple(row[key] for key in keys)] = row
    return last


def check_finals(checks, night, truth, odd_ones=()):
    """The newest row of every player is final and equals what the upstream says without its faults."""
    games = {game_id: row for (game_id,), row in newest(night.of("row.game"), "game_id").items()}
    rows = [row for row in newest(night.of("row.box_score"), "game_id", "player_id").values()
            if row["player_id"] not in odd_ones]
    wanted = {(home, away, team, name): counts for (home, away), lines in truth.items()
              for (team, name), counts in lines.items()}
    got = {(games[row["game_id"]]["home"], games[row["game_id"]]["away"], row["team"], row["player_name"]): row
           for row in rows}
    checks.that(set(wanted) == set(got), f"the final lines are of other players: {sorted(set(wanted) ^ set(got))[:5]}")
    for key, counts in wanted.items():
        row = got.get(key, {})
        checks.that(row.get("final") and all(row[name] == value for name, value in counts.items()),
                    f"{key}: {row} is not {counts}")
        checks.that(row.get("player_known"), f"{key} is not known")
