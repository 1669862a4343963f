"""Recorded nights at every speed, from every compiler and level, and shared by two hosts of which one dies on the way: the digest must
be the same. Slow; `make nights` runs it.

usage: nights.py [--date D]... [--speeds 60,600,3000] [--builds gcc-O0,gcc-O2,clang-O0,clang-O2]"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "flow"))
import _night

PROGRAMS = ["tipoff", *(f"tipoff-{name}" for name in (
    "broker", "upstream", "poller", "processor", "features", "predictor", "grader", "scoreboard", "watchdog", "janitor"))]
SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def build(name):
    """Executables of one compiler and level, in build-nights/<name>."""
    compiler, level = name.split("-")
    folder = os.path.join(SOURCE, "build-nights", name)
    kind = {"O0": "Debug", "O2": "Release"}[level]
    for argv in (["cmake", "-S", SOURCE, "-B", folder, f"-DCMAKE_C_COMPILER={compiler}", f"-DCMAKE_BUILD_TYPE={kind}"],
                 ["cmake", "--build", folder, "-j", str(os.cpu_count() or 1), "--target", *PROGRAMS]):
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return os.path.join(folder, "bin")


def live(date, speed, bin_dir, folder):
    night = _night.Night(date, speed, tempfile.mkdtemp(dir=folder), bin_dir)
    try:
        night.imported()
        begun = time.monotonic()
        night.start()
        night.wait(8 * 3600 / speed + 120)
        if night.process.returncode != 0:
            raise _night.Failed(f"up: exit {night.process.returncode}\n{night.tail()}")
        return night.dated("digest"), time.monotonic() - begun
    finally:
        night.remove()


SHARED_ACTORS = ("processor", "features", "predictor", "grader")


def live_on_two_hosts(date, speed, folder):
    """Two shards of each, at two members; the second host is killed once it is at work."""
    night, other = _night.Night(date, speed, tempfile.mkdtemp(dir=folder)), None
    sets = [*(f"shards.{actor}=2" for actor in SHARED_ACTORS), "broker.lease=2s", f"snapshot.dir={night.dir}/snapshots"]
    sets = [word for text in sets for word in ("--set", text)]
    there = [word for key, name in (("endpoint", "broker"), ("control_endpoint", "control"), ("tap_endpoint", "tap"))
             for word in ("--set", f"broker.{key}=ipc://{night.dir}/{name}.ipc")]

    def at_work():
        return {s["actor"] for s in night.query("status")["shards"] if s["host"] == "b" and s["state"] == "ready"}
    try:
        night.imported()
        begun = time.monotonic()
        night.start("--members", "--host", "a", *sets)
        other = subprocess.Popen([os.path.join(_night.BIN, "tipoff"), "up", "--members", "--host", "b", "--dir",
                                  tempfile.mkdtemp(dir=folder), "--only", ",".join(SHARED_ACTORS), *there, *sets],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        while len(at_work() & set(SHARED_ACTORS)) < 2 and night.process.poll() is None:
            time.sleep(0.1)  # between two looks
        was = sorted(at_work())
        other.kill()
        night.wait(8 * 3600 / speed + 180)
        if night.process.returncode != 0:
            raise _night.Failed(f"up: exit {night.process.returncode}\n{night.tail()}")
        return night.dated("digest"), time.monotonic() - begun, was
    finally:
        if other:
            other.kill()
            other.wait()
        night.remove()


def main():
    _night.need_data()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--date", action="append")
    parser.add_argument("--speeds", default="60,600,3000")
    parser.add_argument("--builds", default="gcc-O0,gcc-O2,clang-O0,clang-O2")
    given = parser.parse_args()
    checks = _night.Checks()
    folder = tempfile.mkdtemp(prefix="tipoff-nights-")
    try:
        for date in given.date or ["2025-11-17", "2025-11-05", "2025-11-09", "2025-11-16"]:
            wanted, cases = None, [(float(speed), None) for speed in given.speeds.split(",") if speed]
            if date == "2025-11-17":
                cases += [(600.0, name) for name in given.builds.split(",") if name]
            for speed, name in cases:
                digest, seconds = live(date, speed, build(name) if name else _night.BIN, folder)
                what = f"{date} at {speed:g}, {name or 'this build'}"
                print(f"{what}: {seconds:.1f} s {digest}", flush=True)
                wanted = wanted or digest
                checks.that(digest == wanted, f"{what}: digest differs: {digest}, first was {wanted}")
            if date == "2025-11-17" and wanted:
                digest, seconds, was = live_on_two_hosts(date, 600, folder)
                print(f"{date} at 600, two hosts: {seconds:.1f} s; one died with {was}", flush=True)
                checks.that(was and digest == wanted, f"two hosts: {digest}, first was {wanted}; {was}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    checks.end()


if __name__ == "__main__":
    main()
