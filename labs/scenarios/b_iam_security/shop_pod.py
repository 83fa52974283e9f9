"""The program in the pods of lab b6-cluster: a link of the shop's chain, with a hole through which somebody runs code.

Run as ``python3 -c`` with this text (it comes from a ConfigMap), so it has the standard library only.  Its environment:

    PORTS   JSON: the ports that it listens on
    NEEDS   HOST:PORT of the next link, asked for each page; "" for none
    READS   JSON: [[kind, name], …], what it reads from the Kubernetes API for each page, e.g. ["secrets", "session"]

``GET /`` answers 200 and a JSON list, a line for each link of the chain, or 503 and what failed.  ``POST /preview`` is
the hole: a template engine that evaluates what it is sent.  The body is run as a Python program, and the answer is what
that printed.
"""

import http.client
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/"
PATIENCE = 2.0      # seconds for one thing that a page needs
PREVIEW = 40.0


def read(kind, name):
    """A line about an object of the Kubernetes API; raises OSError with what the API server said."""
    with open(ACCOUNT + "token") as token, open(ACCOUNT + "namespace") as namespace:
        headers, path = {"Authorization": f"Bearer {token.read()}"}, f"/api/v1/namespaces/{namespace.read()}"
    connection = http.client.HTTPSConnection(
        os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"]), timeout=PATIENCE,
        context=ssl.create_default_context(cafile=ACCOUNT + "ca.crt"))
    try:
        connection.request("GET", f"{path}/{kind}/{name}", headers=headers)
        answer = connection.getresponse()
        said = json.loads(answer.read())
    finally:
        connection.close()
    if answer.status != 200:
        raise OSError(f"{answer.status} {said.get('message', '')}")
    return f"read {kind}/{name}"


def ask(next_link):
    """The lines of the rest of the chain; raises OSError."""
    host, port = next_link.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=3 * PATIENCE)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        said = answer.read().decode()
    finally:
        connection.close()
    if answer.status != 200:
        raise OSError(said)
    return json.loads(said)


def page():
    """(status, text) of a page."""
    name = os.environ["NAME"]
    lines = [name]
    try:
        lines += [f"{name} {read(kind, each)}" for kind, each in json.loads(os.environ.get("READS", "[]"))]
    except OSError as error:
        return 503, f"{name} cannot read what it needs from the Kubernetes API: {error}"
    if os.environ.get("NEEDS"):
        try:
            lines += ask(os.environ["NEEDS"])
        except OSError as error:
            said = str(error)
            # what a later link says of itself is passed on as it is
            return 503, said if " cannot " in said else f"{name} cannot reach {os.environ['NEEDS']}: {said}"
    return 200, json.dumps(lines)


def preview(program):
    """(status, text): run somebody's program as this pod."""
    try:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PREVIEW)
    except subprocess.TimeoutExpired:
        return 504, "the program did not end"
    return (200, done.stdout) if done.returncode == 0 else (500, done.stderr[-800:])


class Handler(BaseHTTPRequestHandler):
    """Pages and the hole."""

    def do_GET(self):
        self.answer(*page())

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        self.answer(*(preview(body) if self.path == "/preview" else (404, "no such page")))

    def answer(self, status, text):
        body = text.encode()
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass        # whoever asked has gone

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """One thread a request."""

    daemon_threads = True
    request_queue_size = 64

    def server_bind(self):
        # as HTTPServer does, without asking a name server who this is
        import socketserver

        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


def main():
    for port in json.loads(os.environ["PORTS"]):
        threading.Thread(target=Server(("", port), Handler).serve_forever, daemon=True).start()
    print("listening", flush=True)
    while True:
        time.sleep(600)


if __name__ == "__main__":
    main()
