# ctest: timeout=200
"""The watchdog: a source that falls silent while games are on is said once, grows worse, and is right again with its duration; a
shard that hangs is said, aborted and back; dead letters are said. The janitor sweeps what a dead writer left."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import _night

DATE = "2026-01-14"


def said(night, stream):
    """Every record that the stream holds now."""
    held = next((row["records"] for row in night.query("status")["streams"] if row["stream"] == stream), 0)
    if not held:
        return []
    out = night.command("tap", stream, "--from", "1", "--count", str(held)).stdout.decode()
    return [json.loads(line)["payload"] for line in out.splitlines()]


def alerts(night, cause):
    return [alert for alert in said(night, "ops.alert") if alert["cause"] == cause]


def pid_of(night, name):
    return next((pid for pid in _night.children_of(night.process.pid) if _night.name_of(pid) == f"tipoff-{name}"), None)


def silent_source(night, checks):
    """No poll while games are on: the poller cannot ask, for its upstream stands still."""
    os.kill(pid_of(night, "upstream"), signal.SIGSTOP)
    _night.until(lambda: any(a["severity"] == "critical" for a in alerts(night, "stale")), 60, "the source is called stale")
    os.kill(pid_of(night, "upstream"), signal.SIGCONT)
    _night.until(lambda: any(a["state"] == "recovered" for a in alerts(night, "stale")), 60, "the source is right again")
    all_of_it = alerts(night, "stale")
    first = all_of_it[0]["alert_id"]
    incident = [a for a in all_of_it if a["alert_id"] == first]
    checks.that([a["severity"] for a in incident if a["state"] == "raised"] in
                (["warning", "alert", "critical"], ["warning", "critical"], ["alert", "critical"], ["critical"]),
                f"stale: {[(a['state'], a['severity']) for a in incident]}")
    checks.that(incident[-1]["state"] == "recovered" and "after" in incident[-1]["text"], f"recovered: {incident[-1]}")
    checks.that(incident[0]["subject"] == "PollBdlLive", f"subject: {incident[0]['subject']}")


def hung_shard(night, checks):
    pid = pid_of(night, "grader")
    os.kill(pid, signal.SIGSTOP)
    _night.until(lambda: any(a["subject"] == "grader.0" for a in alerts(night, "hung")), 40, "the grader is called hung")
    _night.until(lambda: pid_of(night, "grader") not in (None, pid), 40, "the grader is replaced")
    _night.until(lambda: any(a["subject"] == "grader.0" and a["state"] == "recovered" for a in alerts(night, "hung")), 40,
                 "the grader is right again")
    def exits_of_it():
        return [end for end in said(night, "ops.exit") if end["actor"] == "grader"]

    _night.until(exits_of_it, 20, "its end is published")
    exits = exits_of_it()
    checks.that(len(exits) == 1 and exits[0]["signal"] in (6, 9), f"ops.exit of the hung grader: {exits}")


def swept(night, checks):
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = os.path.join(night.dir, "exports", f"latest.json.{dead.pid}.new")
    with open(left, "w", encoding="ascii") as stream:
        stream.write("{")
    _night.until(lambda: not os.path.exists(left), 30, "what a dead writer left is swept")

    def sweeps():
        return [run for run in said(night, "ops.run") if run["name"] == "JanitorSweep" and run["rows_in"] >= 1]

    # The file is gone before the run that took it is committed and said.
    _night.until(sweeps, 30, "a sweep says that it found it")
    checks.that(all(run["outcome"] == "success" for run in sweeps()), f"sweeps: {sweeps()}")


def main():
    checks = _night.Checks()
    night = _night.Night(DATE, 400, os.path.join(tempfile.mkdtemp(prefix="tipoff-watchdog-"), "state"), upstream="sim:1")
    os.makedirs(night.dir)
    try:
        subprocess.run([os.path.join(night.bin, "tipoff-upstream"), "--sim", "1", "--date", DATE, "--generate-only",
                        "--dir", night.dir], check=True, stderr=subprocess.DEVNULL)
        night.command("import", os.path.join(night.dir, "league"), "--before", DATE)
        night.start("--set", "watchdog.silence=1500ms", "--start", "2026-01-14T23:30:00Z", args=())
        _night.until(lambda: "status=in_progress" in night.tail(100000), 60, "a game is on")
        swept(night, checks)
        hung_shard(night, checks)
        silent_source(night, checks)
    except _night.Failed as failure:
        checks.that(False, f"{failure}\n{night.tail()}")
    finally:
        if night.process and night.process.poll() is None:
            night.process.send_signal(signal.SIGTERM)
            checks.that(night.process.wait(30) == 0, "not ended in order")
        if os.environ.get("TIPOFF_KEEP"):
            print("kept:", night.dir)
        else:
            shutil.rmtree(os.path.dirname(night.dir), ignore_errors=True)
    checks.end()


if __name__ == "__main__":
    main()
