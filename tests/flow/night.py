# ctest: timeout=400
"""A real night, end to end: imported history, the recorded upstream, everything that `tipoff up` starts, until every game
is final and graded. Then every number is compared with the CSVs it must have come from.

usage: night.py [DATE [SPEED]]"""
import gzip
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__))
import _features_check
import _grades_check
import _night
import _night_checks

KEEP = os.environ.get("TIPOFF_KEEP")
MEMORY_MOST = 200 * 1000 * 1000


def watch(night, timeout):
    """Waits for the end; returns the most memory that all processes had together, and who had how much then."""
    deadline = time.monotonic() + timeout
    most, who = 0, {}
    while night.process.poll() is None:
        now = _night.memory_of_all(night.process.pid)
        total = sum(size for _, size in now.values())
        if total > most:
            most, who = total, now
        if time.monotonic() > deadline:
            night.wait(1)
        time.sleep(0.25)
    return most, who


def recompute(night, checks):
    """Features, predictions and grades worked out again from the CSVs by code that shares none with the actors."""
    grades, predictions = night.dated("grades"), night.dated("predictions")
    for fault in (_grades_check.check(_night.DATA, night.date, grades)
                  + _grades_check.check_predictions(_night.DATA, night.date, predictions)
                  + _features_check.check(_night.DATA, night.date, night.dated("features"), predictions)):
        checks.that(False, fault)
    checks.that(all(grade["outcome"] for grade in grades), "a grade without an outcome")
    return len(grades)


def leaves(node):
    return [node] if not node["parents"] else [leaf for parent in node["parents"] for leaf in leaves(parent)]


def check_lineage(night, checks):
    """A grade leads down to HTTP bodies, whose bytes are there still, and to lines of imported files."""
    grade = next(g for g in night.dated("grades") if g["outcome"] in ("correct", "incorrect"))
    tree = night.query("lineage", grade["prediction_id"])
    ends = leaves(tree)
    checks.that(tree["kind"] == "grade_points" and tree["id"] == grade["prediction_id"], f"lineage: {tree['kind']}")
    checks.that({leaf["kind"] for leaf in ends} >= {"raw_exchange", "history_player_game"},
                f"lineage ends at {sorted({leaf['kind'] for leaf in ends})}")
    exchanges = [leaf for leaf in ends if leaf["kind"] == "raw_exchange"]
    newest = max(exchanges, key=lambda leaf: leaf["position"])
    body = night.command("lineage", grade["prediction_id"], "--body").stdout
    checks.that(hashlib.sha256(body).hexdigest() == newest["body_sha256"] and len(body) == newest["body_bytes"],
                "the body is not what its hash says")
    for leaf in ends:
        if leaf["kind"] == "history_player_game" and "file" in leaf:
            path = os.path.join(_night.DATA, leaf["file"])
            with gzip.open(path, "rt", encoding="utf-8") as stream:
                line = stream.read().split("\n")[leaf["line"] - 1]
            checks.that(line.startswith(leaf["id"]), f"lineage: {leaf['file']}:{leaf['line']} is not of game {leaf['id']}")
    came = night.command("blast", str(newest["position"]), "--json").stdout.decode().splitlines()
    checks.that(any(json.loads(line)["position"] == tree["position"] for line in came),
                "blast does not lead back to the grade")
    return len(ends)


def latency(night):
    """Real seconds from the last byte of a poll to the append of each grade made from it, and of one fdatasync."""
    fetched, delays, made_from = {}, [], {}
    streams = {stream["stream"]: stream for stream in night.query("status")["streams"]}
    first = str(streams["raw.exchange"]["first"])
    for line in night.command("tap", "--from", first, timeout=300).stdout.splitlines():
        record = json.loads(line)
        if record["stream"] == "raw.exchange":
            fetched[record["position"]] = _night.instant(record["payload"]["fetched_at"])
        elif record["stream"].startswith("row."):
            made_from[record["position"]] = max((p for p in record["parents"] if p in fetched), default=None)
        elif record["stream"] == "grade.points":
            polls = [made_from[p] for p in record["parents"] if made_from.get(p)]
            if polls:
                waited = _night.instant(record["time"]) - max(fetched[p] for p in polls)
                delays.append(waited.total_seconds() / night.speed)
    syncs = []
    with tempfile.NamedTemporaryFile(dir=night.dir) as file:
        for _ in range(100):
            begun = time.monotonic()
            os.pwrite(file.fileno(), b"x" * 4096, 0)
            os.fdatasync(file.fileno())
            syncs.append(time.monotonic() - begun)
    delays.sort()
    if delays:
        print(f"poll to graded row: p50 {delays[len(delays) // 2] * 1e3:.1f} ms, p99 "
              f"{delays[len(delays) * 99 // 100] * 1e3:.1f} ms over {len(delays)} grades; one fdatasync here takes "
              f"{sorted(syncs)[50] * 1e3:.2f} ms")
    return delays


def owed(night, checks):
    """An uneventful night: all that every game owed is there, in time, and nothing was alerted or mended."""
    audit = night.dated("audit")
    games = {game["game_id"] for game in night.dated("games")}
    owes = {}
    for row in audit["expected"]:
        owes.setdefault(row["output"], set()).add(row["partition"])
        checks.that(row["state"] == "COMPLETE", f"expected: {row}")
    checks.that(set(owes) == {"odds", "features", "predictions", "live", "boxscore", "grades"} and
                all(of == games for of in owes.values()), f"expected of {len(games)} games: { {k: len(v) for k, v in owes.items()} }")
    checks.that(not audit["actions"] and not audit["alerts"], f"alerts: {audit['alerts'][:2]}, actions: {audit['actions'][:2]}")
    checks.that(all(phase["success_rate"] == 1 for phase in audit["phases"]), f"phases: {audit['phases']}")
    checks.that({v["actor"] for v in audit["versions"]} >= {"poller", "processor", "features", "predictor", "grader"}, "versions")
    checks.that(audit["uptime_pct"] == 100 and audit["gaps"] == [] and audit["graded"] == audit["predictions"], "gaps")
    first = str(next(stream["first"] for stream in night.query("status")["streams"] if stream["stream"] == "raw.exchange"))
    failed = night.command("tap", "row.check", "--from", first).stdout.splitlines()
    checks.that(not failed, f"checks that failed, if only for a moment: {failed[:2]}")
    code = night.command("check", check=False).returncode
    checks.that(code == 2, f"tipoff check with nothing running: {code}")


def state_of_then(night, checks):
    """What a shard held: now as it is, at the end as it is now, in the middle of the game what stood then."""
    grade = next(g for g in night.dated("grades") if g["actual"])
    key = f"grade:{grade['game_id']}/{grade['player_id']}"
    now = night.query("state", "get", "grader", key)
    head = max(s["last"] or 0 for s in night.query("status")["streams"])
    checks.that(now and now == night.query("state", "get", "grader", key, "--at", str(head)), "at the end it is not what it is now")
    game = next(g for g in night.dated("games") if g["game_id"] == grade["game_id"])
    live = _night.instant(game["live_at"]) + (_night.instant(game["final_at"]) - _night.instant(game["live_at"])) / 2
    then = night.query("state", "get", "grader", key, "--at", live.strftime("%Y-%m-%dT%H:%M:%SZ"))
    checks.that(then[0]["value"]["state"] != "final" and now[0]["value"]["state"] == "final", f"in the middle: {then[0]['value']['state']}")
    checks.that(night.command("state", "get", "poller", "bdl_live", "--at", str(head), check=False).returncode == 1, "an edge has a past")
    checks.that(night.command("state", "get", "grader", "toast", check=False).returncode == 1, "something under toast")
    checks.that(night.command("state", "get", "grader", check=False).returncode == 64, "no key")


def main():
    _night.need_data()
    date = sys.argv[1] if len(sys.argv) > 1 else "2025-11-17"
    speed = float(sys.argv[2]) if len(sys.argv) > 2 else 600
    checks = _night.Checks()
    night = _night.Night(date, speed)
    try:
        imported = night.imported()
        print(f"import: {imported['rows']} rows, {imported['refused']} refused, {imported['seconds']} s")
        begun = time.monotonic()
        night.start()
        most, who = watch(night, 300)
        seconds = time.monotonic() - begun
        checks.that(night.process.returncode == 0, f"up: exit {night.process.returncode}\n{night.tail()}")
        print(f"night of {date} at {speed:g}: {seconds:.1f} s, {most / 1e6:.1f} MB without page cache at most")
        for name, size in sorted(who.values(), key=lambda each: -each[1]):
            print(f"    {name:20} {size / 1e6:7.1f} MB")
        if not _night.sanitized():
            checks.that(seconds < 90 * max(1, 600 / speed), f"took {seconds:.1f} s")
            checks.that(most < MEMORY_MOST, f"{most} bytes of memory")
        if night.process.returncode == 0:
            print("players:", _night_checks.box_scores(night, checks))
            print("odds rows:", _night_checks.odds(night, checks))
            print("players with a line and a past:", _night_checks.predictions(night, checks))
            print("summaries:", _night_checks.summaries(night, checks))
            print("grades recomputed:", recompute(night, checks))
            print("runs:", len(_night_checks.runs(night, checks)))
            _night_checks.logs(night, checks)
            verified = night.query("verify", check=False)
            checks.that(not verified["bad"] and not verified["unhandled"], f"verify: {str(verified)[:800]}")
            replayed = night.query("replay", "--date", date, check=False, timeout=300)
            checks.that(replayed["identical"], f"replay: {str(replayed)[:800]}")
            print(f"verified {verified['records']} records; replayed {replayed['records']} in {replayed['seconds']} s")
            print("ends of a lineage:", check_lineage(night, checks))
            checks.that(latency(night), "no grade leads back to a poll")
            print("digest:", night.dated("digest"))
            owed(night, checks)
            state_of_then(night, checks)
    finally:
        if KEEP:
            print("kept:", night.dir)
        else:
            shutil.rmtree(night.dir, ignore_errors=True)
    checks.end()


if __name__ == "__main__":
    main()
