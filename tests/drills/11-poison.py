"""11 A poison message: a row that breaks a rule is set aside by name, once, and the rest of its body goes on."""
OFF = ["watchdog.refused=1s", "watchdog.interval=1h"]


def drill(night, checks):
    from _drill import until
    night.begin(start="2026-01-14T23:55:00Z")
    night.playing()
    night.fault(kind="malformed_row", how="impossible", feed="bdl.live", times=1)
    until(lambda: night.said("row.refused"), 60, "the row is set aside")
    refused = night.said("row.refused")[0]["payload"]
    checks.that(refused["path"] and refused["rule"], f"refused: {refused}")
    night.alerted("refused")
    before = len(night.said("row.box_score"))
    until(lambda: len(night.said("row.box_score")) > before, 30, "others go on")
    checks.that(not any(r["outcome"] == "crashed" for r in night.runs()), "something crashed")
