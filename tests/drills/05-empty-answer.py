"""5 Zero rows called a success: a box score that stays empty is late by name although every poll is answered with 200."""


def drill(night, checks):
    night.faults_first({"kind": "empty", "feed": "bdl.box_scores"}, {"kind": "empty", "feed": "bdl.live"})
    night.begin("watchdog.heal_tries=2", start="2026-01-15T04:55:00Z", speed=1200)
    from _drill import until
    row = until(lambda: night.expected("boxscore", "LATE", "FAILED"), 90, "the box score is late")
    until(lambda: [a for a in night.alerts("late") if a["subject"].startswith("boxscore")], 30, "an alert says so")
    checks.that(row and row[0]["rows"] == 0, f"expected: {night.expected('boxscore')[:2]}")
    checks.that(night.check()[0] == 2, "tipoff check finds it well")
