"""15 The contract drifts: fields that nobody knows and names spelled otherwise change nothing; answers that nobody can read any more are
fetched well, and that nothing of them is taken is said."""


def drill(night, checks):
    from _drill import until
    night.faults_first({"kind": "extra_fields"}, {"kind": "names", "how": "decomposed", "feed": "bdl.live"})
    night.begin("poller.retry_base=10ms", start="2026-01-14T23:55:00Z", speed=300)
    night.playing()
    checks.that(not night.said("row.refused"), f"set aside: {night.said('row.refused')[:1]}")
    until(lambda: night.expected("live", "COMPLETE"), 60, "games are seen in play")
    checks.that(all(b["player_id"] > 0 for b in night.dated("boxscores")), "a name spelled otherwise is a stranger")
    night.faults_end()
    night.fault(kind="truncated", feed="bdl.live")
    alert = night.alerted("unprocessed", 90)[0]
    checks.that(alert["subject"] == "BdlLiveBoxscores", f"alert: {alert}")
    checks.that(any(e["class"] == "malformed" for e in night.audit()["errors"]), f"errors: {night.audit()['errors']}")
    night.faults_end()
    night.recovered("unprocessed")
