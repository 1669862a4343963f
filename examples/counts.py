#!/usr/bin/python3
"""counts.py BROKER NAME [N] - prints word counts, N of them or without end. The broker keeps the cursor NAME: killed and started again
it goes on where it was; what was printed and not yet done comes again. broker/PROTOCOL.md is all that this knows."""
import os
import struct
import sys
import uuid

import msgpack
import zmq

HEADER = struct.Struct(">4sIQIHHIIQQqqI12x")  # magic, CRC, base, count, stream, partition, producer, size ...
endpoint, name = sys.argv[1:3]  # e.g. ipc://tipoff-data/broker.ipc
left = int(sys.argv[3]) if len(sys.argv) > 3 else -1
incarnation = str(uuid.uuid4())
broker = zmq.Context().socket(zmq.DEALER)
broker.connect(endpoint)
beat_ms, joined = 1000, None


def say(verb, **fields):
    broker.send(verb + msgpack.packb(fields))


def hello():
    say(b"HELO", protocol=1, actor="counts", host=os.uname().nodename, incarnation=incarnation, pid=os.getpid(), code_version="1",
        config_hash="")


def take(heads, bodies):
    """Prints what was delivered. The position behind it, and what it took of the credit."""
    global left
    position, records = 0, 0
    for at in range(0, len(heads), HEADER.size):
        base, count, size = (HEADER.unpack_from(heads, at)[i] for i in (2, 3, 7))
        for i, (*_, said) in enumerate(msgpack.unpackb(bodies[:size])[2:]):
            if left != 0:
                print(base + i, said["source"], said["word"], said["count"], flush=True)
                left, position = left - 1, base + i + 1
        bodies, records = bodies[size:], records + count
    return position, records


hello()
while left != 0:
    if not broker.poll(beat_ms):
        say(b"BEAT", state="ready", cursor=0, steps=0) if joined else hello()
        continue
    frame, *bodies = broker.recv_multipart()
    verb, rest = frame[:4], frame[4:]
    if verb == b"DLVR":
        position, records = take(rest[4:], bodies[0])
        say(b"DONE", name=name, generation=joined["generation"], position=position)
        broker.send(struct.pack(">4sII", b"CRED", records, len(bodies[0])))
        continue
    said = msgpack.unpackb(rest)
    if verb == b"WELC":
        beat_ms = said["heartbeat_us"] // 1000
        say(b"JOIN", name=name, kind="cursor", inputs=[["words.count", "*"]], records=1000, bytes=1 << 20, take=True)
    elif verb == b"JOND":
        joined = said
    elif verb == b"REFU" and said["tag"] == "no-session":  # another broker process
        joined = hello()
    elif verb in (b"REFU", b"LOST"):
        sys.exit(f"counts.py: {said}")
broker.close(linger=1000)
