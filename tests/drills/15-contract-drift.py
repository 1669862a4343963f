"""15 The contract drifts: fields that nobody knows and names spelled otherwise change nothing; a game that never ends is late by name."""


def drill(night, checks):
    from _drill import until
    night.faults_first({"kind": "extra_fields"}, {"kind": "names", "how": "decomposed", "feed": "bdl.live"},
                       {"kind": "stale", "minutes": 60, "feed": "bdl.box_scores", "from": "final"},
                       {"kind": "stale", "minutes": 60, "feed": "bdl.live", "from": "final"})
    night.begin(start="2026-01-14T23:55:00Z", speed=1500)
    night.playing()
    checks.that(not night.said("row.refused"), f"set aside: {night.said('row.refused')[:1]}")
    until(lambda: night.expected("live", "COMPLETE"), 60, "games are seen in play")
    checks.that(all(b["player_id"] > 0 for b in night.dated("boxscores")), "a name spelled otherwise is a stranger")
