#!/usr/bin/python3
"""The broker's memory while a hundred readers of each kind take nothing of what they are given: bounded by settings, whatever each of
them asked for and however many they are."""
# ctest: timeout=120
import os
import sys
import time

# A sanitized broker keeps what it has freed for a while; that is not what is measured.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
sys.path.insert(0, os.path.dirname(__file__))
from _broker import Broker  # noqa: E402
from _wire import Client, control  # noqa: E402

MIB = 1 << 20
DELIVERY = 4 * MIB
STORED = 32 * MIB
EACH = 60
PER_PEER = 96 << 10  # a session, its lanes, the transport's buffers
ALL = ["numbers", "others"]


def rss_anon(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("RssAnon:"))


def delivered(broker):
    """Of each group, and of each stream to all."""
    status = control(broker.control, "STATUS")
    return ([row["delivered"] for row in status["readers"] if row["kind"] == "group"],
            [row["delivered"] for row in status["streams"]])


def settled(broker):
    """The most memory seen until nothing more is handed out for a second."""
    most, last, since = 0, None, time.monotonic()
    while time.monotonic() - since < 1:
        most = max(most, rss_anon(broker.process.pid))
        now = delivered(broker)
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.05)
    return most


def fill(broker):
    writer = Client(broker.endpoint, "writer", timeout=30)
    writer.lease()
    seq, payload = 1, "x" * 4000
    for _ in range(STORED // (16 * 4000 * 2)):
        for stream in ALL:
            writer.publish([(stream, 0, seq, [("k", 1, [], None, {"f": payload})] * 16)])
        seq += 16
    writer.close()


broker = Broker(f"broker.delivery_bytes={DELIVERY}", "broker.peers_max=400", "broker.lease=60s")
fill(broker)
before = settled(broker)
idle = []
greedy = {"records": 1 << 20, "bytes": 1 << 30}
for number in range(EACH):
    for kind in ("subscription", "cursor", "group"):
        client = Client(broker.endpoint, f"{kind}-{number}", timeout=30)
        if kind == "subscription":
            client.subscribe(ALL, records=greedy["records"], size=greedy["bytes"])
        else:
            client.send_map(b"JOIN", name=f"{kind}-{number}", kind=kind, start="first", inputs=[[s, "*"] for s in ALL],
                            **greedy, **({"open": 65536} if kind == "group" else {}))
            client.await_verb(b"JOND")
        idle.append(client)
most = settled(broker) - before
bound = DELIVERY + len(idle) * PER_PEER
print(f"{len(idle)} idle readers of {STORED >> 20} MiB: {most / MIB:.1f} MiB more, at most {bound / MIB:.1f}")
groups, _ = delivered(broker)
assert len(groups) == EACH and min(groups) > 0, "everybody is given something"
assert most < bound, (most, bound)
assert bound < STORED, "the test could not fail"
for client in idle:
    client.close()
broker.remove()
