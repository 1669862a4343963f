#!/usr/bin/python3
"""counts.py TAP [N] - prints word counts as they come (N of them, then ends). Reads the tap: what is missed is missed."""
import sys

import msgpack
import zmq

tap = zmq.Context().socket(zmq.SUB)
tap.connect(sys.argv[1])  # e.g. ipc://tipoff-data/tap.ipc
tap.subscribe(b"words.count.")
left = int(sys.argv[2]) if len(sys.argv) > 2 else -1
print("listening", flush=True)
while left != 0:
    topic, header, payload = map(bytes, tap.recv_multipart())
    header, count = msgpack.unpackb(header), msgpack.unpackb(payload)
    print(header["position"], count["source"], count["word"], count["count"], flush=True)
    left -= 1
