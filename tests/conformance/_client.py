"""What the cases of this suite need of a client, and the two there are: the C link on a string (tests/programs/link_driver.c), and one
written from broker/PROTOCOL.md alone.

Both tell what they hear as events: a dict with `event` and the fields of broker/link.h's handlers. They are turned together, whoever is
waited for, so that none falls silent because the case looks at another."""
import json
import os
import struct
import subprocess
import time

import msgpack
import zmq

from _wire import ACK, DESC, HEADER, body, crc32c, records_of

DRIVER = os.path.join(os.environ["TIPOFF_BUILD"], "tests", "link_driver")
alive = []  # clients that are turned


def turn(timeout_s):
    """Hears what there is to hear, waiting for the first of it no longer than this."""
    hearing = [c for c in alive if not c.deaf]
    poller = zmq.Poller()
    for client in hearing:
        poller.register(client.pollable, zmq.POLLIN)
    ready = dict(poller.poll(1000 * min([timeout_s] + [c.patience_s() for c in hearing])))
    for client in hearing:
        if client.key in ready:
            client.hear()
        client.tick()


def handed_out(members, records):
    """What a group hands out to these, until there are so many records: [(member, item, attempts, [n, ...])]."""
    got, end = [], time.monotonic() + 10.0
    while sum(item[2] for _, item, _, _ in got) < records:
        assert time.monotonic() < end, f"{records} records: {got}"
        turn(0.1)
        for member in members:
            while any(event["event"] == "work" for event in member.events):
                got += [(member, *work) for work in member.work(1)]
    return got


class Client:
    """The interface of the cases; what is not here each kind does its own way: lease, subscribe, unsubscribe, taken, own, send,
    close (in order), crash (no word), deafen (says what it is told, hears nothing) and listen."""

    def __init__(self):
        self.events, self.deaf = [], False
        alive.append(self)

    def wait(self, *kinds, timeout=10.0, **fields):
        """The first event of these kinds that has these fields; what stands before it stays for later."""
        end = time.monotonic() + timeout
        while True:
            for i, event in enumerate(self.events):
                if event["event"] in kinds and all(event[k] == v for k, v in fields.items()):
                    return self.events.pop(i)
            left = end - time.monotonic()
            assert left > 0, f"{self.kind}: no {kinds} {fields} but {[e for e in self.events][:8]}"
            turn(left)

    def silent(self, kind, seconds):
        """Nothing of this kind comes for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            turn(left)
            assert not any(e["event"] == kind for e in self.events), (self.kind, self.events)

    def leased(self, env="env"):
        self.lease(0, 1, env)
        return self.wait("granted")

    def publish(self, *batches):
        """(stream, partition, first_seq, records) or (..., due_us), sent together. False if there is no lease to do it under."""
        self.send([(*b[:3], body(b[3]), len(b[3]), b[4] if len(b) > 4 else 0) for b in batches])
        return self.wait("published")["taken"]

    def acked(self, stream, partition, last_seq):
        """Acknowledgements are cumulative: one that covers this."""
        while self.wait("acked", stream=stream, partition=partition)["last_seq"] < last_seq:
            pass

    def refused(self, tag):
        said = self.wait("refused")
        assert said["tag"] == tag, (self.kind, said, tag)
        return said

    def work(self, records):
        """What is handed out, until there are so many records: [(item, attempts, [n, ...])]."""
        got = []
        while sum(item[2] for item, _, _ in got) < records:
            event = self.wait("work")
            said = [record[4]["n"] for record in records_of(event["body"])]
            item = tuple(event["item"])
            assert item[1] == event["base"] + event["first"] and len(said) == event["count"], event
            got.append((item, event["attempts"], said[event["first"]:event["first"] + item[2]]))
        return got

    def settled(self, does, items, **how):
        """Settles items, and waits for the answer: (settled, expired)."""
        self.serial = getattr(self, "serial", 0) + 1
        self.settle(does, items, self.serial, **how)
        said = self.wait("settled", serial=self.serial)
        assert said["does"] == does, said
        return said["settled"], [tuple(item) for item in said["expired"]]

    def batches(self, records, take=True):
        """The next batches, until there are so many records in them: [(event, records)]."""
        got = []
        while sum(event["count"] for event, _ in got) < records:
            event = self.wait("batch")
            got.append((event, records_of(event["body"])))
            if take:
                self.taken(event["count"], len(event["body"]))
        return got


class LinkClient(Client):
    kind = "link"

    def __init__(self, endpoint, actor, incarnation="1"):
        self.process = subprocess.Popen([DRIVER, endpoint, actor, incarnation], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pollable, self.key = self.process.stdout, self.process.stdout.fileno()
        os.set_blocking(self.key, False)
        self.heard = b""
        super().__init__()

    def hear(self):
        said = os.read(self.key, 1 << 20)
        if not said:
            alive.remove(self)
            assert self.process.wait(10) == 0, f"link_driver ended with {self.process.returncode}"
        *lines, self.heard = (self.heard + said).split(b"\n")
        for line in lines:
            event = json.loads(line)
            if "body" in event:
                event["body"] = bytes.fromhex(event["body"])
            self.events.append(event)

    def patience_s(self):
        return 60.0  # the program keeps its own time

    def tick(self):
        pass

    def do(self, what, **how):
        self.process.stdin.write(json.dumps({"do": what, **how}).encode() + b"\n")
        self.process.stdin.flush()

    def lease(self, shard, shards, env):
        self.do("lease", shard=shard, shards=shards, env=env)

    def subscribe(self, streams, start, records=1000, size=1 << 20):
        self.do("subscribe", inputs=streams, **{"from": start}, records=records, bytes=size)

    def unsubscribe(self):
        self.do("unsubscribe")

    def taken(self, records, size):
        self.do("taken", records=records, bytes=size)

    def join(self, name, kind, inputs=None, **how):
        self.do("join", name=name, kind=kind, inputs=inputs or [], **{"records": 100, "bytes": 1 << 20, **how})

    def done(self, position):
        self.do("done", position=position)

    def settle(self, does, items, serial, delay_us=0, reason=""):
        self.do("settle", does=does, items=items, serial=serial, delay_us=delay_us, reason=reason)

    def own(self, stream, partition, from_seq, records):
        self.do("own", stream=stream, partition=partition, from_seq=from_seq, records=records)

    def send(self, batches):
        self.do("publish", batches=[{"stream": s, "partition": p, "count": n, "first_seq": seq, "due_us": due, "body": data.hex()}
                                    for s, p, seq, data, n, due in batches])

    def close(self):
        if self not in alive:
            return
        self.process.stdin.close()
        while self in alive:
            turn(10.0)

    def crash(self):
        self.process.kill()
        self.process.wait()
        alive.remove(self)

    def deafen(self):
        self.do("deafen", deaf=1)
        self.wait("deafened")

    def listen(self):
        self.do("deafen", deaf=0)
        self.wait("deafened")


class PageClient(Client):
    """Written from the page: what it does by itself is what the page says a client does."""
    kind = "page"
    HELO_AGAIN_S = 1.0
    LEASE_AGAIN = ("not-leased", "seq-gap", "disk-full")  # §8: "lease again"

    def __init__(self, endpoint, actor, incarnation="1", hello=True):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 1000
        self.socket.connect(endpoint)
        self.pollable = self.key = self.socket
        self.actor, self.incarnation = actor, incarnation
        self.streams, self.names = {}, {}
        self.welcomed, self.helo_s, self.beat_s, self.beat_every_s = False, None, None, 0.1
        self.lease_wanted, self.leasing, self.granted, self.lease_s = None, False, False, None
        self.producer = self.epoch = 0
        self.joining = self.joined = None
        self.superseded = 0  # subscriptions asked for and not answered: what is delivered is of the one before
        super().__init__()
        if hello:
            self.hello()

    # ---- time ----

    def patience_s(self):
        times = [t for t in (self.beat_s, self.lease_s, self.helo_s and self.helo_s + self.HELO_AGAIN_S) if t is not None]
        return max(0.0, min(times, default=time.monotonic() + 60.0) - time.monotonic())

    def tick(self):
        now = time.monotonic()
        if self.helo_s is not None and now >= self.helo_s + self.HELO_AGAIN_S:
            self.hello()
        if self.beat_s is not None and now >= self.beat_s:
            self.map(b"BEAT", state="ready", cursor=0, steps=0)
            self.beat_s = now + self.beat_every_s
        if self.lease_s is not None and now >= self.lease_s:
            self.lease_ask()

    # ---- what it says ----

    def map(self, verb, **fields):
        self.socket.send(verb + msgpack.packb(fields))

    def hello(self, **more):
        self.welcomed, self.helo_s, self.beat_s = False, time.monotonic(), None
        self.map(b"HELO", **{"protocol": 1, "actor": self.actor, "host": "page", "incarnation": self.incarnation, "pid": 1, **more})

    def lease_ask(self):
        shard, shards, env = self.lease_wanted
        self.granted, self.leasing, self.lease_s = False, True, None
        self.map(b"LEAS", actor=self.actor, shard=shard, shards=shards, env=env)

    def lease(self, shard, shards, env):
        self.lease_wanted = (shard, shards, env)
        if self.welcomed and not self.leasing:
            self.lease_ask()

    def subscribe(self, streams, start, records=1000, size=1 << 20):
        self.superseded += 1
        partitions = {name: self.streams[name][1] if name in self.streams else 1 for name in streams}
        self.map(b"SUBS", inputs=[[s, list(range(partitions[s]))] for s in streams], **{"from": start}, records=records, bytes=size)

    def unsubscribe(self):
        self.socket.send(b"USUB")

    def taken(self, records, size):
        self.socket.send(b"CRED" + struct.pack(">II", records, size))

    def join(self, name, kind, inputs=None, **how):
        self.joining = {"name": name, "kind": kind, "records": 100, "bytes": 1 << 20, **how}
        if inputs:
            self.joining["inputs"] = [[stream, "*"] for stream in inputs]
        if self.welcomed:
            self.map(b"JOIN", **self.joining)

    def done(self, position):
        self.map(b"DONE", name=self.joined["name"], generation=self.joined["generation"], position=position)

    def settle(self, does, items, serial, delay_us=0, reason=""):
        self.map(b"SETL", name=self.joined["name"], does=does, items=[list(item) for item in items], serial=serial,
                 **({"delay_us": delay_us} if delay_us else {}), **({"reason": reason} if reason else {}))

    def own(self, stream, partition, from_seq, records):
        self.map(b"OWNQ", stream=stream, partition=partition, from_seq=from_seq, records=records)

    def send(self, batches):
        if self.granted:
            self.publ(b"".join(DESC.pack(self.streams.get(s, (0, 0))[0], p, n, seq, crc32c(data), len(data), due)
                               for s, p, seq, data, n, due in batches), len(batches), b"".join(b[3] for b in batches))
        self.events.append({"event": "published", "taken": self.granted})

    def publ(self, descriptors, count, bodies):
        self.socket.send_multipart([b"PUBL" + struct.pack(">IQI", self.producer, self.epoch, count) + descriptors, bodies])

    def close(self):
        if self in alive:
            self.socket.send(b"GBYE")
            self.end()

    def crash(self):
        self.end()

    def end(self):
        alive.remove(self)
        self.socket.close()
        self.context.term()

    def deafen(self):
        self.deaf = True

    def listen(self):
        self.deaf = False

    # ---- what it hears ----

    def hear(self):
        while self.socket.poll(0):
            frames = self.socket.recv_multipart()
            verb, rest = frames[0][:4], frames[0][4:]
            if verb in (b"DLVR", b"OWND"):
                if verb == b"OWND" or self.superseded == 0:
                    self.hear_batches("batch" if verb == b"DLVR" else "own", rest, frames[1:])
            elif verb == b"WORK":
                self.hear_work(rest, frames[1:])
            elif verb == b"ACKD":
                self.hear_ackd(rest)
            else:
                said = {k: v for k, v in msgpack.unpackb(rest).items() if v is not None}  # nil is absent
                getattr(self, "hear_" + verb.decode().lower())(said)

    def tell(self, event, **fields):
        self.events.append({"event": event, **fields})

    def hear_batches(self, event, rest, bodies):
        count, = struct.unpack_from(">I", rest)
        assert len(rest) == 4 + count * HEADER.size and len(bodies) == (1 if count else 0)
        at = 0
        for i in range(count):
            head = rest[4 + i * HEADER.size:4 + (i + 1) * HEADER.size]
            magic, head_crc, base, n, stream, partition, _, size, epoch, first, taken_us, due, crc = HEADER.unpack(head)
            data = bodies[0][at:at + size]
            at += size
            assert magic == b"TIP1" and head_crc == crc32c(head[8:]) and crc == crc32c(data), "a broken batch came"
            self.tell(event, base=base, count=n, stream=self.names[stream], partition=partition, epoch=epoch, first_seq=first,
                      time_us=taken_us, due_us=due, body=data)
        assert not bodies or at == len(bodies[0])
        if not count:
            self.tell(event, count=0)

    def hear_work(self, rest, bodies):
        """§2: a header, then lease, first, records, attempts and four reserved bytes; the body of a base comes once."""
        count, = struct.unpack_from(">I", rest)
        item = struct.Struct(">QIII4x")
        assert len(rest) == 4 + count * (HEADER.size + item.size) and len(bodies) == 1
        at, before, data = 0, None, b""
        for i in range(count):
            offset = 4 + i * (HEADER.size + item.size)
            _, _, base, n, stream, partition, _, size, *_, crc = HEADER.unpack_from(rest, offset)
            lease, first, records, attempts = item.unpack_from(rest, offset + HEADER.size)
            if base != before:
                data, at, before = bodies[0][at:at + size], at + size, base
            assert crc == crc32c(data), "a broken batch came"
            self.tell("work", base=base, count=n, stream=self.names[stream], partition=partition, body=data, first=first,
                      item=[lease, base + first, records], attempts=attempts)
        assert at == len(bodies[0])

    def hear_ackd(self, rest):
        producer, _, count = struct.unpack_from(">IQI", rest)
        assert len(rest) == 16 + count * ACK.size and producer == self.producer
        for i in range(count):
            stream, partition, last_seq = ACK.unpack_from(rest, 16 + i * ACK.size)
            self.tell("acked", stream=self.names[stream], partition=partition, last_seq=last_seq)

    def hear_welc(self, said):
        self.streams = {name: (number, partitions) for number, name, _, partitions in said["streams"]}
        self.names = {number: name for name, (number, _) in self.streams.items()}
        self.welcomed, self.helo_s, self.superseded, self.leasing = True, None, 0, False
        self.beat_every_s = said["heartbeat_us"] / 1e6
        self.beat_s = time.monotonic() + self.beat_every_s
        self.tell("welcome", streams=[[name, writer, partitions] for _, name, writer, partitions in said["streams"]])
        if self.lease_wanted:
            self.lease_ask()
        if self.joining:
            self.map(b"JOIN", **self.joining)

    def hear_grnt(self, said):
        self.producer, self.epoch, self.granted, self.leasing = said["producer"], said["epoch"], True, False
        self.tell("granted", epoch=said["epoch"], cursor=said["cursor"], head=said["head"], first=said["first"],
                  last_env=said.get("last_env") or "", lanes=[[self.names[s], p, seq] for s, p, seq in said["lanes"]])

    def hear_wait(self, said):
        self.leasing, self.lease_s = False, time.monotonic() + said["retry_us"] / 1e6
        self.tell("waiting", holder=said["holder"], retry_us=said["retry_us"])

    def hear_lost(self, said):
        if "name" in said:
            self.joining = None
        else:
            self.granted, self.leasing, self.lease_wanted, self.lease_s = False, False, None, None
        self.tell("lost", why=said["why"], name=said.get("name"))

    def hear_refu(self, said):
        tag = said["tag"]
        if tag == "no-session" and self.welcomed:  # said once, however often it is told
            self.granted = False
            self.tell("down")
            self.hello()
        if tag in self.LEASE_AGAIN and self.lease_wanted and not self.leasing and self.lease_s is None:
            self.granted, self.lease_s = False, time.monotonic() + 0.1
        if said.get("verb") == "SUBS":
            self.superseded -= 1
        if tag != "no-session" or not self.streams:
            self.tell("refused", tag=tag, text=said["text"], stream=said.get("stream") or "", partition=said.get("partition") or 0,
                      first_seq=said.get("first_seq") or 0)

    def hear_subd(self, said):
        self.superseded -= 1
        self.tell("subscribed", head=said["head"], lag=said["lag"])

    def hear_aliv(self, said):
        pass

    def hear_clok(self, said):
        pass

    def hear_setd(self, said):
        self.tell("settled", does=said["does"], serial=said["serial"], settled=said["settled"], expired=said["expired"])

    def hear_jond(self, said):
        self.joined = said
        self.tell("joined", **said)

    def hear_dond(self, said):
        self.tell("done", **said)
