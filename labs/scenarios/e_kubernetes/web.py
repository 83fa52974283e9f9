"""The program in the pods of section E: a small web server that starts slowly, can deadlock, and needs another one.

Run as ``python3 -c`` with this text (it comes from a ConfigMap), so it has the standard library only.  Its environment:

    START_SECONDS, WARM_SECONDS   until it listens, and from then until its catalogue is loaded; -1: never
    DEPENDENCY                    HOST:PORT of the Service that it needs to sell something; "" for nothing
    WORKERS                       a whole number
    MEMORY_MB, SCRATCH_MB         what it keeps in memory, and writes into its own folder, before it listens
    WORK_MS                       processor time of a request for /sum
    REPORT_MB                     memory that /report keeps for a second
    PATHS                         JSON: {"ping", "work", "warm", "deep"}, the paths of its four health endpoints

It serves ``/`` (from its own catalogue), ``/buy`` (asks the dependency), ``/sum``, ``/report``, ``/cpu`` (seconds of
processor time that it has used), the four endpoints and ``POST /switch/NAME``: ``deadlock``, ``stall?SECONDS``,
``down``, ``up``, ``leak?MB``, ``spin?SECONDS``.  It listens at POD_IP, port PORT.
"""

import json
import os
import signal
import sys
import threading
import time

PORT = 8080


class Shop:
    """What it knows: is the catalogue loaded, who holds the lock that every request needs, is it switched off?"""

    def __init__(self, dependency):
        self.catalogue, self.journal = threading.Lock(), threading.Lock()
        self.loaded = threading.Event()
        self.down = False
        self.dependency = dependency
        self.children = []

    def work(self):
        """A little of what every request does."""
        with self.catalogue:
            return self.loaded.is_set()

    def ask(self):
        """Does the dependency answer?"""
        import http.client

        if not self.dependency:
            return True
        host, port = self.dependency.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=0.5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def deadlock(self):
        """Two threads take the same two locks, each in its own order."""
        both = threading.Barrier(2)

        def take(first, second):
            with first:
                both.wait()
                with second:
                    pass

        for pair in ((self.catalogue, self.journal), (self.journal, self.catalogue)):
            threading.Thread(target=take, args=pair, daemon=True).start()

    def stall(self, seconds):
        """Something long holds the lock, such as a garbage collection or a report."""
        def hold():
            with self.catalogue:
                time.sleep(seconds)

        threading.Thread(target=hold, daemon=True).start()

    def leak(self, megabytes):
        """Memory that nobody gives back, 20 MiB a second."""
        def take():
            kept = []
            for _ in range(megabytes):
                kept.append(b"\1" * 2**20)
                time.sleep(0.05)
            print("leaked", len(kept), "MiB", flush=True)
            time.sleep(600)

        threading.Thread(target=take, daemon=True).start()

    def spin(self, seconds):
        """Loops that nearly never end, one here and one in a child: two processors, if they get them."""
        end = time.monotonic() + seconds

        def turn():
            while time.monotonic() < end:
                pass

        child = os.fork()
        if not child:
            turn()
            os._exit(0)
        self.children.append(child)
        threading.Thread(target=turn, daemon=True).start()

    def used(self):
        """Seconds of processor time, with that of children (clock_getcpuclockid(3))."""
        return time.process_time() + sum(time.clock_gettime((~child << 3) | 2) for child in self.children)


def compute(milliseconds):
    """Use so much processor time."""
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        pass


def respond(shop, paths, method, path):
    """(status, text) of a request."""
    path, _, query = path.partition("?")
    if method == "POST" and path.startswith("/switch/"):
        name = path.rpartition("/")[2]
        print("switched:", name, query, flush=True)
        if name == "deadlock":
            shop.deadlock()
        elif name == "stall":
            shop.stall(float(query))
        elif name == "leak":
            shop.leak(int(query))
        elif name == "spin":
            shop.spin(float(query))
        else:
            shop.down = name == "down"
        return 200, name
    if shop.down:
        return 503, "down"
    if path == paths.get("ping"):
        return 200, "listening"
    if path == paths.get("work"):
        shop.work()
        return 200, "working"
    if path == paths.get("warm"):
        return (200, "loaded") if shop.work() else (503, "loading the catalogue")
    if path == paths.get("deep"):
        return (200, "all well") if shop.work() and shop.ask() else (503, "something is not well")
    if path == "/":
        return (200, "catalogue") if shop.work() else (503, "no catalogue yet")
    if path == "/sum":
        compute(float(os.environ.get("WORK_MS", "0")))
        return 200, "summed up"
    if path == "/report":
        kept = b"\1" * (int(os.environ.get("REPORT_MB", "0")) * 2**20)
        time.sleep(1)
        return 200, f"a report of {len(kept) >> 20} MiB"
    if path == "/cpu":
        return 200, str(shop.used())
    if path == "/buy":
        return (200, "sold") if shop.work() and shop.ask() else (503, "cannot sell now")
    return 404, "no such page"


def server(shop, paths, address):
    """The HTTP server; one thread a request."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            status, text = respond(shop, paths, self.command, self.path)
            body = text.encode()
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass        # whoever asked has gone

        do_GET = do_POST = answer

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def server_bind(self):
            # as HTTPServer does, without asking a name server who this is
            import socketserver

            socketserver.TCPServer.server_bind(self)
            self.server_name, self.server_port = self.server_address[:2]

    return Server((address, PORT), Handler)


def stock_up():
    """Read the settings, fill memory and folder; what is kept in memory."""
    workers = int(os.environ.get("WORKERS", "4"))
    memory, scratch = (int(os.environ.get(name, "0")) for name in ("MEMORY_MB", "SCRATCH_MB"))
    print(f"{workers} workers; keeping {memory} MiB in memory and {scratch} MiB in scratch files", flush=True)
    kept = []
    for _ in range(memory):
        kept.append(b"\1" * 2**20)
        time.sleep(0.005)       # slowly enough to be seen
    if scratch:
        with open(os.path.join(os.environ["HOME"], "scratch"), "wb") as file:
            for _ in range(scratch):
                file.write(b"\1" * 2**20)
    return kept


def main():
    """Start slowly, then serve until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    kept = stock_up()
    start, warm = float(os.environ.get("START_SECONDS", 0)), float(os.environ.get("WARM_SECONDS", 0))
    shop = Shop(os.environ.get("DEPENDENCY", ""))
    print(f"opening the database, {start:g} s" if start >= 0 else "waiting for a lock on the database", flush=True)
    while start < 0:
        time.sleep(60)
    time.sleep(start)
    serving = server(shop, json.loads(os.environ.get("PATHS", "{}")), os.environ.get("POD_IP", "127.0.0.1"))

    def load():
        time.sleep(max(warm, 0))
        if warm >= 0:
            shop.loaded.set()
            print("the catalogue is loaded", flush=True)

    threading.Thread(target=load, daemon=True).start()
    print("listening", flush=True)
    serving.serve_forever()
    return len(kept)


if __name__ == "__main__":
    sys.exit(main())
