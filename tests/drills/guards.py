#!/usr/bin/python3
"""Each drill fails when its guard is off: shown by taking the guard out, one at a time, in a copy of the sources.

    guards.py [NN ...]      the guards of these drills, or of all (`make guards`); JOBS=2 of them at once, GUARDS_TREE=DIR keeps the copy
    guards.py --texts       only that every patch still fits the sources

The drill must pass as the sources are, and fail with the patch, with the words that name the incident."""
import concurrent.futures
import contextlib
import filecmp
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
from _guards import GUARDS  # noqa: E402

PROGRAMS = ["tipoff"] + ["tipoff-" + name for name in ("broker", "features", "grader", "janitor", "poller", "predictor", "processor",
                                                       "scoreboard", "upstream", "watchdog")]


def copied(folder):
    """The sources as they are in the tree, without what is built of them."""
    names = subprocess.run(["git", "-C", SOURCE, "ls-files", "-co", "--exclude-standard", "-z"], stdout=subprocess.PIPE, check=True).stdout
    for name in names.decode().split("\0"):
        if name and os.path.isfile(os.path.join(SOURCE, name)):
            to = os.path.join(folder, name)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            if not os.path.isfile(to) or not filecmp.cmp(os.path.join(SOURCE, name), to, shallow=False):
                shutil.copy(os.path.join(SOURCE, name), to)  # with a new time, for the build


def text_of(root, name):
    with open(os.path.join(root, name), encoding="utf-8") as stream:
        return stream.read()


def misfit(guard):
    """The patch whose text is not there exactly once; None: all fit."""
    for name, old, _ in guard.edits:
        try:
            found = text_of(SOURCE, name).count(old)
        except OSError:
            return f"{name} is gone"
        if found != 1:
            return f"{name} has this {found} times: {old.strip()[:90]}"
    return None


def built(tree):
    done = subprocess.run(["cmake", "--build", os.path.join(tree, "build"), "-j", os.environ.get("BUILD_JOBS", "2"), "--target", *PROGRAMS],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        return done.stdout.decode(errors="replace")[-1500:]
    return None


def programs(tree, name):
    """The built programs under a name of their own: the next build must not change them under a drill."""
    to = os.path.join(tree, "programs", name)
    os.makedirs(to)
    for program in PROGRAMS:
        shutil.copy2(os.path.join(tree, "build", "bin", program), to)
    return to


def patched(tree, guard, name):
    """(programs, why not): built with the guard off; the sources are as before then."""
    before = {}
    try:
        for path, old, new in guard.edits:
            text = text_of(tree, path)
            before.setdefault(path, text)
            with open(os.path.join(tree, path), "w", encoding="utf-8") as stream:
                stream.write(text.replace(old, new))
        why = built(tree)
        return (None, why) if why else (programs(tree, name), None)
    finally:
        for path, text in before.items():
            with open(os.path.join(tree, path), "w", encoding="utf-8") as stream:
                stream.write(text)


def drilled(number, folder, *words, patience="200"):
    """(passes, seconds, all that it said); a night that does not end is waited for so many seconds."""
    began = time.monotonic()
    done = subprocess.run(["/usr/bin/python3", os.path.join(HERE, "run.py"), *words, number], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "TIPOFF_BIN": folder, "DRILL_PATIENCE": patience}, check=False)
    return done.returncode == 0, time.monotonic() - began, done.stdout.decode(errors="replace")


def swept(folder):
    """Ends what a drill left behind because its guard was off: processes of these programs, of nobody else."""
    for path in glob.glob("/proc/[0-9]*/exe"):
        with contextlib.suppress(OSError):
            if os.path.dirname(os.readlink(path)) == folder:
                os.kill(int(path.split("/")[2]), signal.SIGKILL)


def said_words(guard, said):
    return next((line.strip() for line in said.splitlines() if any(words in line for words in guard.words.split("|"))), None)


def shown(guard, folder, why, whole):
    """(is it shown, seconds, the words that show it or why not)"""
    if why:
        return False, 0.0, "it does not build: " + why
    passes, _, said = whole.result()
    if not passes:
        return False, 0.0, "the drill fails with its guard: " + said.strip()[:1200]
    passes, seconds, said = drilled(guard.drill, folder, *([] if guard.edits else ["--off"]), patience="100")
    if guard.edits:
        swept(os.path.realpath(folder))
        shutil.rmtree(folder, ignore_errors=True)
    else:  # a setting: run.py wants it to fail
        passes = not passes
    words = said_words(guard, said)
    if passes:
        return False, seconds, "the drill passes without its guard"
    if not words:
        return False, seconds, f"it fails, but does not say \"{guard.words}\": " + said.strip()[:1200]
    return True, seconds, words


def tell(guard, holds, seconds, text):
    print(f"{'good' if holds else 'NOT'}  {guard.drill}  {seconds:.1f} s  {text[:200]}", flush=True)


def table(guards, results):
    good = 0
    for guard, (holds, seconds, text) in zip(guards, results):
        good += holds
        print(f"{'good' if holds else 'NOT'}  {guard.drill}  {seconds:5.1f} s  {guard.what}\n        off: {text[:1500 if not holds else 170]}")
    print(f"{len(guards)} guards of {len({g.drill for g in guards})} drills, {len(guards) - good} not shown")
    return good == len(guards)


def run(guards, tree):
    shutil.rmtree(os.path.join(tree, "programs"), ignore_errors=True)
    copied(tree)
    subprocess.run(["cmake", "-S", tree, "-B", os.path.join(tree, "build"), "-DCMAKE_BUILD_TYPE=Release", "-DTIPOFF_WERROR=OFF",
                    "-DCMAKE_C_FLAGS=-w"], stdout=subprocess.DEVNULL, check=True)
    why = built(tree)
    if why:
        sys.exit("the sources as they are do not build:\n" + why)
    plain = programs(tree, "plain")
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
        whole, results = {}, []
        for i, guard in enumerate(guards):
            if guard.drill not in whole:
                whole[guard.drill] = pool.submit(drilled, guard.drill, plain)
            folder, why = patched(tree, guard, str(i)) if guard.edits else (plain, None)
            results.append(pool.submit(shown, guard, folder, why, whole[guard.drill]))
            results[-1].add_done_callback(lambda done, guard=guard: tell(guard, *done.result()))
        print()
        return table(guards, [result.result() for result in results])


def main():
    numbers = [word for word in sys.argv[1:] if re.fullmatch(r"\d\d", word)]
    guards = [guard for guard in GUARDS if not numbers or guard.drill in numbers]
    lost = [(guard, why) for guard in guards for why in [misfit(guard)] if why]
    for guard, why in lost:
        print(f"NOT  {guard.drill}  {guard.what}: {why}")
    if lost or not guards:
        sys.exit("a guard is not where the table says" if lost else "no such guard")
    if "--texts" in sys.argv:
        sys.exit(0)
    kept = os.environ.get("GUARDS_TREE")
    tree = kept or tempfile.mkdtemp(prefix="tipoff-guards-")
    try:
        sys.exit(0 if run(guards, tree) else 1)
    finally:
        shutil.rmtree(os.path.join(tree, "programs") if kept else tree, ignore_errors=True)


if __name__ == "__main__":
    main()
