"""Health checks: each endpoint is really asked, every RequestInterval, and changes its state after FailureThreshold.

One checker instead of AWS's some sixteen around the world, whose requests reach an endpoint every second or two.
CLOUDWATCH_METRIC checks are not followed: they keep InsufficientDataHealthStatus.  Pages of the Route 53 Developer
Guide: "Values that you specify when you create or update health checks", "How Amazon Route 53 determines whether a
health check is healthy".
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any

from labs.aws.dns.probes import probe

Config = dict[str, Any]


class Clock:
    """Time as the servers have it: ``speed`` of its seconds pass in one second."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._ahead = 0.0

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic() * self.speed + self._ahead

    def skip(self, seconds: float) -> None:
        """Be so many of its seconds later; who sleeps sleeps on."""
        self._ahead += seconds

    async def sleep(self, seconds: float) -> None:
        """For so many of its seconds."""
        await asyncio.sleep(seconds / self.speed)


@dataclass
class State:
    """What is known of one endpoint.

    "Until there's enough data, Route 53 considers a health check healthy".
    """

    up: bool = True
    run: int = 0
    """Checks in a row that said otherwise."""
    last: str = ""

    def note(self, said: str, threshold: int) -> None:
        """Another check was made."""
        self.last = said
        if said.startswith("Success") == self.up:
            self.run = 0
            return
        self.run += 1
        if self.run >= threshold:
            self.up, self.run = not self.up, 0


class Checker:
    """Asks the endpoints of all health checks it was told of, each in a task of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._configs: dict[str, Config] = {}
        self._states: dict[str, State] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def follow(self, configs: dict[str, Config]) -> None:
        """These are the health checks now, by id; a changed one begins anew."""
        for name in [name for name, config in self._configs.items() if configs.get(name) != config]:
            self._forget(name)
        for name, config in configs.items():
            if name not in self._configs:
                self._configs[name] = config
                self._states[name] = State(up=config.get("InsufficientDataHealthStatus") != "Unhealthy")
                if config.get("IPAddress"):
                    self._tasks[name] = asyncio.create_task(self._watch(config, self._states[name]))

    def _forget(self, name: str) -> None:
        del self._configs[name], self._states[name]
        if name in self._tasks:
            self._tasks.pop(name).cancel()

    async def _watch(self, config: Config, state: State) -> None:
        interval, threshold = int(config.get("RequestInterval") or 30), int(config.get("FailureThreshold") or 3)
        while True:
            began = self._clock.now()
            if not config.get("Disabled"):
                state.note(await asyncio.to_thread(probe, config, self._clock.speed), threshold)
            await self._clock.sleep(max(interval - (self._clock.now() - began), 0.0))

    def healthy(self, name: str) -> bool:
        """Does Route 53 consider it healthy?  A health check that is not there does not hold back a record."""
        config = self._configs.get(name)
        if config is None:
            return True
        inverted = bool(config.get("Inverted"))
        if config.get("Disabled"):
            return not inverted
        if config.get("Type") == "CALCULATED":
            children = sum(map(self.healthy, config.get("ChildHealthChecks") or ()))
            up = children >= int(config.get("HealthThreshold") or 0)
        else:
            up = self._states[name].up
        return up != inverted

    def told(self) -> list[dict[str, Any]]:
        """Every health check as JSON."""
        return [{"id": name, "healthy": self.healthy(name), "last": self._states[name].last,
                 "against": self._states[name].run, "type": config.get("Type"),
                 "endpoint": f"{config.get('IPAddress', '')}:{config.get('Port', '')}",
                 "interval": config.get("RequestInterval"), "threshold": config.get("FailureThreshold")}
                for name, config in self._configs.items()]  # fmt: skip

    async def close(self) -> None:
        """Ask no more."""
        tasks = list(self._tasks.values())
        for name in list(self._configs):
            self._forget(name)
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
