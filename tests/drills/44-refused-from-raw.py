"""44 Bodies refused while something was wrong: polls bring them no more (they are the same), so what a box score is made of is processed
again from the log, and all comes of it."""
OFF = ["watchdog.reprocess_per_hour=0"]


def drill(night, checks):
    from _drill import until
    night.begin(start="2026-01-14T20:00:00Z", speed=1500)
    until(lambda: len({p["game_id"] for p in night.dated("predictions")}) >= 7, 60, "all is predicted")
    night.end()
    night.league_over()  # and nobody saw the games
    night.begin("actor.retry_max_age=0s", "watchdog.reprocess_per_hour=0", env={"TIPOFF_FAULT": "handler:1+:fail", "TIPOFF_FAULT_ONLY": "processor.0"})
    until(lambda: [r for r in night.runs("--name", "PollBdlBoxScores") if r["outcome"] == "success"], 90, "box scores are there to be had")
    until(lambda: all(s["lag"] == 0 for s in night.shards() if s["actor"] == "processor"), 60, "their bodies are refused")
    until(lambda: len(night.expected("boxscore", "LATE")) == 7, 90, "box scores are late")
    night.end()
    night.begin("watchdog.reprocess_cooldown=2h")  # what was wrong is over; at this speed that is five seconds
    until(lambda: len(night.expected("boxscore", "COMPLETE")) == 7, 90, "all box scores are there")
    until(lambda: len(night.expected("grades", "COMPLETE")) >= 7, 60, "all is graded")
    until(lambda: [a for a in night.audit()["actions"] if (a["verb"], a["cause"], a["outcome"]) == ("reprocess", "refused", "helped")], 60,
          "a remedy is said to have helped")
    until(lambda: not [a for a in night.alerts("late", "raised") if a["subject"].startswith(("boxscore", "grades"))], 60, "they are late no more")
    night.end()
    night.whole(checks)
    replayed = night.query("replay", "--date", night.date)
    checks.that(replayed["identical"], f"replay: {replayed}")
