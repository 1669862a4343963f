#!/usr/bin/python3
"""Named cursors and work groups (PROTOCOL.md §11) against a client written from the page: at least once, each record to one
member, ends of leases, letters, rewinding; and a broker that is killed around the commits of what was settled."""
# ctest: timeout=120
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
import msgpack  # noqa: E402

import _broker  # noqa: E402
from _wire import HEADER, Client, Refused, control, crc32c, records_of  # noqa: E402

_broker.STREAMS = _broker.STREAMS + [("dead", "*")]
LINK_READER = pathlib.Path(os.environ.get("TIPOFF_BUILD", "build")) / "tests" / "link_reader"
BIN = os.environ.get("TIPOFF_BIN", "build/bin")
ITEM = struct.Struct(">QIII4x")


def rec(i, key="k"):
    return (key, 1, [], None, {"n": i})


class Reader(Client):
    """A client that joins cursors and groups."""
    leases = ()

    def join(self, name, kind, inputs=None, records=1000, size=1 << 20, **more):
        fields = dict(name=name, kind=kind, records=records, bytes=size, **more)
        if inputs:
            fields["inputs"] = inputs
        self.send_map(b"JOIN", **fields)
        self.joined = self.await_verb(b"JOND")[1]
        return self.joined

    def receive(self, timeout=None):
        if self.socket.poll((self.timeout if timeout is None else timeout) * 1000):
            frames = self.socket.recv_multipart()
            if frames[0][:4] == b"WORK":
                return b"WORK", work_of(frames)
            return self.decode(frames)
        return None

    def work(self, timeout=None):
        """[(position, attempts, lease, n), ...] of the next WORK; [] if none comes."""
        old, self.timeout = self.timeout, timeout or self.timeout
        try:
            return self.await_verb(b"WORK")[1]
        except TimeoutError:
            return []
        finally:
            self.timeout = old

    def settle(self, does, items, **more):
        """items: what work() gave. Returns SETD; `refused` holds the REFU before it."""
        self.send_map(b"SETL", name=self.joined["name"], does=does,
                      items=[[lease, position, 1] for position, _, lease, _ in items], **more)
        self.refused = None
        while True:
            try:
                return self.await_verb(b"SETD")[1]
            except Refused as refused:
                if refused.tag != "lease-expired":
                    raise
                self.refused = refused.tag

    def done(self, position, generation=None):
        self.send_map(b"DONE", name=self.joined["name"], generation=generation or self.joined["generation"],
                      position=position)
        return self.await_verb(b"DOND")[1]["position"]

    def take(self, count):
        got = []
        while len(got) < count:
            for head, data in self.await_verb(b"DLVR")[1]:
                got += [(head[2] + i, item[4]["n"]) for i, item in enumerate(records_of(data))]
        return got


def work_of(frames):
    count, = struct.unpack_from(">I", frames[0], 4)
    assert len(frames) == 2 and len(frames[0]) == 8 + count * (HEADER.size + ITEM.size)
    got, at, before, data = [], 0, None, b""
    for i in range(count):
        offset = 8 + i * (HEADER.size + ITEM.size)
        head = HEADER.unpack_from(frames[0], offset)
        lease, first, records, attempts = ITEM.unpack_from(frames[0], offset + HEADER.size)
        if head[2] != before:
            data = frames[1][at:at + head[7]]
            at += head[7]
            before = head[2]
        assert head[0] == b"TIP1" and head[-1] == crc32c(data), "broken batch"
        items = records_of(data)
        got += [(head[2] + j, attempts, lease, items[j][4]["n"]) for j in range(first, first + records)]
    assert at == len(frames[1])
    return got


def expect(tag, fn):
    try:
        fn()
    except Refused as refused:
        assert refused.tag == tag, (refused.tag, tag)
        return refused.said
    raise AssertionError(f"not refused: {tag}")


ALL = [["numbers", "*"]]


def test_cursor(broker):
    w = Client(broker.endpoint, "w")
    w.lease()
    w.publish([("numbers", 0, 1, [rec(1), rec(2)]), ("numbers", 1, 1, [rec(3)])])
    a = Reader(broker.endpoint, "a")
    expect("bad-frame", lambda: a.join("c", "cursor"))  # a new one needs inputs
    expect("unknown-stream", lambda: a.join("c", "cursor", [["none", "*"]]))
    expect("bad-partition", lambda: a.join("c", "cursor", [["numbers", [7]]]))
    expect("bad-frame", lambda: a.join("c", "heap", ALL))
    expect("not-joined", lambda: a.send_map(b"DONE", name="c", generation=1, position=1) or a.await_verb(b"DOND"))
    said = a.join("c", "cursor", ALL)
    assert said["position"] == 1 and said["lag"] == 3, said
    assert a.take(3) == [(1, 1), (2, 2), (3, 3)]
    assert a.done(3) == 3
    assert a.done(2) == 3, "never back"
    expect("bad-frame", lambda: a.done(99))
    b = Reader(broker.endpoint, "b")
    assert "read by a" in expect("busy", lambda: b.join("c", "cursor"))["text"]
    expect("reader-differs", lambda: b.join("c", "group", ALL))
    expect("reader-differs", lambda: b.join("c", "cursor", [["others", "*"]]))
    assert b.join("c", "cursor", take=True)["generation"] == said["generation"] + 1
    assert b.take(1) == [(3, 3)], "from where it was done"
    assert a.await_verb(b"LOST")[1]["name"] == "c"
    expect("not-joined", lambda: a.done(3))
    # in place: delivered again, and what was done before the rewind does not undo it
    old = b.joined["generation"]
    said = control(broker.control, "REWIND c POSITION 2")
    assert said["position"] == 2, said
    b.joined = b.await_verb(b"JOND")[1]
    assert b.joined["generation"] == said["generation"] == old + 1
    assert [n for _, n in b.take(3)][-2:] == [2, 3]
    expect("stale-generation", lambda: b.done(4, generation=old))
    assert b.done(4) == 4
    assert control(broker.control, "TRIM 4")["allowed"] == 4
    assert control(broker.control, "REWIND none FIRST")["error"] == "unknown-reader"
    assert control(broker.control, "REWIND c POSITION 9")["error"] == "beyond-head"
    assert control(broker.control, "REWIND c")["error"] == "usage"
    broker.kill()
    broker.start()
    b.close()
    b = Reader(broker.endpoint, "b")
    said = b.join("c", "cursor", ALL)
    assert said["position"] == 4 and said["generation"] > old + 1, said
    assert control(broker.control, f"REWIND c TIME {int(time.time() * 1e6) + 3600 * 10**6}")["position"] == 4
    assert control(broker.control, "REWIND c TIME 1")["position"] == 1
    b.await_verb(b"JOND")
    assert len(b.take(3)) == 3
    # who is dead blocks no longer than its lease
    c = Reader(broker.endpoint, "c")
    end = time.monotonic() + 10
    while True:
        try:
            c.join("c", "cursor")
            break
        except Refused as refused:
            assert refused.tag == "busy" and time.monotonic() < end
            time.sleep(0.05)
    for client in (w, a, b, c):
        client.close()


def test_group(broker):
    w = Client(broker.endpoint, "w")
    lanes = {(s, p): q for s, p, q in w.lease()[1]["lanes"]}
    number = w.streams["others"][0]
    first = lanes.get((number, 0), 0) + 1
    w.publish([("others", 0, first, [rec(i) for i in range(6)])])
    a, b = Reader(broker.endpoint, "a"), Reader(broker.endpoint, "b")
    how = dict(inputs=[["others", "*"]], lease_us=1500000, attempts=2, open=8)
    a.join("g", "group", records=4, **how)
    b.join("g", "group", records=4, **how)
    mine, his = a.work(), b.work()
    if len(mine) < len(his):  # both may have joined before the first turn that hands out
        a, b, mine, his = b, a, his, mine
    assert [n for *_, n in mine] == [0, 1, 2, 3] and [n for *_, n in his] == [4, 5], (mine, his)
    assert b.settle("ack", his)["settled"] == 2
    assert a.settle("ack", mine[1:3], serial=7)["serial"] == 7
    assert control(broker.control, "STATUS")["readers"][0]["done_above"] == 4
    said = a.settle("ack", mine[1:2])
    assert a.refused == "lease-expired" and said["settled"] == 0 and len(said["expired"]) == 1, said
    b.settle("ack", [mine[0]])
    assert b.refused == "lease-expired", "another's lease"
    # nack with a delay: not before, and counted
    began = time.monotonic()
    assert a.settle("nack", mine[:1], delay_us=300000, reason="not today")["settled"] == 1
    who, got = next((m, items) for m in (a, b, a, b) if (items := m.work(0.5)))
    assert time.monotonic() - began > 0.25
    assert [(n, attempts) for _, attempts, _, n in got] == [(0, 2)], got
    # the last attempt refused: a letter, with payload and reason
    assert who.settle("nack", got, reason="broken")["settled"] == 1
    d = Client(broker.endpoint, "d")
    d.subscribe(["dead"])
    letter = records_of(d.await_verb(b"DLVR")[1][0][1])[0]
    assert letter[4]["rule"] == "broken" and letter[4]["attempts"] == 2 and letter[4]["reader"] == "g", letter
    assert msgpack.unpackb(letter[4]["payload"]) == {"n": 0} and letter[2] == [got[0][0]]
    # a lease that ends gives back, to whoever has room, and its late ack is refused; one that is extended holds
    who, back = next((m, items) for m in (a, b, a, b, a, b) if (items := m.work(0.5)))
    assert [(n, attempts) for _, attempts, _, n in back] == [(3, 2)], back
    a.settle("ack", mine[3:])
    assert a.refused == "lease-expired"
    for _ in range(3):
        assert not a.work(0.15) and not b.work(0.15)
        assert who.settle("extend", back)["settled"] == 1
    assert who.settle("ack", back)["settled"] == 1
    status = control(broker.control, "STATUS")["readers"][0]
    assert status["position"] == status["next"] and status["dead"] == 1, status
    # no more than `open` above the floor; members that are gone give back at once
    w.publish([("others", 0, first + 6, [rec(i) for i in range(10, 30)])])
    a.socket.send(b"USUB")
    b.close()
    c = Reader(broker.endpoint, "c")
    c.join("g", "group", records=100, **how)
    got = c.work()
    while len(got) < 8:
        got += c.work()
    got.sort()  # what went out to one who was gone already comes later
    assert len(got) == 8 and not c.work(0.2), got
    c.settle("extend", got)
    c.settle("ack", got[1:])
    assert not c.work(0.2), "the floor has not moved"
    c.settle("ack", got[:1])
    assert len(c.work()) == 8
    old = c.joined["generation"]
    control(broker.control, f"REWIND g POSITION {got[0][0]}")
    assert c.await_verb(b"JOND")[1]["generation"] == old + 1
    assert c.work()[0][0] == got[0][0]
    assert control(broker.control, "FORGET g") == {"forgotten": "g"}
    assert c.await_verb(b"LOST")[1]["name"] == "g"
    expect("not-joined", lambda: c.settle("ack", got))
    for client in (w, a, c, d):
        client.close()


def test_link(broker):
    """The same through the link in C: credit, done, a rewind while it reads, the end of its broker, one that is busy."""
    w = Client(broker.endpoint, "w4")
    w.lease()
    start = control(broker.control, "STATUS")["broker"]["head"]
    for seq in range(1, 11, 2):
        w.publish([("others", 1, seq, [rec(seq), rec(-seq)])])
    a = Reader(broker.endpoint, "a")
    a.join("l", "cursor", [["others", "*"]], start="position", position=start)

    def reader(below):
        command = [str(LINK_READER), broker.endpoint, "l", "others", str(below)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    first = reader(start + 10)
    assert first.stdout.readline() == "refused busy\n"
    a.socket.send(b"USUB")
    rows = [line.split() for line in first.communicate(timeout=20)[0].splitlines() if "busy" not in line]
    assert first.returncode == 0 and rows[0] == ["joined", str(start)], rows
    assert [row[1:] for row in rows if row[0] == "took"] == [[str(start + i), "2"] for i in range(0, 10, 2)], rows
    second = reader(start + 12)
    assert second.stdout.readline() == f"joined {start + 10}\n", "from where it was"
    assert control(broker.control, f"REWIND l POSITION {start + 8}")["position"] == start + 8
    assert [second.stdout.readline() for _ in range(3)] == [f"joined {start + 8}\n", f"took {start + 8} 2\n", f"done {start + 10}\n"]
    w.close()
    broker.kill()
    broker.start()
    assert second.stdout.readline() == f"joined {start + 10}\n"
    w = Client(broker.endpoint, "w4")
    w.lease()
    w.publish([("others", 1, 11, [rec(11), rec(-11)])])
    assert second.communicate(timeout=20)[0] == f"took {start + 10} 2\ndone {start + 12}\n" and second.returncode == 0
    assert control(broker.control, "FORGET l") == {"forgotten": "l"}
    w.close()
    a.close()


def test_sizes(broker):
    w, a = Client(broker.endpoint, "w2"), Reader(broker.endpoint, "a")
    w.lease()
    a.join("sizes", "cursor", [["numbers", [1]]], start="head", size=1 << 30)
    most = w.welcome["max_batch_bytes"]
    eight = (8 << 20) - 8  # a map, its key and the head of the bytes: a payload of 8 MiB
    assert most >= eight + 8
    for seq, size in enumerate((0, 1, eight), 1):
        w.publish([("numbers", 1, seq, [("k", 1, [], None, {"b": b"x" * size} if size else {})])])
        _, data = a.await_verb(b"DLVR")[1][0]
        assert len(records_of(data)[0][4].get("b", b"")) == size
    expect("too-large", lambda: w.publish([("numbers", 1, 4, [("k", 1, [], None, {"b": b"x" * most})])]))
    w.close()
    a.close()


def tipoff(broker, *words, code=0):
    done = subprocess.run([os.path.join(BIN, "tipoff"), *words, "--dir", broker.dir], capture_output=True, text=True, timeout=30)
    assert done.returncode == code, (words, done)
    return done.stdout + done.stderr


def test_tools(broker):
    """`tipoff stream` shows who reads what the broker keeps the place of; `tipoff rewind` sets it."""
    w, c, g = Client(broker.endpoint, "w4"), Reader(broker.endpoint, "c4"), Reader(broker.endpoint, "g4")
    w.lease()
    head = control(broker.control, "STATUS")["broker"]["head"]
    c.join("place", "cursor", [["numbers", "*"]], start="head")
    g.join("crew", "group", [["numbers", "*"]], start="head", records=1)
    w.publish([("numbers", 0, 1, [rec(1), rec(2)]), ("numbers", 1, 1, [rec(3)])])
    (position, attempts, lease, _), = g.work()
    rows = {row["name"]: row for row in json.loads(tipoff(broker, "stream", "numbers", "--json"))["readers"] if "name" in row}
    place, crew = rows["place"], rows["crew"]
    assert (place["kind"], place["position"], place["lag"], place["members"]) == ("cursor", head, 3, ["c4"]), place
    assert (crew["kind"], crew["position"], crew["lag"], crew["out"], crew["dead"]) == ("group", head, 2, 1, 0), crew
    shown = tipoff(broker, "stream", "numbers")
    assert f"the cursor place at {head}, 3 behind, 1 in it" in shown and "the group crew" in shown, shown
    assert f"position {head + 2}" in tipoff(broker, "rewind", "place", str(head + 2))
    assert status(broker, "place")["position"] == head + 2
    said = json.loads(tipoff(broker, "rewind", "crew", "head", "--json"))
    assert said["position"] == head + 3 == status(broker, "crew")["position"] and said["generation"] == status(broker, "crew")["generation"]
    moment = control(broker.control, "CLOCK")["league_time"]
    w.publish([("numbers", 0, 3, [rec(4)])])
    assert f"position {head + 3}" in tipoff(broker, "rewind", "place", moment)
    first = control(broker.control, "STATUS")["broker"]["first"]
    assert f"position {first}" in tipoff(broker, "rewind", "crew", "first")
    assert "unknown-reader" in tipoff(broker, "rewind", "nobody", "head", code=1)
    tipoff(broker, "rewind", "place", str(head + 1000), code=1)
    assert "no such shard" in tipoff(broker, "rewind", "nobody/0", "head", code=1)
    tipoff(broker, "rewind", "place", "yesterday", code=64)
    assert "usage: tipoff rewind" in tipoff(broker, "rewind", "--help")
    for client in (w, c, g):
        client.close()


def status(broker, name):
    return [row for row in control(broker.control, "STATUS")["readers"] if row["name"] == name][0]


def passed(broker, name, position):
    try:
        return status(broker, name)["position"] >= position
    except TimeoutError:  # it died of its own fault just now
        broker.kill()
        broker.start()
        return False


def test_killed(broker):
    """The broker dies around the commits of what two members settle: what was acknowledged never comes again, the rest does."""
    rng = random.Random(11)
    w = Client(broker.endpoint, "w3")
    w.lease()
    total = 160
    w.publish([("others", p, 1, [rec(i) for i in range(p, total, 2)]) for p in (0, 1)])
    start = control(broker.control, "STATUS")["broker"]["head"] - total
    w.close()
    acked, asked, lives = {}, set(), 0  # under which lease; and what may have been settled without our having heard of it
    while len(asked) < total or not passed(broker, "k", start + total):
        lives += 1
        assert lives < 60, f"{len(acked)} of {total}"
        members = [Reader(broker.endpoint, f"m{i}", timeout=0.7) for i in range(2)]
        try:
            for member in members:
                member.join("k", "group", [["others", "*"]], start="position", position=start, records=20,
                            attempts=1000)
            for _ in range(12):
                for member in members:
                    got = member.work(0.15)
                    # Leases grow: an older one is of a message that we are late to read.
                    again = [one for one in got if one[2] > acked.get(one[3], one[2])]
                    assert not again, f"acknowledged, and there again: {again}"
                    part = [one for one in got if rng.random() < 0.8]
                    rest = [one for one in got if one not in part]
                    if rest:
                        member.settle("nack", rest)
                    asked.update(n for *_, n in part)
                    if part and member.settle("ack", part)["settled"] == len(part):
                        acked.update((n, lease) for _, _, lease, n in part)
                if len(acked) == total:
                    break
        except (TimeoutError, Refused):
            pass
        for member in members:
            member.socket.linger = 100
            member.socket.send(b"GBYE")
            member.close()
        if broker.process.poll() is not None or rng.random() < 0.5:
            broker.kill()
            point = rng.choice(("append-before-commit", "append-committed"))
            broker.start(TIPOFF_FAULT=f"{point}:{rng.randint(3, 12)}")
    row = status(broker, "k")
    assert row["position"] == start + total and row["dead"] == 0, row
    assert len(acked) > total // 2, f"too little was heard of: {len(acked)}"
    print(f"killed: {total} records in {lives} lives")
    broker.kill()
    broker.start()


def test_idle(_):
    """A cursor and a group of a stream where nothing happens hold no trimming back, and miss nothing by that; one that has
    something to read does."""
    broker = _broker.Broker("broker.segment_bytes=65536")
    w = Client(broker.endpoint, "w")
    w.lease()
    others = [["others", "*"]]
    for kind in ("cursor", "group"):
        reader = Reader(broker.endpoint, kind)
        reader.join(f"idle-{kind}", kind, others)
        reader.close()
    fill = [("k", 1, [], None, {"n": i, "fill": "x" * 2000}) for i in range(30)]
    for turn in range(8):
        if turn == 4:
            w.publish([("others", 0, 1, [rec(77)])])
        w.publish([("numbers", 0, 1 + 30 * turn, fill)])
    waits = 4 * 30 + 1
    said = control(broker.control, "TRIM 1000")
    assert said["allowed"] == waits and 1 < said["first"] <= waits, said
    w.close()
    broker.kill()
    broker.start()
    assert [row["position"] for row in control(broker.control, "STATUS")["readers"]] == [waits] * 2
    late, g = Reader(broker.endpoint, "l"), Reader(broker.endpoint, "g")
    assert late.join("idle-cursor", "cursor", others)["position"] == waits
    assert late.take(1) == [(waits, 77)] and late.done(waits + 1) == waits + 1
    g.join("idle-group", "group", others)
    assert control(broker.control, "TRIM 1000")["allowed"] == waits, "the group still has to hand it out"
    work = g.work()
    assert [(one[0], one[3]) for one in work] == [(waits, 77)] and g.settle("ack", work)["settled"] == 1
    said = control(broker.control, "TRIM 1000")
    assert said["allowed"] == 8 * 30 + 2 and said["first"] > waits, said
    for client in (late, g):
        client.close()
    broker.remove()


broker = _broker.Broker("broker.lease=3s", "broker.heartbeat=200ms")
for test in (test_cursor, test_group, test_link, test_sizes, test_tools, test_killed, test_idle):
    began = time.monotonic()
    test(broker)
    print(f"{test.__name__}: good, {time.monotonic() - began:.1f} s", flush=True)
broker.remove()
