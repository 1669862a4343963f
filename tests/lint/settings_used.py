#!/usr/bin/python3
"""Every setting is read by something: a key that nothing reads promises what nobody does."""
import os
import pathlib
import re
import sys

SOURCE = pathlib.Path(os.environ["TIPOFF_SOURCE"])
ROOMS = ("store", "broker", "actors", "cli", "sim")
ROW = re.compile(r"^\s*([A-Z]+)\(([a-z_.]*), *([a-z_]+)", re.M)


def member(kind, name):
    return name + "_us" if kind == "DURATION" else name


def main():
    text = "\n".join(p.read_text() for room in ROOMS for p in sorted((SOURCE / room).rglob("*.[ch]")))
    text += (SOURCE / "config/options.c").read_text()
    used = set(re.findall(r"(?:\.|->)\s*([a-z_]+)\b", text))
    rows = [r for r in ROW.findall((SOURCE / "config/settings.def").read_text()) if r[0] != "SECTION"]
    idle = [prefix + name for kind, prefix, name in rows if member(kind, name) not in used]
    for key in idle:
        print(f"config/settings.def: {key}: nothing reads it")
    if len(rows) < 50:
        print(f"config/settings.def: only {len(rows)} rows found: this test no longer understands it")
    return 1 if idle or len(rows) < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
