"""``python -m labs.aws.gateway``: one process, the engine inside, one or two loopback sockets."""

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

from labs.aws.engines import NAMES, load
from labs.aws.learner import master_key
from labs.errors import LabError


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

    sockets = [_bind(options.port)]
    if options.pods_port is not None:
        sockets.append(_bind(options.pods_port))
    port = sockets[0].getsockname()[1]
    options.home.mkdir(parents=True, exist_ok=True)
    engine = load(options.engine, options.backend, options.home / "aws", ("127.0.0.1", port))
    learner = options.home / "learner.json"
    known = json.loads(learner.read_text()) if learner.exists() else None
    gateway = Gateway(engine, options.home, master_key(options.home), known)
    await gateway.start()
    # uvicorn hands a signal on to whoever handled it before: without these the process would end before its files
    # are closed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    servers = [_server(gateway.listener(shorthands=number == 0)) for number in range(len(sockets))]
    if options.while_stdin_open:
        _end_with_stdin(servers)
    running = [asyncio.create_task(server.serve([bound])) for server, bound in zip(servers, sockets, strict=True)]
    try:
        while not all(server.started for server in servers):
            done = [task for task in running if task.done()]
            if done:
                await done[0]
                return
            await asyncio.sleep(0.005)
        print(f"ready http://127.0.0.1:{port}", flush=True)
        if len(sockets) > 1:
            print(f"pods http://127.0.0.1:{sockets[1].getsockname()[1]}", flush=True)
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


def _bind(port: int) -> socket.socket:
    # The protocol is given by number because event loops set TCP_NODELAY only then.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _server(application: object) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            application,  # type: ignore[arg-type]  # a plain ASGI callable
            interface="asgi3",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_keep_alive=65,
            timeout_graceful_shutdown=3,
            ws="none",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
