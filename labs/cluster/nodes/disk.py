"""A slow disk: what a node's containers write is held to a rate, and what a start or a mount reads takes its time.

Nobody without root can slow a device down, so the writers are stopped instead (SIGSTOP, SIGCONT) whenever they are
ahead of the rate, as a process that waits for its disk stands still.  Counted is what /proc/PID/io calls write_bytes
(proc(5)): pages that files on a disk will have to take.  What is written to a file system in memory is not counted.
A process that ends between two looks is not counted either.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable

from labs.cluster.nodes.containers import Container
from labs.cluster.nodes.node import Node

LOOKED_EVERY = 0.05
IDLE = 0.5
"""Seconds between two looks, while a disk is slow and while none is."""
BURST = 0.2
"""Seconds of the rate that may be written at once."""
READ_BYTES = 4 * 2**20
"""What a start, or the making of a pod's volumes, is taken to read."""


def delay(node: Node) -> float:
    """Seconds that a start or the making of volumes waits for the disk."""
    return READ_BYTES / rate if (rate := _rate(node)) else 0.0


def _rate(node: Node) -> float:
    """Bytes per second; 0 for a disk that is not slow."""
    return node.faults.get("slow-disk", {}).get("value", 0.0) * 2**20


class Brake:
    """Holds the writers of one node to a rate."""

    def __init__(self) -> None:
        self._left = 0.0
        self._looked = time.monotonic()
        self._written: dict[int, int] | None = None
        self._stopped: set[int] = set()

    def look(self, containers: Iterable[Container], rate: float) -> None:
        """Take in what was written since the last look; stop who is ahead, let go who is not."""
        now, found = time.monotonic(), {}
        pids = [pid for container in containers for pid in container.processes()]
        if self._written is None:       # an earlier run may have stopped them
            self._send(signal.SIGCONT, pids)
        for pid in pids:
            with contextlib.suppress(OSError, ValueError):
                found[pid] = written(pid)
        before = self._written or found
        grown = {pid for pid, amount in found.items() if amount > before.get(pid, 0)}
        self._left = min(self._left + rate * (now - self._looked), rate * BURST)
        self._left -= sum(found[pid] - before.get(pid, 0) for pid in grown)
        self._looked, self._written = now, found
        if self._left < 0:
            self._stopped = (self._stopped & set(found)) | grown
            self._send(signal.SIGSTOP, self._stopped)
        else:
            self.release()

    def release(self) -> None:
        """Let everybody go on."""
        self._send(signal.SIGCONT, self._stopped)
        self._stopped = set()

    @staticmethod
    def _send(number: int, pids: Iterable[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def written(pid: int) -> int:
    """Bytes that a process had its disk take; raises OSError when it is gone."""
    with open(f"/proc/{pid}/io", "rb") as file:
        for line in file:
            if line.startswith(b"write_bytes:"):
                return int(line.split()[1])
    raise ValueError(f"/proc/{pid}/io has no write_bytes")


async def hold(nodes: list[Node], containers: Callable[[Node], list[Container]]) -> None:
    """Keep every slow disk slow, without end."""
    brakes: dict[str, Brake] = {}
    while True:
        slow = {node.name: node for node in nodes if _rate(node) and not node.stopped}
        for name, node in slow.items():
            brakes.setdefault(name, Brake()).look(containers(node), _rate(node))
        for name in [each for each in brakes if each not in slow]:
            brakes.pop(name).release()
        await asyncio.sleep(LOOKED_EVERY if slow else IDLE)
