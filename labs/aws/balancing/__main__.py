"""``python -m labs.aws.balancing --home DIR --endpoint URL [--cluster DIR] [--socket PATH]``: the data plane.

Prints ``ready`` when it serves what the gateway has; until SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
from pathlib import Path

from labs.aws.balancing.plane import Plane


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m labs.aws.balancing", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the state folder, for the access log")
    parser.add_argument("--endpoint", required=True, help="URL of the AWS endpoint")
    parser.add_argument("--cluster", type=Path, help="state folder of the cluster whose pods are targets")
    parser.add_argument("--socket", type=Path, help="Unix socket that answers when it is ready")
    given = parser.parse_args()
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)      # clients that leave, with a traceback each
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_serve(given.endpoint, given.home, given.cluster or given.home, given.socket))


async def _serve(endpoint: str, home: Path, cluster: Path, socket: Path | None) -> None:
    plane = Plane(endpoint, home, cluster)
    running = asyncio.create_task(plane.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    ready = asyncio.create_task(plane.ready.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        ready.cancel()
        return running.result()
    server = await asyncio.start_unix_server(_greet, socket) if socket else None
    print("ready", flush=True)
    try:
        await running
    finally:
        if server is not None:
            server.close()


async def _greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


if __name__ == "__main__":
    main()
