#!/usr/bin/python3
"""Every fuzz target: its corpus replayed, then FUZZ_SECONDS of new inputs, two targets at a time.

Bounded, so that none can hang or take more memory than its input allows. What fails is named, with the input as text, and kept
beside the build. FUZZ_KEEP=1 adds to the corpus what reached something new, as few and as small as that takes.
FUZZ_ONLY=name,name: only those. FUZZ_NICE=N: at that low a priority, beside other tests.

A corpus is one file, tests/fuzz/corpus/TARGET.txt: an input a line, its name and its bytes in base64. Those named found-... once
made something fail, and are kept whatever else reaches the same. `run.py unpack TARGET FOLDER` makes files of them."""
# ctest: timeout=900
import base64
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(os.environ["TIPOFF_SOURCE"]).resolve()
BUILD = pathlib.Path(os.environ["TIPOFF_BUILD"]).resolve() / "fuzz"
CORPUS = SOURCE / "tests/fuzz/corpus"
SECONDS = int(os.environ.get("FUZZ_SECONDS") or 2)
KEEP = bool(os.environ.get("FUZZ_KEEP"))
ONLY = [name for name in os.environ.get("FUZZ_ONLY", "").split(",") if name]
BOUNDS = ["-timeout=10", "-rss_limit_mb=1024", "-malloc_limit_mb=16", "-max_len=4096"]
KEPT_BYTES = 1024  # inputs above are not kept


def build():
    """Optimised little and with line numbers only: half the time to build, and more inputs a second than are needed."""
    flags = "-O1 -gline-tables-only"
    for words in (["cmake", "-S", SOURCE, "-B", BUILD, "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_C_COMPILER=clang",
                   f"-DCMAKE_C_FLAGS_RELEASE={flags}", "-DTIPOFF_FUZZ=ON"],
                  ["cmake", "--build", BUILD, "--target", "fuzzers", "-j", "2"]):
        made = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if made.returncode != 0:
            sys.exit(f"{made.stdout[-6000:]}\nthe fuzz targets cannot be built")


def unpack(name, folder):
    folder.mkdir(exist_ok=True)
    packed = CORPUS / (name + ".txt")
    for line in packed.read_text().splitlines() if packed.exists() else []:
        title, text = line.split(" ")
        (folder / title).write_bytes(base64.b64decode(text))


def pack(name, folder):
    lines = [f"{path.name} {base64.b64encode(path.read_bytes()).decode()}" for path in sorted(folder.iterdir())]
    CORPUS.mkdir(exist_ok=True)
    (CORPUS / (name + ".txt")).write_text("\n".join(lines) + "\n")


def fuzz(name, scratch):
    """The words of the failure, or None; and a line for people."""
    corpus, found, artifacts = scratch / (name + "-corpus"), scratch / name, BUILD / "failures" / name
    seeds = scratch / (name + "-seeds")
    unpack(name, corpus)
    for folder in (found, seeds, artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ, TIPOFF_FUZZ_SEEDS=str(seeds), ASAN_OPTIONS="detect_stack_use_after_return=1")
    ran = subprocess.run([BUILD / "tests" / f"fuzz_{name}", found, seeds, corpus, f"-max_total_time={SECONDS}", *BOUNDS,
                          "-seed=1", f"-artifact_prefix={artifacts}/", "-print_final_stats=1"], env=environment, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    inputs = re.search(r"number_of_executed_units: (\d+)", ran.stdout)
    covered = re.findall(r" cov: (\d+) ", ran.stdout)
    line = (f"{name}: {len(list(corpus.iterdir()))} kept, {inputs.group(1) if inputs else '?'} inputs, "
            f"{covered[-1] if covered else '?'} edges")
    if ran.returncode == 0:
        return None, line
    words = ran.stdout[-6000:]
    for artifact in sorted(artifacts.iterdir(), key=os.path.getmtime)[-1:]:
        words += f"\n{artifact}\nfound-NAME {base64.b64encode(artifact.read_bytes()).decode()}\n"
    return words, line


def keep(name, scratch):
    """The corpus anew: the fewest inputs that reach all that is reached."""
    fresh = scratch / (name + "-kept")
    fresh.mkdir()
    corpus = scratch / (name + "-corpus")
    subprocess.run([BUILD / "tests" / f"fuzz_{name}", "-merge=1", f"-max_len={KEPT_BYTES}", *BOUNDS[:3], fresh, corpus,
                    scratch / name, scratch / (name + "-seeds")],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for path in sorted(fresh.iterdir()):
        path.rename(fresh / path.name[:12])
    for old in corpus.glob("found-*"):
        shutil.copy(old, fresh / old.name)
    pack(name, fresh)


def main():
    begun = time.monotonic()
    os.nice(int(os.environ.get("FUZZ_NICE") or 0))
    build()
    names = sorted(path.name[len("fuzz_"):] for path in (BUILD / "tests").glob("fuzz_*") if path.is_file())
    names = [name for name in names if not ONLY or name in ONLY]
    print(f"built in {time.monotonic() - begun:.0f} s")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="tipoff-fuzz-") as folder:
        scratch = pathlib.Path(folder)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for name, (words, line) in zip(names, pool.map(lambda name: fuzz(name, scratch), names)):
                print(line if not words else f"{line}: FAILED\n{words}", flush=True)
                failed += words is not None
            if KEEP and not failed:
                list(pool.map(lambda name: keep(name, scratch), names))
    print(f"{len(names)} targets, {failed} failed, {time.monotonic() - begun:.0f} s")
    return failed > 0 or not names


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "unpack":
        unpack(sys.argv[2], pathlib.Path(sys.argv[3]))
    else:
        sys.exit(main())
