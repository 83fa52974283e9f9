"""``python -m labs.aws.dns --home DIR --port N --endpoint URL [--account NUMBER]…``; ends on SIGTERM.

Without accounts: the learner's, then the administrator's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from labs.aws.dns.health import Clock
from labs.aws.dns.reading import Reader
from labs.aws.dns.server import Server, application
from labs.errors import LabError, TemporaryError

ADMINISTRATOR = "000000000000"
STARTS_WITHIN = 20.0


def main() -> None:
    """Serve until SIGTERM, or exit with the reason."""
    parser = argparse.ArgumentParser(prog="python -m labs.aws.dns", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the state folder")
    parser.add_argument("--port", type=int, required=True, help="of every address")
    parser.add_argument("--socket", type=Path, required=True, help="where answers are explained")
    parser.add_argument("--endpoint", required=True, help="URL of the AWS endpoint")
    parser.add_argument("--account", action="append", help="whose zones and VPCs")
    given = parser.parse_args()
    os.umask(0o077)
    accounts = given.account or _accounts(given.home)
    try:
        asyncio.run(_serve(given.home, given.port, given.socket, Reader(given.endpoint, accounts)))
    except (LabError, OSError) as error:
        raise SystemExit(str(error)) from error


def _accounts(home: Path) -> list[str]:
    with contextlib.suppress(OSError, ValueError, KeyError):
        return [json.loads((home / "learner.json").read_text(encoding="utf-8"))["account"], ADMINISTRATOR]
    return [ADMINISTRATOR]


async def _serve(home: Path, port: int, socket: Path, reader: Reader) -> None:
    server = Server(reader, home / "dns.json", Clock(), cluster=lambda: _cluster(home))
    await _started(server, port)
    socket.unlink(missing_ok=True)
    told = Told(uvicorn.Config(application(server), uds=str(socket), log_level="warning", lifespan="off"))
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, told.end)
    looking = asyncio.create_task(server.look())
    await told.serve()
    looking.cancel()
    await server.close()


class Told(uvicorn.Server):
    """An HTTP server that leaves signals to the program it is a part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def end(self) -> None:
        """Serve no more."""
        self.should_exit = True


async def _started(server: Server, port: int) -> None:
    """Waits for an endpoint that starts at the same time, as after a kill of the supervisor."""
    end = asyncio.get_running_loop().time() + STARTS_WITHIN
    try:
        await server.start(port)
    except TemporaryError:
        while True:
            await asyncio.sleep(0.2)
            with contextlib.suppress(TemporaryError):
                await server.snapshot()
                return
            if asyncio.get_running_loop().time() > end:
                raise


def _cluster(home: Path) -> tuple[str, int] | None:
    """Where the cluster's DNS listens for programs of this machine."""
    try:
        return "127.0.0.1", int(json.loads((home / "kubernetes" / "network.json").read_text(encoding="utf-8"))["dns"])
    except (OSError, ValueError, KeyError):
        return None


if __name__ == "__main__":
    main()
