"""32 A flood of alerts, or alerts that reach nobody: one word for an incident and one for its end, to a webhook that is signed and a
command; never more than declared in an hour, and what is left out is counted."""
import hashlib
import hmac
import http.server
import json
import os
import threading

OFF = ["alert.per_hour=10000"]


def drill(night, checks):
    from _drill import until
    got, failures = [], [2]

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            failures[0] -= 1
            if failures[0] >= 0:  # the first two tries are refused: it is tried again
                self.send_response(503)
                self.end_headers()
                return
            got.append((self.headers.get("X-Tipoff-Signature"), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    out = os.path.join(night.dir, "alerts.txt")
    night.faults_first({"kind": "status", "status": 503, "feed": "bdl.live"}, {"kind": "unknown_player", "feed": "bdl.games"})
    night.begin(f"alert.webhook=http://127.0.0.1:{server.server_port}/hook", f"alert.command=cat >> {out}", "alert.per_hour=2",
                "watchdog.stale_warn=5m", "watchdog.stale_alert=10m", "watchdog.stale_critical=15m",
                env={"TIPOFF_WEBHOOK_SECRET": "much-secret"}, start="2026-01-14T23:55:00Z")
    until(lambda: len(got) >= 2, 90, "two alerts reach the webhook")
    night.faults_end()
    night.recovered("stale", 90)
    for signature, body in got:
        wanted = "sha256=" + hmac.new(b"much-secret", body, hashlib.sha256).hexdigest()
        checks.that(signature == wanted, f"signature {signature}, not {wanted}")
        checks.that(json.loads(body)["text"], f"body {body}")
    said = night.alerts("stale")
    checks.that(len({a["alert_id"] for a in said}) == len(said) <= 2 and all("after" in a["text"] for a in said),
                f"an incident has one word, and its end: {said}")
    until(lambda: os.path.exists(out) and len(open(out, encoding="utf-8").read().splitlines()) >= 2, 30, "the command has them, too")
    until(lambda: "alerts-left-out" in night.logged("watchdog.0"), 30, "what is left out is said")
    checks.that(len(got) <= 2, f"{len(got)} alerts in an hour")
    server.shutdown()
