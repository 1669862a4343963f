# ctest: timeout=500
"""The storm: a recorded night during which processes are killed with SIGKILL, at random (seeded) and at the numbered points
of config/fault.h, `tipoff up` itself included. It must end with the digest of the night that nobody disturbed; the
log must verify, the replay be identical, and every run be closed.

usage: storm.py [KILLS [SEED [DATE [SPEED]]]]     KILLS and SEED also from the environment"""
import glob
import os
import random
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "flow"))
import _night
import _night_checks

KEEP = os.environ.get("TIPOFF_KEEP")
DATE = "2025-11-17"
TIMEOUT = 400

# Points that every night passes, and by whom; each fires once a process and number.
POINTS = "handler,step-before-commit,step-committed,step-published,step-acked,append-before-commit," \
         "append-committed,checkpoint-begun,checkpoint-done,roll-created,roll-complete,lease-before-grant,lease-granted," \
         "lease-received,fetched,export-written".split(",")
RARE = ("lease", "roll")  # passed a few times a night


class Storm:
    """Kills what `up` started, and `up`; starts it again when it was the one."""

    def __init__(self, night, seed, env):
        self.night = night
        self.random = random.Random(seed)
        self.env = env
        self.kills = 0
        self.ups = 0
        self.killed = {}

    def victims(self):
        pids = _night.children_of(self.night.process.pid)
        return [(pid, _night.name_of(pid)) for pid in pids]

    def kill(self, pid, name):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.kills += 1
        self.killed[name] = self.killed.get(name, 0) + 1

    def kill_up(self):
        children = [pid for pid, _ in self.victims()]
        self.kill(self.night.process.pid, "up")
        self.night.process.wait()
        # Children die with their parent: nobody else ends them here.
        _night.until(lambda: not any(os.path.exists(f"/proc/{p}") and _night.name_of(p) for p in children), 20,
                     "the children of a killed `tipoff up` are gone")
        self.ups += 1
        self.night.start(env=self.env)

    def strike(self):
        dice = self.random.random()
        if dice < 0.08:
            self.kill_up()
            return
        victims = self.victims()
        count = min(len(victims), self.random.choice((2, 3, 4))) if dice < 0.25 else 1
        for pid, name in self.random.sample(victims, count) if victims else []:
            self.kill(pid, name)

    def rage(self, kills, pause):
        """Until so many kills, or the night is over in spite of them."""
        while self.kills < kills and self.night.process.poll() is None:
            time.sleep(self.random.uniform(0.3, 1.7) * pause)
            if self.night.process.poll() is None:
                self.strike()


def settle(night, what):
    night.wait(TIMEOUT)
    if night.process.returncode != 0:
        raise _night.Failed(f"{what}: up: exit {night.process.returncode}\n{night.tail()}")


def judge(night, checks, wanted, what, replayed_too=True):
    _night_checks.logs(night, checks)
    digest = night.dated("digest")
    checks.that(digest == wanted, f"{what}: digest {digest}, undisturbed {wanted}")
    verified = night.query("verify", check=False)
    checks.that(not verified["bad"] and not verified["unhandled"], f"{what}: verify: {str(verified)[:1500]}")
    if replayed_too:
        replayed = night.query("replay", "--date", night.date, check=False, timeout=300)
        checks.that(replayed["identical"], f"{what}: replay: {str(replayed)[:1500]}")
    return _night_checks.runs(night, checks)


def undisturbed(base, folder, checks):
    night = base.copy_to(os.path.join(folder, "calm"))
    night.speed *= 4  # the digest is the same at any speed
    night.start()
    settle(night, "calm")
    digest = night.dated("digest")
    _night_checks.runs(night, checks)
    return digest


def at_random(base, folder, checks, wanted, kills, seed):
    night = base.copy_to(os.path.join(folder, "random"))
    storm = Storm(night, seed, None)
    begun = time.monotonic()
    night.start()
    storm.rage(kills, min(1.0, 30 / kills * 600 / night.speed))
    settle(night, "random")
    print(f"random: seed {seed}, {storm.kills} kills, `tipoff up` itself {storm.ups} times, "
          f"{time.monotonic() - begun:.1f} s: {storm.killed}")
    checks.that(storm.kills >= kills, f"random: the night was over after {storm.kills} kills of {kills}")
    judge(night, checks, wanted, "random")
    return storm.kills


def at_points(base, folder, checks, wanted, times):
    """Every point so many times: the marks that fault.c leaves are the count."""
    night = base.copy_to(os.path.join(folder, "points"))
    night.speed *= 2
    once = os.path.join(folder, "once")
    os.mkdir(once)
    faults = ",".join(f"{point}:{nth}" for point in POINTS
                      for nth in ([1, 2, 3] if point.startswith(RARE) else [1, 7, 23])[:times])
    night.start("--set", "supervisor.crash_loop=1000", "--set", "supervisor.backoff_base=10ms", "--set",
                "supervisor.backoff_cap=50ms", "--set", "broker.segment_bytes=1MiB", env={"TIPOFF_FAULT": faults, "TIPOFF_FAULT_ONCE": once})
    settle(night, "points")
    marks = [os.path.basename(path) for path in glob.glob(os.path.join(once, "*"))]
    by_point = {point: sum(f".{point}." in mark for mark in marks) for point in POINTS}
    print("points:", by_point)
    for point, count in by_point.items():
        checks.that(count >= times, f"points: {point} killed {count} times, not {times}")
    judge(night, checks, wanted, "points")
    return len(marks)


def in_handlers(base, folder, checks, wanted):
    """Ten kills inside handlers: exactly ten runs that say crashed."""
    night = base.copy_to(os.path.join(folder, "handlers"))
    night.speed *= 2
    once = os.path.join(folder, "once-handlers")
    os.mkdir(once)
    night.start("--set", "supervisor.crash_loop=1000",
                env={"TIPOFF_FAULT": ",".join(f"handler:{nth}" for nth in (3, 8, 15, 24, 35)),
                     "TIPOFF_FAULT_ONLY": "processor.0,grader.0", "TIPOFF_FAULT_ONCE": once})
    settle(night, "handlers")
    marks = len(os.listdir(once))
    crashed = [run for run in judge(night, checks, wanted, "handlers", False) if run["outcome"] == "crashed"]
    print(f"handlers: {marks} kills, {len(crashed)} runs crashed")
    checks.that(marks == 10, f"handlers: {marks} kills, not 10")
    checks.that(len(crashed) == marks, f"handlers: {marks} kills, {len(crashed)} runs crashed: "
                                       f"{[(r['run_id'], r['name']) for r in crashed]}")
    return marks


def main():
    _night.need_data()
    given = sys.argv[1:]
    kills = int(given[0] if given else os.environ.get("KILLS", "15"))
    seed = int(given[1] if len(given) > 1 else os.environ.get("SEED", "1"))
    date = given[2] if len(given) > 2 else DATE
    speed = float(given[3] if len(given) > 3 else os.environ.get("SPEED", "600"))
    checks = _night.Checks()
    folder = tempfile.mkdtemp(prefix="tipoff-storm-")
    total = 0
    try:
        base = _night.Night(date, speed, os.path.join(folder, "base"))
        base.imported()
        wanted = undisturbed(base, folder, checks)
        total += at_random(base, folder, checks, wanted, kills, seed)
        total += at_points(base, folder, checks, wanted, 3 if kills > 15 else 1)
        total += in_handlers(base, folder, checks, wanted)
        print(f"{total} kills in all")
    except _night.Failed as failure:
        checks.that(False, str(failure))
    finally:
        if KEEP or checks.bad:
            print("kept:", folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    checks.end()


if __name__ == "__main__":
    main()
