#!/usr/bin/python3
"""An environment that comes back. A shard stops between its commit and its publish; another host takes it over, does that work again, in
other batches, and goes; then the first host has the shard again, with what it never sent still in its outbox. None of that may be
sent: the environment is made again first."""
# ctest: timeout=120
import sys

import gate_a
from _runtime import TESTS  # noqa: F401

NAME, SHARD = "proof-sum", 0


class Gate(gate_a.Gate):
    sets = gate_a.Gate.sets + ["snapshot.every_records=200"]


def other_home(gate):
    return gate.runtime.plan_actor(NAME, SHARD, gate.shards, directory=gate.runtime.dir / "elsewhere", name="other", host="other")


def main():
    gate = Gate()
    runtime = gate.runtime
    gate.start()
    gate.flow(80)
    first = runtime.processes[f"{NAME}.{SHARD}"]
    first.kill()
    first.faults = "step-committed:2:stop"
    first.start()
    runtime.until(lambda: " ready " in first.said(first.started_at) or first.process.poll() is not None, 30, "it is back")
    gate.total += 60
    runtime.env["PROOF_TOTAL"] = str(gate.total)
    for shard in range(gate.shards):
        source = runtime.processes[f"proof-source.{shard}"]
        source.kill()
        source.start()

    def stopped():
        with open(f"/proc/{first.process.pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "T"
    runtime.until(stopped, 30, "it stops behind a commit")
    first.held = True
    other = other_home(gate)
    since = len(other.said())
    other.start()
    other.await_said(" ready ", since)
    gate.runtime.until(lambda: all(gate_a.row_count(gate.sink_directory(s), "seen") for s in range(gate.shards)) and
                       sum(gate_a.row_count(gate.sink_directory(s), "seen") for s in range(gate.shards)) >= gate.total * gate.keys, 60,
                       "all numbers at the sink, without the first one")
    other.kill()
    first.kill()
    first.faults = ""
    since = len(first.said())
    first.start()
    first.await_said(" rebuilt ", since)
    first.await_said(" ready ", since)
    said = first.said(since)
    assert "another environment held this shard" in said, said[-2000:]
    refused = runtime.processes["broker"].said().count("seq-conflict")
    assert refused == 0 and "halted" not in said, f"{refused} conflicts\n{said[-2000:]}"
    gate.flow(40)
    gate.check_sink()
    print(f"returned: {gate.total * gate.keys} numbers, nothing of the old outbox was sent")
    runtime.close(keep=False)


if __name__ == "__main__":
    sys.exit(main())
