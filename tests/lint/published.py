#!/usr/bin/python3
"""What include/tipoff/ publishes is what the rooms have: every declaration is one of theirs with tip_ or TIP_ before its names, every
function says something, the headers stand alone in C17 and in C++, and the libraries show tip_ only."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ["TIPOFF_SOURCE"])
BUILD = pathlib.Path(os.environ["TIPOFF_BUILD"])
HEADERS = SOURCE / "include" / "tipoff"
ROOMS = ["config", "schema", "store", "broker", "actors"]
# What the published face has of its own: opaque here, or told otherwise.
OWN = ["struct settings", "struct unpack", "struct pack"]


def plain(text):
    """Without comments, preprocessor lines and prefixes: tokens."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"#(?:[^\n\\]|\\\n|\\.)*", " ", text)
    text = re.sub(r'extern "C"', " ", text)
    text = re.sub(r"\bTIP_API\b", " ", text)
    text = re.sub(r"\b(tip_|TIP_)", "", text)
    return " ".join(re.findall(r"\w+|[^\s\w]", text))


def declarations(text):
    """Split at the semicolons outside braces."""
    depth, start, out = 0, 0, []
    for i, c in enumerate(text):
        depth += (c == "{") - (c == "}")
        if c == ";" and depth == 0:
            out.append(text[start:i].strip())
            start = i + 1
    return out


def defines(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S).replace("\\\n", " ")
    text = text.replace("TIP_##presence_", "presence_")
    found = re.findall(r"^#define +(\w+(?:\([^)]*\))?)([^\n]*)", text, re.M)
    strip = lambda s: " ".join(re.sub(r"\b(tip_|TIP_)", "", s).split())  # noqa: E731
    return {strip(name) + " " + strip(value) for name, value in found if value.strip()}


def check_same():
    texts = [p.read_text() for room in ROOMS for p in sorted((SOURCE / room).glob("*.h"))]
    ours = {d for text in texts for d in declarations(plain(text))}
    values = set().union(*(defines(text) for text in texts))
    wrong = []
    for path in sorted(HEADERS.glob("*.h")) + [HEADERS / "version.h.in"]:
        text = path.read_text()
        wrong += [f"{path.name}: the rooms have no: {d}" for d in declarations(plain(text))
                  if d not in ours and d not in OWN and not d.startswith("MSG")]
        if path.name not in ("api.h", "version.h.in"):
            wrong += [f"{path.name}: the rooms have no: #define {d}" for d in defines(text) - values]
    return wrong


def check_said():
    """Each function stands under a comment, or with one on its line, or in the group under one."""
    wrong = []
    for path in sorted(HEADERS.glob("*.h")):
        above = ""
        for line in path.read_text().splitlines():
            if line.startswith("TIP_API") and not above and "/*" not in line:
                wrong.append(f"{path.name}: nothing is said of: {line}")
            above = line.strip()
    return wrong


def check_alone(folder):
    wrong = []
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", f"-I{SOURCE}/include", f"-I{BUILD}/include"]
    lists = ("message_struct.h", "message_table.h", "message_end.h")
    names = [p.name for p in sorted(HEADERS.glob("*.h")) if p.name not in lists] + ["version.h"]
    messages = "".join(f'#include <tipoff/{name}>\n#include "{SOURCE}/examples/words.def"\n#include <tipoff/message_end.h>\n'
                       for name in lists[:2])
    bodies = {name: f"#include <tipoff/{name}>\n" for name in names}
    bodies["messages"] = "#include <tipoff/message.h>\n" + messages
    for name, body in bodies.items():
        for compiler, kind, standards in (("cc", ".c", ["c17"]), ("c++", ".cc", ["c++20"] if name == "messages" else ["c++17"])):
            (folder / f"t{kind}").write_text(body + "extern int unused;\n")
            for standard in standards:
                run = subprocess.run([compiler, f"-std={standard}", *flags, str(folder / f"t{kind}")], text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                if run.returncode:
                    wrong.append(f"{name} alone, {standard}:\n{run.stdout}")
    return wrong


def check_shown():
    script = SOURCE / "include" / "library.sh"
    wanted = subprocess.run(["bash", script, "exports"], text=True, stdout=subprocess.PIPE, check=True).stdout.split()
    marked = sum(p.read_text().count("TIP_API ") for p in [*HEADERS.glob("*.h"), HEADERS / "version.h.in"])
    wrong = [] if len(wanted) == marked - 2 else [f"{marked - 2} functions are marked, {len(wanted)} exported"]
    for library, how in ("libtipoff.so", ["-D"]), ("libtipoff.a", ["-g"]):
        run = subprocess.run(["nm", *how, "--defined-only", str(BUILD / "lib" / library)], text=True, stdout=subprocess.PIPE,
                             check=True)
        rows = [line.split() for line in run.stdout.splitlines() if len(line.split()) == 3]
        shown = sorted(name.split("@")[0] for _, kind, name in rows if kind != "A")
        if shown != sorted(wanted):
            wrong.append(f"{library} shows otherwise than the headers: {sorted(set(shown) ^ set(wanted))}")
    return wrong


def main():
    with tempfile.TemporaryDirectory() as folder:
        wrong = check_same() + check_said() + check_alone(pathlib.Path(folder)) + check_shown()
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
