"""Several engines as one: each service goes to the engine that ``serving.toml`` names for it.

Engines other than the default are made on a worker thread at the first call to a service of theirs, so that an idle
gateway neither waits nor pays memory for them.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from labs.aws.engines import SERVICE, Engine, Receive, Scope, Send

TABLE = Path(__file__).with_name("serving.toml")
PATIENCE = 60.0  # seconds that an engine may take to start


@cache
def served_elsewhere(default: str) -> dict[str, str]:
    """Botocore service name → engine name, of the services that do not stay with the engine ``default``.

    :raises ValueError: the table gives a service to two engines
    """
    table: dict[str, str] = {}
    for engine, services in tomllib.loads(TABLE.read_text(encoding="utf-8")).get(default, {}).items():
        for service in services:
            if service in table:
                raise ValueError(f"{TABLE.name}: {service} is given to {table[service]} and to {engine}")
            table[service] = engine
    return table


@cache
def misread(engine: str, service: str) -> frozenset[str]:
    """The operations of a botocore service that an engine takes for others."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8")).get("misread", {})
    return frozenset(table.get(engine, {}).get(service, ()))


class RoutedEngine:
    """An engine made of engines.  It is called, and shared, as its default engine is.

    :param default: serves every service that the table does not give away
    :param others: makers of the other engines by name, called on a worker thread
    :param table: service → name of the other engine
    """

    def __init__(self, default: Engine, others: Mapping[str, Callable[[], Engine]], table: Mapping[str, str]) -> None:
        self.name = default.name
        self.shared = default.shared
        self._default = default
        self._makers = others
        self._table = table
        self._made: dict[str, Engine] = {}
        self._lock = asyncio.Lock()

    def serving(self, service: str) -> str:
        """Name of the engine that serves a botocore service."""
        return self._table.get(service, self._default.name)

    def idle(self, service: str) -> bool:
        """Whether a service's engine was not started, or did not load the service: then nothing exists in it."""
        name = self._table.get(service)
        if name is None:
            return False
        idle = getattr(self._made.get(name), "idle", None)
        return name not in self._made or bool(idle and idle(service))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = self._table.get(scope.get(SERVICE, ""))
        engine = self._default if name is None else self._made.get(name) or await self._make(name)
        await engine(scope, receive, send)

    async def _make(self, name: str) -> Engine:
        """:raises TimeoutError: the engine was not ready within ``PATIENCE`` seconds"""
        async with self._lock:
            if name not in self._made:
                async with asyncio.timeout(PATIENCE):
                    engine = await asyncio.to_thread(self._makers[name])
                    await engine.start()
                self._made[name] = engine
            return self._made[name]

    async def start(self) -> None:
        """Start the default engine; the others start when they are needed, unless they were learnt."""
        for engine in (self._default, *self._made.values()):
            await engine.start()
        self._within_reach()

    def _within_reach(self) -> None:
        reach = getattr(self._default, "reach", None)
        if reach:
            reach(self)

    async def stop(self) -> None:
        """Stop what was started."""
        for engine in (*self._made.values(), self._default):
            await engine.stop()

    @property
    def copyable(self) -> bool:
        """Whether every part of it is :class:`~labs.aws.engines.Copyable`."""
        return all(hasattr(engine, "resume") for engine in (self._default, *self._made.values()))

    async def pause(self) -> None:
        """See :class:`~labs.aws.engines.Copyable`."""
        for engine in (*self._made.values(), self._default):
            await engine.pause()  # type: ignore[attr-defined]  # only asked where it is copyable

    async def resume(self) -> None:
        """See :class:`~labs.aws.engines.Copyable`."""
        self._lock = asyncio.Lock()
        for engine in (self._default, *self._made.values()):
            await engine.resume()  # type: ignore[attr-defined]
        self._within_reach()

    def settle(self) -> None:
        """See :class:`~labs.aws.engines.Copyable`."""
        for engine in (self._default, *self._made.values()):
            if hasattr(engine, "settle"):
                engine.settle()

    def move(self, state: Path, address: tuple[str, int]) -> None:
        """See :class:`~labs.aws.engines.Copyable`."""
        for engine in (self._default, *self._made.values()):
            engine.move(state, address)  # type: ignore[attr-defined]

    def known(self) -> list[str]:
        """See :class:`~labs.aws.engines.Copyable`: ``engine:what it knows``."""
        made = {self._default.name: self._default, **self._made}
        return [
            f"{name}:{one}"
            for name, engine in made.items()
            for one in ["", *engine.known()]  # type: ignore[attr-defined]
        ]

    def learn(self, known: list[str]) -> None:
        """See :class:`~labs.aws.engines.Copyable`."""
        for name, one in (entry.split(":", 1) for entry in known):
            engine = self._default if name == self._default.name else self._made.get(name)
            if engine is None:
                engine = self._made[name] = self._makers[name]()
            if one:
                engine.learn([one])  # type: ignore[attr-defined]

    async def reset(self) -> None:
        """Forget what was created in any of them."""
        for engine in (self._default, *self._made.values()):
            await engine.reset()
