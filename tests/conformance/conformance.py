#!/usr/bin/python3
"""One suite of what broker/PROTOCOL.md promises, against the C link and against a client written from the page alone: where they
differ, one of them or the page is wrong. `conformance.py [WORD ...]` runs the cases that have one of the words in their names."""
# ctest: timeout=60
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fault"))
import _cases  # noqa: E402
import _client  # noqa: E402
from _broker import Broker  # noqa: E402
from _wire import control, records_of  # noqa: E402


class World:
    """One case against one kind of client: actors of its own, so that its lanes and leases are nobody else's."""
    records = staticmethod(lambda event: records_of(event["body"]))

    def __init__(self, broker, kind, case):
        self.broker, self.kind, self.name = broker, kind, case.__name__
        self.readers = 0

    def actor(self, name):
        return f"{self.name}-{self.kind.kind}-{name}"

    def client(self, name, incarnation="1", **how):
        return self.kind(self.broker.endpoint, self.actor(name), incarnation, **how)

    def reader(self, streams, start=None, **how):
        """A client that is subscribed, from the head if nothing else is said."""
        self.readers += 1
        reader = self.client(f"r{self.readers}")
        reader.wait("welcome")
        reader.subscribe(streams, self.head() if start is None else start, **how)
        return reader

    def control(self, words):
        return control(self.broker.control, words)

    def head(self):
        return self.control("STATUS")["broker"]["head"]

    def league_us(self):
        return self.control("CLOCK")["league_us"]


def run(broker, kind, case):
    begun = time.monotonic()
    case(World(broker, kind, case))
    for client in list(_client.alive):
        client.close()
    print(f"{kind.kind} {case.__name__} ok {time.monotonic() - begun:.2f} s", flush=True)


def main(words):
    broker = Broker("broker.lease=1s", "broker.heartbeat=100ms", f"broker.max_batch_bytes={_cases.MAX_BATCH_BYTES}")
    kinds = (_client.LinkClient, _client.PageClient)
    runs = [(kind, case) for case in _cases.BOTH for kind in kinds] + [(_client.PageClient, case) for case in _cases.RAW]
    for kind, case in runs:
        if not words or any(word in case.__name__ for word in words):
            run(broker, kind, case)
    broker.remove()
    print(f"{len(_cases.BOTH)} cases against both clients, {len(_cases.RAW)} that only a raw one can provoke")


main(sys.argv[1:])
