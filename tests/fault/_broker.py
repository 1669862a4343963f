"""A broker of its own for a test: three streams of two partitions, in a directory that goes with it."""
import atexit
import json
import os
import shutil
import signal
import subprocess
import tempfile

from _wire import control

BIN = os.environ["TIPOFF_BIN"]
STREAMS = [("numbers", "*"), ("owned", "owner"), ("others", "*")]


class Broker:
    def __init__(self, *sets, dir=None):
        # In memory where there is such a place: a kill -9 of a process loses no page of it, and a sync costs nothing.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.dir = dir or tempfile.mkdtemp(prefix="tipoff-broker-", dir=memory)
        with open(f"{self.dir}/registry.json", "w") as out:
            json.dump({"format": 1, "streams": [{"name": n, "writer": w, "partitions": 2, "retention_days": None}
                                                for n, w in STREAMS]}, out)
        self.endpoint = f"ipc://{self.dir}/broker.ipc"
        self.tap, self.control = f"ipc://{self.dir}/tap.ipc", f"ipc://{self.dir}/control.ipc"
        self.sets = [x for s in sets for x in ("--set", s)]
        self.log = open(f"{self.dir}/broker.log", "w")
        atexit.register(self.kill)  # also when the test fails
        self.start()

    def start(self, wait=True, **env):
        self.process = subprocess.Popen([f"{BIN}/tipoff-broker", "--dir", self.dir, *self.sets], stderr=self.log,
                                        stdout=self.log, env={**os.environ, **env})
        assert not wait or control(self.control, "PING", 20)["pong"]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10) == 0, "the broker did not end in order"

    def remove(self):
        self.stop()
        self.log.close()
        atexit.unregister(self.kill)
        shutil.rmtree(self.dir)

    def logged(self, what):
        with open(f"{self.dir}/broker.log") as log:
            return sum(what in line for line in log)

    def said(self, tag):
        return self.logged(f"tag={tag} ")
