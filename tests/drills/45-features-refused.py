"""45 Games that the features refused while something was wrong: built before the tip all the same, because somebody looks for them in time."""
OFF = ["watchdog.heal=false"]


def drill(night, checks):
    from _drill import until
    faults = ",".join(f"handler:{n}:fail" for n in range(1, 25))
    night.begin("actor.retry_max_age=0s", start="2026-01-14T20:00:00Z",
                env={"TIPOFF_FAULT": faults, "TIPOFF_FAULT_ONLY": "features.0"})
    until(lambda: [d for d in night.said("dead") if d["key"] == "features.0/row.game"], 60, "games are refused")
    until(lambda: len(night.expected("features", "COMPLETE")) == 7, 60, "features of all games are there")
    until(lambda: len(night.expected("predictions", "COMPLETE")) == 7, 60, "and predictions")
    until(lambda: [a for a in night.audit()["actions"] if (a["verb"], a["cause"], a["outcome"]) == ("rebuild", "refused", "helped")], 60,
          "a remedy is said to have helped")
    checks.that(not night.alerts("late"), f"it was late: {night.alerts('late')[:1]}")
    night.end()
    night.whole(checks)
    replayed = night.query("replay", "--date", night.date)
    checks.that(replayed["identical"], f"replay: {replayed}")
