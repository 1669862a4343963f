"""46 Lines of a final box score that the grader refused: offered to it again, and every prediction has its final grade, once."""
OFF = ["watchdog.grade_per_hour=0"]


def drill(night, checks):
    from _drill import until
    night.begin(start="2026-01-14T20:00:00Z", speed=1500)
    until(lambda: len({p["game_id"] for p in night.dated("predictions")}) >= 7, 60, "all is predicted")
    night.end()
    night.league_over()  # and nobody saw the games
    night.faults_first({"kind": "empty", "feed": "bdl.live"})  # what was last seen of play is no final box score
    night.begin("actor.retry_max_age=0s", "watchdog.grade_per_hour=0", env={"TIPOFF_FAULT": "handler:1+:fail", "TIPOFF_FAULT_ONLY": "grader.0"})
    until(lambda: len(night.expected("boxscore", "COMPLETE")) == 7, 60, "all box scores are there")
    until(lambda: [d for d in night.said("dead") if d["key"] == "grader.0/row.box_score"], 60, "lines are refused")
    until(lambda: all(s["lag"] == 0 for s in night.shards() if s["actor"] == "grader"), 60, "all of them")
    checks.that(not night.expected("grades", "COMPLETE"), "it was graded all the same")
    night.end()
    night.begin("watchdog.grade_cooldown=2h")  # what was wrong is over; at this speed that is five seconds
    until(lambda: len(night.expected("grades", "COMPLETE")) >= 7, 90, "all is graded")
    until(lambda: [a for a in night.audit()["actions"] if (a["verb"], a["cause"], a["outcome"]) == ("grade", "refused", "helped")], 60,
          "a remedy is said to have helped")
    active = [p for p in night.dated("predictions") if p["active"]]
    finals = [g["prediction_id"] for g in night.dated("grades") if g["outcome"]]
    checks.that(len(finals) == len(set(finals)) == len(active), f"{len(active)} predictions, {len(finals)} final grades")
    night.end()
    night.whole(checks)
    replayed = night.query("replay", "--date", night.date)
    checks.that(replayed["identical"], f"replay: {replayed}")
