#!/usr/bin/python3
"""No space for the log: refused by name, nothing half-done, reading goes on, and all of it goes on when there is space again. On
a small file system of its own if this process may mount one; and with a commit that fails by order of the test, always."""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__))
from _broker import Broker  # noqa: E402
from _wire import Client, Refused, control, records_of  # noqa: E402

LOAD = os.path.join(os.environ["TIPOFF_BUILD"], "tests", "link_load")
SETS = ("broker.lease=5s", "broker.heartbeat=100ms", "broker.segment_bytes=1MiB")


def rec(i, size=10):
    return ("k", 1, [], None, {"n": i, "fill": "x" * size})


def numbers_of(broker, stream, count):
    """So many numbers of a stream, and no more; positions ascend."""
    reader = Client(broker.endpoint, "reader")
    reader.subscribe([stream], records=1 << 20, size=1 << 30)
    numbers, position = [], 0
    while len(numbers) < count:
        for head, data in reader.await_verb(b"DLVR")[1]:
            assert head[2] > position, (head[2], position)
            position = head[2]
            numbers += [item[4]["n"] for item in records_of(data)]
    assert reader.receive(0.3) is None, "more than was acknowledged"
    reader.close()
    return numbers


def publish_until_refused(client, number, size):
    """Publishes n = number, number + 1, ... one by one; the first one that is refused for want of space."""
    while True:
        try:
            acked = client.publish([("numbers", 0, number, [rec(number, size)])])
            assert acked == [(client.streams["numbers"][0], 0, number)], acked
            number += 1
        except Refused as refused:
            assert refused.tag == "disk-full", refused
            return number


def lease_when_possible(client):
    end = time.monotonic() + 20
    while True:
        try:
            return client.lease()[1]
        except Refused as refused:
            assert refused.tag == "disk-full" and time.monotonic() < end, refused
            time.sleep(0.05)


def test_small_disk():
    place = tempfile.mkdtemp(prefix="tipoff-full-")
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", place], stderr=subprocess.DEVNULL)
    if mount.returncode != 0:
        os.rmdir(place)
        print("test_small_disk skipped: may not mount")
        return
    try:
        broker = Broker(*SETS, dir=place)
        small_disk(broker)
        broker.stop()
    finally:
        if broker.process.poll() is None:
            broker.kill()
        broker.log.close()
        subprocess.run(["umount", place], check=True)
        os.rmdir(place)
    print("test_small_disk ok", flush=True)


def small_disk(broker):
    ballast = f"{broker.dir}/ballast"
    open(ballast, "wb").close()
    a, other = Client(broker.endpoint, "a"), Client(broker.endpoint, "other")
    a.lease(), other.lease()
    other.publish([("others", 0, 1, [rec(1)])])
    now = control(broker.control, "CLOCK")["league_us"]
    other.publish([("others", 0, 2, [rec(2)], now + 1_500_000)])  # falls due when there is no space
    number = publish_until_refused(a, 1, 60000)
    assert number > 20, number
    status = control(broker.control, "STATUS")
    assert status["broker"]["head"] == number + 1, (status["broker"]["head"], number)  # all that was acknowledged, no more
    counted = next(s for s in status["streams"] if s["stream"] == "numbers")
    assert counted["records"] == number - 1 and counted["last"] == number, counted
    # nobody else was told, and what needs no space goes on
    assert all(got[0] != b"REFU" for got in other.waiting) and other.receive(0.1) is None
    other.send_map(b"BEAT", state="ready", cursor=0, steps=0)
    assert other.await_verb(b"ALIV")[1]["head"] == number + 1
    # full for a while, with a timer that is due: refused each time, and the broker does not spin
    used = cpu(broker.process.pid)
    begun = time.monotonic()
    while time.monotonic() - begun < 2.5:
        try:
            a.lease()
            number = publish_until_refused(a, number, 60000)
        except Refused as refused:
            assert refused.tag == "disk-full", refused
        time.sleep(0.1)
    spent = cpu(broker.process.pid) - used
    assert spent < 1.5, f"{spent} s of CPU in {time.monotonic() - begun} s without space"
    # a start without any space: what is there can be read
    with open(ballast, "r+b", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    head = control(broker.control, "STATUS")["broker"]["head"]
    broker.kill()
    broker.start()
    assert control(broker.control, "STATUS")["broker"]["head"] == head
    assert numbers_of(broker, "numbers", number - 1) == list(range(1, number))
    # space again: the same sequences, once
    subprocess.run(["mount", "-o", "remount,size=12m", broker.dir], check=True)
    for client in (a, other):
        client.close()
    a, other = Client(broker.endpoint, "a", "2"), Client(broker.endpoint, "other", "2")
    grant = lease_when_possible(a)
    lanes = {(s, p): seq for s, p, seq in grant["lanes"]}
    assert lanes[(a.streams["numbers"][0], 0)] == number - 1, (lanes, number)
    a.publish([("numbers", 0, number, [rec(number)])])
    end = time.monotonic() + 10
    while control(broker.control, "STATUS")["broker"]["later"]:
        assert time.monotonic() < end, "the timer did not fall due"
    assert numbers_of(broker, "others", 2) == [1, 2]
    assert numbers_of(broker, "numbers", number) == list(range(1, number + 1))
    for client in (a, other):
        client.close()


def cpu(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_failed_commits():
    """Commits that fail now and then under load: whoever had a part in one sends again; in the end each batch is there once."""
    broker = Broker(*SETS)
    broker.stop()
    broker.start(TIPOFF_FAULT=",".join(f"disk-full:{n}:fail" for n in (2, 9, 10, 30, 31, 32)))
    batches = 6000
    done = subprocess.run([LOAD, "publish", broker.endpoint, str(batches), "1"], timeout=60, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0
    assert broker.logged("append-failed") + broker.logged("checkpoint-failed") == 6, broker.said()
    status = control(broker.control, "STATUS")
    counted = next(s for s in status["streams"] if s["stream"] == "numbers")
    assert status["broker"]["head"] == batches + 1 and counted["records"] == batches, (status["broker"], counted)
    numbers = numbers_of(broker, "numbers", batches)
    assert sorted(numbers) == sorted(list(range(1, batches // 2 + 1)) * 2), "lost or doubled"
    broker.remove()
    print(f"test_failed_commits ok: {done.stdout.strip()}", flush=True)


for test in (test_failed_commits, test_small_disk):
    test()
