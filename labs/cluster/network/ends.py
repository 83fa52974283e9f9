"""The API server as a program of this machine needs it that connects to pods itself, such as an ingress controller.

Everything is passed on as it is, with the caller's own credential, except EndpointSlices: they tell ends on loopback
(127.244.x.y) where the API server has addresses of the cluster (10.244.x.y).  So who routes by them reaches pods
without anybody in between.  Nobody gets more here than the API server gives him; only this machine can connect.

NetworkPolicies judge the ingress controller as the pod that it is elsewhere (``table.INGRESS_POD``): an endpoint that
they keep from it becomes an address where nobody ever answers.  A policy thus changes slices: a watch tells them again,
with resource versions that are the API server's times a thousand, plus a count of such changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import ssl
from collections.abc import AsyncGenerator, Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from labs.cluster.network.addresses import DOOR, port
from labs.cluster.network.policy import Party
from labs.cluster.network.router import Caller, Router
from labs.cluster.network.table import INGRESS_POD, Key, key_of
from labs.cluster.nodes.api import Object

PORT = 10248
"""At the first pod address of the cluster, as the door."""
CONNECTED_WITHIN = 10.0
LOOKED_EVERY = 1.0
"""Seconds after which a pod's new label counts for policies."""
SLICES = re.compile(r"/apis/discovery\.k8s\.io/v1/(?:namespaces/([^/]+)/)?endpointslices(?:/[^/]+)?")
INGRESS = Caller(pod=INGRESS_POD)
SCALE = 1000
"""Versions told for one of the API server's."""
_AGAIN, _END = object(), object()
_THEIRS = {"host", "connection", "content-length", "transfer-encoding", "keep-alive", "upgrade"}
"""Headers of a connection, which are not passed on (RFC 9110, section 7.6.1)."""


class Ends:
    """The server.

    :param server: URL of the API server
    :param authority: file with the certificate that vouches for it
    """

    def __init__(self, router: Router, server: str, authority: Path) -> None:
        self._router = router
        self._table = router.table
        self._server, self._authority = server, authority
        self._client: httpx.AsyncClient | None = None
        self._watches: set[asyncio.Queue[Any]] = set()
        self._changed = asyncio.Event()
        self._policies: Hashable = ()
        self._count = random.randrange(SCALE)       # another than before a restart, so that what is told again counts

    @property
    def _http(self) -> httpx.AsyncClient:
        """Made when it is first needed: many clusters never have an ingress."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=self._server, verify=ssl.create_default_context(cafile=str(self._authority)), trust_env=False,
                timeout=httpx.Timeout(None, connect=CONNECTED_WITHIN),      # a watch is silent for minutes
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=5))
        return self._client

    def server(self) -> uvicorn.Config:
        """Where it is served: this machine only."""
        return uvicorn.Config(self, host=self._router.ranges.door, port=PORT, http="httptools", ws="none",
                              lifespan="off", log_level="warning", access_log=False, server_header=False,
                              timeout_graceful_shutdown=1)

    def wake(self) -> None:
        """The table changed."""
        self._changed.set()

    async def keep(self) -> None:
        """Tell slices again whenever policies judge them otherwise than before, without end."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOKED_EVERY):
                        await self._changed.wait()
                self._changed.clear()
                judged = self._judged_by()
                if judged != self._policies:
                    self._policies = judged
                    self._count += 1
                    for each in self._watches:
                        each.put_nowait(_AGAIN)
        finally:
            if self._client is not None:
                await self._client.aclose()

    def _judged_by(self) -> Hashable:
        """All that policies depend on, as far as there are any."""
        if not self._table.policies:
            return ()
        seen = [(key, each["metadata"]["resourceVersion"]) for kind in (self._table.policies, self._table.namespaces)
                for key, each in kind.items()]
        pods = self._table.pods.addressed() if self._table.pods else ()
        return (*seen, *((address, *sorted((pod["metadata"].get("labels") or {}).items())) for address, pod in pods))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; given up when the client goes, who would else leave its watch behind."""
        request = Request(scope, receive)
        body = await request.body()
        answering = asyncio.create_task(self._answer(request, body, scope, receive, send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
        finally:
            gone.cancel()
            answering.cancel()
            await asyncio.wait({answering, gone})

    async def _answer(self, request: Request, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        slices = SLICES.fullmatch(request.url.path) if request.method == "GET" else None
        headers, query = _passed(request.headers), request.url.query
        if slices:
            if not self._table.synced >= {"policies", "namespaces", "slices"}:
                await _unavailable("the nodes have not read the cluster's policies yet")(scope, receive, send)
                return
            headers |= {"accept": "application/json", "accept-encoding": "identity"}
            query = _theirs(query)
        url = httpx.URL(self._server).copy_with(raw_path=scope["raw_path"] + (b"?" + query.encode() if query else b""))
        try:
            async with self._http.stream(request.method, url, headers=headers, content=body) as answer:
                await send({"type": "http.response.start", "status": answer.status_code, "headers": [
                    (name.encode(), value.encode()) for name, value in _passed(answer.headers).items()]})
                pieces = _raw(answer)
                if slices and answer.status_code == 200:
                    asked = dict(parse_qsl(query))
                    watching = asked.get("watch") in ("1", "true")
                    pieces = self._watch(answer, slices[1], asked) if watching else self._list(answer)
                # when the API server goes away the answer ends: a watch is begun anew, JSON that is cut off asked again
                with contextlib.suppress(httpx.TransportError):
                    async with contextlib.aclosing(pieces):
                        async for piece in pieces:
                            await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except httpx.TransportError as error:
            await _unavailable(str(error) or type(error).__name__)(scope, receive, send)

    async def _list(self, answer: httpx.Response) -> AsyncGenerator[bytes, None]:
        """A list, or one slice."""
        said = json.loads(await answer.aread())
        if "items" in said:
            said["items"] = [self.told(each) for each in said["items"] or []]
            self._version(said)
        else:
            self.told(said)
        yield json.dumps(said).encode()

    async def _watch(self, answer: httpx.Response, namespace: str | None,
                     asked: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """An event on each line ("Efficient detection of changes", Kubernetes API Concepts), and slices again."""
        queue: asyncio.Queue[Any] = asyncio.Queue()
        reading = asyncio.create_task(_read(answer, queue))
        seen: dict[Key, Object | None] = {}     # as the API server told them here; None: deleted
        chosen = bool({"labelSelector", "fieldSelector"} & set(asked))
        self._watches.add(queue)
        if asked.get("sendInitialEvents") != "true":
            queue.put_nowait(_AGAIN)        # policies may have changed since it listed
        try:
            while (got := await queue.get()) is not _END:
                if got is _AGAIN:
                    for item in self._again(namespace, seen, chosen):
                        yield _line("MODIFIED", self.told(item))
                    continue
                item = got["object"]
                if got["type"] in ("ADDED", "MODIFIED", "DELETED"):
                    seen[key_of(item)] = _copy(item) if got["type"] != "DELETED" else None
                    self.told(item)
                elif got["type"] == "BOOKMARK":
                    self._version(item)
                yield _line(got["type"], item)
            reading.result()
        finally:
            self._watches.discard(queue)
            reading.cancel()

    def _again(self, namespace: str | None, seen: Mapping[Key, Object | None], chosen: bool) -> Iterator[Object]:
        """Every slice as it was last told, here or to the table: two watches, of which either may be ahead.

        :param chosen: only those that were told here: the API server judges selectors
        """
        for key, item in list(self._table.slices.items()):
            if namespace in (None, key[0]) and (key in seen or not chosen):
                here = seen.get(key, item)
                if here is not None:
                    yield _copy(max(here, item, key=lambda each: int(each["metadata"]["resourceVersion"])))

    def told(self, item: Object) -> Object:
        """A slice whose addresses and ports are where its endpoints really listen; the one given is changed."""
        self._version(item)
        ranges, ports = self._router.ranges, item.get("ports") or []
        known = [address for each in item.get("endpoints") or [] for address in each["addresses"]]
        denied = {address for address in known if not self._allowed(address, ports)}
        for each in item.get("endpoints") or []:
            each["addresses"] = [ranges.void if one in denied else ranges.end(one) for one in each["addresses"]]
        inside = any(address.startswith(ranges.pod_prefix) for address in known)       # others keep their ports
        for each in ports:
            if each.get("port") and inside:
                # connections to the void go unanswered at the door's port; beside others, at other ports, are refused
                each["port"] = DOOR if denied and denied == set(known) else port(each["port"])
        return item

    def _allowed(self, address: str, ports: list[Object]) -> bool:
        """May the ingress controller connect to one of these ports?"""
        party = Party(address, self._table.pod_at(address))
        numbers = [(each["port"], each.get("protocol") or "TCP") for each in ports if each.get("port")]
        return not numbers or any(self._router.allowed(INGRESS, party, *each) for each in numbers)

    def _version(self, item: Object) -> None:
        described = item.get("metadata") or {}
        if described.get("resourceVersion", "").isdigit():
            described["resourceVersion"] = str(int(described["resourceVersion"]) * SCALE + self._count % SCALE)


def _theirs(query: str) -> str:
    """A query whose version is the API server's."""
    asked = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, str(int(value) // SCALE) if name == "resourceVersion" and value.isdigit() else value)
                      for name, value in asked])


async def _raw(answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    async for piece in answer.aiter_raw():
        yield piece


async def _read(answer: httpx.Response, queue: asyncio.Queue[Any]) -> None:
    try:
        async for line in answer.aiter_lines():
            queue.put_nowait(json.loads(line))
    finally:
        queue.put_nowait(_END)


def _line(kind: str, item: Object) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def _copy(item: Object) -> Object:
    made: Object = json.loads(json.dumps(item))
    return made


def _unavailable(why: str) -> JSONResponse:
    return JSONResponse({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 503,
                         "reason": "ServiceUnavailable", "message": why}, 503)


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _THEIRS}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
