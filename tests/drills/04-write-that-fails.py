"""4 A failure swallowed and called a success: appends that fail are refused by name, done again, and nothing is missing."""


def drill(night, checks):
    from _drill import until
    night.begin(start="2026-01-14T23:55:00Z", env={"TIPOFF_FAULT": ",".join(f"disk-full:{n}:fail" for n in (40, 90, 91, 150)),
                                                   "TIPOFF_FAULT_ONLY": "broker"})
    night.playing()
    until(lambda: "append-failed" in night.logged("broker"), 60, "an append fails")
    until(lambda: night.check()[0] == 0, 30, "all goes on")
    checks.that(not any(r["outcome"] == "success" and r["rows_out"] is None for r in night.runs()), "a success without a count")
    night.end()
    night.whole(checks)
