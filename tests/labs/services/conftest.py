"""A tiny real service, registered through a real entry point, that can misbehave on demand."""

from __future__ import annotations

import os
import textwrap

import pytest

SERVICE = '''
import json, os, signal, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"pid": os.getpid(), "aws": sorted(k for k in os.environ if k.startswith("AWS_")),
                           "home": os.environ["LABS_HOME"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    mode, port = sys.argv[1], int(sys.argv[2])
    print("tiny starts as", mode, flush=True)
    if mode == "crash":
        sys.exit("tiny: the disk is on fire")
    if mode == "mute":
        time.sleep(60)
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "parent" and os.fork() == 0:
        os.setsid()
        time.sleep(600)
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
else:
    from labs.services.catalog import Service, answers_http

    def command(context):
        return [sys.executable, __file__, os.environ.get("TINY_MODE", "good"), str(context.port)]

    PORT = int(os.environ["TINY_PORT"])

    def ready(context):
        answers_http(context, "/")

    SERVICE = Service("tiny", command, ready, port=PORT, deadline=8)
    SECOND = Service("second", command, ready, port=PORT, needs=("tiny",))
    WHOLE = Service("whole", command, ready, port=PORT, needs=("tiny",), parts=("tiny", "half"))
    HALF = Service("half", command, ready, port=PORT, needs=("whole",))
    CODE = "import os, sys; kept = os.environ['LABS_HOME'] + '/kept'; "
    LEAVE = CODE + "open(kept, 'w'); sys.exit(int(os.environ.get('TINY_PREPARED', '0')))"
    REMOVE = CODE + "sys.exit('it is in use') if os.path.exists(kept + '.used') else os.unlink(kept)"
    KEEPER = Service("keeper", command, ready, port=PORT, prepare=lambda: [sys.executable, "-c", LEAVE],
                     remove=(sys.executable, "-c", REMOVE))
    LOOP = Service("loop", command, lambda context: None, port=PORT, needs=("loop",))
'''


@pytest.fixture
def tiny(tmp_path, labs_home, monkeypatch):
    """Registers services and returns a mode setter.

    ``second`` needs ``tiny``, ``loop`` needs itself, ``half`` is a part of ``whole`` and needs it, ``keeper`` leaves a
    file.
    """
    site = tmp_path / "site"
    info = site / "tiny_service-1.dist-info"
    info.mkdir(parents=True)
    (site / "tiny_service.py").write_text(textwrap.dedent(SERVICE))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-service\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[labs.services]\ntiny = tiny_service:SERVICE\nsecond = tiny_service:SECOND\nloop = tiny_service:LOOP\n"
        "whole = tiny_service:WHOLE\nhalf = tiny_service:HALF\nkeeper = tiny_service:KEEPER\n")
    monkeypatch.syspath_prepend(str(site))
    # a port range per xdist worker: the other one's service must not answer for ours while ours is dead
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    monkeypatch.setenv("TINY_PORT", str(20790 + 300 * worker))
    monkeypatch.setenv("PYTHONPATH", f"{site}:{os.environ['PYTHONPATH']}")
    return lambda mode: monkeypatch.setenv("TINY_MODE", mode)
