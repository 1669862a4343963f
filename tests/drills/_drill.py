"""What the drills share: a night of the simulated league on a state directory of its own, faults, and what is said of it."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "flow"))
import _night  # noqa: E402
from _night import Failed, until  # noqa: E402, F401

DATE, SEED = "2026-01-14", "1"
FIRST_TIP = "2026-01-15T00:00:00Z"  # a league night begins on the next day of UTC


def base_make(directory):
    """The league, and its history imported: what every drill begins with."""
    os.makedirs(directory, exist_ok=True)
    subprocess.run([os.path.join(_night.BIN, "tipoff-upstream"), "--sim", SEED, "--date", DATE, "--generate-only", "--dir",
                    directory], check=True, stderr=subprocess.DEVNULL)
    night = _night.Night(DATE, 600, directory, upstream="sim:" + SEED)
    night.command("import", os.path.join(directory, "league"), "--before", DATE)
    return directory


class Drill(_night.Night):
    """One night that something happens to. `off`: settings that switch the guard off, when it is to be shown that the drill sees it."""

    def __init__(self, base, off=()):
        super().__init__(DATE, 600, os.path.join(tempfile.mkdtemp(prefix="tipoff-drill-"), "state"), upstream="sim:" + SEED)
        shutil.copytree(base, self.dir, ignore=lambda folder, names: [n for n in names if n.endswith(".ipc")])
        self.off = [word for setting in off for word in ("--set", setting)]
        self.sets = ["--set", "watchdog.interval=20s", "--set", "broker.heartbeat=200ms", "--set", "broker.lease=2s"]

    # ---- what happens ----

    def faults_first(self, *faults):
        """From the first request on."""
        pathlib.Path(self.dir, "upstream-faults.json").write_text(json.dumps(list(faults)), encoding="utf-8")

    def begin(self, *sets, start=None, speed=None, env=None, args=(), wait=True):
        self.speed = speed or self.speed
        more = [word for setting in sets for word in ("--set", setting)]
        said = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        self.start(*self.sets, *more, *self.off, *(["--start", start] if start else []), args=args, env=env)
        if wait:
            until(lambda: self.process.poll() is not None or self.begun(said), 60, "the night begins")
        return self

    def begun(self, since):
        """Not only is everyone ready: `tipoff up` has seen it, and the clock runs. Who is stopped before that holds up all of them."""
        with open(self.log, "rb") as stream:
            stream.seek(since)
            text = stream.read().decode(errors="replace")
        return "clock-started league=" in text or " clock=continues" in text or " clock=real" in text

    def ready(self):
        with contextlib.suppress(Exception):
            return all(shard["state"] == "ready" for shard in self.shards()) and len(self.shards()) >= 7
        return False

    def upstream_url(self):
        text = open(self.log, encoding="utf-8").read()
        return text.rsplit("upstream-listens url=", 1)[1].split()[0]

    def fault(self, **fault):
        query = urllib.parse.urlencode({"fault": json.dumps(fault)})
        request = urllib.request.Request(f"{self.upstream_url()}/sim/faults?{query}", method="POST")
        urllib.request.urlopen(request, timeout=10).read()

    def faults_end(self):
        request = urllib.request.Request(f"{self.upstream_url()}/sim/faults", method="DELETE")
        urllib.request.urlopen(request, timeout=10).read()

    def faults(self):
        return json.loads(urllib.request.urlopen(f"{self.upstream_url()}/sim/faults", timeout=10).read())["faults"]

    def pid(self, name):
        return next((p for p in _night.children_of(self.process.pid) if _night.name_of(p) == f"tipoff-{name}"), None)

    def signal(self, name, number):
        pid = until(lambda: self.pid(name), 20, f"{name} runs")
        os.kill(pid, number)
        return pid

    def end(self):
        if self.process and self.process.poll() is None:
            for pid in _night.children_of(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self, keep):
        self.end()
        if keep:
            print("kept:", self.dir)
        else:
            shutil.rmtree(os.path.dirname(self.dir), ignore_errors=True)

    # ---- what is said of it ----

    def shards(self):
        return [row for row in self.query("status")["shards"] if row["actor"] not in ("import", "supervisor")]

    def logged(self, name):
        """All that a process wrote, whatever lives it had."""
        with contextlib.suppress(OSError):
            return pathlib.Path(self.dir, "logs", f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return ""

    def audit(self):
        done = self.command("audit", "--date", DATE, "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {"phases": [], "errors": [], "expected": [], "actions": [],
                                                                     "alerts": []}

    def check(self):
        done = self.command("check", "--json", check=False)
        return done.returncode, json.loads(done.stdout)

    def causes(self):
        return {row["cause"] for row in self.check()[1]["causes"]}

    def alerts(self, cause, state=None):
        return [a for a in self.audit()["alerts"] if a["cause"] == cause and state in (None, a["state"])]

    def alerted(self, cause, timeout=60):
        return until(lambda: self.alerts(cause), timeout, f"an alert {cause}")

    def recovered(self, cause, timeout=60):
        return until(lambda: self.alerts(cause, "recovered") and not self.alerts(cause, "raised"), timeout, f"{cause} is right again")

    def expected(self, output, *states):
        return [row for row in self.audit()["expected"] if row["output"] == output and (not states or row["state"] in states)]

    def runs(self, *words):
        done = self.command("runs", "--date", DATE, *words, "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else []

    def records(self, stream):
        """How many the log holds of it, while the night is on."""
        return next((row["records"] for row in self.query("status")["streams"] if row["stream"] == stream), 0)

    def said(self, stream):
        held = self.records(stream)
        if not held:
            return []
        out = self.command("tap", stream, "--from", "1", "--count", str(held)).stdout.decode()
        return [json.loads(line) for line in out.splitlines()]

    def playing(self, timeout=60):
        def on():
            done = self.command("games", "--date", self.date, "--json", check=False)  # 1: none is known yet
            return done.returncode == 0 and any(game["status"] == "in_progress" for game in json.loads(done.stdout))
        until(on, timeout, "a game is on")

    def league_over(self, timeout=120):
        """Until the league says that every game is over, while nothing of the system runs and nobody asks: its clock goes on."""
        port = os.path.join(self.dir, "league-port")
        words = ["--dir", self.dir, "--sim", SEED, "--date", self.date, "--port", "0", "--port-file", port, "--log-level", "warn"]
        with open(self.log, "ab") as out, subprocess.Popen([os.path.join(self.bin, "tipoff-upstream"), *words], stdout=out,
                                                           stderr=out) as league:
            try:
                until(lambda: os.path.exists(port) or league.poll() is not None, 30, "the league answers")
                url = "http://127.0.0.1:" + pathlib.Path(port).read_text(encoding="utf-8").strip()

                def over():
                    said = json.loads(urllib.request.urlopen(f"{url}/sim/status", timeout=10).read())
                    return all(game["final_at"] <= said["league_now"] for game in said["games"])
                until(over, timeout, "all games are over")
            finally:
                league.terminate()
        os.unlink(port)

    def final(self, timeout=int(os.environ.get("DRILL_PATIENCE", "200"))):
        try:
            self.wait(timeout)
            if self.process.returncode != 0:
                raise Failed(f"the night did not end well: {self.process.returncode}\n{self.tail()}")
        except Failed as failure:  # what of it is lost or doubled says why
            verified, expected = self.query("verify", check=False), self.audit()["expected"]
            wrong = {name: verified[name][:2] for name in ("bad", "unhandled") if verified[name]}
            missing = [(r["output"], r["partition"], r["state"], r["reason"]) for r in expected if r["state"] != "COMPLETE"][:3]
            raise Failed("; ".join(([f"verify: {wrong}"] if wrong else []) +
                                   ([f"not complete: {missing or 'nothing is even expected'}"] if missing or not expected else []) +
                                   [str(failure)])) from None

    def whole(self, checks):
        """Nothing is lost or doubled whatever happened."""
        verified = self.query("verify", check=False)
        checks.that(not verified["bad"] and not verified["unhandled"], f"verify: {str(verified)[:600]}")
