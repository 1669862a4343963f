"""16 A consumer that runs before its input: games that become known minutes before the tip are predicted all the same, each of them."""


def drill(night, checks):
    from _drill import until
    night.faults_first({"kind": "status", "status": 503, "feed": "bdl.games", "to": "tip-4"},
                       {"kind": "status", "status": 503, "feed": "cdn.schedule", "to": "tip-4"},
                       {"kind": "status", "status": 503, "feed": "bdl.box_scores", "to": "tip-4"})
    night.begin(start="2026-01-14T23:30:00Z", speed=400)
    until(lambda: night.expected("predictions") and not [r for r in night.expected("predictions") if r["state"] != "COMPLETE"], 90,
          "every game is predicted")
    rows = night.expected("predictions")
    games = {g["game_id"] for g in night.dated("games")}
    checks.that({r["partition"] for r in rows} == games, f"{len(rows)} of {len(games)} games")
