#!/usr/bin/python3
# ctest: timeout=300
"""Exactly once, proved: numbered records go through three stateful stages over four partitions into a sink, while a seeded storm
hits every process, the broker too: killed; stopped beyond its lease and woken; its shard taken over by another process with
another environment, as another host would, and then woken or not; its whole environment lost; set back by `tipoff rewind` to anywhere
in the log. Several at a time, some while they are still recovering. In the end the sink is what the model computes, every lane's sequences are contiguous in the log, each
number is there once at each stage, `tipoff verify` is content, and every woken holder of a lease that had moved was refused.

    storm_proof.py [EVENTS [SEED]]     make check does a few, `make storm-proof KILLS=1000 SEED=1` the whole

The seed gives the plan: what, to whom, in which order and after which pause. When it strikes, in instructions, is the machine's."""
import collections
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import time

import lmdb

import gate_a
from _runtime import BIN, rows, shard_state
from _wire import control

LEASE = 1.0              # seconds
AT_ONCE = 5              # stopped or moving at one time
SHARES = [("kill", 46), ("stop", 16), ("move", 18), ("lose", 12), ("back", 8)]
PAUSE = (0.0, 0.25)      # seconds between two events
SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Home:
    """One of two places where a shard may live: an environment, and a host's name."""

    def __init__(self, storm, actor, shard, letter):
        runtime = storm.runtime
        self.directory = runtime.dir if letter == "a" else runtime.dir / "elsewhere"
        self.environment = runtime.environment(actor, shard, self.directory)
        self.process = runtime.plan_actor(actor, shard, storm.shards, directory=self.directory,
                                          name=f"{actor}.{shard}{letter}", host=f"host-{letter}")


class Victim:
    def __init__(self, storm, actor, shard):
        self.storm, self.name, self.busy = storm, f"{actor}.{shard}", False
        self.homes = [Home(storm, actor, shard, letter) for letter in "ab"]
        self.hits = collections.Counter()

    @property
    def process(self):
        return self.homes[0].process

    @property
    def environment(self):
        return self.homes[0].environment

    def kill(self, _how):
        self.process.kill()
        self.process.start()
        return iter(())

    def lose(self, how):
        self.process.kill()
        shutil.rmtree(self.environment, ignore_errors=True)
        if how < 0.3:  # and what it could have been made from
            shutil.rmtree(self.storm.snapshots / self.environment.name, ignore_errors=True)
        self.process.start()
        return iter(())

    def stop(self, how):
        """Stopped beyond its lease, then woken: nobody took the lease, so it goes on or asks for it again."""
        process = self.process
        self.storm.suspend(process)
        until = time.monotonic() + LEASE * (1.05 + how)
        while time.monotonic() < until:
            yield
        process.wake()

    def move(self, how):
        """Another host takes the shard over while the holder is stopped (or dead). Then the holder wakes, and must be refused."""
        old, new = self.homes
        since_old, since = len(old.process.said()), len(new.process.said())
        if how < 0.75:
            self.storm.suspend(old.process)
        else:
            old.process.kill()
        new.process.start()
        self.homes.reverse()
        while " granted " not in new.process.said(since):
            yield
        if 0.2 < how < 0.4:  # the new one too, before it is through
            new.process.kill()
            new.process.start()
        while how < 0.5 and " ready " not in new.process.said(since):
            yield
        if how >= 0.75:
            return
        woken = len(old.process.said())
        old.process.wake()
        old.process.held = True
        while old.process.process.poll() is None and " waiting " not in old.process.said(woken):
            yield
        if old.process.process.poll() is None:  # the broker had been another one when it was stopped: it had no lease to lose
            old.process.kill()
            self.storm.waited += 1
            return
        code, said = old.process.process.poll(), old.process.said(since_old)
        old.process.ends[code] += 1
        assert code == 75 and "zombie-refused" in said, f"{old.process.name}: the woken holder ended with {code}:\n{said[-3000:]}"
        self.storm.zombies += 1


    def back(self, how):
        """Set back, anywhere. Whether it hears of it, and when, is the storm's: the tool does not wait for what becomes of it."""
        runtime, (actor, shard) = self.storm.runtime, self.name.rsplit(".", 1)
        to = max(1, int(how * self.storm.head()))
        tool = subprocess.Popen([str(BIN / "tipoff"), "rewind", f"{actor}/{shard}", str(to), "--wait", "0", "--dir", str(runtime.dir),
                                 *runtime.options()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while tool.poll() is None:
            yield
        self.storm.asked += tool.returncode == 0  # a source reads nothing, and the broker may be away


class BrokerVictim:
    """Has one log and no other place: it is killed and stopped."""

    def __init__(self, storm):
        self.storm, self.name, self.busy, self.hits = storm, "broker", False, collections.Counter()
        self.process = storm.runtime.processes["broker"]

    kill = Victim.kill
    stop = Victim.stop
    lose = Victim.kill
    move = Victim.stop
    back = Victim.kill


class Storm(gate_a.Gate):
    shards, partitions, keys = 4, 4, 16
    streams = gate_a.STREAMS + [("ops.rewind", "*"), ("ops.rewound", "*")]
    sets = ["broker.segment_bytes=1MiB", f"broker.lease={int(LEASE * 1000)}ms", "broker.heartbeat=100ms"]

    def __init__(self, events, seed):
        super().__init__(place=SHM)
        self.dice, self.seed, self.events = random.Random(seed), seed, events
        self.zombies = self.waited = self.asked = 0
        self.runtime.env = {"PROOF_KEYS": str(self.keys), "PROOF_TOTAL": "1000000", "PROOF_PARTITIONS": str(self.partitions),
                            "PROOF_BURST": "2", "PROOF_PAUSE_MS": "100"}
        (self.runtime.dir / "elsewhere").mkdir()
        self.snapshots = self.runtime.dir / "snapshots"  # shared, as hosts do that take over each other's shards
        self.runtime.sets += [f"snapshot.dir={self.snapshots}", "snapshot.every_records=2000"]
        self.runtime.add_broker()
        control(self.runtime.endpoint("control"), "PING", 20)
        self.victims = [BrokerVictim(self)] + [Victim(self, actor, shard) for actor in ["proof-source"] + gate_a.STAGES
                                               for shard in range(self.shards)]
        for victim in self.victims[1:]:
            victim.process.start()
        self.counts, self.ends = collections.Counter(), collections.Counter()

    def plan(self):
        """(pause, what, victim's index, how) of every event. Everyone is hit equally often, give or take one."""
        kinds, deck = [kind for kind, share in SHARES for _ in range(share)], []
        for _ in range(self.events):
            if not deck:
                deck = list(range(len(self.victims)))
                self.dice.shuffle(deck)
            yield self.dice.uniform(*PAUSE), self.dice.choice(kinds), deck.pop(), self.dice.random()

    def head(self):
        """About where the log ends."""
        return max(((shard_state(victim.environment) or {"cursor": 1})["cursor"] for victim in self.victims[1 + self.shards:]
                    if (victim.environment / "data.mdb").exists()), default=1)

    def suspend(self, process):
        if process.process.poll() is not None:  # it just ended by itself
            process.start()
        process.suspend()

    def strike(self):
        """The storm itself: the plan, event by event, while what it began goes on."""
        plan, active, done, said = self.plan(), [], 0, time.monotonic()
        due, coming = time.monotonic(), next(plan, None)
        while coming or active:
            self.runtime.mind()
            for event in list(active):
                victim, steps, kind, since = event
                if next(steps, self) is self:
                    victim.busy = False
                    active.remove(event)
                assert time.monotonic() - since < 120, f"{kind} of {victim.name} does not end\n" + self.runtime.tails()
            if coming and time.monotonic() >= due and len(active) < AT_ONCE:
                _, kind, index, how = coming
                while self.victims[index].busy:  # the next one that is free
                    index = (index + 1) % len(self.victims)
                victim = self.victims[index]
                victim.hits[kind], victim.busy = victim.hits[kind] + 1, True
                self.counts[kind] += 1
                active.append((victim, getattr(victim, kind)(how), kind, time.monotonic()))
                done += 1
                coming = next(plan, None)
                due = time.monotonic() + (coming[0] if coming else 0)
            if time.monotonic() - said > 15:
                said = time.monotonic()
                print(f"  {done} of {self.events} events, {self.zombies} zombies refused", flush=True)
            time.sleep(0.005)  # between two looks, not instead of one

    def settle(self):
        """Everything that was begun gets through: each key up to the number that the furthest source has reached."""
        runtime, sources = self.runtime, self.victims[1:1 + self.shards]
        for source in sources:
            source.process.kill()
        made = max(self.made(source.environment) for source in sources)
        self.total = made // (self.keys // self.shards) + 10
        runtime.env.update(PROOF_TOTAL=str(self.total), PROOF_BURST="64", PROOF_PAUSE_MS="1")
        for source in sources:
            source.process.start()
        sinks = [self.sink_directory(shard) for shard in range(self.shards)]
        runtime.until(lambda: sum(map(entries, sinks)) >= self.total * self.keys and
                      sum(len(rows(sink, "seen")) for sink in sinks) >= self.total * self.keys, 180,
                      f"{self.total} numbers of each of {self.keys} keys at the sink")
        for victim in self.victims[1:]:
            victim.process.await_said(" ready ", victim.process.started_at)

    @staticmethod
    def made(environment):
        return max((struct.unpack_from("=Q", value)[0] for _, value in rows(environment, "next")), default=0)

    def sink_directory(self, shard):
        return self.victims[len(self.victims) - self.shards + shard].environment

    def end(self):
        """In order; then all environments that hold the shards now stand where `verify` looks for them."""
        for victim in self.victims[1:]:
            assert victim.process.stop(30) == 0, f"{victim.name}: {victim.process.said()[-2000:]}"
        assert self.victims[0].process.stop(30) == 0
        for victim in self.victims[1:]:
            here, other = victim.environment, victim.homes[1].environment
            if pathlib.Path(self.runtime.dir) / "shards" != here.parent:
                shutil.rmtree(other, ignore_errors=True)
                here.rename(other)
        said = subprocess.run([str(BIN / "tipoff"), "verify", "--dir", str(self.runtime.dir)], capture_output=True, text=True)
        assert said.returncode == 0, f"verify: {said.returncode}\n{said.stdout[-3000:]}{said.stderr[-3000:]}"
        return said.stdout.split("\n")[0]

    def summary(self, verified, seconds):
        for process in self.runtime.processes.values():
            self.ends.update(process.ends)
        hits = [sum(victim.hits.values()) for victim in self.victims]
        assert self.events < 2 * len(self.victims) or min(hits) > 0, "somebody was never hit"
        refused = sum("zombie-refused" in line for p in self.runtime.processes.values() for line in p.said().splitlines())
        back = sum(p.said().count(" rewind-asked ") for p in self.runtime.processes.values())
        rebuilt = [p.said().count(" rebuilt ") for p in self.runtime.processes.values()]
        print(f"storm-proof: seed {self.seed}, {sum(self.counts.values())} events "
              f"({', '.join(f'{kind} {self.counts[kind]}' for kind, _ in SHARES)}), each process {min(hits)} to {max(hits)} "
              f"times, broker {hits[0]}; {self.zombies} woken holders refused by name, {self.waited} made to wait ({refused} refusals said); "
              f"{self.asked} asked to go back, heard {back} times; {sum(rebuilt)} rebuilds; {self.total * self.keys} numbers, 0 lost, 0 doubled; verify: {verified}; {seconds:.0f} s")


def entries(directory):
    """Rows of all tables: cheap to ask for, and never fewer than those of one."""
    if not (directory / "data.mdb").exists():
        return 0
    env = lmdb.open(str(directory), readonly=True, max_readers=126, map_size=64 << 30)
    try:
        return env.stat()["entries"]
    finally:
        env.close()


def main():
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    began = time.monotonic()
    storm, whole = Storm(events, seed), False
    try:
        storm.strike()
        storm.settle()
        storm.check()
        verified = storm.end()
        storm.summary(verified, time.monotonic() - began)
        whole = True
    finally:
        if not whole:
            print(f"failed: seed {seed}, {sum(storm.counts.values())} of {events} events so far")
        storm.runtime.close(keep=not whole)


if __name__ == "__main__":
    main()
