"""25 A fresh file with stale content: a live feed that answers the same for too long during play is frozen, although polls succeed."""
OFF = ["watchdog.unchanged=1d"]


def drill(night, checks):
    night.begin(start="2026-01-14T23:55:00Z")
    night.playing()
    night.fault(kind="duplicate", feed="bdl.live")
    alert = night.alerted("frozen", 90)[0]
    checks.that(alert["subject"] == "PollBdlLive", f"alert: {alert}")
    checks.that(not night.alerts("stale"), "polls succeed, and yet they are called missing")
    night.faults_end()
    night.recovered("frozen")
