"""10 The recovery is the storm: remedies have a budget, say whether they helped, and stop when they do not."""
import collections
import signal

OFF = ["watchdog.heal_tries=100", "watchdog.poll_cooldown=1s", "watchdog.heal_per_hour=100000",
       "watchdog.poll_per_hour=100000"]


def drill(night, checks):
    night.faults_first({"kind": "empty", "feed": "bdl.box_scores"}, {"kind": "empty", "feed": "bdl.live"})
    night.begin("watchdog.heal_tries=2", "watchdog.poll_cooldown=5m", "watchdog.heal_per_hour=6", "watchdog.poll_per_hour=100000",
                "supervisor.backoff_base=10ms", start="2026-01-15T04:30:00Z", speed=1500)
    from _drill import until
    until(lambda: night.expected("boxscore", "LATE", "FAILED"), 90, "a box score is late")
    pid = until(lambda: night.audit()["actions"] and night.signal("watchdog", signal.SIGKILL), 60, "a remedy is asked for")
    until(lambda: night.pid("watchdog") not in (None, pid), 30, "a watchdog that was killed is back")
    until(lambda: all(row["tries"] >= 2 for row in night.expected("boxscore")), 90, "all tries were had")
    until(lambda: len([r for r in night.runs("--name", "JanitorSweep")]) >= 8, 60, "time goes by")
    actions, games = night.audit()["actions"], len(night.expected("boxscore"))
    checks.that(actions and len([a for a in actions if a["output"] == "boxscore"]) <= 2 * games, f"{len(actions)} actions for {games} games")
    hours = collections.Counter(a["asked_at"][:13] for a in actions)
    checks.that(max(hours.values()) <= 6, f"more in an hour than declared, whoever restarts: {hours}")
    checks.that(max(row["tries"] for row in night.expected("boxscore")) == 2, "more was tried than allowed")
    checks.that(all(a["verb"] == "poll" and a["target"] == "poller" for a in actions), f"actions: {[a for a in actions if a['verb'] != 'poll'][:3]}")
