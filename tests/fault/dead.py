#!/usr/bin/python3
# ctest: timeout=180
"""Dead letters, offered again or dropped with `tipoff dead`: exactly once through kills of the shard at every point of the step and
of the broker within the append of the verdict, the same again when the environment is lost, and with other configuration."""
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile

from _runtime import BIN, Runtime
from _wire import Client, crc32c, records_of

STREAMS = [("proof.number", "*"), ("proof.counted", "*"), ("ops.run", "*"), ("dead", "*"), ("ops.verdict", "*"),
           ("ops.resolved", "*")]
POINTS = ["handler", "step-before-commit", "step-committed", "step-published", "step-acked"]
PARTITIONS = 2


class Dead:
    def __init__(self):
        self.runtime = Runtime(STREAMS, PARTITIONS, sets=["broker.lease=1500ms", "broker.heartbeat=100ms",
                                                          "actor.retry_wait=10ms"])
        self.broker = self.runtime.add_broker()
        self.actor = self.runtime.add_actor("proof-fussy")
        self.actor.await_said(" ready ")
        self.writer = Client(self.runtime.endpoint("broker"), "numbers", timeout=20)
        self.writer.lease()
        self.writers = 1
        self.lanes = collections.Counter()
        self.model = collections.Counter()

    def put(self, key, *numbers):
        lane = crc32c(key.encode()) % PARTITIONS
        records = [(key, 1, [], None, {"key": key, "number": n, "value": 0}) for n in numbers]
        self.writer.publish([("proof.number", lane, self.lanes[lane] + 1, records)])
        self.lanes[lane] += len(numbers)

    def tipoff(self, *words, code=0):
        argv = [str(BIN / "tipoff"), *words, "--json", "--dir", str(self.runtime.dir), *self.runtime.options()]
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = subprocess.Popen(argv, stdout=out, stderr=err)
            self.runtime.until(lambda: process.poll() is not None, 60, f"{words} ends")  # who was killed is restarted meanwhile
            said, why = ((stream.seek(0), stream.read())[1] for stream in (out, err))
        assert process.returncode == code, f"{words}: exit {process.returncode}, not {code}: {said} {why}"
        return json.loads(said) if said else why

    def letters(self, *more):
        return self.tipoff("dead", "list", *more)

    def await_letters(self, count):
        return self.runtime.until(lambda: (lambda l: l if len(l) == count else None)(self.letters()), 20, f"{count} letters")

    def restart(self, faults="", **env):
        self.actor.kill()
        self.runtime.env = env
        self.actor.faults = faults
        since = self.actor.log_path.stat().st_size
        self.actor.start()
        if not faults:
            self.actor.await_said(" ready ", since)

    def counted(self):
        """Every proof.counted of the log: (key, number) -> [(count, position, parents)]."""
        client = Client(self.runtime.endpoint("broker"), "checker", timeout=20)
        client.subscribe(["proof.counted"], start=1, records=100000, size=8 << 20)
        found, left = collections.defaultdict(list), client.await_verb(b"SUBD")[1]["lag"]
        while left > 0:  # more, where something came meanwhile
            for (_, _, base, count, *_), body in client.await_verb(b"DLVR")[1]:
                left -= count
                for at, (_, _, parents, _, payload) in enumerate(records_of(body)):
                    found[payload["key"], payload["number"]].append((payload["count"], base + at, parents))
        client.close()
        return found

    def check(self, expected):
        """Exactly these came out, each once, and the counts of a key have no hole."""
        found = self.counted()
        assert {k: len(v) for k, v in found.items()} == {k: 1 for k in expected}, found
        for key in {k for k, _ in expected}:
            counts = sorted(rows[0][0] for (k, _), rows in found.items() if k == key)
            assert counts == list(range(1, len(counts) + 1)), (key, counts)
        return found

    def resolved(self, letter, state):
        return self.runtime.until(lambda: next((x for x in self.letters("--all") if x["id"] == letter and
                                                x["state"] == state), None), 30, f"{letter} is {state}")

    # ---- scenarios ----

    def refused_again(self):
        self.put("a", 1, 666, 2)
        letter, = self.await_letters(1)
        assert letter["reader"] == "proof-fussy.0" and letter["key"] == "a" and "permit" in letter["rule"], letter
        said = self.tipoff("dead", "retry", str(letter["id"]), code=1)
        assert said["state"] == "refused" and "@" in said["by"], said
        second, = self.await_letters(1)
        assert second["position"] == letter["position"] and second["attempts"] == 2 and second["id"] > letter["id"]
        self.check({("a", 1), ("a", 2)})
        assert self.tipoff("dead", "retry", str(letter["id"]), code=1)["state"] == "refused"  # said already: nothing happens
        return second

    def through_kills(self, second):
        """One letter for each point at which the shard dies while it takes the verdict."""
        keys = [f"k{i}" for i in range(len(POINTS))]
        for key in keys:
            self.put(key, 1, 666, 2)
        letters = {x["key"]: x for x in self.await_letters(len(keys) + 1)}
        self.put("permit", 1)
        expected = {("a", 1), ("a", 2), ("permit", 1)} | {(k, n) for k in keys for n in (1, 2)}
        self.runtime.until(lambda: len(self.counted()) == len(expected), 20, "all but the poison")
        for key, point in zip(keys, POINTS):
            self.restart(faults=f"{point}:1")
            self.tipoff("dead", "retry", str(letters[key]["id"]), "--wait", "0")
            self.runtime.until(lambda p=point: self.runtime.fired()[p], 30, f"{point} struck")
            self.resolved(letters[key]["id"], "taken")
            expected.add((key, 666))
            self.check(expected)
        # The broker dies with the verdict in its log and nobody told: it may be said twice, and is taken once.
        self.restart()
        self.broker.kill()
        self.broker.faults = "append-before-commit:3,append-committed:4"
        self.broker.start()
        self.tipoff("dead", "retry", str(second["id"]), "--wait", "30000")
        self.resolved(second["id"], "taken")
        expected.add(("a", 666))
        found = self.check(expected)
        assert not self.letters(), self.letters()
        _, position, parents = found["a", 666][0]
        assert position > second["id"] and parents[0] > second["id"], (second, found["a", 666])
        lineage = json.dumps(self.tipoff("lineage", str(position)))
        for origin in (second["id"], second["position"]):
            assert f'"position": {origin}' in lineage, (origin, lineage)
        return expected

    def lost_environment(self, expected):
        """All of it is done again from the log, verdicts too, and compared."""
        self.actor.kill()
        shutil.rmtree(self.runtime.environment("proof-fussy", 0))
        since = self.actor.log_path.stat().st_size
        self.actor.faults = ""
        self.actor.start()
        self.actor.await_said(" rebuilt ", since)
        self.check(expected)
        self.writers += 1
        self.writer = Client(self.runtime.endpoint("broker"), "numbers", incarnation=str(self.writers), timeout=20)
        grant = self.writer.lease()[1]
        self.lanes = collections.Counter({p: seq for _, p, seq in grant["lanes"]})

    def dropped(self, expected):
        self.restart(FUSSY_REFUSES="13")
        self.put("z", 1, 13, 2)
        letter, = self.await_letters(1)
        self.tipoff("dead", "drop", str(letter["id"]))
        assert not self.letters(), "what was dropped is not listed"
        done = self.resolved(letter["id"], "dropped")
        assert done["verdict"] == "drop" and "@" in done["by"] and done["verdict_at"], done
        assert "first verdict" in self.tipoff("dead", "retry", str(letter["id"]), code=1)
        expected |= {("z", 1), ("z", 2)}
        self.check(expected)

    def other_configuration(self, expected):
        self.put("y", 1, 13, 2)
        letter, = self.await_letters(1)
        self.restart()
        assert self.tipoff("dead", "retry", str(letter["id"]))["state"] == "taken"
        expected |= {("y", 1), ("y", 2), ("y", 13)}
        self.check(expected)
        assert self.tipoff("dead", "show", str(letter["id"]))["record"]["payload"]["number"] == 13
        self.tipoff("dead", "retry", "1", code=1)
        self.tipoff("dead", "retry", "x", code=64)
        self.tipoff("dead", "mend", "1", code=64)
        verified = self.tipoff("verify")
        assert not verified["bad"] and not verified["unhandled"], verified

    def without_a_broker(self):
        self.broker.kill()
        self.actor.kill()
        assert len(self.letters("--all")) > 5
        letter = next(x for x in self.letters("--all") if x["state"] == "taken")
        assert self.tipoff("dead", "retry", str(letter["id"]))["state"] == "taken"  # nothing to say to anyone


def main():
    dead, whole = Dead(), False
    try:
        second = dead.refused_again()
        expected = dead.through_kills(second)
        dead.lost_environment(expected)
        dead.dropped(expected)
        dead.other_configuration(expected)
        dead.lost_environment(expected)  # what was refused for reasons that are over is refused again: so it was
        dead.without_a_broker()
        whole = True
    finally:
        dead.runtime.close(keep=not whole)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TIPOFF_BIN", "build/bin")
    sys.exit(main())
