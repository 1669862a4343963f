# ctest: timeout=120
"""Ordinary tools read the tap: the three lines of Python that the documentation shows, and tshark with the Lua file, on a live
capture of loopback TCP."""
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from random import Random

import msgpack
import zmq

sys.path.insert(0, os.path.dirname(__file__))
from _broker import Broker
from _wire import Client, control, crc32c

SOURCE = os.environ["TIPOFF_SOURCE"]
ROW = {"text": "Dončić, \"Luka\"\n", "minus": -7, "large": 2 ** 64 - 1, "small": -2 ** 63, "ratio": 0.1, "none": None,
       "yes": True, "list": [1, [2, "x"], {}], "map": {"a": {"b": -33000}}, "bytes": b"\x00\xff"}
SHOWN = {**ROW, "bytes": "00ff"}
LARGE = {"text": "x" * 300_000, "last": 77}  # many TCP segments


class Lines:
    """What a process prints, while it runs."""

    def __init__(self, argv, **how):
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)
        self.lines, self.errors = [], []
        self.threads = [threading.Thread(target=self.read, args=(stream, into), daemon=True) for stream, into in
                        ((self.process.stdout, self.lines), (self.process.stderr, self.errors))]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def read(stream, into):
        for line in stream:
            into.append(line.rstrip("\n"))

    def until(self, what, seconds=30, again=lambda: None):
        """The first line that `what` takes; `again` is called until there is one."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in list(self.lines):
                if what(line):
                    return line
            again()
            time.sleep(0.05)
        raise AssertionError(f"not seen; last lines {[x[:200] for x in self.lines[-3:]]} errors {self.errors[-3:]}")

    def end(self):
        self.process.kill()
        self.process.wait()


class Writer:
    """Publishes; sequences go on by themselves."""

    def __init__(self, broker):
        self.client, self.last, self.control = Client(broker.endpoint, "tapped"), [0, 0], broker.control
        self.client.lease()

    def put(self, key, payload):
        lane = crc32c(key.encode()) % 2
        self.last[lane] += 1
        self.batch = [("numbers", lane, self.last[lane], [(key, 1, [], "run-1", payload)])]
        self.client.publish(self.batch)


def python_lines():
    with open(f"{SOURCE}/docs/OPERATING.md", encoding="utf-8") as page:
        block = re.search(r"```python\n(import zmq, msgpack\n.*?)```", page.read(), re.S).group(1)
    assert len(block.splitlines()) == 3, block
    return block


def test_python(broker, writer):
    here = os.path.dirname(broker.dir) + f"/tap-{os.getpid()}"
    os.mkdir(here)
    os.symlink(broker.dir, f"{here}/tipoff-data")
    reader = Lines(["/usr/bin/python3", "-c", python_lines()], cwd=here)
    try:
        welcome = reader.until(lambda line: line.startswith("$SYS.welcome. "))
        assert "'stream': 'numbers'" in welcome, welcome
        writer.put("k1", {"n": 5})
        line = reader.until(lambda line: line.startswith("numbers.k1. "))
        assert line.endswith(" {'n': 5}") and "'key': 'k1'" in line and "'run': 'run-1'" in line, line
    finally:
        reader.end()
        shutil.rmtree(here)


def test_sys(broker, writer):
    """Each topic of the broker's own: head and payload are maps."""
    context = zmq.Context()
    sub = context.socket(zmq.SUB)
    sub.linger = 0
    sub.connect(broker.tap)
    sub.subscribe(b"$SYS.")
    seen = {}

    def see(topic, seconds=10):
        end = time.monotonic() + seconds
        while topic not in seen and time.monotonic() < end:
            if sub.poll(200):
                frames = sub.recv_multipart()
                head = msgpack.unpackb(frames[1])
                assert len(frames) == 3 and head["stream"] == "$SYS" and head["time_us"] > 0, frames
                seen.setdefault(frames[0].decode(), msgpack.unpackb(frames[2]))
        assert topic in seen, (topic, sorted(seen))
        return seen[topic]

    welcome = see("$SYS.welcome.")
    assert welcome["protocol"] == 1 and welcome["head"] >= 1
    assert {"stream": "owned", "writer": "owner", "partitions": 2, "message": None, "version": None} in welcome["streams"]
    assert see("$SYS.config.")["tap_backlog"] == 10000
    other = Client(broker.endpoint, "second", incarnation="a")
    other.lease()
    assert see("$SYS.lease.second.0.")["restarts"] == 0
    assert see("$SYS.state.second.0.")["to"] == "starting"
    other.subscribe(["numbers"])
    other.send_map(b"BEAT", state="ready", cause="", cursor=1, steps=3, taken=9, done=8, never=1, later=2, outbox=4)
    beat = see("$SYS.heartbeat.second.0.")
    assert (beat["steps"], beat["taken"], beat["done"], beat["never"], beat["later"], beat["outbox"]) == (3, 9, 8, 1, 2, 4)
    assert see("$SYS.lag.second.0.")["lag"] >= 1
    assert see("$SYS.socket.router.accepted.")["socket"] == "router"
    other.close()
    assert see("$SYS.socket.router.disconnected.")["event"] == "disconnected"
    again = Client(broker.endpoint, "second", incarnation="b")
    again.lease()
    assert see("$SYS.restart.second.0.")["restarts"] == 1
    again.close()
    # Who asks for a mechanism that is not spoken here is counted by the monitor, and named.
    raw = socket.socket(socket.AF_UNIX)
    raw.connect(broker.endpoint[len("ipc://"):])
    raw.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"GUESS".ljust(20, b"\0") + bytes(32))
    end = time.monotonic() + 10
    while time.monotonic() < end:
        events = control(broker.control, "STATUS")["broker"]["sockets"]["router"]
        if sum(events[x] for x in events if x.startswith("handshake_failed")):
            break
        time.sleep(0.05)
    assert sum(events[x] for x in events if x.startswith("handshake_failed")), events
    raw.close()
    sub.close()
    context.term()


def test_counters(broker, writer):
    status = control(broker.control, "STATUS")
    numbers = [s for s in status["streams"] if s["stream"] == "numbers"][0]
    shard = [s for s in status["shards"] if s["actor"] == "tapped"][0]
    assert numbers["appended"]["records"] == numbers["records"] == sum(writer.last) == shard["published"]["records"], status
    assert numbers["appended"]["bytes"] == numbers["bytes"] == shard["published"]["bytes"]
    assert shard["acks"] == sum(writer.last) and shard["taken"] is None
    second = [s for s in status["shards"] if s["actor"] == "second"][0]
    assert numbers["delivered"]["records"] == second["delivered"]["records"] >= 1, (numbers, second)
    # A repeat is a duplicate, a gap is a refusal, and both have their place.
    writer.client.publish(writer.batch)
    writer.client.publ([("numbers", 0, 1000, [("x", 1, [], None, {})])])
    verb, said = writer.client.receive()
    assert verb == b"REFU" and said["tag"] == "seq-gap", said
    after = control(broker.control, "STATUS")
    shard = [s for s in after["shards"] if s["actor"] == "tapped"][0]
    assert shard["duplicates"] == after["broker"]["duplicates"] == 1, shard
    assert shard["refused"] == {"seq-gap": 1} and after["broker"]["refused"]["seq-gap"] == 1, shard
    for spread in (after["broker"]["sync_us"], after["broker"]["group_batches"]):
        assert spread["count"] == after["broker"]["commits"] and sum(n for _, n in spread["buckets"]) == spread["count"]
    assert 0 < after["broker"]["sync_us"]["p50"] <= after["broker"]["sync_us"]["p99"] <= after["broker"]["sync_us"]["max"]


def test_slow_reader():
    """One that does not read loses records, is counted, and takes nothing from the others."""
    broker = Broker("broker.heartbeat=200ms", "broker.tap_backlog=100")
    writer, context = Writer(broker), zmq.Context()
    slow, quick = context.socket(zmq.SUB), context.socket(zmq.SUB)
    for sub, most in ((slow, 5), (quick, 0)):
        sub.linger, sub.rcvhwm = 0, most
        sub.connect(broker.tap)
        sub.subscribe(b"numbers.")
    quick.subscribe(b"$SYS.tap.")
    numbers, drops = [], None

    def see():
        nonlocal drops
        assert quick.poll(10000), f"{len(numbers)} seen, {drops} drops"
        topic, _, payload = quick.recv_multipart()
        if topic == b"$SYS.tap.":
            drops = msgpack.unpackb(payload)["drops"]
        else:
            numbers.append(msgpack.unpackb(payload)["n"])

    while control(broker.control, "STATUS")["broker"]["tap_subscribers"] < 3:
        time.sleep(0.01)
    count = 0
    while count < 5000 and not (drops and count > 200):
        count += 1
        writer.put("k", {"n": count, "text": "x" * 40000})
        while len(numbers) < count:
            see()
    while drops is None:
        see()
    assert numbers == list(range(1, count + 1)) and 1 <= drops < count, (count, drops)
    lost = 0
    while slow.poll(500):
        slow.recv_multipart()
        lost += 1
    assert 0 < lost < count, "the slow one has lost something, or the test is none"
    writer.put("k", {"n": 0})  # it reads again: it is told again
    assert slow.poll(5000) and msgpack.unpackb(slow.recv_multipart()[2]) == {"n": 0}
    slow.close()
    quick.close()
    context.term()
    writer.client.close()
    broker.remove()


def may_capture():
    if not shutil.which("tshark"):
        return "tshark is not installed"
    done = subprocess.run(["tshark", "-i", "lo", "-a", "duration:0", "-c", "1", "-w", "/dev/null"], capture_output=True,
                          text=True, check=False, timeout=60)
    return None if done.returncode == 0 else f"capturing is not permitted: {done.stderr.strip().splitlines()[-1:]}"


def test_tshark(port, writer):
    argv = ["tshark", "-l", "-B", "64", "-i", "lo", "-f", f"tcp port {port}", "-X", f"lua_script:{SOURCE}/config/wireshark/tipoff.lua",
            "-o", f"tipoff.port:{port}", "-Y", "tipoff", "-T", "json", "-e", "tipoff.topic", "-e", "tipoff.position",
            "-e", "tipoff.stream", "-e", "tipoff.key", "-e", "tipoff.payload", "-e", "tipoff.head", "-e", "tipoff.mechanism",
            "-e", "tipoff.subscribe", "-e", "tcp.stream", "-e", "tipoff.undecoded", "-e", "tipoff.bad_msgpack", "-e", "tipoff.field"]
    shark = Lines(argv)
    context = zmq.Context()
    subs = []

    def subscribe():
        """Another subscriber: the first ones may have come before the capture began."""
        sub = context.socket(zmq.SUB)
        sub.linger = 0
        sub.connect(f"tcp://127.0.0.1:{port}")
        sub.subscribe(b"")
        assert sub.poll(5000) and sub.recv_multipart()[0] == b"$SYS.welcome."
        subs.append(sub)
        time.sleep(0.3)  # between two of them, while it is looked

    try:
        shark.until(lambda line: "$SYS.welcome." in line, 60, subscribe)
        position = control(writer.control, "STATUS")["broker"]["head"]
        writer.put("small", ROW)
        writer.put("large", LARGE)
        shark.until(lambda line: '"numbers.large."' in line)
        shark.process.terminate()  # it writes to its end what it has begun
        shark.process.wait(20)
        for thread in shark.threads:
            thread.join(20)
    finally:
        shark.end()
        for sub in subs:
            sub.close()
        context.term()
    assert not any("Lua" in line for line in shark.errors), shark.errors
    packets = [p["_source"]["layers"] for p in json.loads("\n".join(shark.lines))]
    # Of a connection that was there before the capture the beginning is missing: nobody can tell where its frames begin.
    whole = {p["tcp.stream"][0] for p in packets if "tipoff.mechanism" in p}
    odd = [p for p in packets if ("tipoff.undecoded" in p or "tipoff.bad_msgpack" in p) and p["tcp.stream"][0] in whole]
    assert whole and not odd, f"something was not understood: {odd[:2]}"
    assert any(p.get("tipoff.mechanism") == ["NULL", "NULL"] or p.get("tipoff.mechanism") == ["NULL"] for p in packets)
    assert any(p.get("tipoff.subscribe") is not None for p in packets)
    found = {}
    for p in packets:
        heads = iter(zip(p.get("tipoff.head", []), p.get("tipoff.payload", [])))
        for topic in p.get("tipoff.topic", []):
            head, payload = next(heads)
            found[topic] = (json.loads(head), json.loads(payload), p)
    head, payload, packet = found["numbers.small."]
    assert payload == SHOWN, payload
    assert head["position"] == position and head["stream"] == "numbers" and head["key"] == "small" and head["run"] == "run-1"
    assert str(position) in packet["tipoff.position"] and "numbers" in packet["tipoff.stream"]
    assert "small" in packet["tipoff.key"] and "minus=-7" in packet["tipoff.field"]
    assert found["numbers.large."][1] == LARGE and found["numbers.large."][0]["position"] == position + 1
    assert found["$SYS.welcome."][1]["protocol"] == 1


def frame(flags, body):
    return bytes([flags | 2]) + struct.pack(">Q", len(body)) + body if len(body) > 255 else bytes([flags, len(body)]) + body


def odd_streams(count):
    """What a tap says, and what becomes of it when bits flip, bytes go missing and lengths lie."""
    random = Random(7)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
    ready = frame(4, b"\x05READY\x0bSocket-Type\0\0\0\x03SUB")
    head = msgpack.packb({"position": 2 ** 63, "stream": "numbers", "key": "k", "deep": [[[[{}]]]]})
    good = greeting + ready + frame(4, b"\x09SUBSCRIBErow.") + frame(0, b"\x01row.") + frame(0, b"") + b"".join(
        frame(1, b"numbers.k.") + frame(1, head) + frame(0, msgpack.packb(p)) for p in (ROW, LARGE["text"][:300], {}, ROW))
    yield good
    nested = b"\x91" * 5000 + b"\x01"  # deeper than anything may be
    yield greeting + frame(1, b"deep.") + frame(1, head) + frame(0, b"\x81\xa1x" + nested)
    yield greeting + frame(0, b"\xdf\xff\xff\xff\xff")  # four thousand million pairs
    yield greeting + b"\x02" + b"\xff" * 8 + b"x" * 30
    for _ in range(count):
        bad = bytearray(good[random.randrange(2) * 64:])
        for _ in range(random.randrange(1, 20)):
            at = random.randrange(len(bad))
            if random.random() < 0.3:
                del bad[at:at + random.randrange(1, 9)]
            else:
                bad[at] = random.randrange(256)
        yield bytes(bad)


def test_odd_bytes(path):
    """A capture file of nonsense: dissected to its end, without an error of the dissector's own."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 101))  # raw IP
        for number, stream in enumerate(odd_streams(200)):
            tcp = struct.pack(">HHIIBBHHH", 7479, 10000 + number, 1, 1, 5 << 4, 0x18, 65535, 0, 0) + stream[:60000]
            packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, bytes([127, 0, 0, 1]),
                                 bytes([127, 0, 0, 1])) + tcp
            out.write(struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet)
    done = subprocess.run(["tshark", "-r", path, "-X", f"lua_script:{SOURCE}/config/wireshark/tipoff.lua", "-o",
                           "tipoff.port:7479", "-V"], capture_output=True, text=True, check=False, timeout=100, errors="replace")
    assert done.returncode == 0 and "Lua" not in done.stderr and "Lua Error" not in done.stdout, done.stderr[-2000:]
    assert done.stdout.count("tipoff tap (ZMTP)") >= 150 and "Topic: numbers.k." in done.stdout
    assert "Position: 9223372036854775808" in done.stdout, "a position is unsigned"
    assert done.stdout.count("Not a msgpack map") >= 3 and "Not ZMTP from its beginning" in done.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    port = free_port()
    broker = Broker("broker.heartbeat=200ms", f"broker.tap_tcp=tcp://127.0.0.1:{port}")
    writer = Writer(broker)
    test_python(broker, writer)
    test_sys(broker, writer)
    test_counters(broker, writer)
    test_slow_reader()
    why = may_capture()
    if why:
        print(f"skipped: {why}")
    else:
        test_tshark(port, writer)
        test_odd_bytes(f"{broker.dir}/odd.pcap")
    writer.client.close()
    broker.remove()
    return 77 if why else 0


if __name__ == "__main__":
    sys.exit(main())
