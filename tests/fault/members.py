#!/usr/bin/python3
# ctest: timeout=120
"""Members, proved over the pipeline of gate_a: hosts (each a directory of its own, snapshots shared) join, leave, are killed, and
are stopped past their leases and wake up, while numbers flow. Shards move with a fenced epoch; the sink is what the model says,
nothing is lost, nothing comes twice."""
import os
import re
import signal
import time

from _runtime import TESTS
from _wire import control
from gate_a import STAGES, Gate


class Host:
    """The parents of one host, one for each stage, and whatever they run."""

    def __init__(self, gate, name):
        self.gate, self.name, self.parents = gate, name, []
        self.directory = gate.runtime.dir / name
        self.directory.mkdir()

    def start(self):
        runtime = self.gate.runtime
        for actor in STAGES:
            command = [str(TESTS / actor), "--dir", str(self.directory), "--member", "--host", self.name, "--shards",
                       str(self.gate.shards)] + runtime.options()
            for what in ("broker", "tap", "control"):
                key = "broker.endpoint" if what == "broker" else f"broker.{what}_endpoint"
                command += ["--set", f"{key}={runtime.endpoint(what)}"]
            self.parents.append(runtime.add(f"{self.name}.{actor}", command, ""))

    def children(self):
        found = []
        for parent in self.parents:
            path = f"/proc/{parent.process.pid}/task/{parent.process.pid}/children"
            found += [int(pid) for pid in open(path).read().split()]
        return found

    def signal(self, number):
        """To all of it, the shards first."""
        for pid in self.children():
            os.kill(pid, number)
        for parent in self.parents:
            parent.held = True
            parent.signal(number)

    def leave(self):
        for parent in self.parents:
            parent.held = True
            parent.process.terminate()
        for parent in self.parents:
            assert parent.process.wait(15) == 0, parent.said()[-2000:]

    def kill(self):
        for parent in self.parents:
            parent.kill()

    def said(self):
        return "".join(parent.said() for parent in self.parents)


def counts(host, names, what):
    """How often each of the shards said so, or its member of it."""
    return {name: sum(f"shard={name} " in line and re.search(what, line) is not None for line in host.said().splitlines())
            for name in names}


def more(host, names, what, before):
    return {name for name, count in counts(host, names, what).items() if count > before[name]}


class Members(Gate):
    def __init__(self):
        super().__init__()
        self.runtime.sets += ["broker.lease=700ms", "snapshot.every_records=400", "actor.step_records=16",
                              f"snapshot.dir={self.runtime.dir}/snapshots"]

    def status(self):
        return control(self.runtime.endpoint("control"), "STATUS")

    def owners(self):
        """By what STATUS says of leases that stand: shard -> host."""
        return {f"{s['actor']}.{s['partition']}": s["host"] for s in self.status()["shards"]
                if s["actor"] in STAGES and s["state"] == "ready"}

    def sink_directory(self, shard):
        for row in self.status()["shards"]:
            if (row["actor"], row["partition"]) == ("proof-sink", shard) and row["host"]:
                return self.runtime.environment("proof-sink", shard, self.runtime.dir / row["host"])
        return self.runtime.dir / "nowhere"

    def settled(self, *names, timeout=20):
        """Each shard is at work, at one of these hosts, evenly."""
        def look():
            owners = self.owners()
            if len(owners) != self.shards * len(STAGES) or not set(owners.values()) <= set(names):
                return None
            counts = [list(owners.values()).count(name) for name in names]
            return owners if max(counts) - min(counts) <= 1 else None
        return self.runtime.until(look, timeout, f"all shards at work, spread over {names}; {self.owners()}")


def moved(before, after):
    return sum(before[shard] != after[shard] for shard in before)


def main():
    began, gate, whole = time.monotonic(), Members(), False
    runtime = gate.runtime
    try:
        runtime.add_broker()
        for shard in range(gate.shards):
            runtime.add_actor("proof-source", shard, gate.shards)
        a = Host(gate, "a")
        a.start()
        one = gate.settled("a")
        gate.flow(60)
        gate.check()

        b = Host(gate, "b")
        b.start()
        two = gate.settled("a", "b")
        assert moved(one, two) == 4, (one, two)
        gate.flow(60)
        gate.check()
        print("joined: half of the shards moved, the others stayed")

        c = Host(gate, "c")
        c.start()
        gate.flow(40, lambda _: gate.settled("a", "b", "c"))
        gate.check()
        b.leave()
        gate.flow(40, lambda _: gate.settled("a", "c"))
        gate.check()
        print("a third joined, one left in order")

        gate.flow(40, lambda arrived: arrived > 40 and (c.kill() or True))
        gate.settled("a")
        gate.check()
        print("one was killed: its shards came back to the other")

        b2 = Host(gate, "b2")
        b2.start()
        gate.settled("a", "b2")
        epochs = {(s["actor"], s["partition"]): s["epoch"] for s in gate.status()["shards"]}
        mine = [shard for shard, host in gate.owners().items() if host == "b2"]
        gate.flow(60, lambda arrived: arrived > 40 and (b2.signal(signal.SIGSTOP) or True))
        gate.settled("a")
        ended, by_75, refused = (counts(b2, mine, what) for what in (" code=(75|0) ", " code=75 ", "zombie-refused"))
        for name in mine:
            actor, shard = name.rsplit(".", 1)
            now = [s["epoch"] for s in gate.status()["shards"] if (s["actor"], s["partition"]) == (actor, int(shard))]
            assert now[0] > epochs[actor, int(shard)], f"{name}: no later epoch"
        b2.signal(signal.SIGCONT)
        runtime.until(lambda: more(b2, mine, " code=(75|0) ", ended) == set(mine), 20, "every woken shard ends")
        # One that its member, woken too, told to go before it said anything goes in order; who said something was refused by name.
        named = more(b2, mine, "zombie-refused", refused)
        assert named and named == more(b2, mine, " code=75 ", by_75), (mine, named, b2.said()[-3000:])
        gate.flow(40)
        gate.settled("a", "b2")
        gate.flow(40)
        gate.check()
        print(f"stopped past its leases and woken: {len(mine)} shards, {len(named)} of them refused by name, exit 75; then it got its share again")

        broker = runtime.processes["broker"]
        before = gate.owners()
        broker.kill()
        broker.start()
        after = gate.settled("a", "b2")
        assert moved(before, after) == 0, (before, after)
        gate.flow(40)
        gate.check()
        print("a new broker: nothing moved")
        members = gate.status()["members"]
        assert sorted({m["member"] for m in members if m["shards"]}) == ["a", "b2"], members
        whole = True
    finally:
        runtime.close(keep=not whole)
    print(f"{gate.total * gate.keys} numbers; {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
