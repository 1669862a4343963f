#!/usr/bin/python3
"""Retention (PROTOCOL.md §7) by age, by bytes and of each key's newest, with a real broker: what is kept is what the rules say, a slow
reader stops it, force does not stop and tells him; and a broker that is killed at each step of a rewriting loses nothing that is to be kept."""
# ctest: timeout=120
import json
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))

import _broker  # noqa: E402
from _wire import Client, Refused, body, control, crc32c  # noqa: E402

AGE_S, BYTES = 100, 60000
RULES = {"aged": {"retention_s": AGE_S}, "bounded": {"retention_bytes": BYTES}, "newest": {"retention_latest": True},
         "kept": {}}
SETS = ["broker.segment_bytes=65536", "broker.retain_percent=1", "broker.retain_every=1h", "broker.retain_keys=16",
        "broker.lease=2s"]
POINTS = ["rewrite-slice:1", "rewrite-built:1", "rewrite-complete:1", "rewrite-complete:2",
          "rewrite-slice:9"]
ALL = [[name, "*"] for name in RULES]
SECOND = 10**6
KEYS = [[k for k in (f"key-{i}" for i in range(60)) if crc32c(k.encode()) % 2 == partition] for partition in range(2)]


class Broker(_broker.Broker):
    def start(self, wait=True, **env):
        streams = [dict(name=name, writer="*", partitions=2, retention_days=None, **rule) for name, rule in RULES.items()]
        with open(f"{self.dir}/registry.json", "w") as out:
            json.dump({"format": 1, "streams": streams}, out)
        super().start(wait, **env)

    def ask(self, words):
        return control(self.control, words)

    def retention(self):
        return self.ask("STATUS")["broker"]["retention"]

    def wait(self, passes):
        end = time.monotonic() + 30
        while (now := self.retention())["passes"] < passes:
            assert time.monotonic() < end, now
            time.sleep(0.01)
        return now

    def retain(self, words="RETAIN"):
        passes = self.retention()["passes"]
        assert "error" not in self.ask(words)
        return self.wait(passes + 1)

    def firsts(self):
        return sorted({int(name[4:24]) for name in os.listdir(f"{self.dir}/log") if name.startswith("seg-")})

    def sealed(self):
        """Where the active segment begins: what stands before it can be written anew."""
        return self.firsts()[-1]


class Writer:
    """Publishes at random, and remembers as what: batches (base, stream, partition, time, size of body, [(key, n), ...])."""

    def __init__(self, broker, seed):
        self.broker, self.random, self.batches, self.number = broker, random.Random(seed), [], 0
        self.now_s, self.seqs, self.head = 1_700_000_000, {}, 1
        self.connect()

    def connect(self):
        self.client = Client(self.broker.endpoint, "w", str(len(self.batches)))
        self.client.lease()

    def publish(self, turns, step_s=1):
        for _ in range(turns):
            if self.number % 4 == 0:
                self.now_s += 4 * step_s
                self.broker.ask(f"CLOCK STAND {self.now_s * SECOND} 1")
            stream, partition = self.random.choice(list(RULES)), self.random.randrange(2)
            records = []
            for _ in range(self.random.randint(1, 6)):
                self.number += 1
                key = self.random.choice(KEYS[partition])
                records.append((key, 1, [], None, {"n": self.number, "fill": "x" * self.random.randint(50, 400)}))
            data = body(records)
            seq = self.seqs.get((stream, partition), 1)
            self.client.publish([(stream, partition, seq, data, 0, len(records))])
            self.seqs[stream, partition] = seq + len(records)
            self.batches.append((self.head, stream, partition, self.now_s, len(data),
                                 [(r[0], r[4]["n"]) for r in records], seq, data))
            self.head += len(records)

    def again(self, count):
        """What was sent already, kept or not, is a repeat: acknowledged, not appended."""
        duplicates = self.broker.ask("STATUS")["broker"]["duplicates"]
        for batch in self.random.sample(self.batches, count):
            self.client.publish([(batch[1], batch[2], batch[6], batch[7], 0, len(batch[5]))])
        now = self.broker.ask("STATUS")["broker"]
        assert now["duplicates"] == duplicates + count and now["head"] == self.head, now

    def expired(self):
        """{position} of all that the rules let go, as of now."""
        gone, newest, behind = set(), {}, 0
        for base, stream, _, at_s, size, records, *_ in reversed(self.batches):
            span = range(base, base + len(records))
            if stream == "aged" and at_s < self.now_s - AGE_S:
                gone.update(span)
            if stream == "bounded":
                if behind >= BYTES:
                    gone.update(span)
                behind += size
            if stream == "newest":
                for position, (key, _) in reversed(list(zip(span, records))):
                    if newest.setdefault(key, position) != position:
                        gone.add(position)
        return gone

    def all(self):
        return {base + i: n for base, _, _, _, _, records, *_ in self.batches for i, (_, n) in enumerate(records)}


def read(broker):
    """{position: n} of all that there is."""
    client, got = Client(broker.endpoint, "r"), {}
    client.subscribe(RULES, records=10**6, size=1 << 28)
    lag = client.await_verb(b"SUBD")[1]["lag"]
    for message in [client.await_verb(b"DLVR")] if lag else []:
        client.waiting.append(message)
    while client.waiting or len(got) < lag:
        verb, batches = client.waiting.pop(0) if client.waiting else client.await_verb(b"DLVR")
        for head, data in batches if verb == b"DLVR" else []:
            for i, record in enumerate(__import__("msgpack").unpackb(data)[2:]):
                assert head[2] + i not in got
                got[head[2] + i] = record[4]["n"]
    client.close()
    assert len(got) == lag, (len(got), lag)
    return got


def verify(broker, removed):
    ran = subprocess.run([f"{_broker.BIN}/tipoff", "verify", "--json", "--dir", broker.dir], capture_output=True, text=True)
    said = json.loads(ran.stdout)
    assert not said["bad"], said["bad"][:3]
    assert said.get("removed", 0) == removed, (said.get("removed"), removed)


def holds(broker, writer, below, gone_before=frozenset(), exact=True):
    """Nothing is missing that the rules keep or a reader needs; and what they let go, and was closed, is gone."""
    everything, expired, sealed = writer.all(), writer.expired() | gone_before, broker.sealed()
    got = read(broker)
    assert all(everything[position] == n for position, n in got.items())
    missing = set(everything) - set(got)
    wrong = sorted(missing - expired)
    assert not wrong, (wrong[:5], len(wrong))
    assert not missing or max(missing) < below, "a reader needs it"
    if exact:
        left = sorted(p for p in set(got) & writer.expired() if p < sealed and p < below)
        batches = {p: b for b in writer.batches for p in range(b[0], b[0] + len(b[5]))}
        left = [p for p in left if batches[p][0] + len(batches[p][5]) <= below]
        # less than a hundredth of a segment (broker.retain_percent) is not worth writing it anew
        firsts = broker.firsts()
        for first, end in zip(firsts, firsts[1:]):
            here = [p for p in left if first <= p < end]
            assert len(here) <= 3, (here[:5], len(here), first, sealed)
    return missing


def joined(broker, name="slow"):
    client = Client(broker.endpoint, "slow", str(time.monotonic()))
    client.send_map(b"JOIN", name=name, kind="cursor", inputs=ALL, records=5, bytes=4000, take=True)
    return client, client.await_verb(b"JOND")[1]


def expect(tag, fn):
    try:
        fn()
    except Refused as refused:
        assert refused.tag == tag, (refused.tag, tag)
        return refused.said
    raise AssertionError(f"not refused: {tag}")


def done(client, said, position):
    client.send_map(b"DONE", name=said["name"], generation=said["generation"], position=position)
    return client.await_verb(b"DOND")[1]["position"]


def test_rules(broker, writer):
    slow, said = joined(broker)
    writer.publish(300)
    assert broker.ask("RETAIN NOW")["error"] == "usage"
    now = broker.retain()
    assert now["records"] == 0 and now["allowed"] == 1, "somebody has yet to read it"
    middle = writer.batches[150][0] + 1
    assert done(slow, said, middle) == middle
    now = broker.retain()
    assert now["records"] > 0 and now["segments"] > 0 and now["allowed"] == middle, now
    missing = holds(broker, writer, middle)
    assert len(missing) == now["records"] > 50, (len(missing), now)
    slow.waiting.clear()
    slow.credit(100, 100000)
    while slow.await_verb(b"DLVR")[1][-1][0][2] < middle:  # who is above it is delivered as ever
        slow.credit(100, 100000)
    writer.again(40)
    verify(broker, len(missing))
    # the next pass finds only what has expired since; a reader of another process takes the newest generation
    before = broker.retain()["records"]
    assert before - now["records"] <= 5, "what is left is worth it only since the segments are smaller"
    middle = writer.head
    assert done(slow, said, middle) == middle
    writer.publish(100)
    now = broker.retain()
    missing = holds(broker, writer, middle, missing)
    assert now["records"] == len(missing) > before
    broker.kill()
    broker.start()
    writer.connect()
    assert holds(broker, writer, middle, missing, exact=False) == missing
    writer.again(40)
    slow.close()
    return missing


def test_force(broker, writer, missing):
    """What a reader has yet to read goes; it is told, also after a restart of the broker, until it says where to go on."""
    slow, said = joined(broker)
    shard = Client(broker.endpoint, "shard")
    shard.lease()
    at = said["position"]
    shard.send_map(b"BEAT", state="ready", cursor=at, steps=0)
    shard.await_verb(b"ALIV")
    shard.subscribe(RULES, start=at, records=1)
    shard.await_verb(b"SUBD")
    writer.publish(250)
    broker.retain()
    held = holds(broker, writer, at, missing)
    broker.retain("RETAIN FORCE")
    missing = holds(broker, writer, writer.head + 1, held)
    assert len(missing) > len(held) and max(missing) > at
    told = expect("trimmed", lambda: [slow.await_verb(b"LOST") for _ in range(50)])
    whole = int(told["text"].split("(")[1][:-1])
    assert at < whole <= writer.head, told
    expect("trimmed", lambda: [shard.await_verb(b"LOST") for _ in range(50)])
    slow.close()
    for restart in (False, True):
        if restart:
            broker.kill()
            broker.start()
            writer.connect()
            shard.close()
            shard = Client(broker.endpoint, "shard", "2")
            shard.lease()
        expect("trimmed", lambda: joined(broker))
        shard.subscribe(RULES, start=at)
        said = expect("trimmed", lambda: shard.await_verb(b"SUBD"))
    end = max(s["whole_from"] for s in broker.ask("STATUS")["streams"])
    shard.subscribe(RULES, start=end)  # it takes the gap
    shard.await_verb(b"SUBD")
    shard.subscribe(RULES, start=end)
    shard.await_verb(b"SUBD")
    broker.ask("REWIND slow FIRST")
    slow, said = joined(broker)
    slow.await_verb(b"DLVR")
    assert done(slow, said, writer.head) == writer.head
    verify(broker, len(missing))
    shard.close()
    slow.close()
    broker.ask("FORGET slow")
    return missing


def test_kills(broker, writer, missing):
    for point in POINTS:
        writer.publish(40)
        broker.stop()
        broker.start(TIPOFF_FAULT=point)
        try:
            control(broker.control, "RETAIN FORCE", timeout=0.3)
        except TimeoutError:
            pass  # killed before it could answer
        died = broker.process.wait(20)
        assert died == -signal.SIGKILL, (point, died)
        broker.start()
        writer.connect()
        missing = holds(broker, writer, writer.head + 1, missing, exact=False)
        names = [n[4:24] for n in os.listdir(f"{broker.dir}/log") if n.startswith("seg-")]
        print(f"{point}: ended {died}, {len(missing)} removed of {len(writer.all())}, {len(names)} segments", flush=True)
        first = broker.ask("STATUS")["broker"]["first"]
        verify(broker, sum(p >= first for p in missing))
        writer.again(20)
    broker.retain("RETAIN FORCE")
    missing = holds(broker, writer, writer.head + 1, missing)
    names = [n[4:24] for n in os.listdir(f"{broker.dir}/log") if n.startswith("seg-")]
    assert len(set(names)) == len(names), "of each segment one generation"
    return missing


def main():
    broker = Broker(*SETS)
    writer = Writer(broker, 20260401)
    missing = test_rules(broker, writer)
    missing = test_force(broker, writer, missing)
    test_kills(broker, writer, missing)
    writer.client.close()
    print(broker.retention())
    broker.remove()


if __name__ == "__main__":
    main()
