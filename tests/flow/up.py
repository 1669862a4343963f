# ctest: timeout=120
"""`tipoff up` itself, with nothing but a broker: it keeps it up, refuses a second one, takes its children with it, goes on with
the same clock, gives up on what crashes without end, and ends in order."""
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
from _night import BIN, Checks, Failed, children_of, until

START = "2025-11-17T23:00:00Z"


class Up:
    def __init__(self, directory, *more, env=None):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)
        self.log = os.path.join(directory, f"up-{len(glob.glob(directory + '/up-*.out'))}.out")  # each life its own
        argv = [os.path.join(BIN, "tipoff"), "up", "--dir", directory, "--only", "broker", "--start", START, "--speed",
                "60", *more]
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(argv, stdout=out, stderr=out, env={**os.environ, **(env or {})})

    def said(self, tag):
        with open(self.log, encoding="utf-8") as stream:
            return [line for line in stream if f" {tag} " in line]

    def status(self):
        done = subprocess.run([os.path.join(BIN, "tipoff"), "status", "--json", "--dir", self.dir],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        found = json.loads(done.stdout) if done.returncode == 0 else {}
        return found if found.get("broker", {}).get("running") else None

    def ready(self):
        """The clock runs: everything is started."""
        until(lambda: self.said("clock-started") or self.said("ready"), 30, "ready")
        until(lambda: (self.status() or {"broker": {}})["broker"].get("clock_running"), 30, "the clock runs")
        return self.status()

    def broker(self):
        status = self.status()
        return status and status["broker"]["pid"]

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(30)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
            return stream.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def anchor(directory):
    with open(os.path.join(directory, "clock"), encoding="ascii") as stream:
        return stream.read()


def second_is_refused(up, checks):
    done = subprocess.run([os.path.join(BIN, "tipoff"), "up", "--dir", up.dir], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    checks.that(done.returncode == 75, f"second up: exit {done.returncode}")
    checks.that(f"pid {up.process.pid}" in done.stderr.decode(), f"second up does not say who: {done.stderr}")
    checks.that(up.process.poll() is None, "the first one was disturbed")


def broker_is_restarted(up, checks):
    before = up.broker()
    os.kill(before, signal.SIGKILL)
    until(lambda: up.broker() not in (None, before), 20, "another broker")
    exits = until(lambda: tapped(up.dir, "ops.exit"), 20, "the exit is in the log")
    payload = exits[0]["payload"]
    checks.that(payload["actor"] == "broker" and payload["pid"] == before and payload["signal"] == 9 and
                payload["code"] is None and payload["verdict"] == "restarted", f"ops.exit: {payload}")


def stopped_broker_is_replaced(up, checks):
    before = up.broker()
    os.kill(before, signal.SIGSTOP)
    after = until(lambda: up.broker() not in (None, before) and up.broker(), 40, "a stopped broker is replaced")
    checks.that(not alive(before), "the stopped broker still lives beside its successor")
    checks.that(len(up.said("hung")) == 1, f"hung: {up.said('hung')}")
    checks.that(alive(after), "the new one does not live")


def tapped(directory, pattern):
    done = subprocess.run([os.path.join(BIN, "tipoff"), "tap", pattern, "--from", "1", "--count", "1", "--dir", directory],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def killed_up_takes_all(up, checks):
    clock = anchor(up.dir)
    children = children_of(up.process.pid)
    checks.that(len(children) == 1, f"children: {children}")
    up.end(signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in children), 10, "the children of a killed up are gone")
    again = Up(up.dir)
    again.ready()
    checks.that(anchor(up.dir) == clock, f"the clock was set anew: {anchor(up.dir)} was {clock}")
    checks.that("clock=continues" in "".join(again.said("ready")), "it does not say that the night goes on")
    return again


def another_night_has_its_own_clock(folder, checks):
    """The same date goes on, another one begins anew."""
    directory, clocks = os.path.join(folder, "nights"), []
    for date, start in (("2025-11-16", "2025-11-16T20:00:00Z"), ("2025-11-16", "2025-11-16T21:00:00Z"),
                        ("2025-11-17", "2025-11-17T20:00:00Z")):
        up = Up(directory, "--date", date, "--start", start)
        up.ready()
        clocks.append(anchor(directory))
        checks.that(up.end() == 0, "not ended in order")
    checks.that(clocks[0] == clocks[1], f"the same night was begun again: {clocks[:2]}")
    checks.that(clocks[1] != clocks[2], f"another night on the clock of the last: {clocks[2]}")


def crash_loop_is_quarantined(folder, checks):
    """A broker that dies before its first commit, each time: five lives, then no more."""
    up = Up(os.path.join(folder, "loop"), "--date", "2025-11-17", "--until-final", "--set",
            "supervisor.backoff_base=10ms", env={"TIPOFF_FAULT": "append-before-commit:1"})
    code = up.process.wait(30)
    checks.that(code == 1, f"crash loop: exit {code}")
    checks.that(len(up.said("started")) == 5, f"crash loop: {len(up.said('started'))} lives")
    checks.that(len(up.said("quarantined")) == 1, "crash loop: not said")


def tipoff(directory, *words):
    # A signal ends a process here as it does elsewhere: a sanitizer would make a report and an exit code of it.
    options = os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0:handle_sigbus=0"
    done = subprocess.run([os.path.join(BIN, "tipoff"), *words, "--json", "--dir", directory], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False, env={**os.environ, "ASAN_OPTIONS": options})
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def log_is_read_without_a_broker(directory, checks):
    code, out, err = tipoff(directory, "status")
    status = json.loads(out) if code == 0 else {}
    checks.that(code == 0 and not status["broker"]["running"], f"status with nothing running: {code} {err}")
    checks.that([s["actor"] for s in status["shards"]] == ["supervisor"], f"shards: {status['shards']}")
    code, out, _ = tipoff(directory, "stream", "ops.exit")
    stream = json.loads(out)
    checks.that(code == 0 and stream["records"] >= 2 and stream["writer"] == "supervisor", f"stream: {stream}")
    checks.that(tipoff(directory, "stream", "no.such")[0] == 1, "a stream that is not there is found")
    code, out, _ = tipoff(directory, "lineage", "1")
    checks.that(code == 0 and json.loads(out)["kind"] == "ops_exit", f"lineage: {code} {out}")
    checks.that(tipoff(directory, "lineage", "4711")[0] == 1, "a position that is not there has a lineage")
    checks.that(tipoff(directory, "lineage")[0] == 64 and tipoff(directory, "blast", "x")[0] == 64, "usage")
    code, out, _ = tipoff(directory, "verify")
    checks.that(code == 0 and json.loads(out)["records"] == stream["records"], f"verify: {code} {out}")


def flipped_bit_is_found(directory, checks):
    """One bit of one record, on the disk: the batch is named, and nothing else is wrong."""
    path = sorted(glob.glob(os.path.join(directory, "log", "seg-*", "data.mdb")))[-1]
    with open(path, "r+b") as stream:
        data = stream.read()
        at = data.rindex(b"\xa9restarted")  # of a verdict, in some payload
        stream.seek(at + 3)
        stream.write(bytes([data[at + 3] ^ 1]))
    code, out, _ = tipoff(directory, "verify")
    bad = json.loads(out)["bad"]
    checks.that(code == 1 and len(bad) >= 1 and bad[0]["position"] >= 1, f"verify after a flipped bit: {code} {out}")


def cut_file_is_found(directory, checks):
    """Half of a segment's file is gone: reading it ends a process, and that is said, with the name of the file."""
    path = sorted(glob.glob(os.path.join(directory, "log", "seg-*", "data.mdb")))[-1]
    os.truncate(path, os.path.getsize(path) // 2 & ~4095)
    code, out, err = tipoff(directory, "verify")
    bad = json.loads(out)["bad"] if out else []
    checks.that(code == 1 and any(os.path.basename(os.path.dirname(path)) in row["rule"] for row in bad) or
                code == 65 and "log" in err, f"verify of a file that was cut: {code} {out} {err}")


def killed_import_is_done_again(folder, checks):
    """The league's past comes in when it has not come in whole, also where there is a log already."""
    directory = os.path.join(folder, "league")
    argv = [os.path.join(BIN, "tipoff"), "up", "--dir", directory, "--only", "broker,upstream", "--upstream", "sim:3"]
    fault = {"TIPOFF_FAULT": "import-before-commit:1", "TIPOFF_FAULT_ONLY": "import"}
    killed = subprocess.run(argv, env={**os.environ, **fault}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                            check=False)
    checks.that(killed.returncode != 0 and os.path.isdir(os.path.join(directory, "log")),
                f"the import was not killed: {killed.returncode} {killed.stdout}")
    for life, imports in enumerate((True, False)):
        out = os.path.join(folder, f"league-{life}.out")
        with open(out, "wb") as stream:
            process = subprocess.Popen(argv, stdout=stream, stderr=stream)
        until(lambda out=out: " ready processes=2 " in open(out, encoding="utf-8").read(), 60, "up with a league")
        process.send_signal(signal.SIGTERM)
        code, said = process.wait(30), open(out, encoding="utf-8").read()
        checks.that(code == 0 and ("rows of 6 files imported" in said) == imports, f"life {life}: {code} {said}")


def main():
    checks = Checks()
    folder = tempfile.mkdtemp(prefix="tipoff-up-")
    up = Up(os.path.join(folder, "state"), "--set", "watchdog.silence=1s")
    try:
        status = up.ready()
        checks.that(status["broker"]["speed"] == 60, f"speed {status['broker']['speed']}")
        second_is_refused(up, checks)
        broker_is_restarted(up, checks)
        stopped_broker_is_replaced(up, checks)
        up = killed_up_takes_all(up, checks)
        code = up.end()
        checks.that(code == 0, f"drained: exit {code}")
        checks.that(not glob.glob(f"/proc/{up.process.pid}"), "up is still there")
        log_is_read_without_a_broker(up.dir, checks)
        flipped_bit_is_found(up.dir, checks)
        cut_file_is_found(up.dir, checks)
        another_night_has_its_own_clock(folder, checks)
        crash_loop_is_quarantined(folder, checks)
        killed_import_is_done_again(folder, checks)
    except Failed as failure:
        checks.that(False, str(failure))
    finally:
        if up.process.poll() is None:
            up.process.kill()
        if checks.bad:
            for path in sorted(glob.glob(os.path.join(up.dir, "up-*.out"))):
                print(open(path, encoding="utf-8").read())
    subprocess.run(["rm", "-rf", folder], check=False)
    checks.end()


if __name__ == "__main__":
    main()
