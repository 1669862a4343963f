"""47 Exported files that show less than is known, however new they are: overwritten with an old copy, or removed; said, and written again."""
import json
import os
import pathlib

OFF = ["watchdog.heal=false"]


def drill(night, checks):
    from _drill import until
    night.begin("watchdog.export_lag=1s", "scoreboard.export_interval=100ms", start="2026-01-15T04:30:00Z")
    live = pathlib.Path(night.dir, "exports", "live", "2026-01-14.json")

    def shown():
        return json.loads(live.read_text(encoding="utf-8")) if live.exists() else {"position": 0, "games_final": 0}

    until(lambda: shown()["games_final"] >= 1, 60, "a file shows a final game")
    old = live.read_text(encoding="utf-8")
    until(lambda: shown()["games_final"] == 7 and len(night.expected("boxscore", "COMPLETE")) == 7, 90, "it shows all of them")
    whole = shown()
    stale = dict(json.loads(old), position=max(1, json.loads(old)["position"] - 1), games=[])
    live.write_text(json.dumps(stale), encoding="utf-8")  # a fresh file
    until(lambda: [a for a in night.alerts("stale") if a["subject"] == "export live/2026-01-14.json"], 30, "it is called stale")
    until(lambda: shown()["position"] >= whole["position"] and shown()["games"] == whole["games"], 30, "it shows all again")
    until(lambda: [a["outcome"] for a in night.audit()["actions"] if a["output"] == "export"] == ["helped"], 30, "it is said to have helped")
    os.unlink(live)
    until(lambda: shown()["games"] == whole["games"] if live.exists() else False, 30, "it is there again")
    until(lambda: not [a for a in night.alerts("stale", "raised") if a["subject"].startswith("export ")], 30, "all are right again")
    actions = [a for a in night.audit()["actions"] if a["output"] == "export"]
    checks.that(len(actions) == 2 and all(a["verb"] == "export" and a["target"] == "scoreboard" and a["cause"] == "behind" for a in actions),
                f"remedies: {actions}")
    until(lambda: all(a["outcome"] == "helped" for a in night.audit()["actions"] if a["output"] == "export"), 30, "they are said to have helped")
    answers = [a["payload"] for a in night.said("command.answer")]
    checks.that(any(a["target"] == "scoreboard" and a["outcome"] == "done" for a in answers), f"answers: {answers}")
