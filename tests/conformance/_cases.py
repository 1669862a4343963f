"""The cases: each a function of a world, which makes clients of one kind against one broker. Those of BOTH run against either kind;
those of RAW say what the C link never would, or has no words for, and run against the client of the page alone."""
import struct
import time

from _client import handed_out
from _wire import DESC, body, crc32c

BOTH, RAW = [], []
MAX_BATCH_BYTES = 65536


def both(case):
    BOTH.append(case)
    return case


def raw(case):
    RAW.append(case)
    return case


def rec(n, key="k", **more):
    return (key, 1, [], None, {"n": n, **more})


def numbers(batches):
    return [record[4]["n"] for _, records in batches for record in records]


# ---- sessions and leases (§3, §4) ----

@both
def session(world):
    streams = world.client("a").wait("welcome")["streams"]
    assert streams == [["numbers", "*", 2], ["owned", "owner", 2], ["others", "*", 2]], streams


@both
def lease_granted(world):
    a = world.client("a")
    grant = a.leased("here")
    assert grant["lanes"] == [] and grant["last_env"] == "" and grant["head"] == world.head(), grant
    assert a.publish(("numbers", 1, 1, [rec(1), rec(2)]))
    a.acked("numbers", 1, 2)
    a.close()
    again = world.client("a", "2").leased("here")
    assert again["lanes"] == [["numbers", 1, 2]] and again["last_env"] == "here" and again["epoch"] > grant["epoch"], again


@both
def lease_waits(world):
    """For an end in order at once; for a crash until the lease has run out."""
    a, b, c = world.client("a"), world.client("a", "2"), world.client("a", "3")
    first = a.leased("here")
    b.lease(0, 1, "there")
    assert world.actor("a") in b.wait("waiting")["holder"]
    a.close()
    second = b.wait("granted")
    assert second["epoch"] > first["epoch"]
    c.lease(0, 1, "elsewhere")
    c.wait("waiting")
    b.crash()
    assert c.wait("granted")["epoch"] > second["epoch"]


@both
def lease_overtaken(world):
    """On the same environment at once; whoever held it is the past, and is told so."""
    a, b = world.client("a"), world.client("a", "2")
    first = a.leased("here")
    assert a.publish(("numbers", 0, 1, [rec(1)]))
    a.acked("numbers", 0, 1)
    a.deafen()
    second = b.leased("here")
    assert second["epoch"] > first["epoch"] and second["lanes"] == [["numbers", 0, 1]], second
    a.send([("numbers", 0, 2, body([rec(2)]), 1, 0)])  # it does not know yet
    a.listen()
    assert a.wait("published")["taken"]
    a.wait("lost")
    a.refused("stale-epoch")
    assert not a.publish(("numbers", 0, 2, [rec(2)])), "published without a lease"
    assert b.publish(("numbers", 0, 2, [rec(3)]))
    b.acked("numbers", 0, 2)


# ---- publishing (§5) ----

@both
def published(world):
    a, r, head = world.client("a"), world.reader(["numbers"]), world.head()
    epoch = a.leased()["epoch"]
    assert a.publish(("numbers", 0, 1, [rec(1), rec(2)]), ("numbers", 1, 1, [rec(3)]))
    a.acked("numbers", 0, 2)
    a.acked("numbers", 1, 1)
    got = r.batches(3)
    assert [(e["base"], e["count"], e["stream"], e["partition"], e["first_seq"], e["epoch"], e["due_us"]) for e, _ in got] == [
        (head, 2, "numbers", 0, 1, epoch, 0), (head + 2, 1, "numbers", 1, 1, epoch, 0)], got
    assert numbers(got) == [1, 2, 3]


@both
def repeats(world):
    """The same again is acknowledged and dropped; anything else is a conflict, and changes nothing."""
    a, head = world.client("a"), world.head()
    a.leased()
    for _ in range(2):
        assert a.publish(("numbers", 0, 1, [rec(1), rec(2)]))
        a.acked("numbers", 0, 2)
    assert world.head() == head + 2
    for first_seq, records in ((1, [rec(1), rec(9)]), (1, [rec(1)]), (2, [rec(2)])):
        assert a.publish(("numbers", 0, first_seq, records))
        said = a.refused("seq-conflict")
        assert (said["stream"], said["partition"], said["first_seq"]) == ("numbers", 0, first_seq), said
    assert world.head() == head + 2


@both
def gap(world):
    """What follows a refused batch is refused, too; a new lease says where the lane stands."""
    a = world.client("a")
    first = a.leased()
    assert a.publish(("numbers", 0, 1, [rec(1)]))
    a.acked("numbers", 0, 1)
    assert a.publish(("numbers", 0, 3, [rec(3)]), ("numbers", 1, 1, [rec(1)]))
    said = a.refused("seq-gap")
    assert (said["partition"], said["first_seq"]) == (0, 3), said
    a.refused("after-refusal")
    again = a.wait("granted")  # by itself
    assert again["lanes"] == [["numbers", 0, 1]] and again["epoch"] > first["epoch"], again
    assert a.publish(("numbers", 0, 2, [rec(2)]))
    a.acked("numbers", 0, 2)


@both
def wrong_places(world):
    a, head = world.client("a"), world.head()
    a.leased()
    for tag, stream, partition in (("unknown-stream", "nowhere", 0), ("bad-partition", "numbers", 9), ("not-writer", "owned", 0)):
        assert a.publish((stream, partition, 1, [rec(1)]))
        a.refused(tag)
    assert world.head() == head
    a.subscribe(["nowhere"], head)
    a.refused("unknown-stream")
    assert a.publish(("others", 0, 1, [rec(1)]))  # nothing was disturbed
    a.acked("others", 0, 1)


@both
def sizes(world):
    """Nothing in it, as much as there may be, and one byte more."""
    a, r = world.client("a"), world.reader(["others"])
    a.leased()
    assert a.publish(("others", 0, 1, [("k", 1, [], None, {})]))
    most = [("k", 1, [1, 2], "run", {"fill": "x" * (MAX_BATCH_BYTES - len(body([("k", 1, [1, 2], "run", {"fill": ""})])) - 2)})]
    assert len(body(most)) == MAX_BATCH_BYTES, len(body(most))
    assert a.publish(("others", 0, 2, most))
    a.acked("others", 0, 2)
    got = r.batches(2)
    assert got[0][1] == [["k", 1, [], None, {}]] and got[1][1] == [list(most[0])]
    assert a.publish(("others", 0, 3, [("k", 1, [], None, {"fill": "x" * MAX_BATCH_BYTES})]))
    a.refused("too-large")
    assert a.publish(("others", 0, 3, [rec(i) for i in range(2000)]))
    a.acked("others", 0, 2002)
    assert numbers(r.batches(2000)) == list(range(2000))


@both
def later(world):
    """Acknowledged at once, no position until its time; then in the order of the times."""
    a, r, now_us = world.client("a"), world.reader(["others"]), world.league_us()
    a.leased()
    dues = (now_us + 600_000, now_us + 300_000)
    assert a.publish(("others", 0, 1, [rec(1)], dues[0]), ("others", 0, 2, [rec(2)], dues[1]), ("others", 0, 3, [rec(3)]))
    a.acked("others", 0, 3)
    a.own("others", 0, 1, 100)
    assert [a.wait("own").get("base", -1) > 0 for _ in range(4)] == [False, False, True, False]
    assert a.publish(("others", 0, 1, [rec(1)], dues[0]))  # a repeat of what waits
    a.acked("others", 0, 3)
    got = r.batches(3)
    assert numbers(got) == [3, 2, 1], got
    assert [e["due_us"] for e, _ in got] == [0, dues[1], dues[0]]
    assert all(e["time_us"] >= e["due_us"] for e, _ in got), got


@both
def leaps(world):
    """League time leaps forward: to what is due for later at most, never back, and not while it stands."""
    hour = 3_600_000_000
    a, r, begun = world.client("a"), world.reader(["others"]), world.league_us()
    a.leased()
    assert a.publish(("others", 0, 1, [rec(1)], begun + hour))
    a.acked("others", 0, 1)
    assert world.control(f"CLOCK LEAP {begun - hour}")["league_us"] < begun + hour // 2  # nothing changes
    assert world.league_us() >= begun
    first = world.control(f"CLOCK LEAP {begun + 5 * hour}")
    assert begun + hour <= first["league_us"] < begun + hour + hour // 2, (begun, first)
    (got,) = r.batches(1)
    assert got[0]["due_us"] == begun + hour and begun + hour <= got[0]["time_us"] < begun + 2 * hour, got
    assert begun + 5 * hour <= world.control(f"CLOCK LEAP {begun + 5 * hour}")["league_us"] < begun + 6 * hour
    assert "error" in world.control("CLOCK LEAP soon")
    stood = world.control("CLOCK STAND")
    assert not stood["running"] and stood["league_us"] >= begun + 5 * hour
    assert world.control(f"CLOCK LEAP {begun + 9 * hour}")["error"] == "standing"
    assert world.league_us() == stood["league_us"] <= world.control("CLOCK START")["league_us"]


# ---- reading (§6) ----

@both
def from_a_position(world):
    """All of the batch that the position is in; and one that is yet to come."""
    a, head = world.client("a"), world.head()
    a.leased()
    for i in range(3):
        assert a.publish(("numbers", 0, 2 * i + 1, [rec(2 * i), rec(2 * i + 1)]))
    a.acked("numbers", 0, 6)
    assert [e["base"] for e, _ in world.reader(["numbers"], head + 3).batches(4)] == [head + 2, head + 4]
    ahead = world.reader(["numbers"], head + 8)
    assert a.publish(("numbers", 0, 7, [rec(6), rec(7)]))
    assert a.publish(("numbers", 1, 1, [rec(8)]))
    assert [e["base"] for e, _ in ahead.batches(1)] == [head + 8]
    ahead.subscribe(["numbers"], head)  # another in its place
    assert numbers(ahead.batches(9)) == list(range(9))
    ahead.unsubscribe()
    ahead.own("numbers", 0, 1, 1)  # whatever the answer: the broker has read what stands before the question
    ahead.wait("own", "refused")
    assert a.publish(("numbers", 1, 2, [rec(9)]))
    a.acked("numbers", 1, 2)
    ahead.silent("batch", 0.2)


@both
def merged(world):
    """Two streams, two partitions, two who write: one order, the log's, for everyone."""
    a, b, head = world.client("a"), world.client("b"), world.head()
    readers = [world.reader(["numbers", "others"]), world.reader(["others", "numbers"])]
    a.leased()
    b.leased()
    for i in range(40):
        client = (a, b)[i % 3 == 0]
        lanes = client.__dict__.setdefault("lanes", {})
        lane = (("numbers", "others")[i % 2], i // 2 % 2)
        lanes[lane] = lanes.get(lane, 0) + 1
        assert client.publish((*lane, lanes[lane], [rec(i)]))
    got = [r.batches(40) for r in readers]
    late = world.reader(["numbers", "others"], head).batches(40)
    for batches in (*got, late):
        assert [e["base"] for e, _ in batches] == list(range(head, head + 40))
        assert numbers(batches) == numbers(late) and sorted(numbers(batches)) == list(range(40))
    times = [e["time_us"] for e, _ in late]
    assert times == sorted(times)


@both
def credit(world):
    a, r = world.client("a"), world.reader(["numbers"], records=3)
    a.leased()
    for i in range(8):
        assert a.publish(("numbers", 0, i + 1, [rec(i)]))
    a.acked("numbers", 0, 8)
    first = r.batches(3, take=False)
    r.silent("batch", 0.2)
    r.taken(3, sum(len(e["body"]) for e, _ in first))
    second = r.batches(3, take=False)
    r.silent("batch", 0.2)
    assert numbers(first + second) == list(range(6))
    small = world.reader(["numbers"], first[0][0]["base"], size=1)  # one batch may always be
    assert numbers(small.batches(1, take=False)) == [0]
    small.silent("batch", 0.2)
    small.taken(1, len(first[0][0]["body"]))
    assert numbers(small.batches(1, take=False)) == [1]


@both
def own(world):
    """A lane as its producer wrote it, from a sequence on; not what others wrote there."""
    a, b, head = world.client("a"), world.client("b"), world.head()
    a.leased()
    b.leased()
    for i in range(4):
        assert a.publish(("numbers", 0, 2 * i + 1, [rec(2 * i), rec(2 * i + 1)]))
        assert b.publish(("numbers", 0, i + 1, [rec(100)]))
    a.acked("numbers", 0, 8)
    got, seq = [], 3
    while True:
        a.own("numbers", 0, seq, 3)
        answer = []
        while (event := a.wait("own"))["count"]:
            answer.append(event)
        if not answer:
            break
        got += answer
        seq = answer[-1]["first_seq"] + answer[-1]["count"]
    assert [(e["first_seq"], e["count"]) for e in got] == [(3, 2), (5, 2), (7, 2)], got
    assert all(e["base"] > head and e["stream"] == "numbers" for e in got), got


# ---- the broker dies ----

@both
def killed(world, batches=240, window=40):
    """Everything acknowledged is there, once, in order; writer and reader come back by themselves."""
    a, r = world.client("a"), world.client("r")
    r.wait("welcome")
    start = position = world.head()
    r.subscribe(["numbers"], position)
    grant = a.leased()
    acked = sent = grants = 0
    read, kills = [], [60, 150]
    while acked < batches or len(read) < batches:
        while sent < batches and sent - acked < window:
            if not a.publish(("numbers", 0, sent + 1, [rec(sent)])):
                break
            sent += 1
        event = r.wait("batch", "welcome") if acked == batches else a.wait("acked", "granted")
        for more in [event, *r.events]:
            if more["event"] == "welcome":
                r.subscribe(["numbers"], position)
            elif more["event"] == "batch":
                assert more["base"] == position, (more["base"], position)
                position += more["count"]
                read += [r_[4]["n"] for r_ in world.records(more)]
                r.taken(more["count"], len(more["body"]))
        r.events.clear()
        if event["event"] == "acked":
            acked = max(acked, event["last_seq"])
        elif event["event"] == "granted":
            last = dict((s, seq) for s, p, seq in event["lanes"]).get("numbers", 0)
            assert last >= acked, f"acknowledged {acked}, there is {last}"
            assert event["epoch"] > grant["epoch"], event
            acked, sent, grant, grants = last, last, event, grants + 1
        if kills and acked >= kills[0]:
            kills.pop(0)
            world.broker.kill()
            world.broker.start()
    assert read == list(range(batches)) and world.head() == start + batches, (len(read), world.head())
    assert grants >= 2, grants


# ---- what only a raw client says ----

def descriptor(a, data, count=1, first_seq=1, crc=None, size=None):
    return DESC.pack(a.streams["numbers"][0], 0, count, first_seq, crc32c(data) if crc is None else crc,
                     len(data) if size is None else size, 0)


@raw
def no_session(world):
    a = world.client("a", hello=False)
    a.map(b"LEAS", actor="a", shard=0, shards=1, env="e")
    a.refused("no-session")
    a.hello(protocol=0)
    assert "1" in a.refused("protocol-version")["text"]
    a.hello(protocol=9)
    a.refused("protocol-version")
    a.hello()
    a.wait("welcome")


@raw
def unknown_fields(world):
    """A newer client's: skipped, whatever is in them."""
    a = world.client("a", hello=False)
    a.hello(colour="blue", nested={"a": [1, {"b": None}], "c": b"x" * 300}, number=-1.5)
    a.wait("welcome")
    a.lease_wanted = (0, 1, "e")
    a.map(b"LEAS", actor=world.actor("a"), shard=0, shards=1, env="e", hurry=True)
    a.wait("granted")


@raw
def bad_frames(world):
    a, head = world.client("a"), world.head()
    a.leased()
    good = body([rec(1)])
    for frames in ([b""], [b"ABCD"], [b"PUBL"], [b"PUBL\0\0"], [b"LEAS\xc1"], [b"LEAS\x81"], [b"SUBS" + b"\x80"], [b"CRED\0"],
                   [b"OWNQ" + b"\x90"], [b"BEAT\x80", b"two"], [b"DLVR" + bytes(4)],
                   [b"PUBL" + struct.pack(">IQI", a.producer, a.epoch, 1) + descriptor(a, good)],
                   [b"PUBL" + struct.pack(">IQI", a.producer, a.epoch, 2) + descriptor(a, good), good],
                   [b"PUBL" + struct.pack(">IQI", a.producer, a.epoch, 0), b""],
                   [b"PUBL" + struct.pack(">IQI", a.producer, a.epoch, 1) + descriptor(a, good), good + b"x"],
                   [b"PUBL" + struct.pack(">IQI", a.producer, a.epoch, 1) + descriptor(a, good), good[:-1]]):
        a.socket.send_multipart(frames)
        a.refused("bad-frame")
    assert a.publish(("numbers", 0, 1, [rec(1)]))
    a.acked("numbers", 0, 1)
    assert world.head() == head + 1


@raw
def bad_bodies(world):
    """Refused by name; the body that was meant goes through afterwards."""
    a, head = world.client("a"), world.head()
    a.leased()
    good = body([rec(1)])
    for tag, data, how in (("bad-crc", good, {"crc": crc32c(good) ^ 1}), ("bad-count", good, {"count": 2}),
                           ("bad-count", b"\x81\xa1k\x01", {}), ("bad-count", b"", {}), ("bad-count", b"\x91\x01", {})):
        a.publ(descriptor(a, data, **how), 1, data)
        a.refused(tag)
    assert a.publish(("numbers", 0, 1, [rec(1)]))
    a.acked("numbers", 0, 1)
    assert world.head() == head + 1


@raw
def forged(world):
    """Under a lease that is another's, or was never given."""
    a, b = world.client("a"), world.client("b")
    a.leased()
    b.leased()
    a.lease_wanted = None  # so that it does not mend it by itself
    good = body([rec(1)])
    for producer, epoch, tag in ((b.producer, b.epoch, "not-leased"), (4000, 1, "not-leased"), (a.producer, a.epoch + 5, "not-leased"),
                                 (a.producer, a.epoch - 1, "stale-epoch")):
        a.socket.send_multipart([b"PUBL" + struct.pack(">IQI", producer, epoch, 1) + descriptor(a, good), good])
        a.refused(tag)
    assert b.publish(("numbers", 0, 1, [rec(1)]))
    b.acked("numbers", 0, 1)


# ---- named cursors (§11) ----

@both
def cursor(world):
    """Read by one, from where it is done; taken over by whoever asks for that."""
    a, r, second = world.client("a"), world.client("r"), world.client("r2")
    a.leased()
    head, name = world.head(), world.actor("place")
    r.join(name, "cursor", ["numbers"], start="head")
    first = r.wait("joined")
    assert first["position"] == head, first
    for i in range(4):
        assert a.publish(("numbers", i % 2, i // 2 + 1, [rec(i)]))
    assert numbers(r.batches(4)) == [0, 1, 2, 3]
    r.done(head + 2)
    assert r.wait("done")["position"] >= head + 2
    second.join(name, "cursor")
    second.refused("busy")
    second.join(name, "cursor", take=True)
    taken = second.wait("joined")
    assert taken["position"] == head + 2 and taken["generation"] > first["generation"], taken
    r.wait("lost")
    assert numbers(second.batches(2)) == [2, 3]


@raw
def cursor_fenced(world):
    a, r, second = world.client("a"), world.client("r"), world.client("r2")
    a.leased()
    name = world.actor("place")
    r.join(name, "cursor", ["numbers"], start="head")
    first = r.wait("joined")
    second.join(name, "cursor", take=True)
    second.wait("joined")
    second.map(b"DONE", name=name, generation=first["generation"], position=first["position"])
    second.refused("stale-generation")
    r.map(b"DONE", name=name, generation=first["generation"], position=first["position"])
    r.refused("not-joined")
    second.join(name, "cursor", ["others"])
    second.refused("reader-differs")


@both
def cursor_kept(world):
    """What is done stays done when the broker dies; a rewind is told, and begins there."""
    a, r = world.client("a"), world.client("r")
    a.leased()
    head, name = world.head(), world.actor("place")
    assert a.publish(("numbers", 0, 1, [rec(0)]), ("numbers", 0, 2, [rec(1)]), ("numbers", 1, 1, [rec(2)]))
    a.acked("numbers", 1, 1)
    r.join(name, "cursor", ["numbers"], start="position", position=head)
    first = r.wait("joined")
    assert numbers(r.batches(3)) == [0, 1, 2]
    r.done(head + 1)
    r.wait("done")
    world.broker.kill()
    world.broker.start()
    second = r.wait("joined")
    assert second["position"] == head + 1 and second["generation"] > first["generation"], second
    assert numbers(r.batches(2)) == [1, 2]
    said = world.control(f"REWIND {name} POSITION {head}")
    third = r.wait("joined")
    assert third["position"] == said["position"] == head and third["generation"] == said["generation"] > second["generation"], said
    assert numbers(r.batches(3)) == [0, 1, 2]


# ---- work groups (§11) ----

def group(world, records=6, **how):
    """A producer, and two members of a group that begins where its records do: (producer, first member, second, name)."""
    a, name = world.client("a"), world.actor("group")
    a.leased()
    members = [world.client("m1"), world.client("m2")]
    for member in members:
        member.join(name, "group", ["numbers"], start="head", records=3, **how)
        member.wait("joined")
    for n in range(records):
        assert a.publish(("numbers", 0, n + 1, [rec(n)]))
    return a, *members, name


def said_by(work):
    return sorted(n for _, _, said in work for n in said)


@both
def group_shares(world):
    """Each record to one member; no more out to one than it asked for; what is settled makes room."""
    a, one, two, _ = group(world)
    first, second = one.work(3), two.work(3)
    assert said_by(first + second) == list(range(6)) and all(attempts == 1 for _, attempts, _ in first + second)
    assert a.publish(("numbers", 0, 7, [rec(6)]))
    one.silent("work", 0.2)
    assert one.settled("ack", [item for item, _, _ in first]) == (3, [])
    assert said_by(one.work(1)) == [6]
    assert two.settled("ack", [item for item, _, _ in second]) == (3, [])


@both
def group_part(world):
    """Of a batch that was handed out whole some records are settled; what is given back comes again, and counts."""
    a, one, two, _ = group(world, records=0)
    assert a.publish(("numbers", 0, 1, [rec(n) for n in range(3)]))
    (member, (lease, position, count), attempts, said), = handed_out((one, two), 3)
    assert (count, attempts, said) == (3, 1, [0, 1, 2])
    assert member.settled("ack", [(lease, position, 1)]) == (1, [])
    assert member.settled("nack", [(lease, position + 2, 1)], reason="not yet") == (1, [])
    (again, item, attempts, said), = handed_out((one, two), 1)
    assert (item[1:], attempts, said) == ((position + 2, 1), 2, [2])
    assert again.settled("ack", [item]) == (1, [])
    assert member.settled("ack", [(lease, position + 1, 1)]) == (1, [])


@both
def group_delay(world):
    """What is given back for later does not come sooner."""
    _, one, two, _ = group(world, records=1)
    (member, item, _, _), = handed_out((one, two), 1)
    begun = time.monotonic()
    assert member.settled("nack", [item], delay_us=400_000) == (1, [])
    (member, item, attempts, _), = handed_out((one, two), 1)
    assert time.monotonic() - begun >= 0.39 and attempts == 2
    assert member.settled("ack", [item]) == (1, [])


@both
def group_lease(world):
    """A lease holds as long as it is extended; then the record is another's, and who comes too late is told so."""
    _, one, two, _ = group(world, records=1, lease_us=400_000)
    (late, item, _, _), = handed_out((one, two), 1)
    begun = time.monotonic()
    while time.monotonic() - begun < 0.6:  # longer than a lease; extended as often as it may be on a slow machine
        assert late.settled("extend", [item]) == (1, [])
        time.sleep(0.02)  # between two, not instead of one
    (other, again, attempts, said), = handed_out((one, two), 1)
    assert attempts == 2 and said == [0] and again[0] != item[0]
    assert late.settled("ack", [item]) == (0, [item])
    assert late.refused("lease-expired")["first_seq"] == item[1]
    assert other.settled("ack", [again]) == (1, [])
    one.silent("work", 0.5)


@both
def group_attempts(world):
    """After the last of its attempts a record does not come again."""
    _, one, two, _ = group(world, records=2, attempts=2)
    for attempt in (1, 2):
        for member, item, attempts, _ in handed_out((one, two), 2):
            assert attempts == attempt
            assert member.settled("nack", [item], reason="cannot") == (1, [])
    one.silent("work", 0.3)
    two.silent("work", 0.1)


@both
def group_member_gone(world):
    """What a member holds that leaves, or dies, is the other's."""
    a, one, two, name = group(world, records=0)
    two.unsubscribe()
    while len(next(row["members"] for row in world.control("STATUS")["readers"] if row["name"] == name)) > 1:
        one.silent("work", 0.01)  # it has not been heard yet
    assert a.publish(("numbers", 0, 1, [rec(0)]), ("numbers", 0, 2, [rec(1)]))
    assert said_by(one.work(2)) == [0, 1]
    two.join(name, "group", records=3)
    two.wait("joined")
    one.crash()
    again = two.work(2)
    assert said_by(again) == [0, 1] and all(attempts == 2 for _, attempts, _ in again)
    assert two.settled("ack", [item for item, _, _ in again]) == (2, [])


@both
def group_rewound(world):
    """All of it again, from the first attempt; the leases before are void."""
    _, one, two, name = group(world, records=2)
    before = handed_out((one, two), 2)
    position = min(item[1] for _, item, _, _ in before)
    assert before[0][0].settled("ack", [before[0][1]]) == (1, [])
    said = world.control(f"REWIND {name} POSITION {position}")
    assert one.wait("joined")["generation"] == two.wait("joined")["generation"] == said["generation"]
    again = handed_out((one, two), 2)
    assert sorted(n for _, _, _, numbers in again for n in numbers) == [0, 1]
    assert all(attempts == 1 for _, _, attempts, _ in again)
    for member, item, _, _ in again:
        assert member.settled("ack", [item]) == (1, [])


@both
def group_kept(world):
    """What is settled stays settled when the broker dies; what was out comes again."""
    _, one, two, _ = group(world, records=2)
    (member, item, _, done), *_ = handed_out((one, two), 2)
    assert member.settled("ack", [item]) == (1, [])
    world.broker.kill()
    world.broker.start()
    for client in (one, two):
        client.wait("joined")
    (member, item, _, left), = handed_out((one, two), 1)
    assert left != done
    assert member.settled("ack", [item]) == (1, [])
    one.silent("work", 0.2)


@raw
def group_not_joined(world):
    a, one, _, name = group(world, records=1)
    outside = world.client("outside")
    outside.wait("welcome")
    outside.map(b"SETL", name=name, does="ack", items=[[1, 1, 1]])
    outside.refused("not-joined")
    outside.map(b"JOIN", name=name, kind="cursor", records=1, bytes=1)
    outside.refused("reader-differs")
