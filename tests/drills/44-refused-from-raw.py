"""44 A body refused while something was wrong: polls bring it no more (it is the same), so it is processed again from the log, and all comes of it."""
import time

OFF = ["watchdog.heal=false"]


def drill(night, checks):
    from _drill import until
    night.begin(start="2026-01-14T23:30:00Z", speed=1500)
    night.playing()
    until(lambda: len({p["game_id"] for p in night.dated("predictions")}) >= 7, 60, "all is predicted")
    night.end()
    time.sleep(16)  # nothing to wait for but the league: six hours of it, and nobody saw how the games ended
    faults = ",".join(f"handler:{n}:fail" for n in range(1, 9))
    night.begin("actor.retry_max_age=0s", env={"TIPOFF_FAULT": faults, "TIPOFF_FAULT_ONLY": "processor.0"})
    until(lambda: [d for d in night.said("dead") if d["key"].startswith("processor.0/raw.exchange")], 60, "bodies are refused")
    until(lambda: night.expected("boxscore", "LATE"), 90, "box scores are late")
    until(lambda: len(night.expected("boxscore", "COMPLETE")) == 7, 90, "all box scores are there")
    until(lambda: len(night.expected("grades", "COMPLETE")) >= 7, 60, "all is graded")
    helped = [a for a in night.audit()["actions"] if a["output"] == "boxscore" and a["outcome"] == "helped"]
    checks.that(helped and all(a["verb"] == "reprocess" and a["cause"] == "refused" for a in helped) and any(a["position"] for a in helped),
                f"remedies: {night.audit()['actions'][:3]}")
    until(lambda: not [a for a in night.alerts("late", "raised") if a["subject"].startswith(("boxscore", "grades"))], 60, "they are late no more")
    night.end()
    night.whole(checks)
    replayed = night.query("replay", "--date", night.date)
    checks.that(replayed["identical"], f"replay: {replayed}")
