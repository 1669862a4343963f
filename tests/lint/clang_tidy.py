#!/usr/bin/python3
"""clang-tidy over every file of the compilation database, two at a time.

What was found clean is remembered in the build folder by the hash of everything that the answer depends on (the file, the
headers of ours it reads, the flags, .clang-tidy, the tool), so that only what changed is looked at again. It is
polite: tests that run beside it, and wait most of the time, get the processor first."""
# ctest: timeout=900
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

SOURCE = pathlib.Path(os.environ["TIPOFF_SOURCE"]).resolve()
BUILD = pathlib.Path(os.environ["TIPOFF_BUILD"]).resolve()
CACHE = BUILD / "lint-cache"
# The analyser looks this far along the paths of one function: a fortieth of its default, a tenth of the time.
BOUND = ["-Xclang", "-analyzer-config", "-Xclang", "max-nodes=5000"]
# What gcc's sanitized build says to gcc alone, or would only slow the analyser down.
GCC_ONLY = ("-fno-sanitize-recover", "-fsanitize=", "-Wno-format-truncation", "-Wno-maybe-uninitialized")


def flags_of(entry):
    words = shlex.split(entry["command"])
    flags, skip = [], False
    for word in words[1:]:
        if skip or word in ("-c", entry["file"]) or word.startswith(GCC_ONLY):
            skip = False
        elif word in ("-o", "-MT", "-MF"):
            skip = True
        elif word != "-MD":
            flags.append(word)
    return flags


def headers_of(entry, flags):
    """The headers of ours that the file reads, itself included."""
    made = subprocess.run(["clang", *flags, "-MM", entry["file"]], cwd=entry["directory"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    names = made.stdout.replace("\\\n", " ").split()[1:] if made.returncode == 0 else [entry["file"]]
    paths = {(pathlib.Path(entry["directory"]) / name).resolve() for name in names}
    return sorted(p for p in paths if p.is_relative_to(SOURCE) and not p.is_relative_to(BUILD))


def key_of(entry, flags, tool):
    digest = hashlib.sha256()
    digest.update("\0".join([tool, *flags, *BOUND]).encode())
    for path in [SOURCE / ".clang-tidy", *headers_of(entry, flags)]:
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def tidy(entry, tool):
    flags = flags_of(entry)
    mark = CACHE / key_of(entry, flags, tool)
    if mark.exists():
        return True, ""
    # The analyser is slow, and cmocka's assertions (longjmp) are beyond it.
    less = ["--checks=-clang-analyzer-*"] if (SOURCE / "tests") in pathlib.Path(entry["file"]).parents else []
    run = subprocess.run(["clang-tidy", "--quiet", *less, entry["file"], "--", *flags, *BOUND], cwd=SOURCE, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if run.returncode == 0:
        mark.touch()
        return True, ""
    return False, run.stdout or run.stderr


def main():
    os.nice(19)
    CACHE.mkdir(exist_ok=True)
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    entries = list({e["file"]: e for e in entries if pathlib.Path(e["file"]).is_relative_to(SOURCE)}.values())
    tool = subprocess.run(["clang-tidy", "--version"], text=True, stdout=subprocess.PIPE, check=True).stdout
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for entry, (clean, said) in zip(entries, pool.map(lambda e: tidy(e, tool), entries)):
            if not clean:
                failed += 1
                print(f"{entry['file']}:\n{said}")
    print(f"{len(entries)} files, {failed} with findings")
    return 1 if failed or not entries else 0


if __name__ == "__main__":
    sys.exit(main())
