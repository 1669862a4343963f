#!/usr/bin/python3
"""The C link against a real broker that is killed with SIGKILL, stopped and woken while batches are on their way: every batch
that was acknowledged is there, none twice, and a reader through the link sees each once, in order."""
import json
import os
import random
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from _broker import Broker  # noqa: E402
from _wire import Client, control, records_of  # noqa: E402

LOAD = os.path.join(os.environ["TIPOFF_BUILD"], "tests", "link_load")


def load(broker, *arguments, stderr=None):
    return subprocess.Popen([LOAD, arguments[0], broker.endpoint, *map(str, arguments[1:])],
                            stdout=subprocess.PIPE, stderr=stderr, text=True)


def silence_ms(broker):
    return control(broker.control, "STATUS")["shards"][0]["silent_ms"]


def result(process, timeout=60):
    out, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, f"link_load ended with {process.returncode}"
    return json.loads(out)


def check_log(broker, batches, records):
    """Lane by lane: the numbers from 1, each once; positions dense."""
    reader = Client(broker.endpoint, "checker")
    reader.subscribe(["numbers"], start=1, records=1 << 20, size=1 << 28)
    position, seen = 1, {0: 0, 1: 0}
    while position <= batches * records:
        _, delivered = reader.await_verb(b"DLVR")
        for head, data in delivered:
            assert head[2] == position, (head[2], position)
            assert head[9] == seen[head[5]] + 1, ("sequence", head[9], seen)
            for item in records_of(data):
                seen[head[5]] += 1
                assert item[4]["n"] == seen[head[5]], (item, seen)
                position += 1
    assert sum(seen.values()) == batches * records, seen
    assert reader.receive(0.2) is None, "more than was published"
    reader.close()


def test_killed(batches=20000, records=2, kills=8):
    """Killed within its appends, before and after the commit, and at any other moment. At most 256 batches are on their way, so
    that these lives of a few commits each do not see the end of the load."""
    broker = Broker("broker.lease=2s", "broker.heartbeat=100ms", "broker.segment_bytes=262144")
    rng = random.Random(5)
    broker.kill()
    consumer, producer = load(broker, "consume", batches * records), load(broker, "publish", batches, records)
    for point in ["append-before-commit", "append-committed"] * (kills // 2):
        broker.start(wait=False, TIPOFF_FAULT=f"{point}:{rng.randrange(3, 9)}")
        assert broker.process.wait(20) == -signal.SIGKILL, point
    broker.start()
    done = kills
    for _ in range(2):
        goal = control(broker.control, "STATUS")["broker"]["head"] + rng.randrange(10, 2000)
        while producer.poll() is None and control(broker.control, "STATUS")["broker"]["head"] < goal:
            pass  # each question is answered after a turn of the broker
        if producer.poll() is None:
            broker.kill()
            broker.start()
            done += 1
    published, consumed = result(producer), result(consumer)
    assert published["downs"] >= kills - 1, (published, done)
    # one question for the lease each time, however often no-session was said: else what is published is overtaken
    assert published["grants"] == published["epochs"] <= done + 1 + published["refused"], (published, done)
    assert consumed["taken"] == batches * records
    check_log(broker, batches, records)
    broker.remove()
    print(f"test_killed ok: {done} kills, {published}", flush=True)


def test_stopped(batches=12000, records=1):
    """A broker that is stopped for longer than the link waits, then goes on: the same process, with everything still queued."""
    broker = Broker("broker.lease=1s", "broker.heartbeat=50ms")
    producer = load(broker, "publish", batches, records, stderr=subprocess.PIPE)
    while control(broker.control, "STATUS")["broker"]["head"] < 100:
        pass
    broker.process.send_signal(signal.SIGSTOP)
    assert any("down" in line for line in producer.stderr), "the load was over before"
    broker.process.send_signal(signal.SIGCONT)
    published = result(producer)
    assert published["downs"] >= 1, published
    check_log(broker, batches, records)
    broker.remove()
    print(f"test_stopped ok: {published}", flush=True)


def test_sleeper():
    """A client that was stopped itself does not take the broker for silent when it wakes."""
    broker = Broker("broker.lease=20s", "broker.heartbeat=20ms")
    producer = load(broker, "publish", 20000, 1)
    head, stops = 0, 0
    while stops < 5:
        goal = head + 300
        while producer.poll() is None and (head := control(broker.control, "STATUS")["broker"]["head"]) < goal:
            pass
        if producer.poll() is not None:
            break
        stops += 1
        producer.send_signal(signal.SIGSTOP)
        while silence_ms(broker) < 300:  # 15 heartbeats
            pass
        producer.send_signal(signal.SIGCONT)
    published = result(producer)
    assert stops >= 2, "too little load"
    assert published["downs"] == 0 and published["epochs"] == 1, published
    check_log(broker, 20000, 1)
    broker.remove()
    print(f"test_sleeper ok: {published}", flush=True)


def test_no_stall(times=3000):
    """Nothing waits for a heartbeat: with one every 5 s, no answer takes that long to be seen."""
    broker = Broker("broker.lease=60s", "broker.heartbeat=5s")
    echoed = result(load(broker, "echo", times))
    assert echoed["slowest_us"] < 4_000_000, echoed
    broker.remove()
    print(f"test_no_stall ok: {echoed}", flush=True)


def main():
    for test in (test_killed, test_stopped, test_sleeper, test_no_stall):
        test()


main()
