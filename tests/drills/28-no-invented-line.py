"""28 Invented defaults: where no book has a line there is none, in features, predictions and grades."""


def drill(night, checks):
    night.faults_first({"kind": "empty", "feed": "odds.events"})
    night.begin(start="2026-01-14T23:00:00Z")
    night.playing(90)
    predictions = [p for p in night.dated("predictions") if p["active"]]
    checks.that(len(predictions) > 50, f"{len(predictions)} predictions")
    checks.that(all(p["line"] is None and p["prob_over"] is None and p["recommendation"] == "NO_LINE" for p in predictions),
                f"a line from nowhere: {[p for p in predictions if p['line'] is not None][:1]}")
    from _drill import until
    until(lambda: night.expected("odds", "DEGRADED"), 60, "missing odds are named")
