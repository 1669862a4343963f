# ctest: timeout=300 processors=2
"""`tipoff demo`, faster than people watch it: exits 0, leaves a healthy report, a log that verifies and a night that replays; it
makes room for itself where an earlier demo was, and nowhere else."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import _night

DATE = "2026-01-14"
SPEED = "1500"


def live(directory, checks):
    night = _night.Night(DATE, SPEED, directory)
    done = night.command("demo", "--speed", SPEED, "--set", "scoreboard.port=0", timeout=250, check=False)
    checks.that(done.returncode == 0, f"demo: exit {done.returncode}: {done.stderr.decode()[-3000:]}")
    if done.returncode != 0:
        return
    checks.that("HEALTHY" in done.stdout.decode(), f"no healthy report at the end: {done.stdout.decode()[-1500:]}")
    verified, replayed = night.query("verify", check=False), night.query("replay", "--date", DATE, check=False)
    checks.that(not verified["bad"] and not verified["unhandled"], f"verify: {str(verified)[:800]}")
    checks.that(replayed["identical"], f"replay: {str(replayed)[:800]}")
    tags = {row["tag"] for row in night.dated("odds")}
    checks.that({"opening", "closing"} <= tags, f"odds are not watched moving: {tags}")
    predictions = [p for p in night.dated("predictions") if p["active"]]
    checks.that(len(predictions) > 100, f"{len(predictions)} predictions")


def main():
    checks = _night.Checks()
    folder = tempfile.mkdtemp(prefix="tipoff-demo-")
    directory = os.path.join(folder, "demo")
    try:
        os.mkdir(directory)
        for name in ("demo", "league"):  # what an earlier one that was killed could have left
            with open(os.path.join(directory, name), "w", encoding="ascii") as stream:
                stream.write("left")
        live(directory, checks)
        os.unlink(os.path.join(directory, "demo"))
        refused = subprocess.run([os.path.join(_night.BIN, "tipoff"), "demo", "--dir", directory],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        checks.that(refused.returncode == 75 and os.path.exists(os.path.join(directory, "log")),
                    f"somebody's data were taken for a demo: {refused.returncode}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    checks.end()


if __name__ == "__main__":
    main()
