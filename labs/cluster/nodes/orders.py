"""Orders to whoever plays the nodes, over a Unix socket that only this user may open: `lab nodes …` sends them.

A line of JSON each way: {"do": "stop", "node": "node-b"} is answered by {"done": value} or {"error": why}.
Jailed containers reach no Unix sockets, so no pod gives orders.
"""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

from labs.errors import LabError, PermanentError

ANSWERED_WITHIN = 40.0
"""Seconds; a removal waits for containers to end."""
LONGEST = 2 ** 16


async def serve(path: Path, carry_out: Any) -> None:
    """Answer orders without end; the umask decides who may open the socket.

    :param carry_out: takes an order, returns JSON data or raises LabError
    """
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said: dict[str, Any] = {"done": await carry_out(json.loads(await reader.readline()))}
        except LabError as error:
            said = {"error": str(error)}
        except ValueError as error:
            said = {"error": f"an order is one line of JSON: {error}"}
        try:
            writer.write(json.dumps(said).encode() + b"\n")
            await writer.drain()
        except ConnectionError:
            return      # who asked has gone
        finally:
            writer.close()

    path.unlink(missing_ok=True)
    async with await asyncio.start_unix_server(answer, path, limit=LONGEST) as server:
        await server.serve_forever()


def give(path: Path, order: dict[str, Any]) -> Any:
    """What is answered; PermanentError when it is refused, or nobody plays the nodes."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ANSWERED_WITHIN)
            client.connect(str(path))
            client.sendall(json.dumps(order).encode() + b"\n")
            with client.makefile("rb") as answered:
                said: dict[str, Any] = json.loads(answered.readline() or b"{}")
    except (OSError, ValueError) as error:
        raise PermanentError(f"Nobody plays the nodes: {error}.", "Run `lab up kubernetes`.") from error
    if "error" in said:
        raise PermanentError(said["error"])
    if "done" not in said:
        raise PermanentError("The nodes gave no answer.", "Run `lab logs nodes`.")
    return said["done"]
