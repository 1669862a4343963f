"""9 A storm of retries: a service that fails is asked no more often than is declared."""
from _night import instant


def drill(night, checks):
    from _drill import until
    night.faults_first({"kind": "status", "status": 503, "feed": "bdl.live"})
    night.begin(start="2026-01-14T23:55:00Z")

    def failed():
        return night.runs("--name", "PollBdlLive")
    until(lambda: night.alerts("stale"), 60, "the source is called stale")
    until(lambda: len(failed()) >= 6, 60, "it is asked again, and not given up for good")
    asked, runs = night.faults()[0]["fired"], failed()
    checks.that(all(r["outcome"] == "failed" and r["error_class"] == "http_status" for r in runs), f"runs: {runs[:2]}")
    minutes = (instant(runs[-1]["closed_at"]) - instant(runs[0]["opened_at"])).total_seconds() / 60
    checks.that(asked <= (minutes / 3 + 1) * 4 * 2, f"asked {asked} times within {minutes:.0f} minutes: a storm")
    night.faults_end()
    night.recovered("stale")
