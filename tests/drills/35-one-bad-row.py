"""35 One bad row rejects the batch: nine good games and a bad row give nine games and a refusal."""


def drill(night, checks):
    from _drill import until
    night.begin(start="2026-01-14T23:55:00Z")
    night.playing()
    night.fault(kind="malformed_row", how="negative", feed="bdl.live", times=3)
    until(lambda: any(r["outcome"] == "partial" for r in night.runs()), 60, "a run is partial")
    run = [r for r in night.runs() if r["outcome"] == "partial"][0]
    checks.that(run["rows_refused"] >= 1 and run["rows_out"] >= 1, f"run: {run}")
    checks.that(run["error_class"] == "invalid", f"class {run['error_class']}")
