# ctest: timeout=300 processors=2
"""A season at full speed with random faults: the ledger of expected outputs must end with nothing EXPECTED that is due and no false
LATE; every hole that was punched, however old, must be found while it runs, and mended by nobody but the system where what was lost is
still to be had, or named as not healed, once; and in the end every game must have the box score and the grades that it has in a season that
nobody disturbed, but for what a named hole explains.

usage: season.py [NIGHTS [SEED [SPEED]]]      also from the environment: NIGHTS, GAMES, SEED, SPEED; without: a few nights"""
import collections
import concurrent.futures
import contextlib
import datetime
import json
import math
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import lmdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import _season  # noqa: E402
import _night  # noqa: E402

KEEP = os.environ.get("TIPOFF_KEEP")
SLICE = 3 if _night.sanitized() else 4  # nights, in ctest
# Real time between what the log holds and what the watchdog, which looks four times a second, can know of it.
NOTICE_S = 2 if _night.sanitized() else 0.5
GAMES_A_NIGHT = 47 / 7  # of the simulated league's week


def words():
    given = sys.argv[1:]
    nights = given[0] if given else os.environ.get("NIGHTS") or ""
    if not nights and os.environ.get("GAMES"):
        nights = str(max(2, math.ceil(int(os.environ["GAMES"]) / GAMES_A_NIGHT)))
    seed = int(given[1] if len(given) > 1 else os.environ.get("SEED") or 1)
    speed = float(given[2] if len(given) > 2 else os.environ.get("SPEED") or (4000 if _night.sanitized() else 10000))
    return int(nights or SLICE), seed, speed


TABLES = {"grades": b"grade\0", "boxscore": b"box\0", "predictions": b"prediction\0", "features": b"feature\0"}


def cut(season, output, game):
    """Rows of it go from the tables, of predictions all: how many."""
    env, gone = lmdb.open(os.path.join(season.dir, "shards", "scoreboard-0"), map_size=1 << 36, max_dbs=64), 0
    with env.begin(write=True) as txn:
        cursor = txn.cursor()
        for key, _ in list(cursor.iternext()) if cursor.set_range(TABLES[output]) else ():
            if not key.startswith(TABLES[output]):
                break
            if game.encode() in key and (gone < 10 or output == "predictions"):
                gone += txn.delete(key)
    env.close()
    return gone


# ---- living it ----

class Storm:
    """Does to a running season what the plan says, when league time has come to it."""

    def __init__(self, season, plan, checks):
        self.season, self.plan, self.checks = season, plan, checks
        self.waiting = collections.deque(plan.signals)
        self.resumes = []  # (real, or None; league us, or None; pid)
        self.counts = collections.Counter()
        self.punched = []

    def resume(self, now_us):
        for entry in list(self.resumes):
            real, league_us, pid = entry
            if (real is not None and time.monotonic() >= real) or (league_us is not None and now_us and now_us >= league_us):
                self.resumes.remove(entry)
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    pass

    def signals(self, now_us):
        while self.waiting and now_us >= self.waiting[0][0]:
            at, name, number, wait = self.waiting.popleft()
            pid = self.season.pid(name)
            if pid is None or not self.season.signal(name, number):
                self.counts["missed"] += 1
                continue
            self.counts["stopped" if number == signal.SIGSTOP else "killed"] += 1
            if number == signal.SIGSTOP:
                self.resumes.append((None, wait, pid) if wait > 1000 else (time.monotonic() + wait, None, pid))

    def nights(self):
        for line in self.season.news():
            if " night-over " in line or " night-unfinished " in line:
                date = line.split(" date=")[1].split()[0]
                self.counts["unfinished"] += " night-unfinished " in line
                self.counts["nights"] += 1
                if date in self.plan.halts:
                    return date
        return None

    def live(self, timeout):
        """To the end of the season. The exit code."""
        season = self.season.start("--until-final")
        deadline = time.monotonic() + timeout
        while season.running():
            now_us = season.league_us()
            self.resume(now_us)
            if now_us:
                self.signals(now_us)
            halt = self.nights()
            if halt:
                season.stop()
                self.resumes.clear()
                self.punch(halt)
                season.start("--until-final")
            if time.monotonic() > deadline:
                season.stop()
                raise _night.Failed(f"not over after {timeout:.0f} s: {season.lines[-5:]}")
            time.sleep(0.01)  # between two looks
        self.nights()
        season.forget()
        return season.ended(10)

    # ---- holes, punched while nothing runs ----

    def punch(self, date):
        for kind in self.plan.halts.pop(date):
            getattr(self, "punch_" + kind)(date)

    def punch_rows(self, date):
        """Of the oldest games that are whole: rows of each kind are gone from the tables."""
        for output in ("grades", "boxscore", "predictions", "features"):
            taken = {game for hole in self.plan.holes for game in hole["games"]}
            day, game = next(((day, game) for day in self.plan.dates if day < date
                              for (game, kind), row in self.season.expected(day).items()
                              if kind == output and row["state"] == "COMPLETE" and game not in taken), (date, None))
            if game is None:
                continue  # nothing is whole that far
            gone = cut(self.season, output, game)
            self.checks.that(gone >= 3, f"{gone} rows of {output} were taken away")
            self.plan.hole("rows", day, game)
            self.plan.holes[-1].update(output=output, cut=gone, cut_at=date)

    def punch_environment(self, date):
        """What features knows is gone, snapshots and all."""
        shutil.rmtree(os.path.join(self.season.dir, "shards", "features-0"))
        if SLICE < self.counts["nights"] < 20:  # later it would be half a season to do again
            shutil.rmtree(os.path.join(self.season.dir, "snapshots"), ignore_errors=True)
        self.plan.hole("environment", date)

    def punch_exports(self, date):
        """The files of the season's first night, and of this one."""
        for day in {self.plan.dates[0], date}:
            for folder in ("live", "live-grading"):
                pathlib.Path(self.season.dir, "exports", folder, f"{day}.json").unlink()
        self.plan.hole("exports", date)


# ---- what must hold ----

def open_rows(audits, now):
    """Rows that are due, and of which nothing has been said."""
    return [(date, row["partition"], row["output"], row["deadline"]) for date, rows in audits.items() for row in rows.values()
            if row["state"] == "EXPECTED" and (row["deadline"] is None or _night.instant(row["deadline"]) <= now)]


STREAMS = {"boxscore": "row.box_score", "grades": "grade.points", "features": "feature.player", "predictions": "prediction.points",
           "live": "row.game", "odds": "row.odds_snapshot"}


def whole_at(season, output, wanted):
    """game -> when the log held all that was wanted of it, from the records themselves; not there: it never did."""
    seen, whole = collections.defaultdict(set), {}
    for record in season.records(STREAMS[output] + ".*", wanted):
        body, game = record["payload"], record["payload"]["game_id"]
        if output in ("boxscore", "grades") and not body["final"]:
            continue
        if output == "live" and body["status"] not in ("in_progress", "final"):
            continue
        seen[game].add((body.get("player_id"), body.get("system"), body.get("stat")) if output == "grades" else body.get("player_id"))
        if len(seen[game]) >= wanted[game] and game not in whole:
            whole[game] = _night.instant(record["time"])
    return whole


def false_lates(season, plan, said):
    """LATE although the log held it all, or nothing was due yet, or nothing was owed."""
    off = {game for hole in plan.holes if hole["kind"] == "postponed" for game in hole["games"]}
    lates = [record for record in said if record["payload"]["state"] == "LATE"]
    wanted = collections.defaultdict(dict)
    for record in lates:
        row = record["payload"]
        wanted[row["output"]][row["game_id"]] = max(row["wanted"], wanted[row["output"]].get(row["game_id"], 0))
    whole, out = {output: whole_at(season, output, games) for output, games in wanted.items()}, []
    for record in lates:
        row, at = record["payload"], _night.instant(record["time"])
        was = whole[row["output"]].get(row["game_id"])
        why = None
        if row["game_id"] in off:
            why = "it was called off"
        elif _night.instant(row["deadline"]) > at:
            why = f"due at {row['deadline']}"
        elif was and (at - was).total_seconds() > NOTICE_S * season.speed:
            why = f"whole since {was}"
        if why:
            out.append((row["game_date"], row["game_id"], row["output"], record["time"], why))
    return out


class Clean:
    """What a season that nobody disturbed ended with."""

    def __init__(self, season, dates):
        self.finals = {date: season.finals(date) for date in dates}
        self.grades = {date: season.grades(date) for date in dates}


def said_missed(season, date, game):
    row = season.expected(date).get((game, "predictions"))
    return row is not None and row["state"] in ("FAILED", "DEGRADED")


def last_played_in(clean, off, player, date):
    """Is he with his team only for games that a hole took? (Who has not played for 30 days is not expected: features, ROSTER_DAYS.)"""
    since = str(datetime.date.fromisoformat(date) - datetime.timedelta(days=30))
    games = {key[0] for day, rows in clean.finals.items() if since <= day < date for key, row in rows.items()
             if key[1] == player and row["minutes"]}
    return bool(games) and games <= off


def compare(season, plan, clean, checks):
    """Every difference has a name, or is a failure. Returns how many there were, by name."""
    named = collections.Counter()
    off = {game for hole in plan.holes if hole["kind"] in ("postponed", "never") for game in hole["games"]}
    moved = {game for hole in plan.holes if hole["kind"] == "moved" for game in hole["games"]}
    # Before the schedule has it on its day it goes by another name there, which is called off then.
    moved_on = {hole["date"] for hole in plan.holes if hole["kind"] == "moved"}
    first_hole = min((hole["date"] for hole in plan.holes if hole["kind"] in ("postponed", "silent", "never")), default="9999")
    for date in plan.dates:
        finals, grades = season.finals(date), season.grades(date)
        for key in sorted(clean.finals[date].keys() | finals.keys()):
            mine, theirs = finals.get(key), clean.finals[date].get(key)
            if mine != theirs:
                named["box score: called off, or not healed"] += key[0] in off
                different = [k for k in (mine or theirs) if not mine or not theirs or mine[k] != theirs[k]]
                checks.that(key[0] in off, f"{date}: box score of {key} differs in {different}")
        for key in sorted(clean.grades[date].keys() | grades.keys()):
            mine, theirs = grades.get(key), clean.grades[date].get(key)
            if mine == theirs:
                continue
            if key[0].startswith("bdl-") and date in moved_on:
                named["prediction: of a game that was moved"] += 1
            elif key[0] in off:
                named["grade: called off, or not healed"] += 1
            elif (key[0] in moved or plan.troubled.get(date)) and (not mine or not theirs or mine[0] == theirs[0]):
                named["prediction: of a game that was moved" if key[0] in moved else "prediction: made while the night was in trouble"] += 1
            elif mine and theirs and mine[0] == theirs[0] and date > first_hole:
                named["prediction: made without a game that a hole took"] += 1
            elif not mine and last_played_in(clean, off, key[1], date):
                named["prediction: of somebody who last played in a game that a hole took"] += 1
            elif not mine and said_missed(season, date, key[0]):
                named["prediction: missed, and the ledger says so"] += 1
            else:
                checks.that(False, f"{date}: grade of {key}: {mine}, undisturbed {theirs}; {plan.troubled.get(date)}")
    return named


def look_for_holes(season, plan, said, checks):
    """Each by what is there for it; returns the kinds that were found."""
    found = collections.Counter()
    alerts = [record["payload"] for record in season.records("ops.alert")]
    for hole in plan.holes:
        date, kind = hole["date"], hole["kind"]
        rows = season.expected(date)
        if kind in ("silent", "never"):
            row = rows[(hole["games"][0], "boxscore")]
            told = [r for r in said if r["payload"]["game_id"] == hole["games"][0] and r["payload"]["state"] in ("LATE", "FAILED")]
            good = row["state"] in ("FAILED", "COMPLETE" if kind == "silent" else "FAILED") and bool(told)
            text = f"{row}, said {[r['payload']['state'] for r in told]}"
        elif kind == "rows":
            good = any(a["cause"] == "hole" and a["subject"] == f"{hole['output']} {date}" for a in alerts)
            text = f"{hole}: {rows[(hole['games'][0], hole['output'])]}"
        elif kind == "postponed":
            good = all(row["state"] in ("EMPTY_OK", "COMPLETE", "DEGRADED") for (game, _), row in rows.items() if game == hole["games"][0])
            good = good and rows[(hole["games"][0], "boxscore")]["state"] == "EMPTY_OK"
            text = str([(k[1], row["state"]) for k, row in rows.items() if k[0] == hole["games"][0]])
        elif kind == "moved":
            mine = [r["payload"] for r in said if r["payload"]["game_id"] == hole["games"][0]]
            old = {(r["game_date"], r["output"]): r for r in mine if r["game_date"] != date}
            # Nothing is said of a day that is further away than the schedule is read: then there is nothing to take back.
            good = all(r["state"] == "COMPLETE" or "moved to" in (r["reason"] or "") for r in old.values())
            good = good and all(r["state"] == "EMPTY_OK" for (_, output), r in old.items() if output in ("live", "boxscore"))
            text = str([(r["game_date"], r["output"], r["state"], r["reason"]) for r in mine])[-600:]
        elif kind == "halted":
            good = any(a["cause"] in ("unprocessed", "backlogged", "hung", "late", "stale") and a["since"] and
                       date <= a["since"][:10] <= _season.utc(_season.micros(date + "T00:00:00Z") + 36 * _season.HOUR_US)[:10]
                       for a in alerts)
            text = str([(a["cause"], a["since"]) for a in alerts][-5:])
        elif kind == "environment":
            good = season.logged(" rebuilt shard=features.0") > 0
            text = "features was not made again"
        else:
            good = season.logged("export-was-gone") > 0
            text = "nobody missed them"
        found[kind] += good
        checks.that(good, f"hole not found: {kind} of {date}: {text}")
    return found


NOT_HEALED = "not healed: the source has it no more"


def is_whole(season, hole):
    rows = season.expected(hole["date"])
    outputs = ("boxscore", "grades") if hole["kind"] == "silent" else (hole["output"],)
    return all(rows[(game, output)]["state"] == "COMPLETE" for game in hole["games"] for output in outputs)


def heal(season, plan, checks):
    """Nobody does anything but wait: what is still open when the season ends is mended while time goes on."""
    season.start()
    _night.until(lambda: season.running() and season.league_us() is not None and season.pid("poller"), 60, "it is up again")
    mendable = [hole for hole in plan.holes if hole["kind"] in ("silent", "rows")]
    for what, done in (("every hole is healed", lambda: all(is_whole(season, hole) for hole in mendable)),
                       ("what cannot be healed is named", lambda: all(
                           (season.expected(hole["date"])[(hole["games"][0], "boxscore")]["reason"] or "").startswith(NOT_HEALED)
                           for hole in plan.holes if hole["kind"] == "never"))):
        try:
            _night.until(done, 240, what)
        except _night.Failed:
            pass  # each is looked at below
    season.stop()
    healed = collections.Counter()
    alerts = [record["payload"] for record in season.records("ops.alert")]
    for hole in plan.holes:
        rows = season.expected(hole["date"])
        if hole["kind"] in ("silent", "rows"):
            healed[hole["kind"]] += is_whole(season, hole)
            checks.that(is_whole(season, hole), f"hole not healed: {hole}: {[r for k, r in rows.items() if k[0] in hole['games']]}")
        elif hole["kind"] == "never":
            row = rows[(hole["games"][0], "boxscore")]
            named = row["state"] == "FAILED" and (row["reason"] or "").startswith(NOT_HEALED)
            told = [(a["state"], a["severity"]) for a in alerts if a["cause"] == "hole" and a["subject"] == f"boxscore {hole['date']}"]
            healed["named as not healed"] += named
            checks.that(named and told == [("raised", "alert"), ("raised", "critical")], f"not named, or not once: {hole}: {row}: {told}")
        elif hole["kind"] == "exports":
            missing = [d for d in (plan.dates[0], hole["date"]) for f in ("live", "live-grading")
                       if not pathlib.Path(season.dir, "exports", f, f"{d}.json").exists()]
            healed["exports"] += not missing
            checks.that(not missing, f"exports are still gone: {missing}")
        elif hole["kind"] != "postponed":
            bad = [(k, r["state"]) for k, r in rows.items() if r["state"] not in ("COMPLETE", "EMPTY_OK") and k[1] != "odds"
                   and not any(k[0] in other["games"] for other in plan.holes if other["kind"] == "never")]
            healed[hole["kind"]] += not bad
            checks.that(not bad, f"hole not healed: {hole}: {bad}")
    return healed


def heal_trimmed(season, plan, checks):
    """The oldest night's rows are gone, and so is the log that they came from: whoever said them has them still."""
    season.start()
    _night.until(lambda: season.running() and season.league_us() is not None, 60, "it is up again")
    head = season.control("STATUS")["broker"]["head"]
    season.control(f"TRIM {head} FORCE")
    first = season.control("STATUS")["broker"]["first"]
    season.stop()
    date, game = next((day, game) for day in plan.dates for (game, output), row in season.expected(day).items()
                      if output == "grades" and row["state"] == "COMPLETE")
    lost = [{"kind": "rows", "date": date, "games": (game,), "output": output, "cut": cut(season, output, game)}
            for output in ("grades", "boxscore", "predictions")]
    checks.that(first > 1 and all(hole["cut"] for hole in lost) and not any(is_whole(season, hole) for hole in lost),
                f"not punched: the log begins at {first}; {lost}")
    season.start()
    with contextlib.suppress(_night.Failed):
        _night.until(lambda: all(is_whole(season, hole) for hole in lost), 120, "what the log has no more is healed")
    bad = [hole for hole in lost if not is_whole(season, hole)]
    checks.that(not bad, f"hole not healed with its log trimmed: {bad}")
    season.stop()
    return {"with the log trimmed": len(lost) - len(bad)}


def ledger(season, plan, dates, checks, name):
    said = list(season.records("ops.expected"))
    audits = {date: season.expected(date) for date in dates}
    states = collections.Counter(row["state"] for rows in audits.values() for row in rows.values())
    late = collections.Counter(r["payload"]["game_date"] for r in said if r["payload"]["state"] == "LATE")
    still, wrong = open_rows(audits, _night.instant(said[-1]["time"])), false_lates(season, plan, said)
    quiet = {d: n for d, n in late.items() if not plan or not (plan.troubled.get(d))}
    print(f"{name}: ledger {dict(states)}; LATE said {sum(late.values())} times in {len(late)} nights, false {len(wrong)}, "
          f"in nights without trouble {quiet}; EXPECTED left {len(still)}", flush=True)
    for row in still[:10]:
        checks.that(False, f"{name}: EXPECTED for ever: {row}")
    for row in wrong[:10]:
        checks.that(False, f"{name}: false LATE: {row}")
    return said


def figures(season, name):
    streams = {s["stream"]: s for s in season.query("status")["streams"]}
    records = sum(s["records"] for s in streams.values())
    runs = streams["raw.exchange"]["records"]
    print(f"{name}: {season.seconds:.1f} s up, {runs} bodies kept, {records} records", flush=True)


def live(storms, timeout):
    """A few nights at the same time, a season one after the other: two at once would only wait for each other."""
    at_once = len(storms) if len(storms[0].plan.dates) <= 8 else 1
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda storm: storm.live(timeout), storms))


def main():
    count, seed, speed = words()
    checks = _night.Checks()
    folder = tempfile.mkdtemp(prefix="tipoff-season-")
    began = time.monotonic()
    timeout = 120 + count * 13 * 3600 / speed * 6
    seasons = []
    try:
        clean = _season.Season(os.path.join(folder, "clean"), seed, count, speed).make()
        seasons.append(clean)
        plan = _season.Plan(seed, clean.games()).make()
        nobody = _season.Plan(seed, plan.games)
        print(f"{len(plan.dates)} nights, {sum(map(len, plan.games.values()))} games, seed {seed}, speed {speed:g}; "
              f"{len(plan.faults)} faults of the upstream, {len(plan.signals)} signals", flush=True)
        season = _season.Season(os.path.join(folder, "season"), seed, count, speed).make()
        seasons.append(season)
        pathlib.Path(season.dir, "upstream-faults.json").write_text(json.dumps(plan.faults), encoding="utf-8")
        storm = Storm(season, plan, checks)
        codes = live([Storm(clean, nobody, checks), storm], timeout)
        checks.that(codes == [0, 0], f"exit {codes}: {clean.lines[-2:]} {season.lines[-2:]}")
        figures(clean, "undisturbed")
        figures(season, "disturbed")
        ledger(clean, nobody, plan.dates, checks, "undisturbed")
        failed = [record["payload"] for record in clean.records("row.check")]
        checks.that(not failed, f"checks failed of a season that nobody disturbed: {failed[:3]}")
        said = ledger(season, plan, plan.dates, checks, "disturbed")
        ends = Clean(clean, plan.dates)
        found = look_for_holes(season, plan, said, checks)
        healed = heal(season, plan, checks)
        named = compare(season, plan, ends, checks)
        for each in seasons:  # over leaps, pauses and kills: the deterministic actors do again what they did
            replayed = each.query("replay", "--date", plan.dates[1], check=False)
            checks.that(replayed["identical"], f"replay: {str(replayed)[:500]}")
        verified = season.query("verify", check=False)
        unneeded = [a for a in clean.records("ops.alert") if a["payload"]["cause"] == "hole"]
        checks.that(not unneeded, f"holes where nobody punched any: {unneeded[:3]}")
        checks.that(not verified["bad"] and not verified["unhandled"], f"verify: {str(verified)[:500]}")
        healed.update(heal_trimmed(season, plan, checks))
        print(f"signals: {dict(storm.counts)}; holes punched {len(plan.holes)}, found {dict(found)}, healed {dict(healed)}")
        print(f"differences from the undisturbed season, all named: {dict(named)}")
        print(f"{time.monotonic() - began:.0f} s in all")
    except _night.Failed as failure:
        checks.that(False, str(failure)[-2000:])
    finally:
        for each in seasons:
            each.kill()
        if KEEP:
            print("kept:", folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    checks.end()


if __name__ == "__main__":
    main()
