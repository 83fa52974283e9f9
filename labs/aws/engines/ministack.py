"""MiniStack (MIT) in this process: it is an ASGI application itself, starts in 0.3 s and adds about 40 MB."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any

from labs.aws.engines import SERVICE, Engine, Message, Receive, Scope, Send
from labs.aws.models import service_model
from labs.errors import PermanentError


class MiniStack:
    """The default engine.  State is in memory; it is gone when the gateway stops."""

    name = "ministack"
    shared = False

    def __init__(self, state: Path, address: tuple[str, int]) -> None:
        self._address, self._state = address, state
        self._settings: list[tuple[Any, str]] = []
        # MiniStack reads its settings when its modules are imported.
        os.environ.update(_settings(state, address))
        os.environ.update(
            AUTH="false",  # the gateway authenticates and authorises
            CLOUDTRAIL_RECORDING="0",
            MINISTACK_AUTOCREATE_AWS_MANAGED="0",
            SFTP_ENABLED="0",
            IOT_MTLS_ENABLED="0",
            PERSIST_STATE="0",
            S3_PERSIST="0",
            DOCKER_HOST="unix:///nonexistent",  # no containers: labs run without Docker
            LOG_LEVEL="WARNING",
        )
        logging.getLogger("ministack").setLevel(logging.WARNING)
        import ministack.app
        import ministack.core.responses

        from labs.aws.engines import additions, frugal

        additions.install(ministack.app)
        frugal.share_models(ministack.core.responses)
        self._app = ministack.app.app
        self._names = {*ministack.app.SERVICE_REGISTRY, *ministack.app.SERVICE_NAME_ALIASES}
        self._served: dict[str, bool] = {"s3control": True}  # MiniStack finds it by its paths
        self._lifespan: asyncio.Task[None] | None = None
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()

    def settle(self) -> None:
        """See :class:`~labs.aws.engines.Copyable`.  The modules that are loaded keep their settings in globals."""
        settings = _settings(self._state, self._address).values()
        self._settings = [
            (module, variable)
            for name, module in sys.modules.items()
            if name.startswith("ministack.")
            for variable, value in vars(module).items()
            if isinstance(value, str) and any(setting in value for setting in settings)
        ]

    def move(self, state: Path, address: tuple[str, int]) -> None:
        """See :class:`~labs.aws.engines.Copyable`."""
        before, after = _settings(self._state, self._address), _settings(state, address)
        for module, variable in self._settings:
            value = vars(module)[variable]
            for name, old in before.items():
                value = value.replace(old, after[name])
            setattr(module, variable, value)
        os.environ.update(after)
        self._address, self._state = address, state

    def known(self) -> list[str]:
        """See :class:`~labs.aws.engines.Copyable`."""
        return []       # MiniStack needs its modules only, and imports them itself

    def learn(self, known: list[str]) -> None:
        """See :class:`~labs.aws.engines.Copyable`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = scope.get(SERVICE)
        if service and not self._serves(service):
            # MiniStack would load all of botocore's models to find out, 9 s during which nobody else is answered.
            await send({"type": "http.response.start", "status": 501, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send)

    def _serves(self, service: str) -> bool:
        """Whether MiniStack has a service, under any of the names that AWS has for it."""
        if service not in self._served:
            model = service_model(service)
            names = {service, model.signing_name, model.endpoint_prefix, model.endpoint_prefix.partition(".")[2]}
            self._served[service] = not names.isdisjoint(self._names)
        return self._served[service]

    async def start(self) -> None:
        """Run MiniStack's own start-up (ASGI lifespan)."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        self._lifespan = asyncio.create_task(self._app(scope, self._to_app.get, self._from_app.put))
        await self._say("lifespan.startup")

    def reach(self, whole: Engine) -> None:
        """Let additions call services that other engines serve."""
        from labs.aws.engines.additions.reach import REACH

        REACH.open(whole)

    async def stop(self) -> None:
        """Run MiniStack's own shutdown."""
        if self._lifespan and not self._lifespan.done():
            await self._say("lifespan.shutdown")
            await self._lifespan

    async def _say(self, message: str) -> None:
        await self._to_app.put({"type": message})
        answer = await asyncio.wait_for(self._from_app.get(), timeout=30)
        if answer["type"].endswith(".failed"):
            raise PermanentError(f"MiniStack could not handle {message}: {answer.get('message', 'no reason given')}")

    async def pause(self) -> None:
        """Its start-up is left as it is: what it would do at shutdown concerns containers and servers of its own."""
        if self._lifespan:
            self._lifespan.cancel()
            await asyncio.wait([self._lifespan], timeout=5)

    async def resume(self) -> None:
        """Run the start-up again: it starts what is not running, such as the threads that a fork has lost."""
        self._to_app, self._from_app = asyncio.Queue(), asyncio.Queue()
        await self.start()
        for name in ("lambda_svc", "pipes"):
            module: Any = sys.modules.get(f"ministack.services.{name}")
            if module and getattr(module, "_poller_started", False):
                module._poller_started = False      # as it was in another process
                module._ensure_poller()

    async def reset(self) -> None:
        """MiniStack's own reset endpoint; measured at 0.14 s."""
        status = await _post(self._app, "/_ministack/reset")
        if status != 200:
            raise PermanentError(f"MiniStack answered {status} to its reset, expected 200")


def _settings(state: Path, address: tuple[str, int]) -> dict[str, str]:
    """Environment variables that say where an instance is."""
    host, port = address
    return {
        "MINISTACK_HOST": host,
        "GATEWAY_PORT": str(port),
        "S3_DATA_DIR": str(state / "s3"),
        "STATE_DIR": str(state / "ministack"),
    }


async def _post(app: Any, path: str) -> int:
    """Send an empty POST to an ASGI application and return the status."""
    statuses: list[int] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"content-length", b"0")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 4566),
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses[0]
