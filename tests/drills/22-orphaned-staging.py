"""22 Orphaned staging: an import that was killed shows nothing, and what it left is swept by the next."""
import glob
import json
import os
import shutil
import signal
import subprocess

import _night


def by_hand(night, name, *words):
    """Not `tipoff up`: it would do an import over again that did not come to its end."""
    return subprocess.Popen([os.path.join(night.bin, f"tipoff-{name}"), "--dir", night.dir, *words], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def drill(night, checks):
    from _drill import until
    league = os.path.join(night.dir, "league")
    lines = [row for path in glob.glob(os.path.join(league, "player_games", "*")) for row in _night.rows(path)]
    game, date = min((row["game_id"], row["game_date"]) for row in lines)
    wanted = sum(row["game_id"] == game for row in lines)
    for name in ("log", "shards", "snapshots"):  # as if nothing was ever imported
        shutil.rmtree(os.path.join(night.dir, name), ignore_errors=True)
    once = os.path.join(night.dir, "once")
    os.mkdir(once)

    def shown():
        rows = json.loads(night.command("boxscores", "--date", date, "--json", check=False).stdout or b"[]")
        return [row for row in rows if row["game_id"] == game]

    def held():
        done = night.command("state", "get", "scoreboard", f"history_box:{game}", "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else []
    killed = subprocess.run([os.path.join(night.bin, "tipoff"), "import", league, "--dir", night.dir], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, timeout=120, check=False,
                            env={**os.environ, "TIPOFF_FAULT": "import-before-commit:1", "TIPOFF_FAULT_ONLY": "import",
                                 "TIPOFF_FAULT_ONCE": once})
    checks.that(killed.returncode == -9 and len(os.listdir(once)) == 1, f"the import was not killed: {killed.returncode}")
    running = [by_hand(night, "broker"), by_hand(night, "scoreboard", "--set", "scoreboard.port=0")]
    try:
        until(lambda: len(held()) == wanted, 60, "the rows are staged")
        checks.that(not shown(), f"staged rows are seen: {shown()[:1]}")
    finally:
        for process in reversed(running):
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    done = night.query("import", league)
    checks.that(done["rows"] > 0 and done["refused"] == 0, f"import: {done}")
    checks.that(len(shown()) == wanted, f"{len(shown())} lines of {game}, {wanted} in the file")
    checks.that(len(held()) == wanted, f"{len(held())} lines are kept, {wanted} are of an import that was committed")
    night.whole(checks)
