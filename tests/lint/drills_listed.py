#!/usr/bin/python3
"""docs/INCIDENTS.md has a row of each class with drills that are there, every drill has a guard, and each guard's patch fits the sources."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(os.environ.get("TIPOFF_SOURCE", ".")).resolve()
sys.path.insert(0, str(ROOT / "tests" / "drills"))
from _guards import GUARDS  # noqa: E402

CLASSES = 39


def main():
    page = (ROOT / "docs/INCIDENTS.md").read_text(encoding="utf-8")
    drills = {path.name[:2] for path in (ROOT / "tests/drills").glob("[0-9][0-9]-*.py")}
    rows = re.findall(r"^\| (\d+) \|.*\| ([\d, ]+) \|$", page, re.M)
    text = page.split("Beside them:")[1]
    beside = set(re.findall(r"\b\d\d\b", text))
    beside |= {str(n) for a, b in re.findall(r"\b(\d\d) to (\d\d)\b", text) for n in range(int(a), int(b))}
    named = {drill for _, list_ in rows for drill in list_.split(", ")} | beside
    bad = [] if [int(n) for n, _ in rows] == list(range(1, CLASSES + 1)) else [f"rows {[n for n, _ in rows]}"]
    bad += [f"drill {n} is in docs/INCIDENTS.md only" for n in sorted(named - drills)]
    bad += [f"drill {n} is not in docs/INCIDENTS.md" for n in sorted(drills - named)]
    bad += [f"drill {n} has no guard in tests/drills/_guards.py" for n in sorted(drills - {g.drill for g in GUARDS})]
    for text in bad:
        print(text)
    fits = subprocess.run([sys.executable, str(ROOT / "tests/drills/guards.py"), "--texts"], check=False).returncode == 0
    return bool(bad) or not fits


if __name__ == "__main__":
    sys.exit(main())
