#!/usr/bin/python3
# ctest: timeout=180
"""Compaction, proved over the pipeline of gate_a: environments are copied and swapped again and again while numbers flow, and shards
are killed at every point of it, or told that the disk is full; nothing is lost or doubled, each is a run with its bytes before and
after, and no copy is left. One that is hollow shrinks; one that takes too long is given up, said, and numbers go on."""
import subprocess
import time

from _runtime import TESTS
from gate_a import STAGES, Gate

POINTS = ["compact-slice", "compact-checked", "compact-renamed", "compact-swapped"]
OFTEN = ["store.compact_percent=1", "store.compact_bytes=4KiB", "store.compact_every=60ms"]
SELDOM = ["store.compact_percent=60", "store.compact_bytes=1MiB", "store.compact_every=1s"]


class Compact(Gate):
    def __init__(self, sets):
        super().__init__()
        self.runtime.sets += ["broker.lease=3s", "actor.step_records=16", "janitor.disk_stop=0", *sets]

    def compactions(self, runs):
        return [run for run in runs.values() if run["name"] == "StoreCompact"]

    def left(self):
        return list(self.runtime.dir.glob("shards/*/data.compact"))

    def kills(self):
        names = len(STAGES) * self.shards + self.shards
        self.start(",".join(f"{point}:{n}" for point in POINTS for n in (1, 3)) + ",disk-full:25:fail,disk-full:90:fail")
        while not all(self.runtime.fired()[point] >= names for point in POINTS) or self.runtime.fired()["disk-full"] < names:
            self.flow(60)
        for process in self.runtime.processes.values():
            process.faults = ""
        runs = self.compactions(self.check())
        outcomes = {outcome: sum(run["outcome"] == outcome for run in runs) for outcome in {run["outcome"] for run in runs}}
        good = [run for run in runs if run["outcome"] == "success"]
        assert good and all(0 < run["bytes_out"] for run in good), good[:3]
        assert any(run["bytes_out"] < run["bytes_in"] for run in good)
        assert all(run["error_class"] == "crash" for run in runs if run["outcome"] == "crashed")
        assert outcomes.get("crashed", 0) >= names, outcomes
        assert set(outcomes) <= {"success", "crashed", "failed", "skipped", "timeout"}, outcomes
        self.runtime.until(lambda: not self.left(), 20, "no copy that is left")
        print(f"kills: {dict(sorted(self.runtime.fired().items()))}, runs {outcomes}, {self.total * self.keys} numbers")


class Hollow(Compact):
    """`name`: hollowed out while it is down."""

    def hollow(self, name, mib):
        process, (actor, shard) = self.runtime.processes[name], name.rsplit(".", 1)
        process.kill()
        env = self.runtime.environment(actor, shard)
        subprocess.run([str(TESTS / "store_edit"), "hollow", str(env), str(mib)], check=True)
        size = (env / "data.mdb").stat().st_size
        assert size > mib << 20, size
        since = len(process.said())
        process.start()
        return process, env, size, since

    def shrinks(self):
        self.start()
        self.flow(20)
        process, env, size, since = self.hollow("proof-sum.1", 64)
        self.flow(40)
        process.await_said(" compacted ", since)
        left = (env / "data.mdb").stat().st_size
        assert left < size // 20, (size, left)
        self.flow(20)
        runs = [run for run in self.compactions(self.check()) if run["actor"] == "proof-sum"]
        assert len(runs) == 1 and runs[0]["outcome"] == "success", runs
        assert abs(runs[0]["bytes_in"] - size) < 1 << 20 and runs[0]["bytes_out"] <= left, (runs[0], size, left)
        print(f"shrinks: {size} to {left} bytes while numbers flow")

    def given_up(self):
        """Its longest pause is too short for it: said, and what waited is taken."""
        self.runtime.sets += ["store.compact_most=100ms"]
        name, point = "proof-count.0", "compact-slice:1:stop"
        process = self.runtime.processes[name]
        process.command += ["--set", "store.compact_most=100ms"]
        process.faults = point
        process, _, size, since = self.hollow(name, 64)
        self.runtime.until(lambda: self.runtime.fired_in(name)["compact-slice"], 30, "stopped in the middle")
        process.faults, over = "", time.monotonic() + 0.3
        self.runtime.until(lambda: time.monotonic() > over, 5, "its longest pause is over")
        process.wake()
        process.await_said("compaction-given-up", since)
        self.flow(20)
        runs = [run for run in self.compactions(self.check()) if run["actor"] == "proof-count" and run["outcome"] == "timeout"]
        assert len(runs) == 1 and "store.compact_most" in runs[0]["error_message"], runs
        assert runs[0]["error_class"] == "timeout" and abs(runs[0]["bytes_in"] - size) < 1 << 20, runs
        print(f"given up: {runs[0]['error_message']}")


def main():
    for make, sets, what in ((Compact, OFTEN, ("kills",)), (Hollow, SELDOM, ("shrinks", "given_up"))):
        gate = make(sets)
        try:
            for scenario in what:
                getattr(gate, scenario)()
        finally:
            gate.runtime.close()


if __name__ == "__main__":
    main()
