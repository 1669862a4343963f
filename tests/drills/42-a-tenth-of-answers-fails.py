"""A tenth of all answers fails for a whole night: what is asked for stays within what is declared, box scores, actuals and outcomes are those
of a clean night, and every snapshot of odds that was missed is named as a gap."""
import collections
import datetime
import re

import _drill
from _night import instant

GOOD = ("success", "unchanged", "partial", "empty_ok")
INTERVALS = {"PollBdlLive": "live", "PollBdlBoxScores": "live", "PollBdlGames": "games", "PollSchedule": "schedule", "PollOddsEvents": "odds",
             "PollOddsProps": "odds", "PollBdlInjuries": "injuries", "PollOddsGameLines": "game_odds", "PollOddsScores": "scores"}
REMEDIES_PER_HOUR = 30


def graded(night):
    return {(g["game_id"], g["player_id"], g["system"], g["stat"]): g for g in night.dated("grades")}


def outcomes_equal(checks, ours, theirs):
    """Actuals of all; the outcome of the same bet, and of everything that needs none. Lines move with every snapshot: one that was missed
    may leave another line in force, which is another bet."""
    checks.that(ours and set(ours) == set(theirs), f"{len(ours)} and {len(theirs)} grades")
    pairs = [(g, theirs[k]) for k, g in ours.items() if k in theirs]
    differ = [(a, b) for a, b in pairs if any(a[f] != b[f] for f in ("actual", "minutes", "void_reason", "state"))]
    checks.that(not differ, f"actuals differ: {differ[:1]}")
    same = [(a, b) for a, b in pairs if (a["line"], a["recommendation"]) == (b["line"], b["recommendation"])]
    checks.that(len(same) > 0.5 * len(pairs), f"only {len(same)} of {len(pairs)} are the same bet: nothing is compared")
    differ = [(a, b) for a, b in same if a["outcome"] != b["outcome"]]
    checks.that(not differ, f"outcomes differ: {differ[:1]}")
    for a, b in pairs:  # of another bet: as its own line has it
        for g in (a, b):
            side = None if g["line"] is None or g["actual"] is None or g["actual"] == g["line"] else g["actual"] > g["line"]
            if g["outcome"] in ("correct", "incorrect"):
                checks.that(side is not None and (g["outcome"] == "correct") == ((g["recommendation"] == "OVER") == side), f"outcome: {g}")
    print(f"{len(same)} of {len(pairs)} grades are of the same bet")


def poller_settings(night):
    text = night.query("check-config")["settings"]
    section = re.search(r"^poller:\n((?: .*\n)+)", text, re.M).group(1)
    return dict(re.findall(r"^  (\w+): (\S+)$", section, re.M))


def seconds_of(text):
    return sum(int(number) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))


def within_budget(night, checks):
    """No subject is asked more often than its interval allows, in any minute or hour; no poll is tried more often than declared."""
    declared = poller_settings(night)
    retries = int(declared["retries"])
    runs = [r for r in night.runs() if r["actor"] == "poller"]
    checks.that(max(r["attempt"] for r in runs) <= 1 + retries, f"attempt {max(r['attempt'] for r in runs)}")
    polls = collections.defaultdict(list)
    for r in runs:
        if r["attempt"] == 1 and r["cause"] == "schedule" and r["name"] in INTERVALS:
            polls[r["name"], r["data_date"], r["game_id"]].append(instant(r["opened_at"]))
    for (name, date, game), times in polls.items():
        interval = seconds_of(declared[INTERVALS[name] + "_interval"])
        # A slot may be taken late, and the next one in time; of odds there is one more look, shortly before the tip.
        spare = 2 + (name == "PollOddsProps")
        times.sort()
        for i, first in enumerate(times):
            for count, last in enumerate(times[i:], 1):
                if count > (last - first).total_seconds() / interval + spare:
                    checks.that(False, f"{name} of {game or date} was asked {count} times between {first} and {last}")
                    return
    commands = collections.Counter(r["opened_at"][:13] for r in runs if r["cause"] == "command")
    checks.that(max(commands.values(), default=0) <= REMEDIES_PER_HOUR, f"asked for by remedies: {commands}")
    first = [r for r in runs if r["attempt"] == 1]
    checks.that(len(polls) >= 10 and len(runs) <= 1.3 * len(first), f"{len(runs)} requests for {len(first)} polls of {len(polls)} subjects")


def missed_snapshots(night):
    """(game, when) of each look at a game's odds before its tip that failed, and was not made up for within a quarter of an hour."""
    tips = {g["game_id"]: instant(g["tip_at"]) for g in night.dated("games")}
    looks = collections.defaultdict(list)
    for run in night.runs():
        if run["name"] == "PollOddsProps":
            looks[run["game_id"]].append((instant(run["closed_at"]), run["outcome"] in GOOD))
    for game, runs in looks.items():
        for at, good in runs:
            soon = [ok for when, ok in runs if at <= when <= at + datetime.timedelta(minutes=15)]
            if not good and not any(soon) and at < tips[game]:
                yield game, at


def drill(night, checks):
    clean = _drill.Drill(night.dir)
    try:
        clean.begin(args=("--until-final",), speed=2500)
        clean.final()
        night.faults_first({"kind": "status", "status": 503, "every": 10})
        night.begin(args=("--until-final",), speed=2500)
        night.final()
        polls = [r for r in night.runs() if r["actor"] == "poller"]
        failed = [r for r in polls if r["error_class"] == "http_status"]
        checks.that(0.08 < len(failed) / len(polls) < 0.12, f"{len(failed)} of {len(polls)} requests failed")
        checks.that(not [r for r in clean.runs() if r["actor"] == "poller" and r["error_class"] != "none"], "the clean night is none")
        checks.that(night.dated("digest")["boxscores"] == clean.dated("digest")["boxscores"], "box scores differ")
        outcomes_equal(checks, graded(night), graded(clean))
        within_budget(night, checks)
        gaps = [g for g in night.audit()["gaps"] if g["source"] == "PollOddsProps"]
        missed = list(missed_snapshots(night))
        unnamed = [(game, at) for game, at in missed
                   if not any(g["game_id"] == game and instant(g["from"]) <= at <= instant(g["to"]) and g["cause"] for g in gaps)]
        print(f"{len(missed)} snapshots of odds missed, {len(gaps)} gaps")
        checks.that(not unnamed, f"missed and not named: {unnamed[:2]}")
        checks.that(missed, "no snapshot was missed: nothing is named")
        checks.that(all(r["state"] == "COMPLETE" for r in night.audit()["expected"]),
                    f"{[r for r in night.audit()['expected'] if r['state'] != 'COMPLETE'][:2]}")
    finally:
        clean.close(False)
