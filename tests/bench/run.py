#!/usr/bin/python3
"""The broker beside others on this machine: `make bench`.

    ROUNDS=5 ONLY=shape,peer,... FRESH=1 tests/bench/run.py [--page]

Rounds are outermost, so that a slow minute of the machine hits everybody; a server begins each of its rounds with an empty
store. Every result is a JSON line in docs/benchmarks.jsonl as soon as it is there: a run that was cut short goes on where it ended
(FRESH=1 begins anew), and --page only writes docs/BENCHMARKS.md and the plot from it. ONLY names shapes or peers; what it
names is measured again."""
import contextlib
import datetime
import itertools
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(os.environ.get("TIPOFF_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
BIN = pathlib.Path(os.environ.get("TIPOFF_BIN", SOURCE / "build" / "bin"))
TESTS = BIN.parent / "tests"
RESULTS, PAGE, PLOT = SOURCE / "docs" / "benchmarks.jsonl", SOURCE / "docs" / "BENCHMARKS.md", SOURCE / "docs" / "benchmarks.svg"
ROUNDS = int(os.environ.get("ROUNDS", "5"))
ONLY = [word for word in os.environ.get("ONLY", "").split(",") if word]
SECONDS = os.environ.get("SECONDS_EACH", "3")

# Shape: what is asked for, and which key of the answer counts.
SHAPES = {
    "publish-256": (["--consumers", "0"], "published_per_s"),
    "publish-1024": (["--consumers", "0", "--size", "1024"], "published_per_s"),
    "end-to-end-256": ([], "delivered_per_s"),
    "end-to-end-1024": (["--size", "1024"], "delivered_per_s"),
    "publish-4": (["--consumers", "0", "--producers", "4"], "published_per_s"),
    "end-to-end-4+4": (["--producers", "4", "--consumers", "4"], "delivered_per_s"),
    "paced-1000": (["--rate", "1000"], "ack_p50_us"),
}
SAYS = {
    "publish-256": "acknowledged publish, 1 producer, 256 B", "publish-1024": "the same, 1 KiB",
    "end-to-end-256": "publish → consume → ack, 1+1, 256 B", "end-to-end-1024": "the same, 1 KiB",
    "publish-4": "acknowledged publish, 4 producers, 256 B", "end-to-end-4+4": "publish → consume → ack, 4+4, 256 B",
    "paced-1000": "ack p50 at 1,000 messages/s, µs",
}
ROLLS = ["--consumers", "0", "--rate", "4000", "--batch", "8", "--size", "4096", "--trim", "--set", "broker.segment_bytes=4MiB"]
PEERS = {
    "tipoff": "64 messages a batch (paced: 1); full sync before every ack",
    "tipoff-1": "1 message a batch; full sync before every ack",
    "redis-always": "Redis Streams, appendfsync always: sync before the ack",
    "redis-everysec": "Redis Streams, appendfsync everysec: no sync before the ack",
    "nats": "NATS JetStream, file store, default: no sync before the ack",
}
# What is wanted of the ratio to a peer (or of the figure): must, aim. Over Redis always but for the last two lines.
WANTED = {
    "publish-256": ("redis-always", 8, 14), "end-to-end-256": ("redis-always", 9, 16), "publish-1024": ("redis-always", 6, 12),
    "end-to-end-1024": ("redis-always", 5, 10), "publish-4": ("redis-always", 3, 6), "end-to-end-4+4": ("redis-always", 4, 8),
    "paced-1000": ("redis-always", 1.1, 0.8),
}
UNSYNCED = {"publish-256": (3, 6), "end-to-end-256": (4, 8)}
CPU = {"publish-256": (0.9, 0.4), "end-to-end-256": (1.2, 0.6)}


def results():
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text().splitlines() if line.strip()]


def keep(**row):
    with open(RESULTS, "a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")
    shown = row.get("value", row.get("error", row))
    print(f"  {row.get('round', '')} {row.get('peer', '')} {row.get('shape', '')}: {shown}", flush=True)


def wanted(peer, shape):
    return not ONLY or peer in ONLY or shape in ONLY


# ---- servers ----

def port_free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command_of(peer, port, place):
    if peer == "nats":
        return ["nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", place]
    return ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", place, "--appendonly", "yes", "--appendfsync",
            peer.split("-")[1], "--save", "", "--auto-aof-rewrite-percentage", "0"]


@contextlib.contextmanager
def server(peer):
    place, port = tempfile.mkdtemp(prefix="tipoff-peer-"), port_free()
    path = os.environ["PATH"] + ":/usr/sbin"
    process = subprocess.Popen(command_of(peer, port, place), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=place,
                               env={**os.environ, "PATH": path})
    try:
        for _ in range(1000):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.01)
        time.sleep(0.3)  # JetStream comes after the port
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        shutil.rmtree(place, ignore_errors=True)
        os.sync()  # leave no dirty pages for the next one


def cpu_us(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


def measured(command, patience_s=180):
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=patience_s, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"{os.path.basename(command[0])} did not end within {patience_s} s"}
    if run.returncode != 0:
        return {"error": (run.stderr or f"exit {run.returncode}").strip()[-300:]}
    return json.loads(run.stdout)


def peer_round(number, peer, shapes):
    if peer.startswith("tipoff"):
        for shape in shapes:
            words = SHAPES[shape][0] + (["--batch", "1"] if peer == "tipoff-1" else [])
            record(number, peer, shape, measured([BIN / "tipoff", "bench", "--json", "--seconds", SECONDS, *words]))
            os.sync()
        return
    with server(peer) as (process, port):
        for shape in shapes:
            before = cpu_us(process.pid)
            out = measured([TESTS / ("peer-" + peer.split("-")[0]), "--port", str(port), "--seconds", SECONDS, *SHAPES[shape][0]])
            if out.get("published"):
                out["broker_cpu_us"] = (cpu_us(process.pid) - before) / out["published"]
            record(number, peer, shape, out)


def record(number, peer, shape, out):
    row = {"round": number, "peer": peer, "shape": shape}
    if "error" in out:
        keep(**row, error=out["error"])
        return
    names = ["published_per_s", "delivered_per_s", "ack_p50_us", "ack_p99_us", "e2e_p50_us", "broker_cpu_us", "fdatasync_us"]
    keep(**row, value=out[SHAPES[shape][1]], **{name: out[name] for name in names if name in out})


def rounds():
    done = {(row["round"], row["peer"], row["shape"]) for row in results() if "value" in row}
    for number in range(1, ROUNDS + 1):
        for peer in PEERS:
            shapes = [shape for shape in SHAPES if wanted(peer, shape) and (ONLY or (number, peer, shape) not in done)]
            shapes = [shape for shape in shapes if peer != "tipoff-1" or shape in ("publish-256", "end-to-end-256")]
            if shapes:
                print(f"round {number} of {ROUNDS}: {peer}", flush=True)
                peer_round(number, peer, shapes)


def alone():
    """What has no peer: the kit, and a broker with much stored."""
    done = [row["shape"] for row in results() if "value" in row]
    kits = max(0, min(ROUNDS, 5) - done.count("kit"))
    if wanted("tipoff", "kit"):
        for number in range(kits if not ONLY else ROUNDS):
            out = measured([TESTS / "bench_kit", BIN, TESTS, "1000000", "4096"])
            keep(round=number + 1, peer="tipoff", shape="kit", **({"value": out["records_per_s"]} if "error" not in out else {}), **out)
    if wanted("tipoff", "rolls"):
        for number in range(max(0, ROUNDS - done.count("rolls"))):
            out = measured([BIN / "tipoff", "bench", "--json", "--seconds", "6", *ROLLS])
            keep(round=number + 1, peer="tipoff", shape="rolls",
                 **({"value": out["ack_max_us"] / 1000} if "error" not in out else {}), **out)
    if wanted("tipoff", "stored") and (ONLY or "stored" not in done):
        records = os.environ.get("RECORDS", "10000000")
        out = measured([TESTS / "bench_stored", BIN, records, "100"], 600)
        keep(round=1, peer="tipoff", shape="stored",
             **({"value": statistics.median(out["restart_ms"])} if "error" not in out else {}), **out)


# ---- the page ----

def latest(rows):
    """The newest result of each (round, peer, shape)."""
    return {(row["round"], row["peer"], row["shape"]): row for row in rows if "value" in row}


def column(kept, peer, shape, key="value"):
    return [row[key] for (_, p, s), row in sorted(kept.items()) if p == peer and s == shape and row.get(key) is not None]


def paired(kept, shape, peer):
    """Ours over the peer's, round by round."""
    ours = {n: row["value"] for (n, p, s), row in kept.items() if p == "tipoff" and s == shape}
    theirs = {n: row["value"] for (n, p, s), row in kept.items() if p == peer and s == shape}
    return [ours[n] / theirs[n] for n in sorted(ours) if theirs.get(n)]


def quartile(values, upper=False):
    values = sorted(values)
    place = (len(values) - 1) * (0.75 if upper else 0.25)
    low = int(place)
    return values[low] + (values[min(low + 1, len(values) - 1)] - values[low]) * (place - low)


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def spread(values):
    return f"{number(statistics.median(values))} ({number(min(values))}–{number(max(values))})" if values else "–"


def verdict(value, must, aim, less):
    if (value <= aim) if less else (value >= aim):
        return "aim reached"
    return "holds" if ((value <= must) if less else (value >= must)) else "**missed**"


def ratio_rows(kept):
    for shape, (peer, must, aim) in WANTED.items():
        yield shape, peer, must, aim, shape == "paced-1000"
    for shape, (must, aim) in UNSYNCED.items():
        unsynced = [p for p in ("redis-everysec", "nats") if column(kept, p, shape)]
        if unsynced:
            yield shape, max(unsynced, key=lambda p, s=shape: statistics.median(column(kept, p, s))), must, aim, False


def ratio_table(kept):
    yield "| | over | ratio of medians | lower quartile of paired ratios | must | aim | |"
    yield "|---|---|---|---|---|---|---|"
    for shape, peer, must, aim, less in ratio_rows(kept):
        pairs = paired(kept, shape, peer)
        if not pairs:
            continue
        medians = statistics.median(column(kept, "tipoff", shape)) / statistics.median(column(kept, peer, shape))
        worst = quartile(pairs, upper=less)
        yield (f"| {SAYS[shape].replace('the same', SAYS[shape.replace('1024', '256')].rsplit(',', 1)[0])} | {peer} | {medians:.2f} | "
               f"{worst:.2f} | {must} | {aim} | {verdict(worst, must, aim, less)} |")


def figure_table(kept):
    yield "| | median (range) | must | aim | |"
    yield "|---|---|---|---|---|"
    rows = [(f"server CPU per message, {SAYS[s]}, µs", column(kept, "tipoff", s, "broker_cpu_us"), *CPU[s], True) for s in CPU]
    rows.append(("the kit: records/s through one stateful shard", column(kept, "tipoff", "kit"), 150000, 400000, False))
    rows.append(("longest pause of an ack while some 24 segments of 4 MiB are rolled and let go of in 6 s, ms",
                 column(kept, "tipoff", "rolls"), 50, 20, True))
    for row in (row for (_, _, s), row in kept.items() if s == "stored"):
        if row.get("ack_p99_quiet_us"):
            rows.append(("ack p99 at 1,000 messages/s while a million cold records are read, over its quiet value",
                         [row["ack_p99_catchup_us"] / row["ack_p99_quiet_us"]], 2, 1, True))
        if row.get("ack_p99_stranger_us"):
            rows.append(("the same, over its value while a process that has nothing to do with the broker reads as many cold bytes",
                         [row["ack_p99_catchup_us"] / row["ack_p99_stranger_us"]], 2, 1, True))
        rows.append((f"kill -9 with {row['records']:,} records, restart to first delivery, ms", row["restart_ms"], 50, 10, True))
        rows.append((f"broker memory, {row['records']:,} records stored, {row['consumers']} consumers, MiB (RssAnon)", [row["busy_mib"]],
                     64, 32, True))
    for says, values, must, aim, less in rows:
        if values:
            yield f"| {says} | {spread(values)} | {must:,} | {aim:,} | {verdict(statistics.median(values), must, aim, less)} |"


def rate_table(kept):
    yield "| | " + " | ".join(PEERS) + " |"
    yield "|---|" + "---|" * len(PEERS)
    for shape in SHAPES:
        yield f"| {SAYS[shape]} | " + " | ".join(spread(column(kept, peer, shape)) for peer in PEERS) + " |"
    for shape in SHAPES:
        cells = " | ".join(spread(column(kept, peer, shape, "broker_cpu_us")) for peer in PEERS)
        yield f"| server CPU, µs a message: {shape} | {cells} |"


def lost(kept):
    for shape in SHAPES:
        ours = column(kept, "tipoff", shape)
        for peer in PEERS:
            theirs = column(kept, peer, shape)
            if peer.startswith("tipoff") or not ours or not theirs:
                continue
            mine, other = statistics.median(ours), statistics.median(theirs)
            if (other < mine) if shape == "paced-1000" else (other > mine):
                yield f"- {peer} wins at {SAYS[shape]}: {number(other)} against {number(mine)}. ({PEERS[peer]})"


def version(command):
    with contextlib.suppress(OSError):
        path = os.environ["PATH"] + ":/usr/sbin"
        return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}).stdout.strip()
    return "?"


def machine():
    model = [line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) // 1048576
    disk = version(["df", "--output=fstype", tempfile.gettempdir()]).split()[-1:]
    return {"machine": f"{len(model)} × {model[0] if model else '?'}, {memory} GiB, {platform.system()} {platform.release()}, "
                       f"{disk[0] if disk else '?'}",
            "versions": [version([BIN / "tipoff", "--version"]), version(["redis-server", "--version"]).split(" sha")[0],
                         version(["nats-server", "--version"]),
                         version(["dpkg-query", "-W", "-f", "${Package} ${Version}, ", "libzmq5", "liblmdb0", "libhiredis-dev",
                                  "libnats-dev"]).strip(", ")],
            "date": datetime.date.today().isoformat()}


def plot(kept):
    shapes = [shape for shape in SHAPES if shape != "paced-1000"]
    peers = [peer for peer in PEERS if peer != "tipoff-1"]
    lines = ["$data << EOD", "shape " + " ".join(peers)]
    for shape in shapes:
        values = [column(kept, peer, shape) for peer in peers]
        lines.append(shape + " " + " ".join(f"{statistics.median(v) / 1000:.1f}" if v else "0" for v in values))
    lines += ["EOD", f"set terminal svg size 900,420 font 'sans,11'\nset output '{PLOT}'", "set style data histogram",
              "set style histogram cluster gap 1\nset style fill solid 0.8 noborder\nset boxwidth 0.9", "set key top right\nset grid y",
              "set ylabel 'thousand messages/s (median)'", f"plot for [i=2:{len(peers) + 1}] $data using i:xtic(1) title columnheader(i)"]
    subprocess.run(["gnuplot"], input="\n".join(lines) + "\n", text=True, check=False)


def page():
    rows = results()
    kept = latest(rows)
    about = next((row for row in reversed(rows) if row.get("shape") == "machine"), None) or machine()
    failed = [row for row in rows if "error" in row]
    text = [
        "# Benchmarks", "",
        "<!-- Printed by `make bench` (tests/bench/run.py --page) from docs/benchmarks.jsonl; not to be edited. -->", "",
        f"{about['date']}, {about['machine']}. Versions: {'; '.join(v for v in about['versions'] if v)}.", "",
        "The same load for every broker (`cli/load.h`): producers and consumers are processes of their own, at most 4,096 messages "
        "unacknowledged over all of them, each server with an empty store at the beginning of a round, rounds interleaved. Medians, in "
        "brackets the least and the most. tipoff, over ipc, and `redis-always` sync before every ack; `redis-everysec` and `nats`, "
        "over TCP, do not, and may lose to a power cut what they acknowledged. A consumer's ack counts when it was sent (tipoff: credit, and its "
        "cursor with the next heartbeat, every 5 ms; NATS) or answered (Redis).", "",
        "`make bench` runs it all; `ROUNDS=` and `ONLY=` (shapes, peers) less of it. One line by hand: `tipoff bench --json "
        "--producers 4 --consumers 4`.", "", "## Against the others", "",
        *ratio_table(kept), "",
        "For a time (ack p50) less is better, and the upper quartile stands for the lower.", "", *(list(lost(kept)) or ["No peer wins a line."]), "",
        "## Alone", "", *figure_table(kept), "",
        "Memory is anonymous memory: what LMDB maps is page cache. The kit's records are taken, counted in the shard's state and emitted, "
        "4,096 a step (`bench_kit`).", "", "## All figures", "", "![messages per second, by broker](benchmarks.svg)", "",
        *rate_table(kept), "", *(f"- {peer}: {says}" for peer, says in PEERS.items()), "",
        "Malamute is not packaged in Debian. Its whitepaper, which says of itself that it describes no actual system, names "
        "\"millions of messages per second, if designed correctly\" for live streams: in memory, and not acknowledged.", ""]
    if failed:
        text += ["## Failed", "", *(f"- round {row['round']}, {row['peer']}, {row['shape']}: `{row['error']}`" for row in failed), ""]
    PAGE.write_text("\n".join(text))
    plot(kept)
    print(f"wrote {PAGE.relative_to(SOURCE)}")


def main():
    if "--page" not in sys.argv:
        if os.environ.get("FRESH"):
            RESULTS.unlink(missing_ok=True)
        RESULTS.parent.mkdir(exist_ok=True)
        keep(shape="machine", **machine())
        rounds()
        alone()
    page()
    rows = list(itertools.chain(ratio_table(latest(results())), figure_table(latest(results()))))
    print("\n".join(rows))


if __name__ == "__main__":
    main()
