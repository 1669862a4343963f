"""A small supervisor for tests: a broker and shards as real processes, restarted at once when killed, their ends counted."""
import collections
import fcntl
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import lmdb

BIN = pathlib.Path(os.environ.get("TIPOFF_BIN", "build/bin"))
TESTS = pathlib.Path(os.environ.get("TIPOFF_BUILD", "build")) / "tests"


class Process:
    """One shard, or the broker: its command, and the process that runs it now."""

    def __init__(self, runtime, name, command, faults=""):
        self.runtime, self.name, self.command, self.faults = runtime, name, command, faults
        self.process, self.starts, self.held = None, 0, False
        self.started_at = 0  # where in its log this life begins
        self.ends = collections.Counter()

    def start(self):
        env = dict(os.environ, **self.runtime.env)
        env["TIPOFF_PARENT"] = str(os.getpid())
        if self.faults:
            env["TIPOFF_FAULT"] = self.faults
            env["TIPOFF_FAULT_ONCE"] = str(self.runtime.fired_dir)
        self.started_at = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stderr=log, stdout=log, env=env)
        self.starts += 1
        self.held = False

    @property
    def log_path(self):
        return self.runtime.dir / f"{self.name}.log"

    def said(self, since=0):
        """What it wrote from that place on (its logs are ASCII: letters are bytes)."""
        if not self.log_path.exists():
            return ""
        with open(self.log_path, "rb") as log:
            log.seek(since)
            return log.read().decode("ascii", "replace")

    def await_said(self, text, since=0, timeout=30):
        self.runtime.until(lambda: text in self.said(since), timeout, f"{self.name} says {text}")

    def signal(self, number):
        self.process.send_signal(number)

    def suspend(self):
        self.held = True
        self.signal(signal.SIGSTOP)

    def wake(self):
        self.held = False
        self.signal(signal.SIGCONT)

    def kill(self):
        """SIGKILL, and gone when this returns; not restarted until start()."""
        self.held = True
        self.process.kill()
        self.process.wait()
        self.ends[-9] += 1

    def stop(self, timeout=10):
        self.held = True
        self.process.terminate()
        code = self.process.wait(timeout)
        self.ends[code] += 1
        return code


class Runtime:
    def __init__(self, streams, partitions, sets=(), place=None, found=None):
        """`place`: where its directory is made; `found`: the directory itself, with what somebody left in it."""
        self.dir = pathlib.Path(found or tempfile.mkdtemp(prefix="tipoff-fault-", dir=place))
        self.fired_dir = self.dir / "fired"
        self.fired_dir.mkdir(exist_ok=True)
        self.partitions, self.sets, self.env, self.processes = partitions, list(sets), {}, {}
        registry = {"format": 1, "streams": [{"name": name, "writer": writer, "partitions": partitions,
                                              "retention_days": None, **dict(*rules)} for name, writer, *rules in streams]}
        if not found:
            (self.dir / "registry.json").write_text(json.dumps(registry))

    def endpoint(self, name):
        return f"ipc://{self.dir}/{name}.ipc"

    def options(self):
        return [x for s in self.sets for x in ("--set", s)]

    def add_broker(self, faults=""):
        command = [str(BIN / "tipoff-broker"), "--dir", str(self.dir)] + self.options()
        return self.add("broker", command, faults)

    def add_actor(self, *which, **how):
        process = self.plan_actor(*which, **how)
        process.start()
        return process

    def plan_actor(self, actor, shard=0, shards=1, faults="", directory=None, name=None, host=None):
        """Not started, and not minded before it is."""
        command = [str(TESTS / actor), "--dir", str(directory or self.dir), "--shard", str(shard), "--shards",
                   str(shards)] + self.options()
        if directory:
            for what in ("broker", "tap", "control"):
                key = "broker.endpoint" if what == "broker" else f"broker.{what}_endpoint"
                command += ["--set", f"{key}={self.endpoint(what)}"]
        if host:
            command += ["--host", host]
        return self.plan(name or f"{actor}.{shard}", command, faults)

    def plan(self, name, command, faults):
        process = Process(self, name, command, faults)
        process.held = True
        self.processes[name] = process
        return process

    def add(self, name, command, faults):
        process = self.plan(name, command, faults)
        process.start()
        return process

    def mind(self):
        """Restarts what was killed. What ended otherwise, unasked, is a failure."""
        for process in self.processes.values():
            if process.held:
                continue
            code = process.process.poll()
            if code is None:
                continue
            process.ends[code] += 1
            if code not in (-signal.SIGKILL, 75):
                raise AssertionError(f"{process.name} ended with {code}:\n" + process.said()[-3000:])
            process.start()

    def until(self, condition, timeout, what):
        end = time.monotonic() + timeout
        while True:
            self.mind()
            found = condition()
            if found:
                return found
            if time.monotonic() > end:
                raise AssertionError(f"not within {timeout} s: {what}\n" + self.tails())
            time.sleep(0.05)  # between two looks, not instead of one

    def tails(self):
        return "\n".join(f"--- {p.name} (started {p.starts} times, ends {dict(p.ends)})\n" +
                         "\n".join(p.said().splitlines()[-6:]) for p in self.processes.values() if p.log_path.exists())

    def fired(self):
        """How often each point struck, over all processes."""
        count = collections.Counter()
        for path in self.fired_dir.iterdir():
            point = path.name.rsplit(".", 2)[0]
            count[point[point.rindex(".") + 1:]] += 1
        return count

    def fired_in(self, process):
        return collections.Counter(p.name[len(process) + 1:].split(".")[0] for p in self.fired_dir.iterdir()
                                   if p.name.startswith(process + "."))

    def environment(self, actor, shard, directory=None):
        return (directory or self.dir) / "shards" / f"{actor}-{shard}"

    def end(self):
        for process in self.processes.values():
            if process.process and process.process.poll() is None:
                process.process.kill()
        for process in self.processes.values():
            if process.process:
                process.process.wait()

    def close(self, keep=False):
        self.end()
        if keep:
            print(f"left behind: {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


def number_key(data):
    """An int64 of a store key, from its 8 bytes."""
    return (int.from_bytes(data, "big") ^ (1 << 63)) - (1 << 64 if data[0] < 0x80 else 0)


def inside(directory):
    """Who reads a shard's environment is inside its gate (store/store_inside.h): its file is not swapped meanwhile."""
    try:
        gate = os.open(directory / "gate", os.O_RDONLY)
    except FileNotFoundError:
        return None
    fcntl.flock(gate, fcntl.LOCK_SH)
    return gate


def rows(directory, table):
    """(key, value) of every row of a table of an environment, while its owner lives or not."""
    if not (directory / "data.mdb").exists():
        return []
    gate = inside(directory)
    env = lmdb.open(str(directory), readonly=True, max_readers=126, map_size=64 << 30)
    try:
        prefix, found = table.encode() + b"\0", []
        with env.begin() as txn:
            cursor = txn.cursor()
            if cursor.set_range(prefix):
                for key, value in cursor:
                    if not key.startswith(prefix):
                        break
                    found.append((key[len(prefix) + 4:], value))
        return found
    finally:
        env.close()
        if gate is not None:
            os.close(gate)


def row_count(directory, table):
    return len(rows(directory, table))


def shard_state(directory):
    """What store/shard_env.c keeps: id, epoch, step, cursor."""
    for key, value in rows(directory, "_meta"):
        if key == b"state":
            epoch, step, cursor, counted_from, _ = struct.unpack_from(">QQQQQ", value, 33)
            return {"env_id": value[1:33].decode(), "epoch": epoch, "step": step, "cursor": cursor,
                    "counted_from": counted_from, "rebuilding": bool(value[-1])}
    return None
