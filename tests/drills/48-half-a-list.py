"""48 A list that suddenly has half of what it had: injuries, squads of a game in play. Rows that are there are taken, and nothing is invented for
those that are not; what depends on the list is degraded, by the name of the check that fails, until a later list holds."""
import collections


def drill(night, checks):
    from _drill import until
    night.begin("poller.injuries_interval=10m", start="2026-01-14T20:00:00Z", speed=450)

    def states(output, state):
        return {r["partition"] for r in night.expected(output, state) if state != "DEGRADED" or "check " in (r["reason"] or "")}

    def failing(check):
        return [r for r in night.audit()["expected"] if r["state"] == "DEGRADED" and f"check {check}:" in (r["reason"] or "")]
    until(lambda: len(states("predictions", "COMPLETE")) == 7, 60, "the games of the night are predicted")
    until(lambda: any(run["name"] == "BdlInjuries" for run in night.runs()), 30, "a whole list was taken")
    night.fault(kind="halved", feed="bdl.player_injuries")
    until(lambda: {r["output"] for r in failing("injuries_rows")} == {"features", "predictions"}, 60, "features and predictions are degraded by name")
    checks.that({r["partition"] for r in failing("injuries_rows")} <= {r["partition"] for r in night.audit()["expected"]} and
                len(failing("injuries_rows")) == 14, f"degraded: {failing('injuries_rows')}")
    alert = until(lambda: [a for a in night.alerts("degraded") if a["subject"] == "injuries_rows 2026-01-14"], 30, "an alert names the check")[0]
    checks.that("2026-01-14: check injuries_rows" in alert["text"] and alert["severity"] == "warning", f"the alert: {alert}")
    code, said = night.check()
    checks.that(code == 1 and any(c["cause"] == "degraded" and "injuries_rows" in c["subject"] for c in said["causes"]), f"check: {code} {said}")
    night.faults_end()
    until(lambda: len(states("predictions", "COMPLETE")) == 7 and len(states("features", "COMPLETE")) == 7, 60, "a later list makes them complete")
    night.recovered("degraded")
    night.playing()
    seen = until(lambda: [game for game, lines in collections.Counter(r["payload"]["game_id"] for r in night.said("row.box_score")).items()
                          if lines > 20], 60, "a game was seen with its players")[0]
    night.fault(kind="halved", feed="bdl.live", game=seen)
    game = until(lambda: failing("live_lost"), 60, "a game in play is degraded by name")[0]
    checks.that((game["output"], game["partition"]) == ("live", seen), f"degraded: {game}")
    night.faults_end()
    until(lambda: not failing("live_lost"), 60, "the next list of it makes it complete")
    night.recovered("degraded")
    said = [(c["payload"]["check"], c["payload"]["good"]) for c in night.said("row.check")]
    checks.that(said.count(("injuries_rows", False)) == said.count(("injuries_rows", True)) == 1, f"said: {said}")
