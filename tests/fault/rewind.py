#!/usr/bin/python3
# ctest: timeout=180
"""`tipoff rewind ACTOR/N`: shards of the pipeline of gate_a are set back while it flows, to positions, times and the beginning, and
killed at every point of it: what they do again is found equal to the log, nothing is lost or said twice. What cannot be done again is
refused and harms nothing. An edge forgets, and hears again what follows."""
import json
import re
import shutil
import subprocess
import sys
import time

from _runtime import BIN, Runtime, row_count, shard_state
from _wire import control
from gate_a import STAGES, STREAMS
from snapshots import Snapshots

KILLS = {"proof-count": ["step-committed"], "proof-join": ["rewind-tried"], "proof-sum": ["snapshot-loaded"],
         "proof-sink": ["rewind-tried", "step-before-commit"]}


class Rewind(Snapshots):
    streams = STREAMS + [("ops.rewind", "*"), ("ops.rewound", "*")]

    def start_tool(self, *words):
        argv = [str(BIN / "tipoff"), "rewind", *words, "--json", "--dir", str(self.runtime.dir), *self.runtime.options()]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ended(self, tool, code=0):
        self.runtime.until(lambda: tool.poll() is not None, 90, f"{tool.args} ends")  # who was killed is restarted meanwhile
        out, why = tool.communicate()
        assert tool.returncode == code, f"{tool.args}: exit {tool.returncode}, not {code}: {out} {why}"
        return json.loads(out) if out else why

    def rewind(self, *words, code=0):
        return self.ended(self.start_tool(*words), code)

    def cursor(self, actor, shard):
        return shard_state(self.runtime.environment(actor, shard))["cursor"]

    def flowing(self):
        """Each stage is set back in the middle of a flow, killed at its points."""
        self.start()
        self.flow(100)
        for actor in STAGES:
            name = f"{actor}.0"
            process, points, state = self.runtime.processes[name], KILLS[actor], {}
            self.runtime.until(lambda actor=actor: self.cursors(actor, 0), 30, f"a snapshot of {name}")

            def during(arrived, actor=actor, process=process, state=state, points=points):
                if arrived > 50 and "tool" not in state:
                    process.kill()
                    process.faults = ",".join(f"{point}:1" for point in points)
                    state["since"] = len(process.said())
                    process.start()
                    state["to"] = self.cursors(actor, 0)[-1] + 10
                    state["tool"] = self.start_tool(f"{actor}/0", str(state["to"]))
                return "tool" in state and state["tool"].poll() is not None
            self.flow(60, during)
            said = self.ended(state["tool"])
            since = state["since"]
            assert said["outcome"] == "done" and 1 < said["position"] <= state["to"], (said, state["to"])
            assert "rewind-asked" in process.said(since) and " rebuilt " in process.said(since)
            fired = self.runtime.fired_in(name)
            assert all(fired[point] for point in points), fired
            self.check_sink()
        self.check_log()
        print(f"flowing: each stage set back and killed, {dict(sorted(self.runtime.fired().items()))}")

    def own_lease(self):
        """To a snapshot of this very life; to a broken one, which the next older stands in for, before anything is set back."""
        self.flow(100)
        older, newer = self.cursors("proof-join", 1)[-2:]
        said = self.rewind("proof-join/1", str(newer + 1))
        assert said["outcome"] == "done" and said["position"] == newer, (said, newer)
        while not self.past_a_broken_one():
            pass  # another one was made just then, and the older one let go of
        assert self.runtime.processes["proof-join.1"].ends == {}, "nobody had to begin anew"
        self.flow(20)
        self.check()
        print("own lease: to its own snapshots, and past a broken one")

    def past_a_broken_one(self):
        process = self.runtime.processes["proof-join.1"]
        self.flow(100)
        since = len(process.said())
        older, newer = self.cursors("proof-join", 1)[-2:]
        path = self.folder("proof-join", 1) / f"snap-{newer:020}"
        whole = bytearray(path.read_bytes())
        whole[len(whole) // 2] ^= 4
        path.write_bytes(whole)
        said = self.rewind("proof-join/1", str(newer + 1))
        made = [int(cursor) for cursor in re.findall(r" snapshot shard=proof-join.1 cursor=(\d+)", process.said(since))]
        assert said["outcome"] == "done" and (path.parent / (path.name + ".bad")).exists(), said
        if any(newer < cursor < said["asked"] for cursor in made):
            return False
        assert said["position"] == older, (said, older)
        return True

    def by_time(self):
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))
        said = self.rewind("proof-sum/1", moment)
        assert said["outcome"] == "done", said
        said = self.rewind("proof-sum/1", "first")
        assert said["outcome"] == "done" and said["position"] == 1, said
        assert all(cursor > said["asked"] for cursor in self.cursors("proof-sum", 1)), "snapshots of what was set back stayed"
        self.flow(20)
        self.check()
        # what was set back may be lost afterwards: its rewinds ask for nothing a second time
        process, since = self.lose("proof-sum.1", shutil.rmtree)
        process.await_said(" rebuilt ", since)
        process.await_said(" ready ", since)
        assert "rewind-asked" not in process.said(since), process.said(since)[-2000:]
        self.flow(20)
        self.check()
        print("by time, and from the beginning")

    def differs(self):
        """Another code that does otherwise: named, nothing of it said, and the shard goes on as it was."""
        name = "proof-count.1"
        liar = self.runtime.processes[name]
        liar.kill()
        self.runtime.env["PROOF_LIE"] = "1"
        since = len(liar.said())
        liar.start()
        liar.await_said(" ready ", since)
        said = self.rewind("proof-count/1", "first", code=1)
        assert said["outcome"] == "refused" and "done again, it is not what the log holds" in said["reason"], said
        words = liar.said(since)
        assert " rewind-differs " in words and liar.ends[75] == 1, (words[-2000:], liar.ends)
        assert words.count(" restored ") == 1 and "compared=0 uncompared=0" in words, words[-2000:]
        liar.kill()
        del self.runtime.env["PROOF_LIE"]
        liar.start()
        self.flow(20)
        self.check()
        print("differs: refused by name, and as it was")

    def refused(self):
        cursor = self.cursor("proof-join", 0)
        assert "goes back, never ahead" in self.rewind("proof-join/0", str(cursor + 100000), code=1)
        assert "no such shard" in self.rewind("proof-join/9", "first", code=1)
        assert "reads nothing" in self.rewind("proof-source/0", "first", code=1)
        self.rewind("proof-join/0", "yesterday", code=64)
        self.rewind("proof-join/x", "first", code=64)
        # trimmed past every snapshot: it is asked, says why not, and goes on as it was
        self.flow(60)
        head = control(self.runtime.endpoint("control"), "STATUS")["broker"]["head"]
        answer = control(self.runtime.endpoint("control"), f"TRIM {head} FORCE", timeout=60)
        assert answer["first"] > 1, answer
        for actor in STAGES:
            for path in self.folder(actor, 0).iterdir():
                path.unlink()
        rows = row_count(self.runtime.environment("proof-sink", 0), "seen")
        said = self.rewind("proof-sink/0", str(answer["first"]), code=1)
        assert said["outcome"] == "refused" and "trimmed" in said["reason"], said
        assert row_count(self.runtime.environment("proof-sink", 0), "seen") >= rows
        self.flow(20)
        self.check_sink()
        print(f"refused: {said['reason']}")


def edge():
    """The watchdog: its process ends and another begins, without what it knew, at the position asked for."""
    runtime, whole = Runtime([], 1, sets=["broker.lease=1500ms"]), False
    (runtime.dir / "registry.json").unlink()
    try:
        up = runtime.add("up", [str(BIN / "tipoff"), "up", "--dir", str(runtime.dir), "--only", "broker,watchdog",
                                *runtime.options()], "")
        up.await_said(" ready processes=")
        test = Rewind.__new__(Rewind)
        test.runtime = runtime
        said = test.rewind("watchdog/0", "first")
        assert said["outcome"] == "done" and said["position"] == 1, said
        runtime.until(lambda: shard_state(runtime.environment("watchdog", 0))["cursor"] > said["asked"], 30,
                      "it hears that record again")
        words = (runtime.dir / "logs" / "watchdog.0.log").read_text()
        assert words.count(" rewind-asked ") == 1 and words.count(" granted ") == 2, words
        assert " state-lost " in words, words
        assert up.stop(20) == 0
        whole = True
    finally:
        runtime.close(keep=not whole)
    print("edge: a new process, from the beginning, once")


def main():
    began, test, whole = time.monotonic(), Rewind(), False
    try:
        test.flowing()
        test.own_lease()
        test.by_time()
        test.differs()
        test.refused()
        whole = True
    finally:
        test.runtime.close(keep=not whole)
    edge()
    print(f"{test.total * test.keys} numbers; {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
