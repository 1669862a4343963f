# ctest: timeout=240
"""What actors can be asked to do again, on a running night: they answer, say what was missing and nothing twice, and a replay does it all
again in the same way. A model that comes behind the features is the real cause: nobody predicts with it until somebody asks."""
import collections
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import _night

DATE = "2026-01-14"


def ask(night, *words):
    done = night.command("ask", *words, "--json", check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else None


def active(night):
    return [p for p in night.dated("predictions") if p["active"]]


def before_the_tip(night, checks, game):
    code, answer = ask(night, "features", "rebuild", game)
    checks.that(code == 0 and answer["outcome"] == "done", f"rebuild: {answer}")
    code, answer = ask(night, "predictor", "predict", game)
    checks.that(code == 0 and answer["said"] == 0, f"predict, and all is predicted: {answer}")
    code, answer = ask(night, "grader", "grade", game)
    checks.that(code == 1 and answer["outcome"] == "nothing", f"grade before the tip: {answer}")
    code, answer = ask(night, "features", "rebuild", "0029999999")
    checks.that(code == 1 and answer["outcome"] == "nothing" and answer["text"], f"an unknown game: {answer}")
    code, answer = ask(night, "processor", "reprocess", "bdl_games:" + DATE)
    checks.that(code == 1 and answer["outcome"] == "nothing", f"a body that was taken whole: {answer}")
    checks.that(ask(night, "features", "poll", game)[0] == 64, "a verb that nobody knows")


def a_model_comes_late(night, checks, game):
    before = {(p["player_id"], p["system"]) for p in active(night) if p["game_id"] == game}
    trained = night.command("train", "--force", check=False)
    checks.that(trained.returncode == 0, f"train: {trained.stderr.decode()[-500:]}")
    code, answer = ask(night, "predictor", "predict", game)
    now = [(p["player_id"], p["system"]) for p in active(night) if p["game_id"] == game]
    checks.that(code == 0 and answer["said"] > 0, f"predict with the model: {answer}")
    checks.that(before < set(now) and len(now) == len(set(now)), f"{len(before)} predictions before, {len(now)} now")
    code, answer = ask(night, "predictor", "predict", game)
    checks.that(code == 0 and answer["said"] == 0, f"predict twice: {answer}")
    one = next(p for p in active(night) if p["game_id"] == game and p["system"] == "ensemble")
    tree = night.query("lineage", one["prediction_id"])
    kinds = collections.Counter(parent["kind"] for parent in tree["parents"])
    checks.that(kinds == {"feature_player": 1, "model_promoted": 1, "ops_command": 1}, f"it comes of {dict(kinds)}")


def a_body_in_part(night, checks):
    night.fault_once(kind="malformed_row", how="impossible", feed="bdl.live", times=1)
    _night.until(lambda: [r for r in night.query("runs", "--date", DATE) if r["name"] == "BdlLiveBoxscores" and r["outcome"] == "partial"],
                 60, "a row of a body is set aside")


class Night(_night.Night):
    def fault_once(self, **fault):
        import urllib.parse
        import urllib.request
        text = open(self.log, encoding="utf-8").read()
        url = text.rsplit("upstream-listens url=", 1)[1].split()[0]
        query = urllib.parse.urlencode({"fault": json.dumps(fault)})
        urllib.request.urlopen(urllib.request.Request(f"{url}/sim/faults?{query}", method="POST"), timeout=10).read()


def main():
    checks = _night.Checks()
    night = Night(DATE, 300, os.path.join(tempfile.mkdtemp(prefix="tipoff-remedies-"), "state"), upstream="sim:1")
    os.makedirs(night.dir)
    try:
        subprocess.run([os.path.join(night.bin, "tipoff-upstream"), "--sim", "1", "--date", DATE, "--generate-only", "--dir", night.dir],
                       check=True, stderr=subprocess.DEVNULL)
        night.command("import", os.path.join(night.dir, "league"), "--before", DATE)
        night.start("--start", "2026-01-14T20:00:00Z", args=())
        _night.until(lambda: len({p["game_id"] for p in active(night)}) == 7, 60, "all games are predicted")
        game = sorted(p["game_id"] for p in active(night))[-1]
        before_the_tip(night, checks, game)
        a_model_comes_late(night, checks, game)
        _night.until(lambda: any(g["status"] == "in_progress" for g in night.dated("games")), 90, "a game is on")
        on = next(g["game_id"] for g in night.dated("games") if g["status"] == "in_progress")
        code, answer = ask(night, "features", "rebuild", on)
        checks.that(code == 1 and "closed" in answer["text"], f"rebuild of a game that is on: {answer}")
        code, answer = ask(night, "grader", "grade", on)
        checks.that(code == 0, f"grade of a game that is on: {answer}")
        code, answer = ask(night, "scoreboard", "export", DATE)
        checks.that(code == 0, f"export: {answer}")
        a_body_in_part(night, checks)
    except _night.Failed as failure:
        checks.that(False, f"{failure}\n{night.tail()}")
    finally:
        if night.process and night.process.poll() is None:
            night.process.send_signal(signal.SIGTERM)
            checks.that(night.process.wait(30) == 0, "not ended in order")
    verified = night.query("verify", check=False)
    checks.that(not verified["bad"] and not verified["unhandled"], f"verify: {str(verified)[:600]}")
    replayed = night.query("replay", "--date", DATE, check=False)
    checks.that(replayed["identical"], f"replay: {replayed}")
    if os.environ.get("TIPOFF_KEEP"):
        print("kept:", night.dir)
    else:
        shutil.rmtree(os.path.dirname(night.dir), ignore_errors=True)
    checks.end()


if __name__ == "__main__":
    main()
