"""19 A race around a lock: a holder that stands still just before its commit, and is replaced, commits nothing; nor does one that is
awake again after somebody took its lock away and started another."""
import collections
import contextlib
import os
import signal
import subprocess

import _night


def grader_by_hand(night):
    """What an operator does who takes a lock for a leftover: it is removed while its holder stands still."""
    os.unlink(os.path.join(night.dir, "shards", "grader-0", "lock"))
    with open(os.path.join(night.dir, "by-hand.log"), "wb") as out:
        return subprocess.Popen([os.path.join(night.bin, "tipoff-grader"), "--dir", night.dir, "--shard", "0", *night.sets], stdout=out,
                                stderr=out, stdin=subprocess.DEVNULL)


def replaced(night):
    """(the one that stands still, the one in its place). Where it was stopped in the middle of a commit nobody else gets in: once more."""
    for _ in range(4):
        asleep = night.signal("grader", signal.SIGSTOP)
        other = grader_by_hand(night)
        with contextlib.suppress(_night.Failed):
            _night.until(lambda: b" ready " in open(os.path.join(night.dir, "by-hand.log"), "rb").read(), 10, "it is ready")
            return asleep, other
        other.kill()
        other.wait()
        os.kill(asleep, signal.SIGCONT)
    raise _night.Failed("no other grader gets in")


def drill(night, checks):
    from _drill import until
    once = os.path.join(night.dir, "once")
    os.mkdir(once)
    night.begin("watchdog.silence=60s", "supervisor.crash_loop=1000", "supervisor.backoff_base=50ms", "supervisor.backoff_cap=100ms",
                args=("--until-final",), speed=1200,
                env={"TIPOFF_FAULT": "step-before-commit:9:stop", "TIPOFF_FAULT_ONLY": "processor.0", "TIPOFF_FAULT_ONCE": once})

    def epochs():
        return {r["epoch"] for r in night.runs() if r["actor"] == "grader"}
    asleep, other = replaced(night)
    try:
        until(lambda: os.listdir(once), 60, "the processor stands still with a step in hand")
        night.signal("processor", signal.SIGKILL)
        until(epochs, 90, "the other grader works in its place")
        os.kill(asleep, signal.SIGCONT)
        until(lambda: asleep not in _night.children_of(night.process.pid), 20, "the one that was replaced ends when it is awake again")
    finally:
        other.send_signal(signal.SIGTERM)
        other.wait(30)
    night.final()
    checks.that(len(os.listdir(once)) == 1, f"stopped: {os.listdir(once)}")
    checks.that("zombie-refused" in night.logged("grader.0"), "it ended, and not because it was replaced")
    grades = collections.Counter((g["game_id"], g["player_id"], g["system"], g["stat"]) for g in night.dated("grades"))
    checks.that(grades and max(grades.values()) == 1, "graded twice")
    checks.that(len(epochs()) >= 2, f"the grader was not replaced again: epochs {epochs()}")
    night.whole(checks)
