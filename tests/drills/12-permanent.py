"""12 What is permanent is taken for transient: a refused key is said as that, and not tried again and again."""


def drill(night, checks):
    from _drill import until
    night.faults_first({"kind": "unauthorized", "feed": "odds.events"})
    night.begin(start="2026-01-14T22:00:00Z", speed=900)
    until(lambda: [r for r in night.runs("--name", "PollOddsEvents") if r["outcome"] == "failed"], 60, "the refusal is a run")
    runs = [r for r in night.runs("--name", "PollOddsEvents")]
    checks.that(all(r["error_class"] == "unauthorized" for r in runs), f"classes: {[r['error_class'] for r in runs]}")
    night.playing(90)
    asked = night.faults()[0]["fired"]
    checks.that(asked <= 12, f"a refused key was tried {asked} times")
    again = [r["attempt"] for r in night.runs("--name", "PollOddsEvents") if r["attempt"] > 1]
    checks.that(not again, f"a refused key was tried again at once: attempts {again}")
    errors = [e for e in night.audit()["errors"] if e["class"] == "unauthorized"]
    checks.that(errors and errors[0]["example"], f"audit: {errors}")
    until(lambda: night.expected("odds", "DEGRADED"), 60, "missing odds are named")
    checks.that(not [a for a in night.audit()["actions"] if a["output"] == "odds"], "odds that nobody has were healed")
