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
from collections.abc import Callable
from pathlib import Path

import uvicorn

from labs.aws import models
from labs.aws.engines import NAMES, load
from labs.aws.gateway import certificates
from labs.aws.learner import master_key
from labs.errors import LabError

LISTENERS = "listeners.json"


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; the exit status is 0 after an orderly stop, 2 when it cannot start."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
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


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed (not on Windows)."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


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
    parser.add_argument(
        "--while-stdin-open", action="store_true", help="end when standard input closes: with whoever started it"
    )
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
    servers = [
        _server(gateway.listener(shorthands=name == "host"), certificates.ensure(state) if name == "https" else None)
        for name in sockets
    ]
    if options.while_stdin_open:
        _end_with_stdin(servers)
    pairs = zip(servers, sockets.values(), strict=True)
    running = [asyncio.create_task(server.serve([bound])) for server, bound in pairs]
    try:
        while not all(server.started for server in servers):
            done = [task for task in running if task.done()]
            if done:
                await done[0]
                return
            await asyncio.sleep(0.005)
        for name in sockets:
            print(f"{'ready' if name == 'host' else name} {gateway.listeners[name]}", flush=True)
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*running, return_exceptions=True)
        await gateway.stop()


def _end_with_stdin(servers: list[uvicorn.Server]) -> None:
    """Stop serving once the other end of standard input is closed, as it is when its holder was killed."""
    loop = asyncio.get_running_loop()

    def readable() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            for server in servers:
                server.should_exit = True

    loop.add_reader(0, readable)


def _sockets(options: argparse.Namespace, remembered: Path) -> dict[str, socket.socket]:
    """A bound socket for each listener that was asked for, by its name."""
    sockets = {"host": _bind(options.port)}
    before = json.loads(remembered.read_text()) if remembered.is_file() else {}
    for name, port in (("pods", options.pods_port), ("https", options.https_port)):
        if port is not None:
            known = int(before[name].rpartition(":")[2]) if port == 0 and name in before else port
            try:
                sockets[name] = _bind(known)
            except OSError:
                if known == port:
                    raise
                sockets[name] = _bind(port)
    return sockets


def _listeners(sockets: dict[str, socket.socket], state: Path) -> dict[str, str]:
    found = {
        name: f"{'https' if name == 'https' else 'http'}://127.0.0.1:{bound.getsockname()[1]}"
        for name, bound in sockets.items()
    }
    if "https" in found:
        found["ca_bundle"] = str(certificates.authority_file(state))
    return found


def _bind(port: int) -> socket.socket:
    # The protocol is given by number because event loops set TCP_NODELAY only then.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    # Here and not in the event loop: two sockets may be bound to one port until one listens, and uvloop passes over the
    # error that the other one's listen gets.
    bound.listen(2048)
    return bound


def _server(application: object, certificate: Path | None) -> uvicorn.Server:
    config = uvicorn.Config(
        application,  # type: ignore[arg-type]  # a plain ASGI callable
        interface="asgi3",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,  # aws:SourceIp and aws:SecureTransport are the connection's, whatever a header claims
        ssl_certfile=certificate,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=3,
        ws="none",
    )
    return uvicorn.Server(config)


if __name__ == "__main__":
    sys.exit(main())
