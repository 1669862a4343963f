#!/usr/bin/python3
# ctest: timeout=300 processors=2
"""Power cuts. The proof's pipeline runs once while a preloaded recorder (tests/power/recorder.c) writes down every write, sync and
name that broker and shards ask for, and the test notes in the same journal what it was told: acknowledgements, deliveries, the
clock. Then at many points of that journal the disk is built as a cut there may leave it: all written, the last write torn, what
was not synced lost, in part or out of order. In each: the log opens, is dense and whole, what was told is there, no shard is
ahead of it or behind its own acknowledgements, `tipoff verify` is content; and from some of them everything is started again
and goes on to the right result.

    power.py [POINTS [SEED]]     make check does a few, `make power` some hundred
"""
import collections
import json
import mmap
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import _disk
import gate_a
from _runtime import BIN, TESTS
from _wire import Client, control, crc32c, body as body_of

SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
FAILURES_KEPT = 5


class Gate(gate_a.Gate):
    streams = gate_a.STREAMS + [("power.kept", "power-writer")]
    sets = ["broker.segment_bytes=64KiB", "broker.lease=5s", "broker.heartbeat=200ms", "actor.step_records=64"]

    def arrived(self):
        return sum(gate_a.row_count(self.sink_directory(s), "seen") for s in range(self.shards))

    def verify(self):
        said = subprocess.run([str(BIN / "tipoff"), "verify", "--dir", str(self.runtime.dir)], capture_output=True, text=True)
        assert said.returncode == 0, f"verify: {said.returncode}\n{said.stdout[-2000:]}{said.stderr[-2000:]}"


# ---- the run that is recorded ----

class Told:
    """The clients of the test: one that publishes, one that reads all; what they are told goes into the journal."""

    def __init__(self, runtime, journal):
        self.runtime, self.journal = runtime, journal
        self.seqs, self.owed, self.position, self.lives = {0: 0, 1: 0}, {}, 1, 0
        self.connect()

    def note(self, **what):
        _disk.note(self.journal, _disk.NOTE, data=json.dumps(what).encode())

    def connect(self):
        self.lives += 1
        endpoint = self.runtime.endpoint("broker")
        self.writer = Client(endpoint, "power-writer", incarnation=str(self.lives), timeout=20)
        assert self.writer.lease()[0] == b"GRNT"
        self.reader = Client(endpoint, "power-reader", incarnation=str(self.lives), timeout=20)
        self.reader.subscribe([name for name, _ in Gate.streams], start=self.position, records=4096, size=8 << 20)
        self.kept = self.writer.streams["power.kept"][0]

    def close(self):
        self.writer.close()
        self.reader.close()

    def publish(self, number, later_us=None):
        key = f"k{number}"
        partition = crc32c(key.encode()) % 2
        records = [(key, 1, [], None, {"n": number, "fill": "x" * (number * 37 % 700)})]
        seq = self.seqs[partition] = self.seqs[partition] + 1
        data = body_of(records)
        due = 0
        if later_us is not None:
            due = control(self.runtime.endpoint("control"), "CLOCK", 20)["league_us"] + later_us
        self.owed[partition, seq] = [self.writer.producer, self.kept, partition, seq, 1, crc32c(data), 0, bool(due)]
        self.writer.publ([("power.kept", partition, seq, data, due, 1)])

    def turn(self):
        """Takes what has come; never waits."""
        while True:
            got = self.writer.receive(0)
            if got is None:
                break
            assert got[0] != b"REFU", got
            if got[0] == b"ACKD":
                for _, partition, last in got[1]:
                    for key in sorted(k for k in self.owed if k[0] == partition and k[1] <= last):
                        self.note(told=self.owed.pop(key))
        count = size = 0
        while True:
            got = self.reader.receive(0)
            if got is None:
                break
            assert got[0] != b"REFU", got
            for head, data in got[1] if got[0] == b"DLVR" else []:
                _, _, base, n, stream, partition, producer, length, _, seq, _, due, crc = head
                if base < self.position:
                    continue
                self.note(told=[producer, stream, partition, seq, n, crc, base, bool(due)])
                self.position = base + n
                count, size = count + n, size + length
        if count:
            self.reader.credit(count, size)

    def settle(self):
        self.runtime.until(lambda: self.turn() or not self.owed, 20, "every publish is acknowledged")


class Recording(Gate):
    def __init__(self, numbers, journal_path):
        super().__init__(place=SHM)
        self.journal_path, self.numbers = journal_path, numbers
        self.disk = _disk.Disk(str(self.runtime.dir))
        self.runtime.env = {
            "PROOF_KEYS": str(self.keys), "PROOF_TOTAL": str(numbers), "PROOF_PAUSE_MS": "4", "PROOF_BURST": "8",
            "LD_PRELOAD": str(TESTS / "power-recorder.so"), "POWER_ROOT": str(self.runtime.dir),
            "POWER_JOURNAL": journal_path,
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        self.journal = os.open(journal_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def forget(self, name):
        """A whole environment is lost, and that is in the journal as well."""
        process, (actor, shard) = self.runtime.processes[name], name.rsplit(".", 1)
        assert process.stop() == 0
        directory = self.runtime.environment(actor, shard)
        self.told.note(lost=name)
        for file in sorted(directory.iterdir()):
            _disk.note(self.journal, _disk.UNLINK, str(file))
            file.unlink()
        _disk.note(self.journal, _disk.RMDIR, str(directory))
        directory.rmdir()
        since = len(process.said())
        process.start()
        self.runtime.until(lambda: self.told.turn() or " rebuilt " in process.said(since), 30, f"{name} is rebuilt")
        self.told.note(rebuilt=name)

    def clock(self):
        """The clock is set and set going; what was told must be what is found."""
        endpoint, path = self.runtime.endpoint("control"), self.runtime.dir / "clock"
        for words in ("STAND {league_us} 1", "START"):
            now = control(endpoint, "CLOCK", 20)
            self.told.note(clock=None)
            control(endpoint, "CLOCK " + words.format(**now), 20)
            self.told.note(clock=path.read_text())

    def restart(self, name):
        process = self.runtime.processes[name]
        assert process.stop() == 0, process.said()[-2000:]
        process.start()

    def restart_broker(self):
        self.told.settle()
        self.told.close()
        self.restart("broker")
        control(self.runtime.endpoint("control"), "PING", 20)
        self.told.connect()

    def trim(self):
        """To the half of what every reader has done."""
        position = self.told.position // 2
        self.told.note(trim=position)
        said = control(self.runtime.endpoint("control"), f"TRIM {position}", 20)
        self.told.note(trimmed=said)

    def run(self):
        runtime, whole = self.runtime, self.numbers * self.keys
        self.start()
        control(runtime.endpoint("control"), "PING", 20)
        self.told = Told(runtime, self.journal)
        events = [(0.05, self.clock), (0.2, lambda: self.forget("proof-join.1")), (0.4, lambda: self.restart("proof-sum.0")),
                  (0.5, self.restart_broker), (0.7, self.trim), (0.8, lambda: self.restart("proof-count.1"))]
        sent = [0]

        def flowing():
            self.told.turn()
            arrived = self.arrived()
            if len(self.told.owed) < 8:
                sent[0] += 1
                later = {0: 150000, 5: 3600 * 1000000}.get(sent[0] % 10)  # some soon, some not in this life
                self.told.publish(sent[0], later)
            if events and arrived >= events[0][0] * whole:
                events.pop(0)[1]()
            return arrived >= whole and not events
        runtime.until(flowing, 120, "all numbers at the sink")
        self.told.settle()
        self.names = {number: name for name, (number, _) in self.told.writer.streams.items()}
        self.total = self.numbers
        self.check_sink()
        for name, process in runtime.processes.items():
            if name != "broker":
                assert process.stop(20) == 0, process.said()[-2000:]
        self.told.turn()
        self.told.close()
        assert runtime.processes["broker"].stop(20) == 0
        os.close(self.journal)


# ---- the journal, read for what was told ----

class Promises:
    """What must hold at each place of the journal: how many of the promises, how far the log may be trimmed, which environment is
    away, what the clock may say."""

    def __init__(self, found):
        self.lines, self.states = [], []  # (index of the entry, promises, trimmed to, lost, clocks)
        told, bases = [], {}
        state = [0, 1, "-", {None}]
        for index, what in found:
            if "told" in what:
                told.append(what["told"])
                if what["told"][6]:
                    bases[tuple(what["told"][:4])] = what["told"][6]
                state[0] = len(told)
            elif "trim" in what:
                state[1] = what["trim"]
            elif "lost" in what:
                state[2] = what["lost"]
            elif "rebuilt" in what:
                state[2] = "-"
            elif "clock" in what:  # asked: the old one or the new one; told: the new one
                state[3] = {what["clock"]} if what["clock"] else state[3] | {"asked"}
            else:
                continue
            self.states.append((index, *state[:3], frozenset(state[3])))
        for promise in told:
            promise[6] = bases.get(tuple(promise[:4]), 0)
            self.lines.append("promise " + " ".join(str(int(part)) for part in promise))

    def at(self, index):
        low = (-1, 0, 1, "-", frozenset({None}))
        for state in self.states:
            if state[0] >= index:
                break
            low = state
        return low[1:]


class Checker:
    """tests/programs/power_check.c, started again when an image brought it down."""

    def __init__(self, names, lines):
        self.lines = [f"stream {number} {name}" for number, name in names.items()] + lines
        self.start()

    def start(self):
        self.process = subprocess.Popen([str(TESTS / "power_check")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.process.stdin.write("\n".join(self.lines) + "\n")

    def check(self, place, promises, trimmed, lost):
        self.process.stdin.write(f"check {place} {promises} {trimmed} {lost}\n")
        self.process.stdin.flush()
        bad = []
        while True:
            line = self.process.stdout.readline()
            if line.startswith("done"):
                return bad, [int(part) for part in line.split()[1:]]
            if not line:
                said, code = self.process.stderr.read()[-3000:], self.process.wait()
                self.start()
                raise AssertionError(f"power_check ended with {code}: {said}")
            bad.append(line.strip())

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0, self.process.stderr.read()[-3000:]


# ---- points ----

def points_of(kinds, begin, count, dice):
    """Indices of entries after which the power goes: among writes, before and after syncs, among names."""
    groups = [[i for i, kind in kinds if kind == _disk.WRITE], [i for i, kind in kinds if kind == _disk.SYNC_BEGIN],
              [i for i, kind in kinds if kind == _disk.SYNC_END],
              [i + dice.randrange(4) for i, kind in kinds if kind in (_disk.MKDIR, _disk.RENAME, _disk.UNLINK, _disk.RMDIR)]]
    chosen = set()
    for group, share in zip(groups, (0.4, 0.15, 0.15, 0.3)):
        group = [i for i in group if begin <= i]
        chosen.update(dice.sample(group, min(len(group), round(count * share))))
    everything = [i for i, _ in kinds if begin <= i and i not in chosen]
    chosen.update(dice.sample(everything, min(len(everything), max(0, count - len(chosen)))))
    return sorted(chosen)


class Cuts:
    def __init__(self, recording, seed):
        self.recording, self.seed = recording, seed
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="tipoff-power-", dir=SHM))
        self.failures, self.images, self.lived = [], collections.Counter(), 0
        with open(recording.journal_path, "rb") as file:
            self.journal = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        notes, self.kinds = [], []
        for index, (_, kind, _, _, _, _, _, data) in enumerate(_disk.entries(self.journal)):
            self.kinds.append((index, kind))
            if kind == _disk.NOTE:
                notes.append((index, json.loads(data)))
        self.promises = Promises(notes)
        self.checker = Checker(recording.names, self.promises.lines)

    def run(self, count, lives):
        dice = random.Random(self.seed)
        points = points_of(self.kinds, 0, count, dice)
        live_at = set(dice.sample(points, min(lives, len(points))))
        disk, at = self.recording.disk, 0
        for index, (_, kind, pid, fd, offset, arg, path, data) in enumerate(_disk.entries(self.journal)):
            if kind != _disk.NOTE:
                disk.take(kind, pid, fd, offset, arg, path, data)
            while at < len(points) and points[at] == index:
                self.point(index, kind, points[at] in live_at)
                at += 1
        self.checker.close()
        return len(points)

    def point(self, index, kind, live):
        modes = list(_disk.MODES)
        chosen = random.Random(f"{self.seed} {index}").choice(modes)
        for mode in modes:
            if mode == "torn" and kind != _disk.WRITE:
                continue
            place = self.work / "image"
            place.mkdir()
            self.recording.disk.build(str(place), mode, random.Random(f"{self.seed} {index} {mode}"))
            self.images[mode] += 1
            try:
                self.check(place, index)
                if live and mode == chosen:
                    self.live(place, index)
            except AssertionError as failure:
                self.failed(place, index, mode, failure)
            shutil.rmtree(place)

    def check(self, place, index):
        promises, trimmed, lost, clocks = self.promises.at(index)
        try:
            clock = (place / "clock").read_text()
        except FileNotFoundError:
            clock = None
        assert clock in clocks or "asked" in clocks, f"the clock says {clock!r}, told was {sorted(map(str, clocks))}"
        bad, (_, head, _, _) = self.checker.check(place, promises, trimmed, lost)
        assert not bad, "\n".join(bad)
        if head > 1 or promises:
            Gate(found=place).verify()

    def live(self, place, index):
        """A new broker and new shards start on it, and all goes on to what it would have been."""
        gate = Gate(found=place)
        gate.total = self.recording.numbers
        gate.runtime.env = {"PROOF_KEYS": str(gate.keys), "PROOF_TOTAL": str(gate.total), "PROOF_PAUSE_MS": "1"}
        try:
            gate.start()
            control(gate.runtime.endpoint("control"), "CLOCK START", 20)  # it may have been cut while it stood
            gate.runtime.until(lambda: gate.arrived() >= gate.total * gate.keys, 60, "all numbers at the sink")
            gate.check_sink()
            for process in gate.runtime.processes.values():
                process.await_said("ready ")
            for name, process in gate.runtime.processes.items():
                if name != "broker":
                    assert process.stop(20) == 0, process.said()[-2000:]
            assert gate.runtime.processes["broker"].stop(20) == 0
            gate.verify()
            self.lived += 1
        finally:
            gate.runtime.end()

    def failed(self, place, index, mode, failure):
        text = f"seed {self.seed}, cut behind entry {index}, mode {mode}: {failure}"
        if len(self.failures) < FAILURES_KEPT:
            kept = self.work / f"failed-{index}-{mode}"
            shutil.copytree(place, kept, ignore=shutil.ignore_patterns("*.ipc"))
            print(f"{text}\nkept: {kept}", flush=True)
        self.failures.append(text)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    began = time.monotonic()
    handle, journal = tempfile.mkstemp(prefix="tipoff-journal-", dir=SHM)
    os.close(handle)
    numbers = 25 if count < 50 else 100
    recording, cuts, whole = Recording(numbers, journal), None, False
    try:
        recording.run()
        recorded = time.monotonic() - began
        cuts = Cuts(recording, seed)
        points = cuts.run(count, max(1, count // 10))
        disk = recording.disk
        print(f"recorded: {recorded:.1f} s, {disk.writes} writes, {disk.syncs} syncs, {len(cuts.kinds)} entries, "
              f"{os.path.getsize(journal) >> 20} MiB; {len(cuts.promises.lines)} promises")
        print(f"power: seed {seed}, {points} points, {sum(cuts.images.values())} disks {dict(cuts.images)}, {cuts.lived} lived "
              f"on, {len(cuts.failures)} failures; {time.monotonic() - began:.1f} s")
        if cuts.failures:
            print("\n".join(cuts.failures[FAILURES_KEPT:]))
        assert not cuts.failures, f"{len(cuts.failures)} failures"
        whole = True
    finally:
        recording.runtime.close(keep=not whole)
        if whole:
            os.unlink(journal)
            shutil.rmtree(cuts.work)
        elif cuts:
            print(f"left behind: {cuts.work}, {journal}")


if __name__ == "__main__":
    main()
