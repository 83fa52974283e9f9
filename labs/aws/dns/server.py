"""The listeners of all views, what they know, and what they tell about their answers.

What is told is JSON over HTTP on a Unix socket: ``/views``, ``/explain``, ``/log``, ``/health``, ``/cache`` and, by
POST, ``/flush``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dnslib

from labs import dns_transport
from labs.aws.balancing.addresses import address_of
from labs.aws.dns import messages
from labs.aws.dns.cache import Cache, Step
from labs.aws.dns.health import Checker, Clock
from labs.aws.dns.hosted import Hosted
from labs.aws.dns.reading import Reader, Snapshot, Vpc
from labs.aws.dns.resolver import Answer, Resolver, View
from labs.aws.dns.zones import plain
from labs.errors import PermanentError, TemporaryError
from labs.services import state

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request

FRESH = 1.0
"""Seconds that what was read of the API may be old; AWS: changes reach all name servers within 60."""
SHARE = 3
"""Nor is it read anew before so many times the time that reading took, where there is much."""
LOOK = 10.0
"""Seconds between looks for new VPCs and health checks while nobody asks."""
LOGGED = 1000
PUBLIC, AUTHORITY = "127.0.0.1", "127.53.0.1"


class Server:
    """All views of the accounts that ``reader`` reads, on ``port`` of their addresses.

    :param file: where the addresses are told, and remembered
    :param clock: of TTLs and health checks
    :param fresh: seconds (of this machine) that what was read may be old
    :param cluster: where the cluster's DNS listens, None while there is none
    :param quiet: no line for each question
    """

    def __init__(self, reader: Reader, file: Path, clock: Clock, fresh: float = FRESH,
                 cluster: Callable[[], tuple[str, int] | None] = lambda: None,
                 quiet: bool = False) -> None:
        self._reader = reader
        self._file = file
        self._clock = clock
        self._fresh = fresh
        self._cluster_at = cluster
        self._quiet = quiet
        self._chance = random.Random()
        self._reading = asyncio.Lock()
        self._snapshot: Snapshot | None = None
        self._read_at, self._took = 0.0, 0.0
        self._said = ""
        self.checker = Checker(clock)
        self.resolvers: dict[str, Resolver] = {}
        self.addresses: dict[str, str] = {}
        """View → address, without the port."""
        self.cluster_vpc = ""
        self.port = 0
        self._listeners: dict[str, dns_transport.Listeners] = {}
        self._log: deque[dict[str, Any]] = deque(maxlen=LOGGED)
        self._asked = 0

    # -- what there is -------------------------------------------------------------------------------------------------

    async def snapshot(self) -> Snapshot:
        """What the API says, ``fresh`` seconds old at most (``SHARE``), or older while it does not answer.

        :raises TemporaryError: it never answered
        """
        asked = time.monotonic()
        async with self._reading:
            if self._snapshot is None or asked - self._read_at > max(self._fresh, SHARE * self._took):
                began = time.monotonic()
                try:
                    self._snapshot = await asyncio.to_thread(self._reader.read)
                except TemporaryError as error:
                    self._complain(str(error))
                    if self._snapshot is None:
                        raise
                else:
                    self._said = ""
                    await self._changed(self._snapshot)
                self._read_at, self._took = began, time.monotonic() - began
            return self._snapshot

    def refresh(self) -> None:
        """Read anew before the next answer that no cache has."""
        self._read_at, self._took = 0.0, 0.0

    def _complain(self, text: str) -> None:
        """Once, until it works again."""
        if text != self._said:
            print(f"reading zones: {text}", file=sys.stderr, flush=True)
        self._said = text

    async def _changed(self, now: Snapshot) -> None:
        """Follow the VPCs and the health checks that there are."""
        self.checker.follow(dict(now.checks))
        for gone in [name for name, one in self.resolvers.items() if one.view.vpc and name not in now.vpcs]:
            self._listeners.pop(gone).close()
            del self.resolvers[gone]
        for name in now.vpcs:
            if name not in self.resolvers:
                await self._open(View(name, name), self._address_of(name))
        self.cluster_vpc = _of_cluster(now)
        self._tell()

    def _address_of(self, vpc: str) -> str:
        """The VPC's ``.2``: the same as before, else the next that no VPC had."""
        if vpc not in self.addresses:
            number = next(n for n in range(1, 1 << 15) if _second(n) not in self.addresses.values())
            self.addresses[vpc] = _second(number)
        return self.addresses[vpc]

    async def _open(self, view: View, address: str) -> None:
        async def reply(data: bytes, most: int, client: str) -> bytes | None:
            return await self._reply(view.name, data, most, client)

        listeners = dns_transport.Listeners(reply)
        self.port = await listeners.listen(address, self.port)
        self._listeners[view.name] = listeners
        self.addresses[view.name] = address
        self.resolvers[view.name] = Resolver(
            view, Cache(self._clock.now), self.snapshot, Hosted(self.checker.healthy, address_of, self._chance),
            self._ask_cluster, self._ask_elsewhere, AUTHORITY, address_of)  # fmt: skip

    def _tell(self) -> None:
        told = self.views()
        if state.read_json(self._file) != told:
            state.write_json(self._file, told)

    def views(self) -> dict[str, Any]:
        """``{"public": "127.0.0.1:5300", "authority": …, "cluster": …, "vpcs": {"vpc-…": …}}``."""
        at = {name: f"{self.addresses[name]}:{self.port}" for name in self.resolvers}
        vpcs = {name: address for name, address in at.items() if self.resolvers[name].view.vpc}
        told = {"public": at["public"], "authority": at["authority"], "vpcs": vpcs}
        return told | ({"cluster": vpcs[self.cluster_vpc]} if self.cluster_vpc else {})

    # -- running -------------------------------------------------------------------------------------------------------

    async def start(self, port: int) -> None:
        """Listen; every view there is now is there.  Raises TemporaryError or OSError."""
        for name, address in ((state.read_json(self._file) or {}).get("vpcs") or {}).items():
            self.addresses[name] = address.rpartition(":")[0]
        self.port = port
        await self._open(View("public"), PUBLIC)
        await self._open(View("authority"), AUTHORITY)
        await self.snapshot()

    async def look(self) -> None:
        """For new VPCs and health checks, now and then, until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            with contextlib.suppress(TemporaryError):
                await self.snapshot()

    async def close(self) -> None:
        """Answer no more."""
        for each in self._listeners.values():
            each.close()
        await self.checker.close()

    # -- answering -----------------------------------------------------------------------------------------------------

    async def _reply(self, view: str, data: bytes, most: int, client: str) -> bytes | None:
        try:
            question = messages.asked(data)
        except messages.BROKEN:
            return None
        if question is None or view not in self.resolvers:
            return None
        name, kind = messages.name_and_kind(question)
        try:
            answer = await self.resolvers[view].resolve(name, kind)
            said = messages.written(question, answer, self.resolvers[view].view, self._chance)
        except (TemporaryError, *messages.BROKEN) as error:
            answer = Answer((Step(name, "SERVFAIL", why={"reason": str(error)}),))
            said = messages.failure(question)
        self._note(view, client, name, kind, answer)
        packed = bytes(said.pack())
        return packed if len(packed) <= most else bytes(said.truncate().pack())

    def _note(self, view: str, client: str, name: str, kind: str, answer: Answer) -> dict[str, Any]:
        self._asked += 1
        told = {"number": self._asked, "time": time.time(), "client": client, **explained(view, name, kind, answer)}
        self._log.append(told)
        if not self._quiet:
            print(json.dumps({key: value for key, value in told.items() if key != "steps"}), flush=True)
        return told

    async def explain(self, name: str, kind: str, view: str) -> dict[str, Any]:
        """Ask as a client of the view would, and tell how the answer came about; raises LabError."""
        await self.snapshot()
        view = self.cluster_vpc if view == "cluster" else view
        if view not in self.resolvers:
            raise PermanentError(f"There is no view {view!r}.", f"There are: {', '.join(self.resolvers)} and cluster.")
        answer = await self.resolvers[view].resolve(plain(name), kind)
        return self._note(view, "explain", plain(name), kind, answer)

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """The last questions, numbered: those after number ``since``."""
        return [each for each in self._log if each["number"] > since]

    async def _ask_cluster(self, name: str, kind: str) -> tuple[Step, ...]:
        at = self._cluster_at()
        if at is None:
            return (Step(name, "SERVFAIL", why={"reason": "there is no cluster"}),)
        return await _forwarded([at], name, kind, "the cluster's DNS")

    async def _ask_elsewhere(self, name: str, kind: str) -> tuple[Step, ...]:
        return await _forwarded(dns_transport.machine(), name, kind, "the name servers of this machine")


async def _forwarded(servers: list[tuple[str, int]], name: str, kind: str, who: str) -> tuple[Step, ...]:
    try:
        said = await dns_transport.ask(servers, bytes(dnslib.DNSRecord.question(name, kind).pack()))
        return messages.steps(dnslib.DNSRecord.parse(said), name, who)
    except (TemporaryError, *messages.BROKEN) as error:
        return (Step(name, "SERVFAIL", why={"reason": f"{who}: {error}"}),)


def _second(number: int) -> str:
    return f"127.{53 + number // 256}.{number % 256}.2"


def _of_cluster(now: Snapshot) -> str:
    """The VPC that the cluster's nodes are in: one tagged for a cluster, else the first default one; "" for none."""

    def rank(vpc: Vpc) -> tuple[bool, bool]:
        return (not vpc.for_cluster, not vpc.default)

    found = sorted(now.vpcs.values(), key=rank)
    return found[0].id if found and (found[0].for_cluster or found[0].default) else ""


def explained(view: str, name: str, kind: str, answer: Answer) -> dict[str, Any]:
    """An answer and its steps as JSON."""
    return {"view": view, "name": name, "type": kind, "status": answer.last.status, "cached": answer.cached,
            "values": list(answer.last.values), "ttl": answer.last.ttl,
            "steps": [{"name": each.name, "status": each.status, "type": each.kind, "ttl": each.ttl,
                       "values": list(each.values), "cached": each.cached, **(each.why or {})}
                      for each in answer.steps]}  # fmt: skip


def application(server: Server) -> Starlette:
    """What is told, over HTTP."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    def told(answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> JSONResponse:
            try:
                return JSONResponse(await answer(request))
            except PermanentError as error:
                return JSONResponse({"error": str(error)}, 404)
            except (TemporaryError, ValueError) as error:
                return JSONResponse({"error": str(error)}, 503)

        return endpoint

    async def views(_: Request) -> Any:
        await server.snapshot()
        return server.views()

    async def explain(request: Request) -> Any:
        given = request.query_params
        return await server.explain(given.get("name", ""), given.get("type", "A").upper(), given.get("view", "public"))

    async def log(request: Request) -> Any:
        return server.log(int(request.query_params.get("since", 0)))

    async def health(_: Request) -> Any:
        await server.snapshot()
        return server.checker.told()

    async def cache(request: Request) -> Any:
        return _resolver(server, request).cache.told()

    async def flush(request: Request) -> Any:
        _resolver(server, request).cache.clear()
        return {}

    return Starlette(routes=[
        Route("/views", told(views)), Route("/explain", told(explain)), Route("/log", told(log)),
        Route("/health", told(health)), Route("/cache", told(cache)), Route("/flush", told(flush), methods=["POST"]),
    ])  # fmt: skip


def _resolver(server: Server, request: Request) -> Resolver:
    view = request.query_params.get("view", "public")
    view = server.cluster_vpc if view == "cluster" else view
    if view not in server.resolvers:
        raise PermanentError(f"There is no view {view!r}.", f"There are: {', '.join(server.resolvers)} and cluster.")
    return server.resolvers[view]
