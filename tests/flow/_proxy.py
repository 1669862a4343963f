"""A proxy in front of the upstream, for what the upstream does not do by itself: a test says how it bends paths and answers."""
import http.server
import threading
import urllib.error
import urllib.request


class Proxy:
    """`path_of(path)` is what is asked for instead; `answer_of(path, status, headers)` may change both, or return None for a 503."""

    def __init__(self, path_of=None, answer_of=None):
        self.base = None
        self.asked = []
        self.path_of = path_of or (lambda path: path)
        self.answer_of = answer_of or (lambda path, status, headers: (status, headers))
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                proxy.asked.append(self.path)
                status, headers, body = proxy.fetch(self.path, self.headers)
                bent = proxy.answer_of(self.path, status, headers)
                status, headers, body = (*bent, body) if bent else (503, {}, b"no")
                self.send_response(status)
                for name in ("ETag", "x-requests-remaining"):
                    if name in headers:
                        self.send_header(name, headers[name])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def fetch(self, path, headers):
        if self.base is None:  # it is not there yet
            return 502, {}, b""
        kept = {name: value for name, value in headers.items() if name in ("Authorization", "If-None-Match")}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.base + self.path_of(path), headers=kept), timeout=10) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()
        except OSError:
            return 502, {}, b""

    def count(self, prefix):
        return sum(path.startswith(prefix) for path in list(self.asked))
