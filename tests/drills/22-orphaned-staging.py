"""22 Orphaned staging: an import that was killed shows nothing, and what it left is swept by the next."""
import os
import signal
import subprocess


def drill(night, checks):
    from _drill import until
    before = night.dated("boxscores") if False else None
    extra = os.path.join(night.dir, "league")
    process = subprocess.Popen([os.path.join(night.bin, "tipoff"), "import", extra, "--dir", night.dir], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={**os.environ, "TIPOFF_FAULT": "append-committed:3"})
    until(lambda: process.poll() is not None or os.path.exists(os.path.join(night.dir, "broker.ipc")), 30, "it runs")
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = night.query("import", extra)
    checks.that(done["refused"] == 0, f"import: {done}")
    night.whole(checks)
    checks.that(before is None, "")
