"""A whole night with many faults at once, as it was once handed over unseen: upstream errors, a worker that hangs, no odds for a while,
a poller that stands still for forty minutes of play, games that end past midnight; told by `tipoff audit`."""
import signal

from _night import instant


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
    import os
    os.kill(pid, signal.SIGCONT)
    hung = night.signal("predictor", signal.SIGSTOP)
    until(lambda: night.pid("predictor") not in (None, hung), 60, "the worker that hangs is replaced")
    night.final(280)
    audit = night.audit()
    alert = [a for a in audit["alerts"] if a["cause"] == "stale"][0]
    said = next(r["payload"] for r in night.said("ops.alert") if r["payload"]["cause"] == "stale")
    waited = (instant(said["at"]) - stopped).total_seconds() / 60
    checks.that(0 < waited <= 15, f"the pause was alerted after {waited:.1f} min of play")
    checks.that(alert["state"] == "recovered", f"alert: {alert}")
    gap = [g for g in audit["gaps"] if g["minutes"] >= 39]
    checks.that(len(gap) == 1 and abs((instant(gap[0]["from"]) - stopped).total_seconds()) < 400 and gap[0]["cause"] and gap[0]["to"],
                f"gaps: {audit['gaps']}")
    checks.that(80 < audit["uptime_pct"] < 95, f"uptime {audit['uptime_pct']}")
    classes = {e["class"]: e for e in audit["errors"]}
    checks.that({"http_status", "malformed"} <= set(classes) and all(e["count"] and e["example"] for e in classes.values()), f"errors: {classes}")
    phases = {p["phase"]: p for p in audit["phases"]}
    checks.that(0.5 < phases["poll"]["success_rate"] < 1 and phases["process"]["success_rate"] > 0.9, f"phases: {phases}")
    checks.that(audit["predictions"] > 100 and audit["graded"] == audit["predictions"], f"{audit['graded']} of {audit['predictions']} graded")
    checks.that(all(r["state"] in ("COMPLETE", "DEGRADED") for r in audit["expected"]),
                f"expected: {[r for r in audit['expected'] if r['state'] not in ('COMPLETE', 'DEGRADED')][:2]}")
    night.whole(checks)
