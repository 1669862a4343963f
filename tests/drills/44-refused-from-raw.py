"""44 A body refused while something was wrong: polls bring it no more (it is the same), so it is processed again from the log, and all comes of it."""
import time

OFF = ["watchdog.heal=false"]


def drill(night, checks):
    from _drill import until
    night.begin(start="2026-01-14T20:00:00Z", speed=1500)
    until(lambda: len({p["game_id"] for p in night.dated("predictions")}) >= 7, 60, "all is predicted")
    until(lambda: all(s["lag"] == 0 for s in night.shards() if s["actor"] == "processor"), 30, "nothing waits that would be refused first")
    night.end()
    time.sleep(25)  # nothing to wait for but the league: ten hours of it, and nobody saw the games
    faults = ",".join(f"handler:{n}:fail" for n in range(1, 13))
    night.begin("actor.retry_max_age=0s", env={"TIPOFF_FAULT": faults, "TIPOFF_FAULT_ONLY": "processor.0"})
    until(lambda: [d for d in night.said("dead") if d["key"].startswith("processor.0/raw.exchange")], 60, "bodies are refused")
    until(lambda: night.expected("boxscore", "LATE"), 90, "box scores are late")
    until(lambda: len(night.expected("boxscore", "COMPLETE")) == 7, 90, "all box scores are there")
    until(lambda: len(night.expected("grades", "COMPLETE")) >= 7, 60, "all is graded")
    until(lambda: [a for a in night.audit()["actions"] if (a["verb"], a["cause"], a["outcome"]) == ("reprocess", "refused", "helped")], 60,
          "a remedy is said to have helped")
    until(lambda: not [a for a in night.alerts("late", "raised") if a["subject"].startswith(("boxscore", "grades"))], 60, "they are late no more")
    night.end()
    night.whole(checks)
    replayed = night.query("replay", "--date", night.date)
    checks.that(replayed["identical"], f"replay: {replayed}")
