"""20 Delete, then insert: who reads an export while its writer is killed again and again reads a whole one, always."""
import glob
import json
import os
import signal
import threading


class Reader(threading.Thread):
    """Reads every export again and again, as fast as it can; `half`: what it read that was not whole."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.half, self.reads, self.versions, self.over = folder, [], 0, 0, False

    def run(self):
        before = {}
        while not self.over:
            for path in glob.glob(os.path.join(self.folder, "live*", "*.json")):
                before.setdefault(path, b"")
            for path in before:  # one that was there once is there always
                self.reads += 1
                try:
                    with open(path, "rb") as stream:
                        text = stream.read()
                    if text == before[path]:
                        continue
                    self.versions += 1
                    before[path] = text
                    json.loads(text)
                except OSError as error:
                    self.half.append(str(error))
                except ValueError as error:
                    self.half.append(f"{len(text)} bytes of {path}: {error}")


def drill(night, checks):
    from _drill import until
    night.begin("supervisor.crash_loop=1000", "supervisor.backoff_base=10ms", "supervisor.backoff_cap=50ms", start="2026-01-14T23:55:00Z")
    night.playing()
    reader = Reader(os.path.join(night.dir, "exports"))
    reader.start()
    for kill in range(1, 6):
        until(lambda: reader.versions >= 20 * kill or reader.half, 60, "exports are written")
        pid = night.signal("scoreboard", signal.SIGKILL)
        until(lambda: night.pid("scoreboard") not in (None, pid), 20, "it is back")
    reader.over = True
    reader.join(10)
    checks.that(not reader.half, f"half an export, {len(reader.half)} times: {reader.half[:1]}")
    checks.that(reader.reads > 100, f"{reader.reads} reads")
