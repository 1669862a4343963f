"""35 One bad row rejects the batch: nine good games and a bad row give nine games and a refusal. A final box score that lacks a row is not
complete either: it and its grades are degraded, by the name of the check that fails, until a correction brings the row."""


def drill(night, checks):
    from _drill import until
    night.begin(start="2026-01-14T23:55:00Z")
    night.playing()
    night.fault(kind="malformed_row", how="negative", feed="bdl.live", times=3)
    until(lambda: any(r["outcome"] == "partial" for r in night.runs()), 60, "a run is partial")
    run = [r for r in night.runs() if r["outcome"] == "partial"][0]
    checks.that(run["rows_refused"] >= 1 and run["rows_out"] >= 1, f"run: {run}")
    checks.that(run["error_class"] == "invalid", f"class {run['error_class']}")

    def boxes(state, check=""):
        return [r for r in night.audit()["expected"] if r["output"] == "boxscore" and r["state"] == state and check in (r["reason"] or "")]
    night.fault(kind="malformed_row", how="negative", feed="bdl.box_scores")
    bad = until(lambda: boxes("DEGRADED", "check box_sum"), 120, "a box score is degraded by name")[0]
    grades = [r for r in night.audit()["expected"] if r["output"] == "grades" and r["partition"] == bad["partition"]]
    checks.that(grades and grades[0]["state"] != "COMPLETE", f"its grades: {grades}")
    alert = until(lambda: [a for a in night.alerts("degraded") if "box_sum" in a["subject"]], 60, "an alert names it")[0]
    checks.that("check box_sum" in alert["text"], f"the alert: {alert}")
    night.faults_end()
    until(lambda: any(r["partition"] == bad["partition"] for r in boxes("COMPLETE")), 120, "the correction makes it complete")
    night.recovered("degraded")
