"""23 Completions that are lost: what is complete is counted from the rows, so that workers that die in the middle lose no count."""
import signal


def drill(night, checks):
    from _drill import until
    night.begin("supervisor.crash_loop=1000", "supervisor.backoff_base=10ms", "supervisor.backoff_cap=50ms", args=("--until-final",),
                speed=1500)
    for stream, names in (("prediction.points", ("predictor", "watchdog", "predictor", "watchdog")),
                          ("grade.points", ("scoreboard", "watchdog", "grader", "watchdog"))):
        for name in names:  # in the middle of what they count
            before = night.records(stream)
            until(lambda: night.records(stream) > before + 20, 90, f"more of {stream}")
            pid = night.signal(name, signal.SIGKILL)
            until(lambda: night.pid(name) not in (None, pid), 20, "it is back")
    night.final()
    rows = {row["output"]: [r for r in night.audit()["expected"] if r["output"] == row["output"]] for row in night.audit()["expected"]}
    predictions = [p for p in night.dated("predictions") if p["active"]]
    checks.that(sum(r["rows"] for r in rows["predictions"]) == len(predictions), f"{len(predictions)} predictions, counted otherwise")
    checks.that(sum(r["rows"] for r in rows["grades"]) == len(night.dated("grades")), "grades, counted otherwise")
    checks.that(all(r["state"] == "COMPLETE" for r in night.audit()["expected"]), "not complete")
