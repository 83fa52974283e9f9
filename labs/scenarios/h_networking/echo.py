"""The pods' program of lab h2: tells who answers, and what it was asked.  Runs inside a pod, with the standard library.

``ONLY`` is the prefix of the paths that it knows, apart from its health endpoint ``HEALTH``: any other is 404.
"""

import http.server
import json
import os

SHOWN = ("host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-amzn-trace-id", "x-beta")


class Echo(http.server.BaseHTTPRequestHandler):
    """Every request."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536

    def do_GET(self) -> None:
        """Answer as JSON."""
        path = self.path.partition("?")[0]
        known = path == os.environ["HEALTH"] or path.startswith(os.environ.get("ONLY", "/"))
        headers = {name: self.headers[name] for name in SHOWN if self.headers[name]}
        said = {"app": os.environ["APP"], "pod": os.environ["HOSTNAME"], "path": self.path, "headers": headers}
        body = json.dumps(said).encode() + b"\n"
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Echo).serve_forever()
