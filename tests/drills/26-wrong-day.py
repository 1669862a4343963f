"""26 The wrong day: a night that runs past midnight stays under its own date, whole, and the next day has none of it."""
import json


def drill(night, checks):
    night.begin(args=("--until-final",), speed=1500)
    night.final()
    games = night.dated("games")
    checks.that(games and all(g["game_date"] == night.date and g["status"] == "final" for g in games), f"games: {games[:1]}")
    late = [g for g in games if g["final_at"] and g["final_at"] > "2026-01-15T05:00:00Z"]
    checks.that(late, "no game ended past midnight in New York")
    for name in ("boxscores", "grades", "predictions"):
        rows = json.loads(night.command(name, "--date", "2026-01-15", "--json", check=False).stdout or b"[]")
        checks.that(not rows, f"{name} of the next day: {rows[:1]}")
    report = night.query("report", "--date", night.date, check=False)
    checks.that(report["uptime_pct"] == 100, f"a gap: {report['gaps']}")
