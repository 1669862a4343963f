#!/usr/bin/python3
# ctest: timeout=120
"""`tipoff bench` measures what it says: everything that was published is delivered, the rate that was asked for is kept, and
nothing stays behind."""
import json
import os
import subprocess
import tempfile

BIN = os.environ["TIPOFF_BIN"]
KEYS = ["size", "producers", "consumers", "batch", "published_per_s", "delivered_per_s", "ack_p50_us", "ack_p99_us", "ack_max_us", "e2e_p50_us",
        "e2e_p99_us", "sync"]


def bench(*words, code=0):
    with tempfile.TemporaryDirectory() as place:
        run = subprocess.run([f"{BIN}/tipoff", "bench", "--json", *words], env={**os.environ, "TMPDIR": place}, text=True,
                             capture_output=True, timeout=60, check=False)
        assert run.returncode == code, (words, run)
        assert os.listdir(place) == [], os.listdir(place)
    if code:
        return run.stderr
    assert run.stderr == "", run.stderr
    out = json.loads(run.stdout)
    assert not [key for key in KEYS if key not in out], out
    return out


def check_shapes():
    one = bench("--seconds", "1")
    assert (one["size"], one["producers"], one["consumers"], one["batch"], one["sync"]) == (256, 1, 1, 64, "full"), one
    assert one["published"] == one["delivered"] > 0 and one["published"] % 64 == 0, one
    assert one["published_per_s"] > 0 and one["delivered_per_s"] > 0, one
    assert 0 < one["ack_p50_us"] <= one["ack_p99_us"] and 0 < one["e2e_p50_us"] <= one["e2e_p99_us"], one
    assert one["messages_per_commit"] > 64, one  # what waits shares a commit
    many = bench("--seconds", "0.5", "--producers", "3", "--consumers", "2", "--batch", "7", "--size", "1024")
    assert many["published"] == many["delivered"] > 0, many
    silent = bench("--seconds", "0.3", "--consumers", "0")
    assert silent["delivered"] == 0 and silent["delivered_per_s"] is None and silent["e2e_p50_us"] is None, silent


def check_rate():
    paced = bench("--seconds", "1", "--rate", "200")
    assert paced["batch"] == 1, paced
    assert 100 <= paced["published"] <= 200, paced  # never more than asked for; less where the machine is busy


def check_usage():
    assert "size" in bench("--size", "3", code=64)
    assert "batch" in bench("--size", "1048576", "--batch", "4096", code=64)


if __name__ == "__main__":
    check_shapes()
    check_rate()
    check_usage()
    print("ok")
