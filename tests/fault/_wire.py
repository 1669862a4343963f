"""A client of the broker, written from broker/PROTOCOL.md alone: what the C link does, and what it would never do."""
import ctypes
import struct
import time

import msgpack
import zmq

DESC = struct.Struct(">HHIQIIq")
HEADER = struct.Struct(">4sIQIHHIIQQqqI12x")
ACK = struct.Struct(">HHQ")


def _table():
    table = []
    for i in range(256):
        c = i
        for _ in range(8):
            c = (c >> 1) ^ (0x82F63B78 if c & 1 else 0)
        table.append(c)
    return table


_TABLE = _table()
try:
    _ISAL = ctypes.CDLL("libisal.so.2").crc32_iscsi  # byte by byte megabytes take seconds
    _ISAL.argtypes, _ISAL.restype = [ctypes.c_char_p, ctypes.c_int, ctypes.c_uint], ctypes.c_uint
except (OSError, AttributeError):
    _ISAL = None


def crc32c(data):
    if _ISAL and len(data) > 4096:
        return _ISAL(bytes(data), len(data), 0xFFFFFFFF) ^ 0xFFFFFFFF
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def body(records, code="py", config="0" * 16):
    """records: (key, version, parents, run, payload map)"""
    return msgpack.packb([code, config] + [list(r) for r in records])


class Refused(Exception):
    def __init__(self, said):
        super().__init__(f"{said['tag']}: {said['text']}")
        self.tag, self.said = said["tag"], said


class Client:
    def __init__(self, endpoint, actor, incarnation="1", timeout=5.0, hello=True):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)
        self.actor, self.incarnation, self.timeout = actor, incarnation, timeout
        self.streams, self.producer, self.epoch = {}, 0, 0
        self.waiting = []
        if hello:
            self.welcome = self.hello()

    def close(self):
        self.socket.close()
        self.context.term()

    def send_map(self, verb, **fields):
        self.socket.send(verb + msgpack.packb(fields))

    def receive(self, timeout=None):
        """(verb, map or list of (header, body) or acks) of the next message, or None."""
        if not self.socket.poll((self.timeout if timeout is None else timeout) * 1000):
            return None
        return self.decode(self.socket.recv_multipart())

    @staticmethod
    def decode(frames):
        verb, rest = frames[0][:4], frames[0][4:]
        if verb in (b"DLVR", b"OWND"):
            count, = struct.unpack_from(">I", rest)
            heads = [HEADER.unpack_from(rest, 4 + i * HEADER.size) for i in range(count)]
            assert len(frames) == (2 if count else 1), "bodies are one frame"
            batches, at = [], 0
            for head in heads:
                data = frames[1][at:at + head[7]]
                at += head[7]
                assert head[0] == b"TIP1" and head[-1] == crc32c(data), "broken batch"
                batches.append((head, data))
            assert at == (len(frames[1]) if count else 0), "bodies and headers disagree"
            return verb, batches
        if verb == b"ACKD":
            producer, epoch, count = struct.unpack_from(">IQI", rest)
            return verb, [ACK.unpack_from(rest, 16 + i * ACK.size) for i in range(count)]
        return verb, msgpack.unpackb(rest)

    def await_verb(self, *verbs):
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            got = self.receive(max(0.0, end - time.monotonic()))
            if got is None:
                break
            if got[0] in verbs:
                return got
            if got[0] == b"REFU":
                raise Refused(got[1])
            self.waiting.append(got)
        raise TimeoutError(f"no {verbs}")

    def hello(self, protocol=1):
        self.send_map(b"HELO", protocol=protocol, actor=self.actor, host="py", incarnation=self.incarnation, pid=1)
        welcome = self.await_verb(b"WELC")[1]
        self.streams = {name: (number, partitions) for number, name, _, partitions in welcome["streams"]}
        return welcome

    def lease(self, shard=0, shards=1, env="env"):
        self.send_map(b"LEAS", actor=self.actor, shard=shard, shards=shards, env=env)
        verb, said = self.await_verb(b"GRNT", b"WAIT")
        if verb == b"GRNT":
            self.producer, self.epoch = said["producer"], said["epoch"]
        return verb, said

    def publ(self, batches, producer=None, epoch=None):
        """batches: (stream, partition, first_seq, records) or (.., due_us); sent without waiting."""
        heads, bodies = [], []
        for stream, partition, first_seq, records, *due in batches:
            data = records if isinstance(records, bytes) else body(records)
            count = due[1] if len(due) > 1 else len(records)
            number = self.streams[stream][0] if isinstance(stream, str) else stream
            heads.append(DESC.pack(number, partition, count, first_seq, crc32c(data), len(data), due[0] if due else 0))
            bodies.append(data)
        head = b"PUBL" + struct.pack(">IQI", self.producer if producer is None else producer,
                                     self.epoch if epoch is None else epoch, len(heads))
        self.socket.send_multipart([head + b"".join(heads), b"".join(bodies)])

    def publish(self, batches, **how):
        self.publ(batches, **how)
        return self.await_verb(b"ACKD")[1]

    def subscribe(self, inputs, start=0, records=1000, size=1 << 20):
        self.send_map(b"SUBS", inputs=[[s, list(range(self.streams[s][1]))] for s in inputs], **{"from": start},
                      records=records, bytes=size)

    def credit(self, records, size):
        self.socket.send(b"CRED" + struct.pack(">II", records, size))


def records_of(data):
    return msgpack.unpackb(data)[2:]


def control(endpoint, words, timeout=5.0):
    import json
    context = zmq.Context()
    socket = context.socket(zmq.REQ)
    socket.linger = 0
    socket.connect(endpoint)
    socket.send_string(words)
    try:
        if not socket.poll(timeout * 1000):
            raise TimeoutError(words)
        return json.loads(socket.recv())
    finally:
        socket.close()
        context.term()
