"""An engine of ours, for services that no other engine has in earnest: ACM, Backup, Cost Explorer, EKS, the
Price List, X-Ray.

It is called as every engine is, over ASGI, so that the gateway, its corrections, its providers and CloudFormation reach
the services here as they reach MiniStack's.  A service is one module with a class that has ``handle`` and ``reset``;
what belongs to other services (subnets, roles) is asked of the engines that serve them.
"""

from __future__ import annotations

import importlib
import re
import uuid
from pathlib import Path
from typing import Any, Protocol

from labs.aws.engines import Engine, Receive, Scope, Send
from labs.aws.engines.client import EngineClient, EngineError
from labs.aws.gateway.calls import AwsError, ServiceCall, render_error, render_result, understand

_SCOPE = re.compile(rb"Credential=([0-9]{12})/[0-9]{8}/([a-z0-9-]+)/([a-z0-9-]+)/")
_MODULES = {"acm": "acm", "backup": "backup", "ce": "ce", "eks": "eks", "pricing": "pricing", "xray": "xray"}


class Neighbours:
    """The other services, in the account and region of one call."""

    def __init__(self, client: EngineClient, account: str, region: str) -> None:
        self._client = client
        self.account, self.region = account, region

    async def ask(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """:raises AwsError: the other service's own error"""
        try:
            return await self._client.call(service, operation, account=self.account, region=self.region, **params)
        except EngineError as error:
            raise AwsError(error.code, error.message, error.status) from error

    def idle(self, service: str) -> bool:
        """Whether nobody called a service yet, so that there is nothing in it (and no need to load it)."""
        idle = getattr(self._client.engine, "idle", None)
        return bool(idle and idle(service))

    def elsewhere(self, account: str, region: str) -> Neighbours:
        """The same services in another account or region."""
        return Neighbours(self._client, account, region)


class Service(Protocol):
    """What a module here offers, as its class ``SERVICE``."""

    async def handle(self, call: ServiceCall, neighbours: Neighbours) -> dict[str, Any]:
        """Answer one call.

        :raises AwsError: as the service does
        """

    def reset(self) -> None:
        """Forget everything."""


class OwnEngine:
    """``labs`` in the table of services.

    :param whole: the engine that all services are reached through
    """

    name = "labs"
    shared = False

    def __init__(self, whole: Engine) -> None:
        self._client = EngineClient(whole)
        self._services: dict[str, Service] = {}

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def reset(self) -> None:
        """Forget what was created."""
        for service in self._services.values():
            service.reset()

    async def pause(self) -> None:
        """Nothing to let go of; see :class:`~labs.aws.engines.Copyable`."""

    async def resume(self) -> None:
        """Nothing to take up again."""

    def settle(self) -> None:
        """Nothing to look for."""

    def move(self, state: Path, address: tuple[str, int]) -> None:
        """It has neither files nor an address."""

    def known(self) -> list[str]:
        """The services that were called."""
        return sorted(self._services)

    def learn(self, known: list[str]) -> None:
        """Import those services."""
        for name in known:
            importlib.import_module(f"{__name__}.{_MODULES[name]}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, headers, body = await self._answer(scope, await _body(receive))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _answer(self, scope: Scope, content: bytes) -> tuple[int, Any, bytes]:
        headers = list(scope["headers"])
        signed = _SCOPE.search(dict(headers).get(b"authorization", b""))
        assert signed, "an engine is called with the credential of an account"
        account, region, signing_name = (part.decode() for part in signed.groups())
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        request_id = str(uuid.uuid4())
        call = understand(scope["method"], path, scope["query_string"], headers, content, signing_name, region)
        try:
            service = self._service(call.service)
            result = await service.handle(call, Neighbours(self._client, account, region))
        except AwsError as error:
            return render_error(error, call.protocol, call.service, call.operation, request_id)
        return render_result(call, result, request_id)

    def _service(self, name: str) -> Service:
        if name not in self._services:
            module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
            self._services[name] = module.SERVICE()
        return self._services[name]


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return b"".join(parts)
