"""Reading container logs the way `kubectl logs` asks for them ("Logging Architecture", Kubernetes documentation)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from labs.cluster.nodes.containers import Container

LOOKED_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: the PodLogOptions of the API reference."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail: int | None = None
    limit: int | None = None
    since: datetime | None = None

    @staticmethod
    def of(query: Mapping[str, str]) -> Wanted:
        """From the query of a request; raises ValueError."""
        def flag(name: str) -> bool:
            return query.get(name, "") in ("true", "1")

        def number(name: str) -> int | None:
            return int(query[name]) if query.get(name) else None

        since = datetime.fromisoformat(query["sinceTime"]) if query.get("sinceTime") else None
        if (seconds := number("sinceSeconds")) is not None:
            since = datetime.now(UTC) - timedelta(seconds=seconds)
        return Wanted(flag("follow"), flag("previous"), flag("timestamps"), number("tailLines"), number("limitBytes"),
                      since)


async def read(container: Container, wanted: Wanted) -> AsyncIterator[bytes]:
    """The lines that are wanted, and with ``follow`` those to come until the container ends."""
    left = wanted.limit
    async for text in _all(container, wanted):
        if left is not None:
            text = text[:left]
            left -= len(text)
        if text:
            yield text
        if left == 0:
            return


async def _all(container: Container, wanted: Wanted) -> AsyncIterator[bytes]:
    lines = _content(container.log.with_name("log.1")).split(b"\n")[:-1]
    try:
        file = container.log.open("rb")     # stays readable when the pod's folder goes
    except FileNotFoundError:
        return
    with file:
        *more, kept = file.read().split(b"\n")
        shown = [text for line in (*lines, *more) if (text := _shown(line, wanted)) is not None]
        if wanted.tail is not None:
            shown = shown[-wanted.tail:] if wanted.tail else []
        yield b"".join(shown)
        if wanted.follow:
            async for text in _following(file, kept, container, wanted):
                yield text


async def _following(file: BinaryIO, kept: bytes, container: Container, wanted: Wanted) -> AsyncIterator[bytes]:
    """What is written from here on."""
    while True:
        over = not container.running        # asked before reading: what it wrote last is there then
        data = file.read(65536)
        *lines, kept = (kept + data).split(b"\n")
        for line in lines:
            if (text := _shown(line, wanted)) is not None:
                yield text
        if data:
            continue
        if over:
            return
        if _replaced(file, container.log):
            with container.log.open("rb") as newer:
                async for text in _following(newer, b"", container, wanted):
                    yield text
            return
        await asyncio.sleep(LOOKED_EVERY)


def _replaced(file: BinaryIO, path: Path) -> bool:
    """Was the log begun anew?"""
    try:
        return os.stat(path).st_ino != os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _shown(line: bytes, wanted: Wanted) -> bytes | None:
    """A line of the file as it is answered; None for one that is not wanted."""
    moment, _, rest = line.partition(b" ")
    _, _, rest = rest.partition(b" ")
    tag, _, text = rest.partition(b" ")
    if wanted.since is not None and datetime.fromisoformat(moment.decode()[:26] + "+00:00") < wanted.since:
        return None
    return (moment + b" " if wanted.timestamps else b"") + text + (b"" if tag == b"P" else b"\n")
