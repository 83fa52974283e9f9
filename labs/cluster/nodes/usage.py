"""What containers and nodes use: processor time and resident memory, measured by pressure.py every two seconds.

Without the processes that stand beside a container.  A node's use is that of its containers together.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from labs.cluster.nodes.containers import Container
from labs.jail import processes

WINDOW = 6.0
"""Seconds over which a rate is told (metrics-server: 10 to 30)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement.

    :param at: Unix time
    :param cpu: seconds of processor time since the container's start
    :param memory: resident bytes
    :param tasks: processes and threads
    """

    at: float
    cpu: float
    memory: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Use:
    """What a container uses.

    :param window: seconds over which the rate was taken
    :param rate: processors, 0.5 is half of one
    """

    latest: Sample
    window: float
    rate: float


class Usage:
    """The latest measurements of every container that runs."""

    def __init__(self, containers: Callable[[], Iterable[Container]]) -> None:
        self._containers = containers
        self._samples: dict[str, deque[Sample]] = {}

    async def measure(self) -> None:
        """Take one measurement of each."""
        running = list(self._containers())
        taken = await asyncio.to_thread(lambda: {each.identifier: sample(each) for each in running})
        for name in set(self._samples) - set(taken):
            del self._samples[name]
        for name, one in taken.items():
            self._add(name, one)

    def _add(self, name: str, taken: Sample) -> None:
        kept = self._samples.setdefault(name, deque())
        if kept and taken.cpu < kept[-1].cpu:       # a process ended at that moment: time is never given back
            taken = replace(taken, cpu=kept[-1].cpu)
        kept.append(taken)
        while len(kept) > 2 and taken.at - kept[1].at >= WINDOW:
            kept.popleft()

    def latest(self, container: Container) -> Sample | None:
        """None until it has been measured."""
        kept = self._samples.get(container.identifier)
        return kept[-1] if kept else None

    def of(self, container: Container) -> Use | None:
        """None until it has been measured twice."""
        kept = self._samples.get(container.identifier)
        if kept is None or len(kept) < 2:
            return None
        window = kept[-1].at - kept[0].at
        return Use(kept[-1], window, (kept[-1].cpu - kept[0].cpu) / window if window > 0 else 0.0)


def sample(container: Container) -> Sample:
    """Measure one now."""
    memory, cpu, tasks = processes.usage(container.inside())
    return Sample(time.time(), cpu, memory, tasks)
