"""27 Identities that do not match: a stranger keeps an id of his own, and nothing is predicted or graded of him; the others are taken."""


def drill(night, checks):
    from _drill import until
    night.begin(start="2026-01-14T23:55:00Z")
    night.playing()
    night.fault(kind="unknown_player", feed="bdl.live")
    until(lambda: any(not r["payload"]["player_known"] for r in night.said("row.box_score")) or night.said("row.refused"), 60,
          "the stranger is seen")
    rows = [r["payload"] for r in night.said("row.box_score") if not r["payload"]["player_known"]]
    checks.that(all(r["player_id"] < 0 for r in rows), f"a stranger has somebody's id: {rows[:1]}")
    known = [r["payload"] for r in night.said("row.box_score") if r["payload"]["player_known"]]
    checks.that(rows and known, f"{len(rows)} rows of strangers, {len(known)} of others")
    graded = {g["player_id"] for g in night.dated("grades")}
    predicted = {p["player_id"] for p in night.dated("predictions")}
    checks.that(predicted and all(p > 0 for p in graded | predicted), "a stranger is predicted or graded")
