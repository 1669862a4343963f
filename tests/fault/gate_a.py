#!/usr/bin/python3
# ctest: timeout=300
"""The step, proved: numbered records flow through count, join (with timers) and sum into a sink, two partitions, two shards
each, while every process is killed at every numbered point; a holder is stopped past its lease and wakes up; environments are
lost, whole or a part of their past. In the end the sink is what a model computes, the log has no hole, nothing came twice.

    gate_a.py [ROUNDS]     each round kills at all points at least 3 times; make check runs one
"""
import collections
import shutil
import signal
import struct
import sys
import time

from _runtime import Runtime, number_key, row_count, rows, shard_state
from _wire import Client, control, records_of

STREAMS = [("proof.number", "proof-source"), ("proof.counted", "proof-count"), ("proof.timer", "proof-join"),
           ("proof.joined", "proof-join"), ("proof.sum", "proof-sum"), ("ops.run", "*"), ("dead", "*")]
STAGES = ["proof-count", "proof-join", "proof-sum", "proof-sink"]
STEP_POINTS = ["handler", "step-before-commit", "step-committed", "step-published", "step-acked"]
BROKER_POINTS = ["append-before-commit", "append-committed", "checkpoint-begun", "checkpoint-done", "roll-created",
                 "roll-complete", "lease-before-grant", "lease-granted"]
AT_LEAST = 3


def value_of(key, number):
    return (key * 7919 + number * 104729) % 1000


class Gate:
    shards, partitions, keys, streams = 2, 2, 8, STREAMS
    sets = ["broker.segment_bytes=64KiB", "broker.lease=1500ms", "broker.heartbeat=100ms", "actor.step_records=64"]

    def __init__(self, place=None, found=None):
        self.total = self.crashed = 0
        self.runtime = Runtime(self.streams, self.partitions, self.sets, place, found)
        self.runtime.env = {"PROOF_KEYS": str(self.keys), "PROOF_TOTAL": "0"}

    # ---- flow ----

    def start(self, faults="", broker_faults=""):
        self.runtime.add_broker(broker_faults)
        for actor in ["proof-source"] + STAGES:
            for shard in range(self.shards):
                # an edge opens its steps itself: it has no handler
                self.runtime.add_actor(actor, shard, self.shards, faults)

    def sink(self):
        seen = {}
        for shard in range(self.shards):
            for key, value in rows(self.sink_directory(shard), "seen"):
                name, number = key.split(b"\0", 1)
                seen[int(name[4:]), number_key(number)] = struct.unpack("=QQQ", value)
        return seen

    def sink_directory(self, shard):
        return self.runtime.environment("proof-sink", shard)

    def flow(self, more, during=None, timeout=120):
        """Lets `more` numbers of each key through; `during` is called again and again until it says True."""
        runtime, before = self.runtime, self.total * self.keys
        self.total += more
        runtime.env["PROOF_TOTAL"] = str(self.total)
        for shard in range(self.shards):
            source = runtime.processes[f"proof-source.{shard}"]
            if source.process.poll() is None:
                source.kill()
            source.start()
        done = [during is None]

        def whole():
            if not done[0]:
                done[0] = during(sum(row_count(self.sink_directory(s), "seen") for s in range(self.shards)) - before)
            return done[0] and sum(row_count(self.sink_directory(s), "seen")
                                   for s in range(self.shards)) >= self.total * self.keys
        runtime.until(whole, timeout, f"{self.total} numbers of each of {self.keys} keys at the sink")

    # ---- what must be true ----

    def check_sink(self):
        seen = self.sink()
        assert len(seen) == self.total * self.keys, f"{len(seen)} numbers at the sink, not {self.total * self.keys}"
        for key in range(self.keys):
            mine = {n: row for (k, n), row in seen.items() if k == key}
            assert sorted(mine) == list(range(1, self.total + 1)), f"key {key}: numbers are missing"
            assert all(times == 1 for times, _, _ in mine.values()), f"key {key}: something came twice"
            assert sorted(terms for _, terms, _ in mine.values()) == list(range(1, self.total + 1)), f"key {key}: terms"
            model = sum(value_of(key, n) * n for n in range(1, self.total + 1))
            last = max(mine.values(), key=lambda row: row[1])
            assert last[2] == model, f"key {key}: sum {last[2]}, the model says {model}"

    def check_log(self):
        """Dense positions, every number once at each stage, and the runs that are in it."""
        client = Client(self.runtime.endpoint("broker"), "proof-check")
        names = {number: name for name, (number, _) in client.streams.items()}
        client.subscribe([name for name, *_ in self.streams], start=1, records=4096, size=8 << 20)
        found, runs, expected, head = collections.Counter(), {}, 1, None
        lanes = collections.Counter()
        client.send_map(b"BEAT", state="ready", cause="", cursor=0, steps=0)
        while head is None or expected < head:
            verb, said = client.receive() or (None, None)
            assert verb, f"the log is silent at position {expected} of {head}"
            if verb == b"ALIV":
                head = said["head"]
            if verb != b"DLVR":
                continue
            count = size = 0
            for (_, _, base, n, stream, partition, producer, length, _, seq, *_), body in said:
                assert base == expected, f"position {expected} is missing: {base} follows"
                assert seq == lanes[producer, stream, partition] + 1, f"sequence {seq} at {base}"
                lanes[producer, stream, partition] += n
                expected, count, size = base + n, count + n, size + length
                for key, _, parents, run, payload in records_of(body):
                    name = names[stream]
                    assert all(p < base + n for p in parents), "a parent from the future"
                    if name == "ops.run":
                        assert payload["run_id"] not in runs, f"run {payload['run_id']} was closed twice"
                        runs[payload["run_id"]] = payload
                    elif name == "dead":
                        raise AssertionError(f"a dead letter: {payload}")
                    elif name != "proof.timer" and not name.startswith("ops."):
                        found[name, payload["key"], payload["number"]] += 1
            client.credit(count, size)
        client.close()
        assert set(found.values()) == {1}, "something is in the log twice"
        assert len(found) == 4 * self.total * self.keys, f"{len(found)} records of numbers in the log"
        return runs

    def check(self):
        self.check_sink()
        return self.check_log()

    # ---- scenarios ----

    def kills(self, rounds):
        """All points, in all processes, while numbers flow."""
        nth = [2 + 3 * i for i in range(rounds)]
        faults = ",".join(f"{point}:{n}" for point in STEP_POINTS for n in nth) + ",lease-received:1"
        broker = [f"{point}:{n}" for point in BROKER_POINTS for n in range(2, 2 + 2 * AT_LEAST * rounds, 2)]
        self.start(faults, ",".join(broker))

        def enough(_):
            fired = self.runtime.fired()
            return all(fired[p] >= AT_LEAST * rounds for p in STEP_POINTS + BROKER_POINTS) and \
                fired["lease-received"] >= AT_LEAST
        while not enough(0):
            self.flow(60)
        runs = self.check()
        fired = self.runtime.fired()
        for process in self.runtime.processes.values(): # no more of that
            process.faults = ""
            process.kill()
            process.start()
        crashed = [r for r in runs.values() if r["outcome"] == "crashed"]
        assert all(r["error_class"] == "crash" for r in crashed)
        # Killed in a handler: one run each. Killed before the commit: the run that was in hand, where there was one.
        assert fired["handler"] <= len(crashed) <= fired["handler"] + fired["step-before-commit"], \
            f"{len(crashed)} crashed runs, {fired['handler']} kills in handlers"
        self.crashed = len(crashed)
        print(f"kills: {sum(fired.values())} at {dict(sorted(fired.items()))}; {len(crashed)} crashed runs; "
              f"{self.total * self.keys} numbers")

    def handlers(self):
        """Ten kills inside handlers, and nowhere else, give exactly ten crashed runs more."""
        runtime, before = self.runtime, self.crashed
        shutil.rmtree(runtime.fired_dir)
        runtime.fired_dir.mkdir()
        victims = ["proof-count.0", "proof-count.1", "proof-join.0", "proof-sum.1", "proof-sink.0"]
        for name in victims:
            process = runtime.processes[name]
            process.faults = "handler:4,handler:9"
            process.stop()
            process.start()
        self.flow(60, lambda _: runtime.fired()["handler"] == 10)
        runs = self.check()
        crashed = len([r for r in runs.values() if r["outcome"] == "crashed"]) - before
        assert crashed == 10, f"ten kills in handlers gave {crashed} crashed runs"
        for name in victims:
            runtime.processes[name].faults = ""
        again = [r for r in runs.values() if r["attempt"] > 1]
        assert again, "no run says that it is a second attempt"
        print("handlers: ten kills, ten crashed runs")

    def zombie(self):
        """A holder is stopped past its lease, another host takes over, the first one wakes up."""
        runtime, old = self.runtime, self.runtime.processes["proof-count.0"]
        state = {}

        def during(arrived):
            if "stopped" not in state and arrived > 40:
                old.signal(signal.SIGSTOP)
                old.held = state["stopped"] = True
                state["other"] = runtime.add_actor("proof-count", 0, self.shards, directory=runtime.dir / "elsewhere",
                                                   name="proof-count.0b", host="other")
            if "other" in state and "woken" not in state and "rebuilt" in state["other"].said() and \
                    " ready " in state["other"].said():
                old.signal(signal.SIGCONT)
                state["woken"] = True
            if "woken" in state and old.process.poll() is not None:
                state["code"] = old.process.poll()
            return "code" in state
        self.flow(120, during)
        assert state["code"] == 75, f"the zombie ended with {state['code']}"
        assert "zombie-refused" in old.said(), old.said()[-2000:]
        self.check_sink()
        # and back: the environment of the first host is not the last one that held the shard
        assert runtime.processes["proof-count.0b"].stop() == 0
        since = len(old.said())
        old.start()
        self.flow(20)
        old.await_said("another environment held this shard", since)
        old.await_said(" rebuilt ", since)
        self.check()
        print("zombie: refused by name, exit 75; the other host rebuilt and went on; and back again")

    def lost(self):
        """Whole environments gone, of each stage."""
        for name in ("proof-count.1", "proof-join.0", "proof-sum.0", "proof-sink.1"):
            process, (actor, shard) = self.runtime.processes[name], name.rsplit(".", 1)
            since = len(process.said())

            def during(arrived, process=process, actor=actor, shard=shard):
                if arrived < 40:
                    return False
                process.kill()
                shutil.rmtree(self.runtime.environment(actor, shard))
                process.start()
                return True
            self.flow(40, during)
            process.await_said(" rebuilt ", since)
            process.await_said(" ready ", since)
            self.check_sink()
        self.check_log()
        print("lost: four environments rebuilt from the log, compared, nothing sent twice")

    def older(self):
        """An older copy of an environment comes back while the broker holds newer sequences."""
        for name in ("proof-join.1", "proof-sum.1"):
            process, (actor, shard) = self.runtime.processes[name], name.rsplit(".", 1)
            directory = self.runtime.environment(actor, shard)
            copy = directory.with_suffix(".old")
            process.kill()
            shutil.copytree(directory, copy)
            process.start()
            self.flow(30)
            process.kill()
            newer = shard_state(directory)
            shutil.rmtree(directory)
            copy.rename(directory)
            assert shard_state(directory)["step"] < newer["step"]
            since = len(process.said())
            process.start()
            self.flow(20)
            process.await_said("its environment is older than the log", since)
            process.await_said(" rebuilt ", since)
            self.check_sink()
        self.check_log()
        print("older: two environments from the past were seen through and rebuilt")

    def trouble(self):
        """A full disk, and records that are not taken now: both pass, nothing is lost."""
        for name in ("proof-count.0", "proof-sum.0", "proof-sink.0"):
            process = self.runtime.processes[name]
            process.faults = "disk-full:2:fail,disk-full:4:fail,handler:5:fail"
            process.stop()
            process.start()
        self.flow(40, lambda _: self.runtime.fired()["disk-full"] == 6)
        self.check()
        for name in ("proof-count.0", "proof-sum.0", "proof-sink.0"):
            process = self.runtime.processes[name]
            process.faults = ""
            assert "no space: disk or map is full" in process.said(), process.said()[-2000:]
        print("trouble: full disks waited out, records taken later")

    def halts(self, name, tag, text=""):
        """The shard says why and stops with exit 70; the rest stays up."""
        process = self.runtime.processes[name]
        process.held = True
        since = len(process.said())
        process.start()
        process.held = True
        code = process.process.wait(30)
        said = process.said(since)
        assert code == 70 and f" {tag} " in said and text in said, f"{name} ended with {code}: {said[-2000:]}"

    def refusals(self):
        """What must not go on, does not: another log, a log without its beginning, an actor that is no function."""
        runtime = self.runtime
        liar = runtime.processes["proof-count.1"]
        liar.kill()
        kept = runtime.environment("proof-count", 1).rename(runtime.dir / "kept")
        runtime.env["PROOF_LIE"] = "1"
        self.halts("proof-count.1", "rebuild-differs", "lane proof.counted/1 sequence ")
        del runtime.env["PROOF_LIE"]
        shutil.rmtree(runtime.environment("proof-count", 1))
        liar.start()  # the truth again: done again, and found equal
        since = len(liar.said())
        liar.await_said(" rebuilt ", since)
        shutil.rmtree(kept)
        print("refusals: an actor that does otherwise the second time is halted, naming lane and sequence")

        head = control(runtime.endpoint("control"), "STATUS")["streams"]
        trimmed = control(runtime.endpoint("control"), f"TRIM {max(s['last'] or 0 for s in head) // 2} FORCE", timeout=60)
        victim = runtime.processes["proof-sum.1"]
        victim.kill()
        shutil.rmtree(runtime.environment("proof-sum", 1))
        self.halts("proof-sum.1", "trimmed", "its state cannot be made again")
        print(f"refusals: a log without its beginning ({trimmed}) rebuilds nothing, and says so")

        broker = runtime.processes["broker"]
        for name, process in runtime.processes.items():
            if name != "broker" and process.process.poll() is None:
                process.kill()
        broker.kill()
        shutil.rmtree(runtime.dir / "log")
        broker.start()
        for name in ("proof-count.0", "proof-sink.0", "proof-source.0"):
            self.halts(name, "log-behind")
        print("refusals: another log is refused by name")

    def drain(self):
        """Nothing left to take: cursors follow the head. Asked to stop, everything ends in order with nothing left to send."""
        head = max(s["last"] or 0 for s in control(self.runtime.endpoint("control"), "STATUS")["streams"])
        shards = [self.runtime.environment(actor, shard) for actor in STAGES for shard in range(self.shards)]
        self.runtime.until(lambda: all(shard_state(s)["cursor"] + 1001 > head for s in shards), 20, f"cursors near {head}")
        for name, process in self.runtime.processes.items():
            if name != "broker" and process.process.poll() is None:
                assert process.stop() == 0, f"{name}: {process.said()[-1000:]}"
        for actor in STAGES:
            for shard in range(self.shards):
                left = row_count(self.runtime.environment(actor, shard), "_outbox")
                assert left == 0, f"{actor}.{shard} ended with {left} batches in its outbox"
        assert self.runtime.processes["broker"].stop() == 0
        for process in self.runtime.processes.values():
            if process.name != "proof-count.0b":
                process.start()
        for process in self.runtime.processes.values():
            if process.name not in ("broker", "proof-count.0b"):
                process.await_said(" ready ")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    began = time.monotonic()
    gate, whole = Gate(), False
    try:
        gate.kills(rounds)
        gate.handlers()
        gate.zombie()
        gate.lost()
        gate.older()
        gate.trouble()
        gate.drain()
        gate.refusals()
        whole = True
    finally:
        gate.runtime.close(keep=not whole)
    ends = collections.Counter()
    for process in gate.runtime.processes.values():
        ends.update(process.ends)
    print(f"ends: {dict(ends)}; {gate.total * gate.keys} numbers; {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
