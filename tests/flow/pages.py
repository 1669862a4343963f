#!/usr/bin/python3
# ctest: timeout=120
"""A feed that comes in pages: each page is asked for, also behind one that has not changed, and what is on any of them becomes rows.
The upstream is asked through a proxy that lets it give three players a page."""
import http.server
import json
import os
import sys
import threading
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
import _faults  # noqa: E402
from _faults import Checks, Failed, FaultyNight, until  # noqa: E402

EACH = 3


class Proxy(http.server.BaseHTTPRequestHandler):
    base = None
    asked = []

    def do_GET(self):
        path = self.path
        if path.startswith("/v1/player_injuries"):
            Proxy.asked.append(path)
            path = path.replace("per_page=100", f"per_page={EACH}")
        kept = {name: value for name, value in self.headers.items() if name in ("Authorization", "If-None-Match")}
        try:
            with urllib.request.urlopen(urllib.request.Request(Proxy.base + path, headers=kept), timeout=10) as answer:
                status, headers, body = answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            status, headers, body = error.code, dict(error.headers), error.read()
        self.send_response(status)
        if "ETag" in headers:
            self.send_header("ETag", headers["ETag"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def live(night, checks):
    listed = [row["player"]["id"] for row in night.get("/v1/player_injuries?per_page=100")["data"]]
    checks.that(len(listed) > 2 * EACH, f"the league has {len(listed)} on its list")
    pages = -(-len(listed) // EACH)
    until(lambda: len(Proxy.asked) >= pages + 1, 60, f"{pages} pages, and the first once more")
    cursors = [path.partition("cursor=")[2] for path in Proxy.asked[:pages]]
    checks.that(cursors == [""] + [str(EACH * i) for i in range(1, pages)], f"asked for {cursors}")
    until(lambda: len({p for p in Proxy.asked[pages:] if "cursor" in p}) >= pages - 1, 60, "the others once more")
    return len(listed)


def main():
    checks = Checks()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _faults.SETTINGS += [f"poller.bdl.base_url=http://127.0.0.1:{server.server_port}", "poller.injuries_interval=1m"]
    night = FaultyNight(4, 60)
    try:
        night.start()
        Proxy.base = night.base
        listed = live(night, checks)
        night.stop()
        known = {row["player_id"] for row in night.of("row.injury")}
        checks.that(len(known) == listed, f"{len(known)} of {listed} became rows")
        causes = {row["cause"] for row in night.of("ops.run") if row["name"] == "PollBdlInjuries"}
        checks.that({"schedule", "page"} <= causes <= {"schedule", "page", "retry"}, f"causes {causes}")
    except Failed as failure:
        checks.that(False, str(failure))
    night.remove()
    checks.end()


if __name__ == "__main__":
    main()
