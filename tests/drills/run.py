#!/usr/bin/python3
# ctest: timeout=300 processors=2
"""The drills: each provokes one class of incident for real and shows that the outcome is right, or that it is named in time.

    run.py [NN ...]         these, or all; without words under ctest a few
    run.py --off NN ...     with the guard switched off: the drill must then fail
"""
import concurrent.futures
import glob
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ.setdefault("TIPOFF_BIN", os.path.join(HERE, "..", "..", "build", "bin"))
sys.path.insert(0, HERE)
import _drill  # noqa: E402
import _night  # noqa: E402

SLICE = os.environ.get("DRILLS", "10 25 32 47").split()  # in ctest


def load(path):
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3].replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def short(text):
    """What went wrong stands at the beginning, what was logged last at the end."""
    return text if len(text) <= 1800 else text[:500] + "\n[...]\n" + text[-1300:]


def one(path, base, off):
    """(name, seconds, what does not hold)"""
    module, began = load(path), time.monotonic()
    checks = _night.Checks()
    drill = _drill.Drill(base, getattr(module, "OFF", ()) if off else ())
    try:
        module.drill(drill, checks)
    except _drill.Failed as failure:
        checks.that(False, short(str(failure)))
    except Exception:  # a drill that breaks is one that failed
        checks.that(False, short(traceback.format_exc()))
    bad = list(checks.bad)
    if not checks.done:
        bad.append("nothing was looked at")
    drill.close(bool(bad) and not off and bool(os.environ.get("TIPOFF_KEEP")))
    return os.path.basename(path)[:-3], time.monotonic() - began, bad


def main():
    words = sys.argv[1:]
    off = "--off" in words
    numbers = [word for word in words if word.isdigit()] or ([] if "--all" in words else SLICE)
    paths = sorted(path for path in glob.glob(os.path.join(HERE, "*.py"))
                   if re.match(r"\d\d-", os.path.basename(path)))
    if numbers:
        paths = [path for path in paths if os.path.basename(path)[:2] in numbers]
    folder = tempfile.mkdtemp(prefix="tipoff-drills-")
    failed = 0
    try:
        base = _drill.base_make(os.path.join(folder, "base"))
        with concurrent.futures.ProcessPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
            for name, seconds, bad in pool.map(one, paths, [base] * len(paths), [off] * len(paths)):
                well = bool(bad) if off else not bad
                failed += not well
                print(f"{'good' if well else 'NOT'}  {name}  {seconds:.1f} s{'  guard off: ' + bad[0][:150] if off and bad else ''}",
                      flush=True)
                for text in () if off else bad:
                    print("      ", text, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(paths)} drills, {failed} failed")
    sys.exit(1 if failed or not paths else 0)


if __name__ == "__main__":
    main()
