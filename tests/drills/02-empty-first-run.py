"""2 An empty first run blocks what comes later: answers that are empty at first are that, and the first real ones are taken."""


def drill(night, checks):
    from _drill import until
    night.faults_first({"kind": "empty", "feed": "bdl.live", "times": 4})
    night.begin(start="2026-01-14T23:55:00Z")
    until(lambda: any(r["payload"]["feed"] == "bdl_live" for r in night.said("row.game")), 60, "the live feed is taken behind its empty answers")
    said = [r["outcome"] for r in night.runs("--name", "PollBdlLive")]
    checks.that("success" in said and "skipped" not in said, f"outcomes: {said}")
    checks.that(night.faults()[0]["fired"] >= 2, "the fault did not act")
