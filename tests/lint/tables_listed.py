#!/usr/bin/python3
"""docs/OPERATING.md says of every table that an actor ages how long it is kept, as the code does, and of no other."""
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(os.environ.get("TIPOFF_SOURCE", "."))
AGE = re.compile(r'\{(?:"([a-z_-]+)"|([A-Z_]+)), AGING_(LOG|NEVER),')
WORDS = {"LOG": "| as long as the log", "NEVER": "| for ever, unless"}


def declared():
    found = {}
    for path in sorted(ROOT.glob("actors/*/*.[ch]")):
        text = "".join(p.read_text() for p in sorted(path.parent.glob("*.[ch]")))
        for name, macro, kept in AGE.findall(path.read_text()):
            name = name or re.search(rf'#define {macro}\s+(?:\\\s*)?"([a-z_-]+)"', text)[1]
            found[f"{path.parent.name}.{name}"] = kept
    return found


def main():
    wanted, listed = declared(), {}
    for line in (ROOT / "docs/OPERATING.md").read_text().splitlines():
        for kept, begins in WORDS.items():
            if line.startswith(begins):
                listed.update({name: kept for name in re.findall(r"`([a-z]+\.[a-z_-]+)`", line.split("|")[2])})
    bad = sorted(set(wanted.items()) ^ set(listed.items()))
    for name, kept in bad:
        print(f"docs/OPERATING.md: {name}: {kept} in the {'code' if wanted.get(name) == kept else 'page'} only")
    assert len(wanted) > 20, f"only {len(wanted)} tables were found: this looks at the wrong place"
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
