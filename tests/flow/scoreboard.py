# ctest: timeout=180
"""The scoreboard over HTTP: the same answers as the command, refusals that name the rule, exports, events, health. And an
environment that was written before runs had an index gets one when it is opened."""
import glob
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import shutil

import _night
from _night import Checks, Night

DATE = "2025-10-21"
TESTS = os.path.join(os.environ.get("TIPOFF_BUILD", "build"), "tests")
TEAMS = """team,nba_team_id,bdl_team_id,odds_api_name,bdl_full_name,city,name,conference,division
AAA,1,1,Alpha Aces,Alpha Aces,Alpha,Aces,East,North
BBB,2,2,Beta Bears,Beta Bears,Beta,Bears,West,South
"""
GAMES = """game_id,season,game_date,tip_utc,tip_source,home,away,neutral,status,home_pts,away_pts,periods
0022500001,2025-26,2025-10-21,2025-10-21T23:30:00Z,x,AAA,BBB,0,final,110,100,4
0022500002,2025-26,2025-10-22,2025-10-22T23:30:00Z,x,BBB,AAA,0,scheduled,,,
"""
BOXES = """game_id,season,game_date,player_id,player_name,team,opponent,home,win,starter,min,sec,pts,fgm,fga,fg3m,fg3a,ftm,fta,oreb,dreb,reb,ast,stl,blk,tov,pf,plus_minus
0022500001,2025-26,2025-10-21,7,Ána Öther,AAA,BBB,1,1,1,30,1800,20,8,15,2,5,2,2,1,4,5,3,1,0,2,3,9
0022500001,2025-26,2025-10-21,8,Bo Third,BBB,AAA,0,0,1,30,1800,20,8,15,2,5,2,2,1,4,5,3,1,0,2,3,-9
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ask(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read()
    finally:
        connection.close()


def answers(port, path):
    try:
        return ask(port, path)[0] == 200
    except OSError:
        return False


def write_root(root):
    for name, text in {"teams.csv": TEAMS, "games/a.csv": GAMES, "player_games/a.csv": BOXES}.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)


def same_as_command(checks, night, port):
    for view in ("games", "boxscores", "odds", "features", "predictions", "grades"):
        status, kind, body = ask(port, f"/api/v1/{view}?date={DATE}")
        told = night.query(view, "--date", DATE)
        checks.that(status == 200 and kind == "application/json", f"{view}: {status} {kind}")
        checks.that(json.loads(body) == told, f"{view}: HTTP and command differ")
    for asked in ("name=JanitorSweep", "outcome=success", "outcome=failed", "name=JanitorSweep&outcome=success&last=1", "last=2"):
        words = [word for part in asked.split("&") for word in ("--" + part.split("=")[0], part.split("=")[1])]
        _night.until(lambda: json.loads(ask(port, f"/api/v1/runs?{asked}")[2]) == night.query("runs", *words), 20,
                     f"runs?{asked}: HTTP and command to say the same")  # a run may come in between
    checks.that(len(night.dated("boxscores")) == 2, "boxscores: not 2")
    checks.that(night.dated("boxscores")[0]["player_name"] == "Ána Öther", "a name lost its accents")
    report = json.loads(ask(port, f"/api/v1/report?date={DATE}")[2])
    checks.that(report == night.query("report", "--date", DATE, check=False), "report: HTTP and command differ")
    status = json.loads(ask(port, "/api/v1/status")[2])
    checks.that({s["actor"] for s in status["shards"]} >= {"scoreboard"}, f"status: {status.get('shards')}")
    checks.that(set(night.query("status")) >= {"broker", "shards", "streams"}, "status: keys")


def refusals(checks, port):
    for path, wanted, rule in (("/api/v1/boxscores", 400, "date"), ("/api/v1/boxscores?date=yesterday", 400, "date"),
                               ("/api/v1/boxscores?date=2025-02-30", 400, "date"), ("/api/v1/nothing?date=" + DATE, 404, "view"),
                               ("/nowhere", 404, "path"), ("/live/../../etc/passwd", 404, ""), ("/live/x.json", 404, "json"), ("/api/v1/runs?last=0", 400, "last"), ("/api/v1/runs?last=x", 400, "last"),
                               ("/api/v1/games?date=" + "9" * 3000, 400, "date")):
        status, kind, body = ask(port, path)
        checks.that(status == wanted, f"{path[:60]}: {status}, not {wanted}")
        checks.that(kind == "application/json" and rule in json.loads(body)["rule"], f"{path[:60]}: {body[:100]}")
    for method in ("POST", "DELETE", "PUT"):
        status, _, body = ask(port, f"/api/v1/games?date={DATE}", method)
        checks.that(status == 405 and "GET" in json.loads(body)["rule"], f"{method}: {status}")
    checks.that(ask(port, "/healthz", "HEAD")[0] == 200, "HEAD /healthz")


def pages(checks, port):
    status, kind, body = ask(port, "/")
    checks.that(status == 200 and kind.startswith("text/html") and b"<title>tipoff</title>" in body, "page")
    checks.that(b"http://" not in body and b"https://" not in body, "the page names something outside")
    for path in ("/live/latest.json", "/live-grading/latest.json", f"/live/{DATE}.json", f"/live-grading/{DATE}.json",
                 "/status.json", "/healthz", "/readyz"):
        status, kind, body = ask(port, path)
        checks.that(status == 200 and kind == "application/json" and json.loads(body) is not None, f"{path}: {status}")
    live = json.loads(ask(port, f"/live/{DATE}.json")[2])
    checks.that(live["total_games"] == 1 and live["games"][0]["players"][0]["player_lookup"] == "anaother", f"live: {live}")
    metrics = ask(port, "/metrics")[2].decode()
    checks.that('tipoff_shard_lag_records{actor="scoreboard",partition="0"}' in metrics, "metrics: no lag")
    kinds = [line.split()[2] for line in metrics.splitlines() if line.startswith("# TYPE ")]
    checks.that(len(kinds) == len(set(kinds)) and "tipoff_broker_sync_seconds" in kinds, f"metrics: {kinds}")
    for sample in ('tipoff_shard_taken_total{actor="scoreboard",partition="0"}', 'tipoff_broker_sync_seconds_count',
                   'tipoff_stream_delivered_records_total{stream="ops.run"}', "tipoff_broker_appended_records",
                   'tipoff_broker_socket_events_total{socket="router",event="accepted"}'):
        checks.that(f"\n{sample} " in metrics, f"metrics: no {sample}")
    for line in metrics.splitlines():
        checks.that(line.startswith("#") or len(line.rsplit(" ", 1)) == 2 and float(line.rsplit(" ", 1)[1]) is not None,
                    f"metrics: {line}")


def listen(port, found, ready):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
        one.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        text = b""
        while b"import.commit" not in text:
            part = one.recv(65536)
            if not part:
                return
            text += part
            if b"\r\n\r\n" in text:
                ready.set()
        found.append(text)


def events(checks, night, port, root):
    found, ready = [], threading.Event()
    thread = threading.Thread(target=listen, args=(port, found, ready), daemon=True)
    thread.start()
    checks.that(ready.wait(30), "events: no head")
    with open(os.path.join(root, "player_games", "a.csv"), "a", encoding="utf-8") as out:
        out.write(BOXES.splitlines()[1].replace(",7,", ",9,").replace("Ána Öther", "Cy New") + "\n")
    night.query("import", root)
    thread.join(60)
    checks.that(bool(found) and b"text/event-stream" in found[0] and b"event: import.commit" in found[0], "events: none came")
    _night.until(lambda: len(night.dated("boxscores")) == 3, 30, "the new row")


def exports(checks, night, port):
    files = [os.path.join(night.dir, "exports", *parts) for parts in
             (("live", "latest.json"), ("live-grading", "latest.json"), ("status.json",))]
    _night.until(lambda: all(os.path.exists(f) for f in files), 30, "the exported files")
    _night.until(lambda: not glob.glob(os.path.join(night.dir, "exports", "**", "*.new"), recursive=True), 30,
                 "files without left-overs of a kill")
    for path in files:
        with open(path, encoding="utf-8") as stream:
            checks.that(isinstance(json.load(stream), dict), f"{path}: not an object")
    with open(files[0], encoding="utf-8") as stream:
        checks.that(json.load(stream)["game_date"] == json.loads(ask(port, "/live/latest.json")[2])["game_date"], "latest: dates")


def stop(night):
    night.process.send_signal(signal.SIGTERM)
    night.process.wait(60)


def asked_of_runs(night):
    runs = night.query("runs")
    words = [("--name", name) for name in {r["name"] for r in runs}] + [("--outcome", o) for o in {r["outcome"] for r in runs}]
    return [night.query("runs", *w) for w in [(), ("--last", "3"), *sorted(words)]]


def index_made(checks, night, start):
    """Stopped; then its environment loses the index, and is asked before and after it is opened again."""
    before = asked_of_runs(night)
    checks.that(len(before[0]) > 3 and sum(map(len, before[2:])) == 2 * len(before[0]), "runs: not by name and outcome")
    subprocess.run([os.path.join(TESTS, "store_edit"), "unindex", os.path.join(night.dir, "shards", "scoreboard-0")], check=True)
    checks.that(asked_of_runs(night) == before, "runs: other answers without an index")
    start({})

    def said():
        with open(os.path.join(night.dir, "logs", "scoreboard.0.log"), encoding="utf-8", errors="replace") as stream:
            return "run-index-made" in stream.read()
    _night.until(said, 60, "an index of the runs that were there")
    after = asked_of_runs(night)
    checks.that([r for r in after[0] if r in before[0]] == before[0], "runs: not all there after the index was made")
    checks.that(sum(map(len, after[2:])) == 2 * len(after[0]), "runs: not all in the index")


def main():
    checks = Checks()
    parent = tempfile.mkdtemp(prefix="tipoff-scoreboard-")
    root, port, once = os.path.join(parent, "root"), free_port(), os.path.join(parent, "once")
    os.mkdir(once)
    write_root(root)
    night = Night(DATE, directory=os.path.join(parent, "state"))
    argv = [os.path.join(_night.BIN, "tipoff"), "up", "--dir", night.dir, "--only", "broker,scoreboard,janitor",
            "--set", f"scoreboard.port={port}", "--set", "scoreboard.export_interval=100ms", "--set", "janitor.interval=1s"]
    log = os.path.join(parent, "up.out")

    def start(faults):
        with open(log, "ab") as out:
            night.process = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env={**os.environ, **faults})
    try:
        start({"TIPOFF_FAULT": "export-written:4", "TIPOFF_FAULT_ONLY": "scoreboard.0", "TIPOFF_FAULT_ONCE": once})
        _night.until(lambda: os.listdir(once), 60, "a scoreboard killed between writing a file and renaming it")
        _night.until(lambda: answers(port, "/readyz"), 60, "a scoreboard that is ready")
        night.query("import", root)
        _night.until(lambda: len(night.dated("boxscores")) == 2, 30, "the imported rows")
        same_as_command(checks, night, port)
        refusals(checks, port)
        pages(checks, port)
        events(checks, night, port, root)
        exports(checks, night, port)
        _night.until(lambda: len(night.query("runs")) > 3, 30, "some runs")
        stop(night)
        index_made(checks, night, start)
    finally:
        stop(night)
        if checks.bad:
            with open(log, encoding="utf-8", errors="replace") as stream:
                print(stream.read()[-3000:])
        shutil.rmtree(parent, ignore_errors=True)
    checks.end()


if __name__ == "__main__":
    sys.exit(main())
