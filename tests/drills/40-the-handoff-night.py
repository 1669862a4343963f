"""A whole night with many faults at once, as it was once handed over unseen: upstream errors, a worker that hangs, no odds for a while,
a poller that stands still for forty minutes of play, games that end past midnight; told by `tipoff audit`."""
import collections
import os
import signal

from _night import instant

MIDNIGHT = "2026-01-15T05:00:00Z"  # in New York
GOOD, BAD = ("success", "unchanged", "empty_ok", "no_data_yet", "partial"), ("failed", "timeout", "crashed")


def told_as_run(night, checks, audit):
    """Every figure of the runs is that of the log's own records, each of which ends once."""
    runs = [r["payload"] for r in night.said("ops.run")]
    ends = collections.Counter(r["run_id"] for r in runs)
    checks.that(max(ends.values()) == 1, f"closed more than once: {ends.most_common(2)}")
    runs = {r["run_id"]: r for r in runs}
    phases = {p["phase"]: p for p in audit["phases"]}
    checks.that(sum(p["runs"] for p in phases.values()) == len(night.runs()) > 300, f"{len(night.runs())} runs, phases: {phases}")
    for phase in phases.values():
        well, ill = (sum(phase["by_outcome"].get(o, 0) for o in outcomes) for outcomes in (GOOD, BAD))
        checks.that(abs(phase["success_rate"] - well / (well + ill)) < 1e-6, f"rate: {phase}")
    # Whose process was killed has runs that crashed; else only the upstream's faults made any fail.
    wrong = [r for r in runs.values() if r["outcome"] in BAD]
    artefacts = [r for r in wrong if not (r["actor"] == "poller" and r["error_class"] == "http_status" or r["actor"] == "processor" and
                                          r["error_class"] == "malformed" or r["actor"] == "predictor" and r["outcome"] == "crashed")]
    checks.that(not artefacts, f"failed of nothing that was done: {artefacts[:2]}")
    checks.that(0.5 < phases["poll"]["success_rate"] < 1 and 0.9 < phases["process"]["success_rate"] < 1, f"phases: {phases}")
    checks.that(all(phases[p]["success_rate"] == 1 for p in ("features", "grade")), f"phases: {phases}")
    counted = collections.Counter(r["error_class"] for r in night.runs() if r["error_class"] != "none")
    classes = {e["class"]: e for e in audit["errors"]}
    checks.that({"http_status", "malformed"} <= set(classes) and {c: e["count"] for c, e in classes.items()} == counted,
                f"errors: {classes}, counted {counted}")
    for name, error in classes.items():
        run, _, why = error["example"].partition(": ")
        example = runs.get(run.split()[-1], {})
        checks.that(why and example.get("error_class") == name and example["name"] == run.split()[0], f"example of {name}: {error['example']}")


def drill(night, checks):
    from _drill import until
    night.faults_first({"kind": "status", "status": 503, "feed": "bdl.live", "every": 9},
                       {"kind": "truncated", "feed": "bdl.box_scores", "every": 5, "times": 3},
                       {"kind": "empty", "feed": "odds.events", "times": 2})
    night.begin("watchdog.silence=20s", "watchdog.stale_warn=11m", args=("--until-final",), speed=300, start="2026-01-14T23:30:00Z")
    night.playing()

    def now():
        return instant(night.said("ops.run")[-1]["payload"]["closed_at"])
    pid = night.signal("poller", signal.SIGSTOP)
    stopped = instant(night.runs("--name", "PollBdlLive")[-1]["closed_at"])
    until(lambda: night.alerts("stale"), 60, "the pause is alerted")
    until(lambda: (now() - stopped).total_seconds() >= 40 * 60, 60, "forty minutes of play")
    resumed = now()
    os.kill(pid, signal.SIGCONT)
    hung = night.signal("predictor", signal.SIGSTOP)
    until(lambda: night.pid("predictor") not in (None, hung), 60, "the worker that hangs is replaced")
    night.final(280)
    audit = night.audit()

    said = [r["payload"] for r in night.said("ops.alert")]
    alert = next(a for a in said if a["cause"] == "stale")
    waited = (instant(alert["at"]) - stopped).total_seconds() / 60
    checks.that(0 < waited <= 15, f"the pause was alerted after {waited:.1f} min of play")
    checks.that([a["state"] for a in audit["alerts"] if a["cause"] == "stale"] == ["recovered"], f"alerts: {audit['alerts']}")
    checks.that(not [a for a in said if a["cause"] == "frozen"], "answers that nobody heard are called the same")
    ended = [r["payload"] for r in night.said("ops.exit") if r["payload"]["pid"] in (pid, hung) and r["payload"]["signal"]]
    checks.that([(e["actor"], e["pid"]) for e in ended] == [("predictor", hung)], f"who was ended: {ended}")

    good = [instant(r["closed_at"]) for r in night.runs("--name", "PollBdlLive") if r["outcome"] in GOOD]
    gaps = [g for g in audit["gaps"] if g["source"] == "PollBdlLive"]
    checks.that(len(gaps) == 1 and gaps[0]["minutes"] >= 39, f"gaps: {gaps}")
    begin, end = max(t for t in good if t < resumed), min(t for t in good if t > resumed)
    checks.that(gaps and abs((instant(gaps[0]["from"]) - begin).total_seconds()) < 1 and gaps[0]["cause"] == "no runs" and
                abs((instant(gaps[0]["to"]) - end).total_seconds()) < 1, f"a pause from {begin} to {end}: {gaps}")
    checks.that(80 < audit["uptime_pct"] < 95, f"uptime {audit['uptime_pct']}")

    told_as_run(night, checks, audit)
    odds = collections.Counter(r["state"] for r in audit["expected"] if r["output"] == "odds")
    checks.that(odds["DEGRADED"] and sum(odds.values()) == 7 and
                all(r["reason"] for r in audit["expected"] if r["state"] == "DEGRADED"), f"odds that nobody had are not named: {odds}")
    checks.that(all(r["state"] == "COMPLETE" for r in audit["expected"] if r["output"] != "odds"),
                f"expected: {[r for r in audit['expected'] if r['state'] not in ('COMPLETE', 'DEGRADED')][:2]}")
    late = [g["game_id"] for g in night.dated("games") if g["final_at"] > MIDNIGHT]
    checks.that(late and all(any(r["partition"] == g and r["output"] == "grades" for r in audit["expected"]) for g in late), f"late games: {late}")
    predictions, grades = [p for p in night.dated("predictions") if p["active"]], night.dated("grades")
    checks.that(audit["predictions"] == len(predictions) > 100 and audit["graded"] == len(grades) == len(predictions),
                f"{audit['graded']} of {audit['predictions']} graded; {len(grades)} of {len(predictions)}")
    night.whole(checks)
