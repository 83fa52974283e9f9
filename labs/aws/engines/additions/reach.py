"""How an addition calls services that other engines serve: from a worker thread, through the whole engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from labs.aws.engines.client import EngineClient


class Reach:
    """The engine that all services are reached through, and the event loop that it answers on."""

    def __init__(self) -> None:
        self.client: EngineClient | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        # (account, region, stack) → why an action on a resource is refused, "" when it is allowed
        self.deciders: dict[tuple[str, str, str], Callable[[str, str], Awaitable[str]]] = {}

    def open(self, engine: Any) -> None:
        """Reach services through ``engine``; called on its event loop."""
        self.client, self.loop = EngineClient(engine), asyncio.get_running_loop()


REACH = Reach()
