#!/usr/bin/python3
# ctest: timeout=120
"""What people type to look at what runs, and what does not: top, stream, tap, status."""
import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time

from _runtime import BIN, Runtime
from _wire import Client, control, crc32c

STREAMS = [("proof.number", "*"), ("proof.counted", "*"), ("ops.run", "*"), ("dead", "*")]
PARTITIONS = 2


class Looking:
    def __init__(self):
        self.runtime = Runtime(STREAMS, PARTITIONS, sets=["broker.lease=1500ms", "broker.heartbeat=100ms"])
        self.number = 0

    def argv(self, *words):
        return [str(BIN / "tipoff"), *words, "--dir", str(self.runtime.dir), *self.runtime.options()]

    def tipoff(self, *words, code=0):
        done = subprocess.run(self.argv(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                              timeout=60)
        assert done.returncode == code, f"{words}: exit {done.returncode}, not {code}: {done.stdout} {done.stderr}"
        return done.stdout or done.stderr

    def json(self, *words, code=0):
        return json.loads(self.tipoff(*words, "--json", code=code))

    def lines(self, *words):
        """A command that goes on: its process, and the file that it prints to."""
        out = tempfile.NamedTemporaryFile("r+", dir=self.runtime.dir)
        return subprocess.Popen(self.argv(*words), stdout=out, stderr=subprocess.DEVNULL), out

    def start(self):
        self.broker = self.runtime.add_broker()
        self.actor = self.runtime.add_actor("proof-fussy")
        self.actor.await_said(" ready ")
        self.writer = Client(self.runtime.endpoint("broker"), "numbers", timeout=20)
        self.writer.lease()

    def put(self, count):
        """To key a, in batches of a hundred."""
        lane = crc32c(b"a") % PARTITIONS
        while count > 0:
            most = min(count, 100)
            records = [("a", 1, [], None, {"key": "a", "number": self.number + i + 1, "value": 0}) for i in range(most)]
            self.writer.publish([("proof.number", lane, self.number + 1, records)])
            self.number += most
            count -= most

    def await_counted(self):
        def through():
            shard = next(s for s in control(self.runtime.endpoint("control"), "STATUS")["shards"]
                         if s["actor"] == "proof-fussy")
            return shard["taken"] == self.number and shard["outbox"] == 0 and shard["lag"] == 0
        self.runtime.until(through, 20, "all is counted")


def read(stream):
    stream.seek(0)
    return stream.read()


def nothing_runs(look):
    assert "nothing runs" in look.tipoff("top", "--once", code=69)
    assert "nothing runs" in look.tipoff("tap", "$SYS.*", code=69)
    look.tipoff("tap", code=1)
    look.tipoff("stream", code=1)
    look.tipoff("status", code=1)


def rates_add_up(look):
    """Every record is in the rate of exactly one interval."""
    process, out = look.lines("top", "--json", "--interval", "0.3", "--count", "8")
    look.runtime.until(lambda: read(out).count("\n") >= 1, 20, "the first interval")
    look.put(450)
    look.await_counted()
    assert process.wait(30) == 0
    blocks = [json.loads(line) for line in read(out).splitlines()]
    assert len(blocks) == 8 and all(0.2 < b["seconds"] < 5 for b in blocks), [b["seconds"] for b in blocks]

    def total(of, rate):
        return sum(of(b)[rate] * b["seconds"] for b in blocks)

    def row(block, group, **which):
        return next(r for r in block[group] if all(r[k] == v for k, v in which.items()))

    for stream in ("proof.number", "proof.counted"):
        assert abs(total(lambda b, s=stream: row(b, "streams", stream=s), "records_in_per_s") - 450) < 1, stream
    shard = [row(b, "shards", actor="proof-fussy") for b in blocks]
    for rate in ("taken_per_s", "records_in_per_s"):
        assert abs(sum(s[rate] * b["seconds"] for s, b in zip(shard, blocks)) - 450) < 1, rate
    assert total(lambda b: b["broker"], "records_in_per_s") >= 900
    last = blocks[-1]["broker"]
    assert last["commits_per_s"] is not None and any(b["broker"]["sync_p99_us"] for b in blocks)
    assert shard[-1]["restarts"] == 0 and shard[-1]["lag"] == 0 and shard[-1]["state"] == "ready"
    with open(f"/proc/{last['pid']}/statm", encoding="ascii") as stat:
        rss = int(stat.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    assert 0.5 < last["rss_bytes"] / rss < 2 and 0 < last["pss_bytes"] <= last["rss_bytes"] * 1.1, (last, rss)
    assert shard[-1]["rss_bytes"] > 0


def top_for_people(look):
    said = look.tipoff("top", "--once", "--interval", "0.2")
    assert said.startswith("tipoff top") and "rec/s" in said and "proof-fussy.0" in said and "proof.counted" in said, said
    # On a terminal it draws on the other screen, and gives it back at q.
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(str(BIN / "tipoff"), look.argv("top", "--interval", "0.2"))
    seen, end, asked = b"", time.monotonic() + 30, False
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                got = os.read(terminal, 65536)
            except OSError:  # the other side is closed
                break
            if not got:
                break
            seen += got
        if not asked and b"proof-fussy.0" in seen and b"q ends it" in seen:
            os.write(terminal, b"q")
            asked = True
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seen[-500:]
    assert seen.startswith(b"\x1b[?1049h") and seen.rstrip().endswith(b"\x1b[?1049l"), seen[-200:]
    os.close(terminal)


def stream_tells_lag(look):
    row = look.json("stream", "proof.number")
    assert row["writer"] == "*" and row["records"] == look.number and row["retention"] is None and row["first_at"], row
    reader, = row["readers"]
    assert reader["actor"] == "proof-fussy" and reader["partitions"] == [0, 1] and reader["lag"] == 0, reader
    look.actor.kill()
    look.put(5)  # whoever is gone is still a reader, and behind
    for running in (True, False):
        if not running:
            look.broker.kill()
            os.remove(look.runtime.dir / "control.ipc")  # or each question waits for a second
        reader, = look.json("stream", "proof.number")["readers"]
        assert reader["actor"] == "proof-fussy" and reader["lag"] == 5, (running, reader)
        assert "5 behind" in look.tipoff("stream", "proof.number")
    assert len(look.json("stream")) == len(STREAMS)
    look.tipoff("stream", "no.such", code=1)
    assert "does not run" in look.tipoff("status")
    since = len(look.actor.said())
    look.broker.start()
    look.actor.start()
    look.actor.await_said(" ready ", since)
    look.writer.close()
    look.writer = Client(look.runtime.endpoint("broker"), "numbers", incarnation="2", timeout=20)
    look.writer.lease()
    assert "proof-fussy.0" in look.tipoff("status") and "broker runs" in look.tipoff("status")


def tap_follows(look):
    old = [json.loads(line) for line in look.tipoff("tap", "proof.number", "--from", "1", "--count", "3").splitlines()]
    assert [r["payload"]["number"] for r in old] == [1, 2, 3] and old[0]["stream"] == "proof.number", old
    topic = [json.loads(line) for line in look.tipoff("tap", "proof.*.a", "--from", "1", "--count", "2").splitlines()]
    assert [r["key"] for r in topic] == ["a", "a"], topic
    process, out = look.lines("tap", "proof.counted", "--count", "2")
    head = control(look.runtime.endpoint("control"), "STATUS")["broker"]["head"]
    fresh = look.number
    while process.poll() is None:  # where it began to look is not known: until it has what it wants
        look.put(1)
        time.sleep(0.02)
    new = [json.loads(line) for line in read(out).splitlines()]
    assert process.returncode == 0 and len(new) == 2 and all(r["position"] >= head for r in new), new
    assert all(r["payload"]["number"] > fresh for r in new), new
    process, out = look.lines("tap", "$SYS.heartbeat.proof-fussy*", "--count", "2")
    assert process.wait(20) == 0
    beats = [json.loads(line) for line in read(out).splitlines()]
    assert len(beats) == 2 and beats[0]["payload"]["state"] == "ready" and beats[0]["time"].endswith("Z"), beats
    look.tipoff("tap", "$SYS.*", "--from", "1", code=64)


def broker_goes(look):
    """Top goes on without an answer, and says so at the end."""
    process, out = look.lines("top", "--json", "--interval", "0.2")
    look.runtime.until(lambda: read(out).count("\n") >= 1, 20, "the first interval")
    look.actor.stop()
    look.broker.stop()
    look.runtime.until(lambda: '"broker":null' in read(out), 20, "the broker is missed")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 69


def main():
    look, whole = Looking(), False
    try:
        nothing_runs(look)
        look.start()
        rates_add_up(look)
        top_for_people(look)
        stream_tells_lag(look)
        tap_follows(look)
        broker_goes(look)
        whole = True
    finally:
        look.runtime.close(keep=not whole)
    return 0


if __name__ == "__main__":
    sys.exit(main())
