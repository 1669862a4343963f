#!/usr/bin/python3
# ctest: timeout=120
"""Snapshots, proved over the pipeline of gate_a: shards are killed at every point of making one; on a trimmed log lost, corrupt and
broken environments come back from the newest good snapshot, what they say again compared with the log; a broken snapshot is set
aside by name and the one before it serves; with none left the shard halts and says so."""
import json
import shutil
import subprocess
import time

from _runtime import BIN
from _wire import control
from gate_a import STAGES, Gate

POINTS = ["snapshot-begun", "snapshot-written", "snapshot-renamed"]


class Snapshots(Gate):
    def __init__(self):
        super().__init__()
        self.runtime.sets += ["broker.lease=700ms", "snapshot.every_records=400", "snapshot.slice_bytes=64KiB", "actor.step_records=16"]

    def folder(self, actor, shard):
        return self.runtime.dir / "snapshots" / f"{actor}-{shard}"

    def cursors(self, actor, shard):
        folder = self.folder(actor, shard)
        return sorted(int(p.name[5:]) for p in folder.glob("snap-*") if p.name[5:].isdigit()) if folder.exists() else []

    def verify(self):
        """What `tipoff verify` says of the snapshots."""
        said = subprocess.run([str(BIN / "tipoff"), "verify", "--json", "--dir", str(self.runtime.dir)], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert said.returncode in (0, 1), said.stderr
        return [row["rule"] for row in json.loads(said.stdout)["bad"] if "snapshot" in row["rule"]]

    def kills(self):
        self.start(",".join(f"{point}:1" for point in POINTS))
        while not all(self.runtime.fired()[point] >= 8 for point in POINTS):
            self.flow(60)
        self.check()
        for actor in STAGES:
            for shard in range(self.shards):
                assert 1 <= len(self.cursors(actor, shard)) <= 3, list(self.folder(actor, shard).iterdir())
        assert not self.folder("proof-source", 0).exists(), "an edge has no snapshots"
        print(f"kills: {dict(sorted(self.runtime.fired().items()))}, {self.total * self.keys} numbers")

    def trim(self):
        """Trimming goes to the oldest snapshot that is kept, and no further."""
        endpoint = self.runtime.endpoint("control")

        def trimmed():
            head = control(endpoint, "STATUS")["broker"]["head"]
            answer = control(endpoint, f"TRIM {head}")
            needed = min(self.cursors(a, s)[-2:][0] for a in STAGES for s in range(self.shards))
            assert answer["first"] <= answer["allowed"] <= needed, (answer, needed)
            return answer if answer["first"] > 1 else None
        while not self.runtime.until(lambda: all(len(self.cursors(a, s)) >= 2 for a in STAGES for s in range(self.shards)) or
                                     self.flow(60) or True, 60, "two snapshots of each"):
            pass
        for _ in range(20):
            answer = trimmed()
            if answer:
                break
            self.flow(60)
        assert answer, "nothing was ever trimmed"
        print(f"trim: {answer}, no further than what the snapshots need")

    def lose(self, name, how):
        """Breaks the shard's environment by `how` and starts it again; where its log said what follows."""
        process, (actor, shard) = self.runtime.processes[name], name.rsplit(".", 1)
        process.kill()
        since = len(process.said())
        how(self.runtime.environment(actor, shard))
        process.start()
        return process, since

    def back(self, process, since):
        process.await_said(" restored ", since)
        process.await_said(" rebuilt ", since)
        process.await_said(" ready ", since)
        said = process.said(since)
        return int(said[said.index("compared=") + 9:].split()[0])

    def lost(self):
        compared = 0
        self.flow(20)
        names = ("proof-count.1", "proof-join.0", "proof-sum.0", "proof-sink.1")
        for process, since in [self.lose(name, shutil.rmtree) for name in names]:
            compared += self.back(process, since)
        self.flow(20)
        self.check_sink()
        assert compared > 0, "nothing was compared"
        print(f"lost: four environments restored on a trimmed log, {compared} records found equal")

    def cut_short(self):
        """Killed while a snapshot is loaded: what is there by then is not counted by anyone, and loaded anew."""
        name = "proof-join.1"
        process = self.runtime.processes[name]
        faults, process.faults = process.faults, "snapshot-loaded:1"
        self.lose(name, shutil.rmtree)
        assert process.process.wait(30) == -9, process.said()[-2000:]
        process.held = True
        said = json.loads(subprocess.run([str(BIN / "tipoff"), "verify", "--json", "--dir", str(self.runtime.dir)],
                                         stdout=subprocess.PIPE, text=True, check=False).stdout)
        mine = [row for row in said["unhandled"] + said["bad"] if name in str(row)]
        assert not mine, mine
        process.faults, since = faults, len(process.said())
        process.start()
        self.back(process, since)
        assert "a rebuild was cut short" in process.said(since)
        self.flow(20)
        self.check_sink()
        print("cut short: a load that was killed is no harm")

    def corrupt(self):
        """An environment that cannot be opened is set aside, and made again."""
        process, since = self.lose("proof-sum.1", lambda env: (env / "data.mdb").write_bytes(b"\7" * 8192))
        self.back(process, since)
        assert "environment-set-aside" in process.said(since)
        assert (self.runtime.dir / "shards" / "proof-sum-1.bad-1").exists()
        self.flow(20)
        self.check_sink()
        print("corrupt: set aside by name, restored")

    def older(self):
        """An environment from before the log was trimmed."""
        name = "proof-join.1"
        process, directory = self.runtime.processes[name], self.runtime.environment("proof-join", 1)
        process.kill()
        copy = directory.with_suffix(".old")
        shutil.copytree(directory, copy)
        process.start()
        self.flow(30)

        def swap(env):
            shutil.rmtree(env)
            copy.rename(env)
        process, since = self.lose(name, swap)
        self.back(process, since)
        assert "its environment is older than the log" in process.said(since)
        self.flow(20)
        self.check_sink()
        print("older: seen through, restored")

    def fallback(self):
        name, actor, shard = "proof-count.0", "proof-count", 0
        process = self.runtime.processes[name]
        process.kill()
        before, newest = self.cursors(actor, shard)[-2:]
        path = self.folder(actor, shard) / f"snap-{newest:020}"
        whole = bytearray(path.read_bytes())
        whole[len(whole) // 2] ^= 4
        path.write_bytes(whole)
        process, since = self.lose(name, shutil.rmtree)
        self.back(process, since)
        assert f"snapshot-unusable shard={name} cursor={newest} why=corrupt" in process.said(since).replace('"', ""), \
            process.said(since)
        assert f" restored shard={name} cursor={before}" in process.said(since)
        assert (path.parent / (path.name + ".bad")).exists()
        self.flow(60)
        self.check_sink()
        verified = self.verify()
        assert verified == [], verified
        print(f"fallback: {newest} was broken, {before} served")

    def none_left(self):
        name = "proof-sink.0"
        self.runtime.processes[name].kill()
        for path in self.folder("proof-sink", 0).iterdir():
            path.write_bytes(b"nothing")
        shutil.rmtree(self.runtime.environment("proof-sink", 0))
        assert len([text for text in self.verify() if "snapshot proof-sink-0/snap-" in text]) == 2, self.verify()
        self.halts(name, "trimmed", "its state cannot be made again")
        print("none left: halted, saying so")


def main():
    began, test, whole = time.monotonic(), Snapshots(), False
    try:
        test.kills()
        test.cut_short()
        test.trim()
        test.lost()
        test.corrupt()
        test.older()
        test.fallback()
        test.none_left()
        whole = True
    finally:
        test.runtime.close(keep=not whole)
    print(f"{test.total * test.keys} numbers; {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
