"""9 A storm of retries: a service that fails is asked no more often than is declared."""


def drill(night, checks):
    from _drill import until
    night.faults_first({"kind": "status", "status": 503, "feed": "bdl.live"})
    night.begin(start="2026-01-14T23:55:00Z")
    until(lambda: night.alerts("stale"), 60, "the source is called stale")
    asked = [f["fired"] for f in night.faults()][0]
    runs = [r for r in night.runs("--name", "PollBdlLive")]
    checks.that(all(r["outcome"] == "failed" and r["error_class"] == "http_status" for r in runs), f"runs: {runs[:2]}")
    minutes = 30
    checks.that(asked <= minutes / 3 * 4 * 2, f"asked {asked} times in half an hour")
    checks.that(asked >= 4, "given up for good")
    night.faults_end()
    night.recovered("stale")
