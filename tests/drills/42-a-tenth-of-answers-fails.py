"""A tenth of all answers fails for a whole night: what is asked for stays within bounds, box scores, actuals and outcomes are those of
a clean night, and every snapshot of odds that was missed is named as a gap."""
import collections
import datetime

import _drill


def graded(night):
    return {(g["game_id"], g["player_id"]): (g["actual"], g["minutes"], g["outcome"] if g["line"] is None else (g["line"], g["outcome"]))
            for g in night.dated("grades")}


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def missed_snapshots(night):
    """(game, when) of each look at a game's odds that failed, and was not made up for within a quarter of an hour."""
    looks = collections.defaultdict(list)
    for run in night.runs():
        if run["name"] == "PollOddsProps":
            looks[run["game_id"]].append((instant(run["closed_at"]), run["outcome"] in ("success", "unchanged", "partial", "empty_ok")))
    for game, runs in looks.items():
        for at, good in runs:
            soon = [ok for when, ok in runs if at <= when <= at + datetime.timedelta(minutes=15)]
            if not good and not any(soon):
                yield game, at


def drill(night, checks):
    clean = _drill.Drill(night.dir)
    try:
        clean.begin(args=("--until-final",), speed=2500)
        clean.final()
        night.faults_first({"kind": "status", "status": 503, "every": 10})
        night.begin(args=("--until-final",), speed=2500)
        night.final()
        failed = [r for r in night.runs() if r["actor"] == "poller" and r["error_class"] == "http_status"]
        checks.that(len(failed) > 5, f"{len(failed)} failures")
        checks.that(night.dated("digest")["boxscores"] == clean.dated("digest")["boxscores"], "box scores differ")
        ours, theirs = graded(night), graded(clean)
        checks.that(set(ours) == set(theirs), f"{len(ours)} and {len(theirs)} grades")
        differ = [(k, ours[k], theirs[k]) for k in ours if ours[k][:2] != theirs[k][:2]]
        checks.that(not differ, f"actuals differ: {differ[:2]}")
        same_line = [k for k in ours if ours[k][2] != theirs[k][2] and isinstance(ours[k][2], tuple) and isinstance(theirs[k][2], tuple) and
                     ours[k][2][0] == theirs[k][2][0] and {ours[k][2][1], theirs[k][2][1]} == {"correct", "incorrect"}]
        checks.that(not same_line, f"the same line, and another side won: {same_line[:2]}")
        minutes = collections.Counter(r["opened_at"][:16] for r in night.runs() if r["actor"] == "poller")
        usual = collections.Counter(r["opened_at"][:16] for r in clean.runs() if r["actor"] == "poller")
        checks.that(max(minutes.values()) <= 2 * max(usual.values()), f"{max(minutes.values())} requests in a minute, {max(usual.values())} usual")
        checks.that(len([r for r in night.runs() if r["actor"] == "poller"]) <= 1.3 * len([r for r in clean.runs() if r["actor"] == "poller"]),
                    "many more requests")
        gaps = [g for g in night.audit()["gaps"] if g["source"] == "PollOddsProps"]
        unnamed = [(game, at) for game, at in missed_snapshots(night)
                   if not any(g["game_id"] == game and instant(g["from"]) <= at <= instant(g["to"]) for g in gaps)]
        print(f"{len(gaps)} gaps of odds")
        checks.that(not unnamed, f"missed and not named: {unnamed[:2]}")
        checks.that(all(r["state"] == "COMPLETE" for r in night.audit()["expected"]),
                    f"{[r for r in night.audit()['expected'] if r['state'] != 'COMPLETE'][:2]}")
    finally:
        clean.close(False)
