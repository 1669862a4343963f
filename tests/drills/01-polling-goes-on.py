"""1 Dedup silences a polling source: bytes that repeat are said to be unchanged, and the next ones are taken; A, B, A are three changes."""


def drill(night, checks):
    night.begin("broker.lease=5s", args=(), start="2026-01-14T23:55:00Z")
    night.playing()
    night.fault(kind="altered_score", by=3, feed="bdl.live", times=1)

    def outcomes():
        return [run["outcome"] for run in night.runs("--name", "PollBdlLive")]
    from _drill import until
    until(lambda: night.faults()[0]["fired"] >= 1 and outcomes().count("success") >= 12, 60, "polls after a score that was corrected")
    said = outcomes()
    checks.that(all(o in ("success", "unchanged", "empty_ok") for o in said), f"outcomes: {set(said)}")
    checks.that(not any(o == "skipped" for o in said), "a poll was skipped")
    scores = [r["payload"]["home_score"] for r in night.said("row.game") if r["payload"]["home_score"] is not None]
    checks.that(any(b < a for a, b in zip(scores, scores[1:])), "the correction downwards was taken for what was there already")
