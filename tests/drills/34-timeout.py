"""34 A timeout cuts later steps: a service that hangs is a timeout of its own, and the others are asked as ever."""


def drill(night, checks):
    from _drill import until
    night.begin("poller.timeout=1s", "poller.connect_timeout=1s", start="2026-01-14T23:55:00Z")
    night.playing()
    night.fault(kind="hang", feed="odds.event_odds", seconds=30)
    before = len([r for r in night.runs("--name", "PollBdlLive") if r["outcome"] == "success"])
    until(lambda: [r for r in night.runs("--name", "PollOddsProps") if r["outcome"] == "timeout"] or
          [r for r in night.runs("--name", "PollOddsProps") if r["error_class"] == "timeout"], 90, "the hang is a timeout")
    until(lambda: len([r for r in night.runs("--name", "PollBdlLive") if r["outcome"] == "success"]) > before + 3, 60, "live goes on")
    checks.that(not night.alerts("stale"), "the live feed went stale")
