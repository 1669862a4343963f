"""21 A key that moves: lines move all day, and every player has one active prediction and one grade of a system."""
import collections


def drill(night, checks):
    night.begin(args=("--until-final",), speed=2500)
    night.final()
    moved = {(p["game_id"], p["player_id"]) for p in night.dated("predictions") if not p["active"]}
    checks.that(len(moved) > 20, f"only {len(moved)} predictions were ever replaced")
    active = collections.Counter((p["game_id"], p["player_id"], p["system"], p["stat"]) for p in night.dated("predictions") if p["active"])
    checks.that(max(active.values()) == 1, f"twice active: {active.most_common(2)}")
    grades = collections.Counter((g["game_id"], g["player_id"], g["system"], g["stat"]) for g in night.dated("grades"))
    checks.that(max(grades.values()) == 1 and set(grades) == set(active), f"grades: {len(grades)} of {len(active)}")
    audit = night.audit()
    checks.that(all(r["state"] == "COMPLETE" for r in audit["expected"] if r["output"] != "odds"),
                f"expected: {[r for r in audit['expected'] if r['state'] != 'COMPLETE'][:3]}")
