#!/usr/bin/python3
# ctest: timeout=120
"""Applications of others beside the pipeline: `tipoff up` lives a simulated night and keeps two of examples/ up on the same broker. One has streams of
its own, is killed, and counts exactly once; the other reads what the pipeline says (tests/flow/writing_an_actor.py shows it rows). The commands show them like anything else."""
import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(os.environ["TIPOFF_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests" / "fault"))
from _wire import Client, crc32c  # noqa: E402

TIPOFF = pathlib.Path(os.environ["TIPOFF_BIN"]) / "tipoff"
EXAMPLES = pathlib.Path(os.environ["TIPOFF_BUILD"]) / "examples"


def until(condition, seconds, what):
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)  # between two looks


class Night:
    def __init__(self, folder):
        self.dir = folder
        also = [EXAMPLES / "word-count", EXAMPLES / "high-score", "/nonexistent/thing"]
        self.out = open(f"{folder}.out", "w+")
        self.process = subprocess.Popen(
            [TIPOFF, "up", "--dir", folder, "--upstream", "sim", "--date", "2026-01-14", "--speed", "3600",
             "--set", "scoreboard.port=0", "--set", "supervisor.also=" + ",".join(map(str, also))],
            stdout=self.out, stderr=self.out)

    def ask(self, *words):
        done = subprocess.run([TIPOFF, *words, "--dir", self.dir, "--json"], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=30)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def shard(self, actor):
        status = self.ask("status")
        found = [s for s in status["shards"] if s["actor"] == actor] if status else []
        return found[0] if found and found[0]["state"] == "ready" and found[0]["pid"] else None

    def stream(self, name):
        return next(s for s in self.ask("status")["streams"] if s["stream"] == name)

    def tap(self, pattern, count):
        with subprocess.Popen([TIPOFF, "tap", pattern, "--from", "1", "--dir", self.dir], text=True,
                              stdout=subprocess.PIPE) as tap:
            lines = [json.loads(tap.stdout.readline()) for _ in range(count)]
            tap.terminate()
        return lines


def publish(night, said, lines, sequences):
    client = Client(f"ipc://{night.dir}/broker.ipc", "words", incarnation=str(len(said)))
    client.lease()
    partitions = client.streams["words.line"][1]
    for i in range(lines):
        source, words = "abc"[i % 3], ["tip", "off", "tip"]
        said.update((source, word) for word in words)
        lane = crc32c(source.encode()) % partitions
        client.publish([("words.line", lane, sequences[lane] + 1,
                         [(source, 1, [], None, {"source": source, "text": " ".join(words)})])])
        sequences[lane] += 1
    client.close()


def live(night):
    said, sequences = collections.Counter(), collections.Counter()
    shard = until(lambda: night.shard("word-count"), 60, "word-count is ready")
    publish(night, said, 10, sequences)
    os.kill(shard["pid"], signal.SIGKILL)
    publish(night, said, 10, sequences)
    until(lambda: (night.shard("word-count") or shard)["pid"] != shard["pid"], 30, "it is kept up")
    until(lambda: night.stream("words.count")["records"] == sum(said.values()), 30, "all words counted")
    until(lambda: night.stream("raw.exchange")["records"] > 1, 60, "the pipeline polls")
    # Where nothing ever ran the league's past was imported first: its teams are known, and so are its games.
    until(lambda: night.ask("games", "--date", "2026-01-14"), 60, "games of the simulated league")
    until(lambda: night.shard("high-score"), 30, "high-score reads what the pipeline says")
    rows = night.tap("words.count", sum(said.values()))
    seen = collections.defaultdict(list)
    for row in rows:
        payload = row["payload"]
        assert row["stream"] == "words.count", row
        seen[payload["source"], payload["word"]].append(payload["count"])
    assert {key: list(range(1, n + 1)) for key, n in said.items()} == seen, "not exactly once"
    assert night.ask("stream", "words.count"), "tipoff stream"


def main():
    with tempfile.TemporaryDirectory(prefix="tipoff-beside-") as root:
        night = Night(root + "/night")
        try:
            live(night)
            night.process.terminate()
            assert night.process.wait(40) == 0
            night.out.seek(0)
            text = night.out.read()
            assert "not-registered program=/nonexistent/thing" in text and "quarantined" not in text, text
            assert night.stream("words.count")["records"] == 60, "with nothing running"
            verified = night.ask("verify")
            assert verified and not verified["bad"] and not verified["unhandled"], verified
        except BaseException:
            night.out.seek(0)
            print(night.out.read()[-6000:])
            raise
        finally:
            if night.process.poll() is None:
                night.process.kill()
                night.process.wait()


if __name__ == "__main__":
    main()
