#!/usr/bin/python3
"""How long a moved line takes to become predictions, on the real processes: `line.py DIR [TIMES [KEY=VALUE...]]`, DIR with seasons imported
and, for the ensemble, a model trained (it is copied, not changed); KEY=VALUE: settings, as `tipoff up --set` takes them; whoever is measured
beside it runs on the cores of actor.cpus, too. Prints what bench_line says and the
predictor's memory: `change` is a moved line; `chain` as many syncs in one process, of a page of one file each, `chain_files` of the three
files that the way has, `chain_bytes` of these and as many bytes; `floor` these syncs and the hops between four processes that do nothing
else, `libzmq` the same over libzmq's own sockets."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BIN = os.environ["TIPOFF_BIN"]
BUILD = os.environ["TIPOFF_BUILD"]


def status(directory):
    done = subprocess.run([f"{BIN}/tipoff", "status", "--json", "--dir", directory], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False)
    return json.loads(done.stdout) if done.returncode == 0 and done.stdout else {"shards": []}


def ready(directory):
    shards = {s["actor"]: s for s in status(directory)["shards"]}
    return all(shards.get(a, {}).get("state") == "ready" and shards[a]["lag"] == 0 for a in ("features", "predictor"))


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def main():
    times = sys.argv[2] if len(sys.argv) > 2 else "500"
    directory = tempfile.mkdtemp(prefix="tipoff-line-", dir=os.path.dirname(os.path.abspath(sys.argv[1])))
    shutil.copytree(sys.argv[1], directory, dirs_exist_ok=True,
                    ignore=lambda _, names: [n for n in names if n.endswith(".ipc")])
    settings = [word for setting in sys.argv[3:] for word in ("--set", setting)]
    cpus = [setting.split("=", 1)[1] for setting in sys.argv[3:] if setting.startswith("actor.cpus=")]
    beside = ["taskset", "-c", cpus[0]] if cpus else []
    up = subprocess.Popen([f"{BIN}/tipoff", "up", "--only", "broker,features,predictor", "--dir", directory] + settings,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not ready(directory):
            if time.monotonic() > until:
                raise SystemExit("features and predictor are not ready")
            time.sleep(0.1)
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 5 * 3600))
        done = subprocess.run(beside + [f"{BUILD}/tests/bench_line", f"ipc://{directory}/broker.ipc", day, "LAL", "DEN", "203999",
                               "Nikola Jokić", times, directory], stdout=subprocess.PIPE, check=True)
        out = json.loads(done.stdout)
        for over in ([], ["libzmq"]):
            bare = subprocess.run(beside + [f"{BUILD}/tests/bench_floor", times, directory] + over, stdout=subprocess.PIPE, check=True)
            out.update(json.loads(bare.stdout))
        pid = next(s["pid"] for s in status(directory)["shards"] if s["actor"] == "predictor")
        out["predictor_rss_mb"] = round(resident(pid), 1)
        for part in ("p50", "p99"):
            for chain in ("chain", "chain_files", "chain_bytes"):
                out[f"change_over_{chain}_{part}"] = round(out[f"change_{part}_us"] / out[f"{chain}_{part}_us"], 2)
            for over in ("floor", "libzmq"):
                out[f"{over}_over_chain_{part}"] = round(out[f"{over}_{part}_us"] / out[f"{over}_chain_{part}_us"], 2)
        print(json.dumps(out))
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(30)
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
