#!/usr/bin/python3
"""The broker against a client written from PROTOCOL.md: the life of batches and leases, and peers that are wrong."""
import glob
import os
import random
import signal
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
import zmq  # noqa: E402

from _broker import Broker  # noqa: E402
from _wire import Client, Refused, body, control, crc32c, records_of  # noqa: E402


def rec(i, key="k"):
    return (key, 1, [], None, {"n": i})


def expect(tag, fn):
    try:
        fn()
    except Refused as refused:
        assert refused.tag == tag, (refused.tag, tag)
        return refused.said
    raise AssertionError(f"not refused: {tag}")


def drain(client, count):
    got = []
    while len(got) < count:
        _, batches = client.await_verb(b"DLVR")
        for head, data in batches:
            items = records_of(data)
            got += [(head[2] + i, item) for i, item in enumerate(items)]
            client.credit(len(items), len(data))
    return got


def test_batches(broker):
    a = Client(broker.endpoint, "a")
    assert a.lease()[0] == b"GRNT"
    a.publish([("numbers", 0, 1, [rec(1), rec(2)])])
    a.publish([("numbers", 1, 1, [rec(10)]), ("numbers", 0, 3, [rec(3)])])
    a.publish([("numbers", 0, 1, [rec(1), rec(2)])])  # the same again: dropped
    expect("seq-conflict", lambda: a.publish([("numbers", 0, 1, [rec(9), rec(2)])]))
    expect("seq-conflict", lambda: a.publish([("numbers", 0, 2, [rec(2)])]))
    expect("seq-gap", lambda: a.publish([("numbers", 0, 9, [rec(9)])]))
    b = Client(broker.endpoint, "b")
    b.subscribe(["numbers"])
    got = drain(b, 4)
    assert [p for p, _ in got] == [1, 2, 3, 4], got
    assert [item[4]["n"] for _, item in got] == [1, 2, 10, 3], got
    # one batch is always allowed, then credit holds the rest back
    c = Client(broker.endpoint, "c")
    c.subscribe(["numbers"], records=1, size=1)
    verb, batches = c.await_verb(b"DLVR")
    assert len(batches) == 1 and c.receive(0.3) is None
    c.credit(2, 1 << 20)
    assert len(c.await_verb(b"DLVR")[1]) == 1
    for client in (a, b, c):
        client.close()


def test_restart(broker):
    a = Client(broker.endpoint, "a", incarnation="2")
    _, grant = a.lease()
    lanes = {(s, p): seq for s, p, seq in grant["lanes"]}
    number = a.streams["numbers"][0]
    assert lanes[(number, 0)] == 3 and lanes[(number, 1)] == 1, lanes
    first_epoch = grant["epoch"]
    broker.kill()
    broker.start()
    a.publ([("numbers", 0, 4, [rec(4)])])
    expect("no-session", lambda: a.await_verb(b"ACKD"))
    a.hello()
    _, grant = a.lease()
    assert grant["epoch"] > first_epoch
    a.publish([("numbers", 0, 4, [rec(4)])])
    a.publish([("numbers", 0, 4, [rec(4)])])
    assert control(broker.control, "STATUS")["broker"]["head"] == 6
    a.close()


def test_leases(broker):
    a = Client(broker.endpoint, "owner")
    assert a.lease(env="here")[0] == b"GRNT"
    a.publish([("owned", 0, 1, [rec(1)])])
    b = Client(broker.endpoint, "owner", incarnation="other")
    verb, wait = b.lease(env="elsewhere")
    assert verb == b"WAIT" and "owner@py" in wait["holder"], wait
    c = Client(broker.endpoint, "owner", incarnation="successor")
    verb, grant = c.lease(env="here")
    assert verb == b"GRNT" and grant["last_env"] == "here"
    assert a.await_verb(b"LOST")
    expect("stale-epoch", lambda: a.publish([("owned", 0, 2, [rec(2)])]))
    c.publish([("owned", 0, 2, [rec(2)])])
    # silence ends a lease: then the other host gets it, and the silent one is the past
    end = time.monotonic() + 10
    while True:
        verb, said = b.lease(env="elsewhere")
        if verb == b"GRNT":
            break
        assert time.monotonic() < end
        time.sleep(min(said["retry_us"] / 1e6, 0.2))  # what WAIT tells
    assert said["last_env"] == "here"
    expect("stale-epoch", lambda: c.publish([("owned", 0, 3, [rec(3)])]))
    for client in (a, b, c):
        client.close()


def test_later(broker):
    a = Client(broker.endpoint, "timer")
    a.lease()
    now = control(broker.control, "CLOCK")["league_us"]
    a.publish([("others", 0, 1, [rec(1)], now + 700_000), ("others", 0, 2, [rec(2)]), ("others", 0, 3, [rec(3)], now + 400_000)])
    reader = Client(broker.endpoint, "reader")
    reader.subscribe(["others"])
    assert [i[4]["n"] for _, i in drain(reader, 1)] == [2]
    a.send_map(b"OWNQ", stream="others", partition=0, from_seq=1, records=100)
    own = []
    while True:
        _, batches = a.await_verb(b"OWND")
        if not batches:
            break
        own += [(h[2], records_of(d)[0][4]["n"]) for h, d in batches]
    assert [n for _, n in own] == [1, 2, 3] and own[0][0] == 0 and own[1][0] > 0, own
    broker.kill()
    broker.start()
    a.hello(), a.lease()
    a.publish([("others", 0, 1, [rec(1)], now + 700_000)])  # a repeat of what waits
    reader.hello()
    reader.subscribe(["others"])
    got = drain(reader, 3)
    assert [i[4]["n"] for _, i in got] == [2, 3, 1], got
    assert control(broker.control, "STATUS")["broker"]["later"] == 0
    a.publish([("others", 0, 1, [rec(1)], now + 700_000)])  # a repeat of what has fallen due
    expect("seq-conflict", lambda: a.publish([("others", 0, 1, [rec(7)], now + 700_000)]))
    a.close(), reader.close()


def test_malformed(broker):
    before = control(broker.control, "STATUS")["broker"]["head"]
    a = Client(broker.endpoint, "mallory", hello=False)
    expect("no-session", lambda: a.publish([(1, 0, 1, [rec(1)])]))
    expect("protocol-version", lambda: a.hello(protocol=9))
    a.hello()
    rng = random.Random(7)
    for size in [0, 1, 3, 4, 5, 64, 1000] * 20:
        a.socket.send(bytes(rng.randrange(256) for _ in range(size)))
    for verb in (b"HELO", b"LEAS", b"SUBS", b"BEAT", b"OWNQ", b"PUBL", b"CRED"):
        for size in (0, 1, 7, 33):
            a.socket.send(verb + bytes(rng.randrange(256) for _ in range(size)))
    a.socket.send_multipart([b"PUBL" + struct.pack(">IQI", 1, 1, 3), b"x"])
    a.socket.send_multipart([b"BEAT", b"two", b"frames"])
    tags = set()
    while (got := a.receive(0.5)) is not None:
        assert got[0] in (b"REFU", b"ALIV"), got
        tags.add(got[1].get("tag"))
    assert "bad-frame" in tags, tags
    a.lease(env="m")
    owner = control(broker.control, "STATUS")["shards"]
    forged = next(i for i, s in enumerate(owner) if s["actor"] == "owner") + 1
    expect("not-leased", lambda: a.publish([("owned", 0, 5, [rec(1)])], producer=forged, epoch=99))
    expect("not-leased", lambda: a.publish([("numbers", 0, 1, [rec(1)])], producer=4000))
    expect("not-leased", lambda: a.publish([("numbers", 0, 1, [rec(1)])], epoch=a.epoch + 5))
    expect("stale-epoch", lambda: a.publish([("numbers", 0, 1, [rec(1)])], epoch=a.epoch - 1))
    expect("not-writer", lambda: a.publish([("owned", 0, 1, [rec(1)])]))
    expect("unknown-stream", lambda: a.publish([(77, 0, 1, [rec(1)])]))
    expect("bad-partition", lambda: a.publish([("numbers", 9, 1, [rec(1)])]))
    expect("bad-count", lambda: a.publish([("numbers", 0, 1, b"\x91\x01")]))
    expect("bad-count", lambda: a.publish([("numbers", 0, 1, body([rec(1)]), 0, 5)]))
    expect("seq-gap", lambda: a.publish([("numbers", 0, 2, [rec(1)])]))
    expect("too-large", lambda: a.publish([("numbers", 0, 1, body([("k", 1, [], None, {"n": b"x" * 70000})]), 0, 1)]))
    good, bad = body([rec(1)]), body([rec(2)])
    head = struct.pack(">HHIQIIq", a.streams["numbers"][0], 0, 1, 1, crc32c(good), len(good), 0)
    a.socket.send_multipart([b"PUBL" + struct.pack(">IQI", a.producer, a.epoch, 1) + head, bad])
    expect("bad-crc", lambda: a.await_verb(b"ACKD"))
    a.publ([("numbers", 0, 3, [rec(3)]), ("numbers", 0, 1, [rec(1)])])
    tags = [a.receive()[1]["tag"] for _ in range(2)]
    assert tags == ["seq-gap", "after-refusal"], tags
    expect("unknown-stream", lambda: (a.send_map(b"SUBS", inputs=[["nowhere", [0]]], **{"from": 0}, records=1, bytes=1),
                                      a.await_verb(b"DLVR")))
    for tag in ("bad-frame", "not-writer", "seq-gap"):
        assert broker.said(tag) <= 3, f"{tag} logged {broker.said(tag)} times"
    a.publish([("numbers", 0, 1, [rec(1)])])  # nothing was disturbed
    assert control(broker.control, "STATUS")["broker"]["head"] == before + 1
    a.close()


def test_tap(broker):
    context = zmq.Context()
    sub = context.socket(zmq.SUB)
    sub.linger = 0
    sub.connect(broker.tap)
    sub.subscribe(b"")
    assert sub.poll(5000)
    assert sub.recv_multipart()[0] == b"$SYS.welcome."
    a = Client(broker.endpoint, "tapped")
    a.lease()
    a.publish([("numbers", 0, 1, [("0022500241", 3, [1, 2], "run-1", {"n": 5})])])
    import msgpack
    while True:
        assert sub.poll(5000)
        frames = sub.recv_multipart()
        if frames[0] == b"numbers.0022500241.":
            break
    head = msgpack.unpackb(frames[1])
    assert head["version"] == 3 and head["parents"] == [1, 2] and head["run"] == "run-1" and head["key"] == "0022500241"
    assert msgpack.unpackb(frames[2]) == {"n": 5}
    a.close()
    sub.close()
    context.term()


def test_at_once(broker):
    """Repeats within one append, questions within one drain: what counts is the order, not the timing."""
    a = Client(broker.endpoint, "hasty")
    a.lease()
    head = control(broker.control, "STATUS")["broker"]["head"]
    later = control(broker.control, "CLOCK")["league_us"] + 3_600_000_000
    broker.process.send_signal(signal.SIGSTOP)
    for _ in range(3):
        a.publ([("others", 1, 1, [rec(1), rec(2)]), ("others", 1, 3, [rec(3)])])
        a.publ([("others", 0, 1, [rec(1)], later)])
    a.publ([("others", 1, 3, [rec(4)])])
    a.publ([("others", 1, 9, [rec(1)]), ("others", 1, 4, [rec(1)]), ("others", 1, 5, [rec(1)])])
    broker.process.send_signal(signal.SIGCONT)
    acked, tags = {}, []
    while (got := a.receive(1)) is not None:
        if got[0] == b"REFU":
            tags.append((got[1]["tag"], got[1]["first_seq"]))
        else:
            acked.update({p: seq for _, p, seq in got[1]})
        if len(tags) == 3 and len(acked) == 2:
            break
    number = a.streams["others"][0]
    assert acked == {0: 1, 1: 3}, (acked, number)
    assert tags == [("seq-conflict", 3), ("seq-gap", 9), ("after-refusal", 4)], tags
    assert control(broker.control, "STATUS")["broker"]["head"] == head + 3
    a.close()


def test_subscriptions(broker):
    r = Client(broker.endpoint, "r")
    end = control(broker.control, "STATUS")["broker"]["head"]
    r.subscribe(["numbers"])
    verb, said = r.receive()
    assert verb == b"SUBD" and said["head"] == end and said["lag"] > 0, (verb, said)
    assert r.receive()[0] == b"DLVR"
    r.send_map(b"SUBS", inputs=[["numbers", [0, 1]], ["numbers", [1]]], **{"from": 1}, records=1, bytes=1)
    assert "twice" in expect("bad-frame", lambda: r.await_verb(b"SUBD"))["text"]
    # from within a batch: all of it comes, and counts as what was asked for
    r.subscribe(["numbers"], start=2)
    verb, said = r.await_verb(b"SUBD")
    total = sum(len(records_of(data)) for _, data in r.await_verb(b"DLVR")[1])
    assert said["lag"] == total - 1, (said, total)
    r.credit(total, 1 << 20)
    r.send_map(b"BEAT", state="ready", cursor=0, steps=0)
    assert r.await_verb(b"ALIV")[1]["lag"] == 0
    # from a position that is yet to come, and within its batch
    r.subscribe(["others"], start=end + 2)
    r.await_verb(b"SUBD")
    a = Client(broker.endpoint, "writer")
    a.lease()
    a.publish([("others", 0, 1, [rec(1)])])
    a.publish([("others", 0, 2, [rec(2), rec(3), rec(4)])])
    assert [(p, i[4]["n"]) for p, i in drain(r, 3)] == [(end + 1, 2), (end + 2, 3), (end + 3, 4)]
    r.send_map(b"BEAT", state="ready", cursor=0, steps=0)
    assert r.await_verb(b"ALIV")[1]["lag"] == 0
    a.close(), r.close()


def test_members(broker):
    def member(name, incarnation, actors, **how):
        client = Client(broker.endpoint, "a", incarnation)
        client.send_map(b"MEMB", member=name, actors=actors, **how)
        return client

    def told(client):
        return client.await_verb(b"ASGN")[1]["shards"]

    one = member("one", "1", [["a", 4], ["b", 1]])
    assert told(one) == [["a", 0], ["a", 1], ["a", 2], ["a", 3], ["b", 0]]
    two = member("two", "2", [["a", 4]])
    mine, theirs = told(two), told(one)
    assert len(mine) == 2 and len(theirs) == 3 and sorted(mine + theirs)[:4] == [["a", i] for i in range(4)]
    expect("shards-differ", lambda: told(member("three", "3", [["a", 5]])))
    for broken in (7, [["a"]], [["a", 0]], [["a", 257]], [["", 1]], [["a", 1, 1]], [["a", 1]] * 65, [["a" * 33, 1]]):
        expect("bad-frame", lambda broken=broken: told(member("four", "4", broken)))
    # again, by another connection: the earlier one is none any more
    again = member("two", "5", [["a", 4]])
    assert told(again) == mine and told(two) == []
    # what there is no room for is run by nobody
    small = member("one", "6", [["a", 4], ["b", 1]], capacity=1)
    assert len(told(small)) == 1 and told(one) == []
    # in order: it is none any more at once, not when its lease is over; the two connections are not in step
    def members():
        return {m["member"]: m["shards"] for m in control(broker.control, "STATUS")["members"] if m["shards"]}

    again.socket.send(b"GBYE")
    end = time.monotonic() + 0.5
    while "two" in members() and time.monotonic() < end:
        pass
    now = members()
    assert len(now["one"]) == 1 and "two" not in now, now
    for client in (one, two, again, small):
        client.close()


def test_too_many():
    broker = Broker("broker.peers_max=8", "broker.lease=1s", "broker.heartbeat=100ms")
    peers = [Client(broker.endpoint, f"peer{i}") for i in range(8)]
    last = Client(broker.endpoint, "last", hello=False)
    expect("too-many", last.hello)
    peers[0].lease()
    end = time.monotonic() + 10
    while True:  # room is made at the cost of who is silent for a lease
        try:
            last.hello()
            break
        except Refused as refused:
            assert refused.tag == "too-many" and time.monotonic() < end
            peers[0].send_map(b"BEAT", state="ready", cursor=0, steps=0)
            time.sleep(0.05)
    peers[0].publish([("numbers", 0, 1, [rec(1)])])
    for client in (*peers, last):
        client.close()
    broker.remove()


def flip(broker, pattern, offset):
    """Changes a byte at an offset from wherever the pattern stands in the log's files."""
    changed = 0
    for path in glob.glob(f"{broker.dir}/log/seg-*/data.mdb"):
        with open(path, "r+b") as file:
            data, at = file.read(), -1
            while (at := data.find(pattern, at + 1)) >= 0:
                file.seek(at + offset)
                file.write(bytes([data[at + offset] ^ 8]))
                changed += 1
    assert changed, pattern


def test_broken_bytes():
    """What is broken on disk is set aside and named; what is beside it goes on, and so does who reads it."""
    broker = Broker("broker.lease=1s", "broker.heartbeat=100ms")
    a = Client(broker.endpoint, "a")
    a.lease()
    now = control(broker.control, "CLOCK")["league_us"]
    bodies = [body([("k", 1, [], None, {"n": i, "fill": f"fill-{i}-" * 9}), rec(i), rec(i)]) for i in range(5)]
    for i, data in enumerate(bodies):
        a.publish([("numbers", 0, 3 * i + 1, data, 0, 3)])
    waits = [body([("k", 1, [], None, {"n": i, "fill": f"wait-{i}-" * 9})]) for i in range(3)]
    for i, data in enumerate(waits):
        a.publish([("others", 0, i + 1, data, now + 1500_000 + i, 1)])
    broker.stop()
    flip(broker, bodies[1], -80 + 16)  # a header
    flip(broker, bodies[3], 20)  # a body
    flip(broker, bodies[4], -80 + 18)  # the header of the newest
    flip(broker, waits[0], -80 + 30)
    flip(broker, waits[1], 20)
    broker.start()
    r = Client(broker.endpoint, "r")
    r.subscribe(["numbers", "others"])
    got = drain(r, 7)
    assert [p for p, _ in got[:6]] == [1, 2, 3, 7, 8, 9], got
    assert got[6][1][4]["fill"] == "wait-2-" * 9, got[6]
    r.send_map(b"BEAT", state="ready", cursor=0, steps=0)
    assert r.await_verb(b"ALIV")[1]["lag"] == 0, "what was set aside counts as still to come"
    status = control(broker.control, "STATUS")["broker"]
    assert status["bad_batches"] >= 5 and status["head"] == 17, status
    assert broker.logged(" later-corrupt ") == 2
    a.close(), r.close()
    broker.remove()


def test_roll_and_trim():
    broker = Broker("broker.segment_bytes=65536", "broker.lease=1s", "broker.heartbeat=100ms")
    a = Client(broker.endpoint, "roller")
    a.lease()
    now = control(broker.control, "CLOCK")["league_us"]
    a.publish([("others", 0, 1, [rec(0)], now + 3_600_000_000)])
    for i in range(150):
        a.publish([("numbers", i % 2, i // 2 + 1, [("k", 1, [], None, {"n": i, "fill": "x" * 4000})])])
    status = control(broker.control, "STATUS")["broker"]
    assert status["segments"] > 3 and status["later"] == 1, status
    broker.kill()
    broker.start()
    reader = Client(broker.endpoint, "reader")
    reader.subscribe(["numbers"])
    got = drain(reader, 150)
    assert [i[4]["n"] for _, i in got] == list(range(150)) and [p for p, _ in got] == list(range(1, 151))
    a.hello(), a.lease()
    a.publish([("numbers", 1, 3, [("k", 1, [], None, {"n": 5, "fill": "x" * 4000})])])  # repeat from an old segment
    trimmed = control(broker.control, "TRIM 90")
    assert trimmed["segments"] > 0 and 1 < trimmed["first"] <= 90, trimmed
    reader.send_map(b"SUBS", inputs=[["numbers", [0, 1]]], **{"from": 1}, records=1, bytes=1)
    said = expect("trimmed", lambda: reader.await_verb(b"DLVR"))
    assert str(trimmed["first"]) in said["text"]
    # who reads slowly is told too, not led past what is gone
    slow = Client(broker.endpoint, "slow")
    slow.subscribe(["numbers"], start=trimmed["first"], records=1)
    _, batches = slow.await_verb(b"DLVR")
    assert batches[0][0][2] == trimmed["first"], batches[0][0]
    again = control(broker.control, "TRIM 140")
    assert again["segments"] > 0 and again["first"] > trimmed["first"] + 1, again
    slow.credit(1, 1 << 20)
    assert str(again["first"]) in expect("trimmed", lambda: slow.await_verb(b"DLVR"))["text"]
    slow.close()
    # every crash point of a roll: nothing lost, the next start goes on
    expected = control(broker.control, "STATUS")["broker"]["head"]
    for fault in ("roll-created", "roll-complete"):
        broker.stop()
        broker.start(TIPOFF_FAULT=f"{fault}:1")
        a.hello(), a.lease()
        lane = next(seq for s, p, seq in a.lease()[1]["lanes"] if (s, p) == (a.streams["numbers"][0], 0))
        sent = 0
        while broker.process.poll() is None and sent < 200:
            sent += 1
            a.publ([("numbers", 0, lane + sent, [("k", 1, [], None, {"n": sent, "fill": "x" * 4000})])])
            a.receive(0.3)
        assert broker.process.wait(5) == -signal.SIGKILL, fault
        broker.start()
        a.hello()
        last = next(seq for s, p, seq in a.lease()[1]["lanes"] if (s, p) == (a.streams["numbers"][0], 0))
        assert lane < last <= lane + sent
        expected += last - lane
        assert control(broker.control, "STATUS")["broker"]["head"] == expected
    a.close(), reader.close()
    broker.remove()


def run(test, *broker):
    begun = time.monotonic()
    test(*broker)
    print(f"{test.__name__} ok {time.monotonic() - begun:.1f} s", flush=True)


def main():
    broker = Broker("broker.lease=1s", "broker.heartbeat=100ms", "broker.max_batch_bytes=65536")
    for test in (test_batches, test_restart, test_leases, test_later, test_malformed, test_tap, test_at_once,
                 test_subscriptions, test_members):
        run(test, broker)
    broker.remove()
    for test in (test_too_many, test_broken_bytes, test_roll_and_trim):
        run(test)


main()
