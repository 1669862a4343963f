"""From the poll to the graded row, in real time, and beside it the time that so many fdatasyncs take on the same disk.

usage: latency.py DIR SPEED      a state directory after a night that was lived at SPEED (TIPOFF_BIN: the executables)

A changed answer goes through three environments and, after each, the log: poller, broker, processor, broker, grader, broker; each
is one LMDB commit of two syncs. Nothing durable is faster than those twelve, one after the other."""
import datetime
import json
import os
import subprocess
import sys
import time

SYNCS = 12


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def records(folder, stream):
    tipoff = os.path.join(os.environ.get("TIPOFF_BIN", "build/bin"), "tipoff")
    status = json.loads(subprocess.run([tipoff, "status", "--json", "--dir", folder], stdout=subprocess.PIPE, check=True).stdout)
    count = next(row["records"] for row in status["streams"] if row["stream"] == stream)
    tap = subprocess.run([tipoff, "tap", stream, "--from", "1", "--count", str(count), "--json", "--dir", folder],
                         stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in tap.stdout.splitlines()]


def quantiles(values):
    values = sorted(values)
    return (values[len(values) // 2], values[min(len(values) - 1, len(values) * 99 // 100)]) if values else (0, 0)


def syncs(folder, rounds=200):
    path = os.path.join(folder, "latency.tmp")
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    took = []
    for _ in range(rounds):
        begun = time.monotonic()
        for i in range(SYNCS):
            os.pwrite(fd, b"x" * 4096, i * 4096)
            os.fdatasync(fd)
        took.append(time.monotonic() - begun)
    os.close(fd)
    os.unlink(path)
    return took


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, speed = sys.argv[1], float(sys.argv[2])
    fetched = {row["position"]: instant(row["payload"]["fetched_at"]) for row in records(folder, "raw.exchange")}
    parents = {row["position"]: row["parents"] for stream in ("row.box_score", "row.game") for row in records(folder, stream)}
    took = []
    for grade in records(folder, "grade.points"):
        raws = [fetched[raw] for row in grade["parents"] for raw in parents.get(row, ()) if raw in fetched]
        if raws:
            took.append((instant(grade["time"]) - max(raws)) / speed)
    p50, p99 = quantiles(took)
    s50, s99 = quantiles(syncs(folder))
    print(f"poll to graded row, {len(took)} grades: p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms")
    print(f"{SYNCS} fdatasyncs of 4 KiB:           p50 {s50 * 1e3:.2f} ms, p99 {s99 * 1e3:.2f} ms")
    print(f"ratio:                            p50 {p50 / s50:.1f}, p99 {p99 / s99:.1f}")


main()
