#!/usr/bin/python3
"""The examples as a stranger has them: installed below a scratch DESTDIR, built with pkg-config alone, shared and static; then run on a
broker of their own, which knows their streams from registry.d only, and killed in the middle."""
# ctest: timeout=120
import collections
import http.server
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading

SOURCE = pathlib.Path(os.environ["TIPOFF_SOURCE"])
BUILD = pathlib.Path(os.environ["TIPOFF_BUILD"])
EXAMPLES = SOURCE / "examples"
sys.path.insert(0, str(SOURCE / "tests" / "fault"))
from _runtime import Runtime  # noqa: E402
from _wire import Client, control, crc32c, records_of  # noqa: E402

SANITIZE = "TIPOFF_SANITIZE:BOOL=ON" in (BUILD / "CMakeCache.txt").read_text()
WARN = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*command, **how):
    done = subprocess.run([str(c) for c in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **how)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


class Installed:
    """What `make install DESTDIR=` leaves, and what one does with it."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        run("cmake", "--install", BUILD, env=dict(os.environ, DESTDIR=str(self.root)))
        self.pc = next(self.root.rglob("tipoff.pc"))
        self.lib = self.pc.parent.parent
        self.bin = self.root / "bin"
        self.bin.mkdir()

    def config(self, *what):
        return run("pkg-config", *what, "tipoff", env=dict(os.environ, PKG_CONFIG_PATH=str(self.pc.parent))).split()

    def build(self, name, static=False, more=()):
        out = self.bin / (name.replace("_", "-") + (".static" if static else ""))
        libs = self.config("--libs", *(["--static"] if static else []))
        if static:
            libs = ["-l:libtipoff.a" if x == "-ltipoff" else x for x in libs]
        checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"] if SANITIZE else []
        run("cc", "-std=c17", "-D_DEFAULT_SOURCE", *WARN, *checks, *self.config("--cflags"), EXAMPLES / f"{name}.c", "-o", out, *libs, *more)
        return out

    def check(self):
        assert {p.name for p in self.lib.glob("libtipoff*")} >= {"libtipoff.a", "libtipoff.so"}
        assert (self.lib / "libtipoff.so").resolve().name.startswith("libtipoff.so.0."), "no soname"
        code = self.root / "all.cc"
        code.write_text("#include <tipoff/tipoff.h>\n#include <cstring>\nint main() { return "
                        "std::strcmp(tip_version_project(), TIP_VERSION); }\n")
        out = self.bin / "all"
        checks = ["-fsanitize=address,undefined"] if SANITIZE else []
        run("c++", "-std=c++17", *WARN, *checks, *self.config("--cflags"), code, "-o", out, *self.config("--libs"))
        run(out, env=dict(os.environ, LD_LIBRARY_PATH=str(self.lib)))
        assert "libtipoff.so.0" in run("readelf", "-d", out)


class Reader:
    """Everything of some streams, as it comes."""

    def __init__(self, runtime, *streams):
        self.client = Client(runtime.endpoint("broker"), "reader")
        self.client.subscribe(list(streams), start=1)
        self.got = {name: [] for name in streams}
        self.names = {self.client.streams[name][0]: name for name in streams}

    def read(self):
        got = self.client.receive(0.02)
        for (_, _, _, _, stream, *_), body in got[1] if got and got[0] == b"DLVR" else []:
            records = [payload for *_, payload in records_of(body)]
            self.client.credit(len(records), len(body))
            self.got[self.names[stream]] += records


def publish_to(client, sequences, stream, key, payload):
    lane = crc32c(key.encode()) % client.streams[stream][1]
    client.publish([(stream, lane, sequences[lane] + 1, [(key, 1, [], None, payload)])])
    sequences[lane] += 1


class Lines:
    """Someone who publishes lines of words, and knows how often each was said."""

    def __init__(self, runtime):
        self.client, self.sequences = Client(runtime.endpoint("broker"), "words"), collections.Counter()
        self.client.lease()
        self.said, self.random = collections.Counter(), random.Random(7)

    def publish(self, lines, source=None):
        for _ in range(lines):
            name = source or self.random.choice("abcdef")
            words = [self.random.choice(["tip", "off", "ball", "foul"]) for _ in range(5)]
            self.said.update((name, w) for w in words)
            publish_to(self.client, self.sequences, "words.line", name, {"source": name, "text": " ".join(words)})


def count_words(runtime, installed):
    reader = Reader(runtime, "words.count", "dead")
    lines, counts = Lines(runtime), reader.got["words.count"]
    shared, static = installed.build("word_count"), installed.build("word_count", static=True)
    actor = runtime.add("word-count", [str(shared), "--dir", str(runtime.dir)], "")
    actor.await_said(" ready ")
    for program in (static, shared, static):
        lines.publish(40)
        runtime.until(lambda: reader.read() or len(counts) > 20, 20, "counts")
        actor.kill()  # somewhere within the rest of them
        lines.publish(20)
        actor.command[0] = str(program)
        actor.start()
    runtime.until(lambda: reader.read() or len(counts) >= sum(lines.said.values()), 30, "all words counted")
    seen = collections.defaultdict(list)
    for count in counts:
        seen[count["source"], count["word"]].append(count["count"])
    assert {key: list(range(1, n + 1)) for key, n in lines.said.items()} == seen, "not exactly once"
    read_counts(runtime, lines, [(c["source"], c["word"], str(c["count"])) for c in counts])
    assert not reader.got["dead"], reader.got["dead"]
    assert actor.stop() == 0


def read_counts(runtime, lines, counts):
    """The reader in Python: from the first count on, killed, and from where it was; what comes twice was not yet done."""
    reader = runtime.add("counts", [sys.executable, str(EXAMPLES / "counts.py"), runtime.endpoint("broker"), "counts"], "")

    def said(since=0):
        return [(int(row[0]), *row[1:]) for row in map(str.split, reader.said(since).splitlines()) if len(row) == 4]

    def done():
        return next(r["position"] for r in control(runtime.endpoint("control"), "STATUS")["readers"] if r["name"] == "counts")

    runtime.until(lambda: len(said()) >= len(counts) and done() > said()[len(counts) - 1][0], 20, "all counts read, and done")
    first = said()
    assert [row[1:] for row in first] == counts, "not all, or not in order"
    lines.publish(20, "told")
    runtime.until(lambda: len(said()) > len(first), 20, "one more")
    reader.kill()
    end, life = done(), reader.log_path.stat().st_size
    before = said()
    lines.publish(5, "told")
    reader.start()
    runtime.until(lambda: len({row for row in said() if row[1] == "told"}) == 125, 20, "the rest")
    again = said(life)
    assert end > first[-1][0] and all(row[0] >= end for row in again), "what was done came again"
    assert sorted(set(before + again)) == sorted(set(said())) and [r[0] for r in again] == sorted({r[0] for r in again})
    reader.kill()


def primes_below(n):
    return sum(all(k % d for d in range(2, int(k ** 0.5) + 1)) for k in range(2, n))


def do_jobs(runtime, installed):
    """Three workers; one is killed while there is work, and nothing is done twice or not at all."""
    program = installed.build("work_queue")
    run(program, "--dir", runtime.dir, "--register", env=dict(os.environ, **runtime.env))
    reader = Reader(runtime, "jobs.done", "dead")
    workers = [runtime.add(f"work-queue.{i}", [str(program), "--dir", str(runtime.dir), "--shards", "3", "--shard", str(i)], "")
               for i in range(3)]
    for worker in workers:
        worker.await_said(" ready ")
    client, sequences, done = Client(runtime.endpoint("broker"), "jobs"), collections.Counter(), reader.got["jobs.done"]
    client.lease()
    for i in range(90):
        publish_to(client, sequences, "jobs.todo", f"job-{i}", {"id": f"job-{i}", "below": 2 + i * 7 if i else 0})
        if i == 45:
            runtime.until(lambda: reader.read() or {d["worker"] for d in done} == {0, 1, 2}, 20, "all three work")
            workers[1].kill()
    workers[1].start()
    runtime.until(lambda: reader.read() or len(done) >= 89 and reader.got["dead"], 30, "all jobs done")
    assert sorted((d["id"], d["primes"]) for d in done) == sorted((f"job-{i}", primes_below(2 + i * 7)) for i in range(1, 90))
    assert [d["rule"] for d in reader.got["dead"]] == ["job.below: nothing to look at"], reader.got["dead"]
    assert all(worker.stop() == 0 for worker in workers)
    share_jobs(runtime, installed, client, sequences)


def share_jobs(runtime, installed, client, sequences):
    """A work group of two; one is killed with jobs in its hands. All are done, what was acknowledged once, and the poison is set aside."""
    program = installed.build("work_group")
    members = [runtime.add(f"work-group.{i}", [str(program), runtime.endpoint("broker")], "") for i in range(2)]

    def group():
        return next((r for r in control(runtime.endpoint("control"), "STATUS")["readers"] if r["name"] == "job-group"), {})

    def rows(what, *of):
        return [line.split()[1:] for m in of or members for line in m.said().splitlines() if line.startswith(what + " ")]

    runtime.until(lambda: len(group().get("members", [])) == 2, 20, "two members")
    for i in range(80):
        publish_to(client, sequences, "jobs.todo", f"share-{i}", {"id": f"share-{i}", "below": 0 if i == 7 else 5000})
    runtime.until(lambda: all(len(rows("acked", m)) >= 5 for m in members), 20, "both work")
    members[0].kill()
    did, acked = ({int(row[0]) for row in rows(what, members[0])} for what in ("did", "acked"))
    members[0].start()
    runtime.until(lambda: group()["dead"] == 1 and group()["position"] == group()["next"], 30, "all jobs settled")
    times = collections.Counter(int(row[0]) for row in rows("did"))
    assert {row[1] for row in rows("did")} == {f"share-{i}" for i in range(80)} - {"share-7"}, "not each at least once"
    assert {p for p, n in times.items() if n > 1} <= did - acked, "done again although it was acknowledged"
    reader = Reader(runtime, "dead")
    runtime.until(lambda: reader.read() or len(reader.got["dead"]) == 2, 20, "the poison")
    letter = reader.got["dead"][1]
    # Its last attempt may have been in the hands of the one that was killed.
    assert letter["rule"] in ("no such job", "the lease of its last attempt ended"), letter
    assert (letter["reader"], letter["attempts"], letter["key"]) == ("job-group", 3, "share-7"), letter
    for member in members:
        member.kill()


class Page(http.server.BaseHTTPRequestHandler):
    text, asked = b"one", 0

    def do_GET(self):
        Page.asked += 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(Page.text)

    def log_message(self, *_):
        pass


def poll_pages(runtime, installed):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    runtime.env["PAGE_URL"] = f"http://127.0.0.1:{server.server_port}/page"
    program = installed.build("http_poller", more=["-lcurl"])
    said = run(program, "--dir", runtime.dir, "--register", env=dict(os.environ, **runtime.env))
    assert " registered " in said, said
    reader = Reader(runtime, "pages.page")
    pages = reader.got["pages.page"]
    actor = runtime.add("http-poller", [str(program), "--dir", str(runtime.dir)], "")

    def until_said(text):
        Page.text = text
        runtime.until(lambda: reader.read() or [p["body"] for p in pages][-1:] == [text], 20, f"the page {text}")

    until_said(b"one")
    actor.kill()
    asked = Page.asked
    actor.start()
    runtime.until(lambda: Page.asked > asked, 20, "it asks again")  # and says nothing: the page is the same
    until_said(b"two")
    until_said(b"one")
    assert [p["body"] for p in pages] == [b"one", b"two", b"one"] and pages[0]["status"] == 200, pages
    assert actor.stop() == 0
    server.shutdown()


def refuse_taken(runtime):
    """An application that takes what is another's is set aside, by name; the broker and the others go on."""
    def stream(name, writer):
        return {"name": name, "writer": writer, "partitions": 1, "retention_days": None}
    thief = {"format": 1, "streams": [stream("thief.new", "thief"), stream("words.count", "thief")]}
    twin = {"format": 1, "streams": [stream("twin.new", "word-count")]}
    for name, text in ("x-thief", json.dumps(thief)), ("x-twin", json.dumps(twin)), ("x-torn", '{"format":1,'):
        (runtime.dir / "registry.d" / f"{name}.json").write_text(text)
    answer = control(runtime.endpoint("control"), "REGISTRY")
    refused = {row["file"]: row["refused"] for row in answer["files"]}
    assert refused["x-thief.json"] == "stream words.count is of word-count.json", refused
    assert refused["x-twin.json"] == "stream twin.new: writer word-count is of word-count.json", refused
    assert "line 1" in refused["x-torn.json"] and not refused["word-count.json"], refused
    status = control(runtime.endpoint("control"), "STATUS")
    assert {s["stream"] for s in status["streams"]} & {"thief.new", "twin.new"} == set(), status["streams"]
    assert status["registries"] == answer["files"]


def main():
    root, runtime, whole = tempfile.mkdtemp(prefix="tipoff-examples-"), None, False
    try:
        installed = Installed(root)
        installed.check()
        runtime = Runtime([], partitions=1)
        (runtime.dir / "registry.json").unlink()
        runtime.env["LD_LIBRARY_PATH"] = str(installed.lib)
        words = BUILD / "examples" / "word-count"
        assert "broker=none" in run(words, "--dir", runtime.dir, "--register")
        runtime.add_broker().await_said(" ready ")
        count_words(runtime, installed)
        do_jobs(runtime, installed)
        poll_pages(runtime, installed)
        refuse_taken(runtime)
        whole = True
    finally:
        if runtime:
            runtime.close(keep=not whole)
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
