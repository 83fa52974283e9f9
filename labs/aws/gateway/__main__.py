"""``python -m labs.aws.gateway``: one process, the engine inside, one to three loopback sockets.

``HOME/aws/listeners.json`` says where it listens: ``{"host": URL, "pods": URL, "https": URL, "ca_bundle": PATH}``.  A
listener whose port is left to chance gets the same one again after a restart, since clients remember it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from labs.aws import models
from labs.aws.engines import NAMES, load
from labs.aws.gateway import certificates, serving
from labs.aws.learner import master_key
from labs.errors import LabError

LISTENERS = "listeners.json"


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; the exit status is 0 after an orderly stop, 2 when it cannot start."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        with asyncio.Runner(loop_factory=serving.loop_factory()) as runner:
            runner.run(_serve(options))
    except LabError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cannot listen on 127.0.0.1:{options.port}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m labs.aws.gateway", description="An AWS endpoint that enforces IAM."
    )
    parser.add_argument("--port", type=int, default=4566, help="host listener; 0 picks a free port (default 4566)")
    parser.add_argument(
        "--pods-port", type=int, help="second listener, without shorthand credentials; 0 picks a free port"
    )
    parser.add_argument(
        "--https-port", type=int, help="TLS listener, without shorthand credentials; 0 picks a free port"
    )
    parser.add_argument("--engine", choices=NAMES, default=os.environ.get("LABS_AWS_ENGINE", "ministack"))
    parser.add_argument(
        "--backend", default=os.environ.get("LABS_AWS_BACKEND_URL"), help="URL of a running AWS emulator"
    )
    parser.add_argument("--home", type=Path, required=True, help="folder for state, keys and the event history")
    return parser.parse_args(arguments)


async def _serve(options: argparse.Namespace) -> None:
    from labs.aws.gateway.app import Gateway

    models.share()
    state = options.home / "aws"
    sockets = _sockets(options, state / LISTENERS)
    port = sockets["host"].getsockname()[1]
    options.home.mkdir(parents=True, exist_ok=True)
    engine = load(options.engine, options.backend, state, ("127.0.0.1", port))
    learner = options.home / "learner.json"
    known = json.loads(learner.read_text()) if learner.exists() else None
    gateway = Gateway(engine, options.home, master_key(options.home), known)
    reached_by_functions = sockets.get("pods", sockets["host"])
    gateway.functions.endpoint = f"http://127.0.0.1:{reached_by_functions.getsockname()[1]}"
    await gateway.start()
    gateway.listeners = _listeners(sockets, state)
    (state / LISTENERS).write_text(json.dumps(gateway.listeners), encoding="utf-8")
    # uvicorn hands a signal on to whoever handled it before: without these the process would end before its files
    # are closed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    servers = serving.Serving(gateway, sockets, state)
    try:
        await servers.start()
        for name in sockets:
            print(f"{'ready' if name == 'host' else name} {gateway.listeners[name]}", flush=True)
        await servers.ended()
    finally:
        await servers.stop()
        await gateway.stop()


def _sockets(options: argparse.Namespace, remembered: Path) -> dict[str, socket.socket]:
    """A bound socket for each listener that was asked for, by its name."""
    sockets = {"host": serving.bind(options.port)}
    before = json.loads(remembered.read_text()) if remembered.is_file() else {}
    for name, port in (("pods", options.pods_port), ("https", options.https_port)):
        if port is not None:
            known = int(before[name].rpartition(":")[2]) if port == 0 and name in before else port
            try:
                sockets[name] = serving.bind(known)
            except OSError:
                if known == port:
                    raise
                sockets[name] = serving.bind(port)
    return sockets


def _listeners(sockets: dict[str, socket.socket], state: Path) -> dict[str, str]:
    found = {name: serving.url_of(name, bound) for name, bound in sockets.items()}
    if "https" in found:
        found["ca_bundle"] = str(certificates.authority_file(state))
    return found


if __name__ == "__main__":
    sys.exit(main())
