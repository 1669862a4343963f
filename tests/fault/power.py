#!/usr/bin/python3
# ctest: timeout=300
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
from _wire import Client, Refused, control, crc32c, body as body_of

SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
FAILURES_KEPT = 5
# Kills that strike between two calls, so that the journal stays true.
KILLS = "step-committed:6,step-before-commit:11,step-published:17,lease-received:1,snapshot-renamed:2,compact-renamed:2"
BROKER_KILLS = "roll-created:1,roll-complete:2,append-committed:60,append-before-commit:120,roll-complete:4,lease-granted:9," \
               "checkpoint-begun:7,checkpoint-done:15,rewrite-slice:2,rewrite-built:1,rewrite-complete:2"
BROKER_KILLS_SLICE = "roll-created:1,roll-complete:2"
AGAIN_POINTS = 6  # cuts while what a cut has left is started again


class Gate(gate_a.Gate):
    streams = [(*named, {"retention_bytes": 2000}) for named in gate_a.STREAMS + [("power.kept", "power-writer")]]
    sets = ["broker.segment_bytes=64KiB", "broker.journal_bytes=64KiB", "broker.lease=1500ms", "broker.heartbeat=100ms",
            "broker.retain_percent=1", "broker.retain_every=1h", "actor.step_records=64", "snapshot.every_records=200",
            "store.compact_percent=1", "store.compact_bytes=4KiB", "store.compact_every=100ms"]

    def arrived(self):
        return sum(gate_a.row_count(self.sink_directory(s), "seen") for s in range(self.shards))

    def verify(self):
        said = subprocess.run([str(BIN / "tipoff"), "verify", "--dir", str(self.runtime.dir)], capture_output=True, text=True)
        assert said.returncode == 0, f"verify: {said.returncode}\n{said.stdout[-2000:]}{said.stderr[-2000:]}"


# ---- the run that is recorded ----

def ask(runtime, words):
    """A control word, answered; the broker may be killed meanwhile: then its successor is asked."""
    end = time.monotonic() + 30
    while True:
        runtime.mind()
        try:
            return control(runtime.endpoint("control"), words, 1)
        except TimeoutError:
            assert time.monotonic() < end, f"no answer to {words}\n" + runtime.tails()


def stop(process):
    """In order; unless one of its kills was faster, or it has only just been started again."""
    code = process.stop(20)
    assert code in (0, -9, -15), f"{process.name} ended with {code}: {process.said()[-2000:]}"


class Told:
    """The clients of the test: one that publishes, one that reads all; what they are told goes into the journal."""

    def __init__(self, runtime, journal):
        self.runtime, self.journal = runtime, journal
        self.seqs, self.owed, self.position, self.lives = {0: 0, 1: 0}, {}, 1, 0
        self.writer = self.reader = None
        self.again()

    def note(self, **what):
        _disk.note(self.journal, _disk.NOTE, data=json.dumps(what).encode())

    def again(self, refused=None):
        """Another broker: what it says that it has is acknowledged; the rest is sent once more, the same bytes."""
        assert not refused or refused["tag"] == "no-session", refused
        end = time.monotonic() + 30
        while True:
            self.close()
            self.runtime.mind()
            try:
                return self.connect()
            except (TimeoutError, Refused):  # that one was killed as well
                assert time.monotonic() < end, self.runtime.tails()

    def connect(self):
        self.lives, self.broker_lives = self.lives + 1, self.runtime.processes["broker"].starts
        endpoint = self.runtime.endpoint("broker")
        self.writer = Client(endpoint, "power-writer", incarnation=str(self.lives), timeout=2, hello=False)
        self.reader = Client(endpoint, "power-reader", incarnation=str(self.lives), timeout=2, hello=False)
        self.writer.hello()
        self.reader.hello()
        verb, grant = self.writer.lease()
        assert verb == b"GRNT", grant
        self.reader.subscribe([name for name, *_ in Gate.streams], start=self.position, records=4096, size=8 << 20)
        self.kept = self.writer.streams["power.kept"][0]
        for stream, partition, last in grant["lanes"]:
            if stream == self.kept:
                self.acked(partition, last)
        for (partition, seq), (data, due) in sorted(self.owed.items()):
            self.writer.publ([("power.kept", partition, seq, data, due, 1)])

    def close(self):
        for client in (self.writer, self.reader):
            if client:
                client.close()
        self.writer = self.reader = None

    def publish(self, number, later_us=None):
        key = f"k{number}"
        partition = crc32c(key.encode()) % 2
        records = [(key, 1, [], None, {"n": number, "fill": "x" * (number * 37 % 700)})]
        seq = self.seqs[partition] = self.seqs[partition] + 1
        data = body_of(records)
        due = 0
        if later_us is not None:
            due = ask(self.runtime, "CLOCK")["league_us"] + later_us
        self.owed[partition, seq] = data, due
        self.writer.publ([("power.kept", partition, seq, data, due, 1)])

    def acked(self, partition, last):
        for key in sorted(k for k in self.owed if k[0] == partition and k[1] <= last):
            data, due = self.owed.pop(key)
            self.note(told=[self.writer.producer, self.kept, *key, 1, crc32c(data), 0, bool(due)])

    def turn(self):
        """Takes what has come; never waits, unless for another broker."""
        if self.runtime.processes["broker"].starts != self.broker_lives:
            self.again()
        while True:
            got = self.writer.receive(0)
            if got is None:
                break
            if got[0] == b"REFU":
                return self.again(got[1])
            if got[0] == b"ACKD":
                for _, partition, last in got[1]:
                    self.acked(partition, last)
        count = size = 0
        while True:
            got = self.reader.receive(0)
            if got is None:
                break
            if got[0] == b"REFU":
                return self.again(got[1])
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


def recorder(root, journal):
    """The environment of a process that is recorded."""
    return {"LD_PRELOAD": str(TESTS / "power-recorder.so"), "POWER_ROOT": str(root), "POWER_JOURNAL": journal,
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}


class Recording(Gate):
    def __init__(self, whole, journal_path):
        super().__init__(place=SHM)
        self.journal_path, self.numbers = journal_path, 100 if whole else 20
        self.rewritten = False
        self.kills = (KILLS, BROKER_KILLS) if whole else ("", BROKER_KILLS_SLICE)
        self.disk = _disk.Disk(str(self.runtime.dir))
        self.runtime.env = {
            "PROOF_KEYS": str(self.keys), "PROOF_TOTAL": str(self.numbers), "PROOF_PAUSE_MS": "4", "PROOF_BURST": "8",
            **recorder(self.runtime.dir, journal_path)}
        self.journal = os.open(journal_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def forget(self, name):
        """A whole environment is lost, and that is in the journal as well."""
        process, (actor, shard) = self.runtime.processes[name], name.rsplit(".", 1)
        stop(process)
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
        path = self.runtime.dir / "clock"
        for words in ("STAND {league_us} 1", "START"):
            now = ask(self.runtime, "CLOCK")
            self.told.note(clock=None)
            ask(self.runtime, "CLOCK " + words.format(**now))
            self.told.note(clock=path.read_text())

    def restart(self, name):
        process = self.runtime.processes[name]
        stop(process)
        process.start()

    def restart_broker(self):
        self.told.settle()
        self.restart("broker")

    def trim(self):
        """To the half of what every reader has done."""
        position = self.told.position // 2
        self.told.note(trim=position)
        said = ask(self.runtime, f"TRIM {position}")
        self.told.note(trimmed=said)

    def retain(self):
        """Closed segments are written anew without what has expired and nobody needs any more."""
        def rewritten():
            self.told.turn()
            return any("." in name for name in os.listdir(self.runtime.dir / "log") if name.startswith("seg-"))

        def ended():
            self.told.turn()
            said = ask(self.runtime, "STATUS")["broker"]["retention"]
            if not said["running"] and not said["passes"]:
                ask(self.runtime, "RETAIN")  # a broker that was killed in it has forgotten
            return not said["running"] and said["passes"]
        self.told.note(retain=True)
        ask(self.runtime, "RETAIN")
        self.runtime.until(ended, 30, "a round of retention")
        self.rewritten = self.rewritten or rewritten()

    def more(self, count):
        self.numbers += count
        self.runtime.env["PROOF_TOTAL"] = str(self.numbers)
        for shard in range(self.shards):
            self.restart(f"proof-source.{shard}")
        self.runtime.until(lambda: self.told.turn() or self.arrived() >= self.numbers * self.keys, 60, f"{count} more numbers")

    def run(self):
        runtime, whole = self.runtime, self.numbers * self.keys
        self.start(*self.kills)
        ask(runtime, "PING")
        self.told = Told(runtime, self.journal)
        events = [(0.05, self.clock), (0.2, lambda: self.forget("proof-join.1")), (0.4, lambda: self.restart("proof-sum.0")),
                  (0.5, self.restart_broker), (0.6, self.retain), (0.7, self.trim), (0.75, self.retain),
                  (0.78, lambda: self.forget("proof-count.0")), (0.8, lambda: self.restart("proof-count.1"))]
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
        ends = time.monotonic() + 60
        while not self.rewritten and time.monotonic() < ends:  # what the last snapshots still need is let go by newer ones
            self.more(10)
            self.retain()
        assert self.rewritten, "retention had nothing to do: no segment was written anew"
        self.told.settle()
        self.names = {number: name for name, (number, _) in self.told.writer.streams.items()}
        self.total = self.numbers
        self.check_sink()
        for name, process in runtime.processes.items():
            if name != "broker":
                stop(process)
        self.told.turn()
        self.told.close()
        stop(runtime.processes["broker"])
        os.close(self.journal)


# ---- the journal, read for what was told ----

class Promises:
    """What must hold at each place of the journal: how many of the promises, how far the log may be trimmed, which environment is
    away, what the clock may say."""

    def __init__(self, found):
        self.lines, self.states = [], []  # (index of the entry, promises, trimmed to, lost, clocks, retained)
        told, bases = [], {}
        state = [0, 1, "-", {None}, 0]
        for index, what in found:
            if "told" in what:
                told.append(what["told"])
                if what["told"][6]:
                    bases[tuple(what["told"][:4])] = what["told"][6]
                state[0] = len(told)
            elif "trim" in what:
                state[1] = what["trim"]
            elif "retain" in what:
                state[4] = 1
            elif "lost" in what:
                state[2] = what["lost"]
            elif "rebuilt" in what:
                state[2] = "-"
            elif "clock" in what:  # asked: the old one or the new one; told: the new one
                state[3] = {what["clock"]} if what["clock"] else state[3] | {"asked"}
            else:
                continue
            self.states.append((index, *state[:3], frozenset(state[3]), state[4]))
        for promise in told:
            promise[6] = bases.get(tuple(promise[:4]), 0)
            self.lines.append("promise " + " ".join(str(int(part)) for part in promise))

    def at(self, index):
        low = (-1, 0, 1, "-", frozenset({None}), 0)
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
        self.errors = tempfile.TemporaryFile("w+")  # not a pipe: nobody reads it, and it would fill up with what each image logs
        self.process = subprocess.Popen([str(TESTS / "power_check")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True)
        self.process.stdin.write("\n".join(self.lines) + "\n")

    def said(self):
        self.errors.seek(0)
        return self.errors.read()[-3000:]

    def check(self, place, promises, trimmed, lost, retained):
        self.process.stdin.write(f"check {place} {promises} {trimmed} {lost} {retained}\n")
        self.process.stdin.flush()
        bad = []
        while True:
            line = self.process.stdout.readline()
            if line.startswith("done"):
                return bad, [int(part) for part in line.split()[1:]]
            if not line:
                said, code = self.said(), self.process.wait()
                self.start()
                raise AssertionError(f"power_check ended with {code}: {said}")
            bad.append(line.strip())

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0, self.said()


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
        self.failures, self.images, self.lived, self.verified = [], collections.Counter(), 0, 0
        self.sparing = random.Random(seed)
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

    def check(self, place, index, clock=True):
        promises, trimmed, lost, clocks, retained = self.promises.at(index)
        if clock:
            self.check_clock(place, clocks)
        bad, (first, head, _, _) = self.checker.check(place, promises, trimmed, lost, retained)
        assert not bad, "\n".join(bad)
        for environment in (place / "shards").glob("proof-*") if first > 1 else ():
            kept = [int(snapshot.name[5:]) for snapshot in (place / "snapshots" / environment.name).glob("snap-*")
                    if snapshot.name[5:].isdigit()]
            assert environment.name.startswith("proof-source") or max(kept, default=0) >= first, \
                f"{environment.name} could not be made again: the log begins at {first}, its snapshots are {kept}"
        # In a few only, when there are few: a process each, and what it looks at was looked at.
        if (head > 1 or promises) and (self.recording.kills[0] or self.sparing.random() < 0.2):
            Gate(found=place).verify()
            self.verified += 1

    @staticmethod
    def check_clock(place, clocks):
        try:
            clock = (place / "clock").read_text()
        except FileNotFoundError:
            clock = None
        assert clock in clocks or "asked" in clocks, f"the clock says {clock!r}, told was {sorted(map(str, clocks))}"

    def live(self, place, index):
        """A new broker and new shards start on it, and all goes on to what it would have been; and the power goes once more. Each
        second time an environment did not survive either: a snapshot and the log behind it make it again, trimmed or not."""
        gate = Gate(found=place)
        environments = sorted((place / "shards").glob("proof-*"))
        robbed = self.lived % 2 == 1 and environments and random.Random(f"{self.seed} {index} robbed").choice(environments)
        if robbed:
            shutil.rmtree(robbed)
        disk = _disk.Disk(str(place))
        gate.total = self.recording.numbers
        journal = str(self.work / "journal")
        gate.runtime.env = {"PROOF_KEYS": str(gate.keys), "PROOF_TOTAL": str(gate.total), "PROOF_PAUSE_MS": "1",
                            **recorder(place, journal)}
        try:
            gate.start()
            ask(gate.runtime, "CLOCK START")  # it may have been cut while it stood
            gate.runtime.until(lambda: gate.arrived() >= gate.total * gate.keys, 60, "all numbers at the sink")
            gate.check_sink()
            for process in gate.runtime.processes.values():
                process.await_said("ready ")
            for name, process in gate.runtime.processes.items():
                if name != "broker":
                    stop(process)
            stop(gate.runtime.processes["broker"])
            gate.verify()
            self.lived += 1
        finally:
            gate.runtime.end()
        with open(journal, "rb") as file:
            taken = list(_disk.entries(file.read()))
        os.unlink(journal)
        if not robbed:
            self.cut_again(disk, taken, index)

    def cut_again(self, disk, taken, index):
        """Most of these cuts are in the recovery: what was promised before the first one still holds."""
        dice = random.Random(f"{self.seed} {index} again")
        points = {min(int(dice.expovariate(1 / 150)), len(taken) - 1) for _ in range(AGAIN_POINTS)}
        for at, (_, *entry) in enumerate(taken):
            disk.take(*entry)
            for mode in dice.sample(list(_disk.MODES), 3) if at in points else ():
                if mode == "torn" and entry[0] != _disk.WRITE:
                    continue
                place = self.work / "again"
                place.mkdir()
                disk.build(str(place), mode, random.Random(f"{self.seed} {index} {at} {mode}"))
                self.images["again"] += 1
                try:
                    self.check(place, index, clock=False)
                except AssertionError as failure:
                    self.failed(place, f"{index}-{at}", mode, failure)
                shutil.rmtree(place)

    def failed(self, place, index, mode, failure):
        text = f"seed {self.seed}, cut behind entry {index}, mode {mode}: {failure}"
        if len(self.failures) < FAILURES_KEPT:
            kept = self.work / f"failed-{index}-{mode}"
            shutil.copytree(place, kept, ignore=shutil.ignore_patterns("*.ipc"))
            print(f"{text}\nkept: {kept}", flush=True)
        self.failures.append(text)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    began = time.monotonic()
    handle, journal = tempfile.mkstemp(prefix="tipoff-journal-", dir=SHM)
    os.close(handle)
    recording, cuts, whole = Recording(count >= 50, journal), None, False
    try:
        recording.run()
        recorded = time.monotonic() - began
        cuts = Cuts(recording, seed)
        points = cuts.run(count, max(1, count // 10))
        disk = recording.disk
        compactions = sum(process.said().count(" compacted ") for process in recording.runtime.processes.values())
        assert compactions > 3, f"{compactions} environments were compacted: the cuts prove nothing of it"
        print(f"recorded: {recorded:.1f} s, {disk.writes} writes, {disk.syncs} syncs, {len(cuts.kinds)} entries, "
              f"{os.path.getsize(journal) >> 20} MiB; {sum(recording.runtime.fired().values())} kills; {compactions} compactions; "
              f"{len(cuts.promises.lines)} promises")
        print(f"power: seed {seed}, {points} points, {sum(cuts.images.values())} disks {dict(cuts.images)}, {cuts.verified} "
              f"verified, {cuts.lived} lived on, {len(cuts.failures)} failures; {time.monotonic() - began:.1f} s")
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
