"""EndpointSlices as an ingress controller is told them, without a cluster."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import certifi
import httpx
import pytest
import uvicorn

from labs.cluster.network import ends
from labs.cluster.network.addresses import DOOR, Ranges
from labs.cluster.network.ends import Ends
from labs.cluster.network.router import Router
from labs.cluster.network.table import Table
from labs.cluster.nodes.server import serve

Object = dict[str, Any]
RANGES = Ranges(0, 7)       # of a cluster that nobody has
WITHIN = 20.0


class Pods:
    """The pods of these tests: 10.244.0.2 and 10.244.0.3, and one that a policy selects."""

    def addressed(self) -> Iterator[tuple[str, Object]]:
        for last, app in ((2, "web"), (3, "web"), (4, "closed")):
            yield f"10.244.0.{last}", {"metadata": {"namespace": "default", "labels": {"app": app}}, "spec": {}}

    def zone(self, node: str) -> str:
        return ""


def sliced(name: str, *addresses: str, version: int = 5, ports: tuple[int, ...] = (8080,)) -> Object:
    return {"kind": "EndpointSlice", "metadata": {"namespace": "default", "name": name, "resourceVersion": str(version),
                                                  "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4", "endpoints": [{"addresses": [each]} for each in addresses],
            "ports": [{"port": each} for each in ports]}


def policy(*ingress: Object, version: int = 1) -> Object:
    return {"metadata": {"namespace": "default", "name": "closed", "resourceVersion": str(version)}, "spec": {
        "podSelector": {"matchLabels": {"app": "closed"}}, "policyTypes": ["Ingress"], "ingress": list(ingress)}}


@pytest.fixture
def table() -> Table:
    made = Table(RANGES)
    made.pods = Pods()
    made.synced |= {"policies", "namespaces", "slices"}
    return made


def shown(item: Object) -> tuple[list[str], list[int]]:
    """(addresses, ports) of a slice."""
    return ([address for each in item["endpoints"] for address in each["addresses"]],
            [each["port"] for each in item["ports"]])


INGRESS = {"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}},
                     "podSelector": {"matchLabels": {"app.kubernetes.io/name": "traefik"}}}]}


@pytest.mark.parametrize(("item", "rules", "wanted"), [
    (sliced("web", "10.244.0.2", "10.244.0.3"), None, (["127.251.0.2", "127.251.0.3"], [8080])),
    (sliced("web", "10.244.0.2", ports=(80, 8080)), None, (["127.251.0.2"], [30080, 8080])),
    (sliced("far", "192.0.2.7", ports=(80,)), None, (["192.0.2.7"], [80])),     # outside of the cluster
    (sliced("none"), None, ([], [8080])),
    (sliced("closed", "10.244.0.4"), [], ([RANGES.void], [DOOR])),              # nobody ever answers there
    (sliced("both", "10.244.0.2", "10.244.0.4"), [], (["127.251.0.2", RANGES.void], [8080])),
    (sliced("web", "10.244.0.2"), [], (["127.251.0.2"], [8080])),
    (sliced("closed", "10.244.0.4"), [INGRESS], (["127.251.0.4"], [8080])),
    (sliced("closed", "10.244.0.4"), [{**INGRESS, "ports": [{"port": 9090}]}], ([RANGES.void], [DOOR])),
    (sliced("closed", "10.244.0.4", ports=(8080, 9090)), [{**INGRESS, "ports": [{"port": 9090}]}],
     (["127.251.0.4"], [8080, 9090])),                                          # for all of the Service's ports
])
def test_a_slice_tells_ends_and_what_policies_leave_of_them(
    table: Table, item: Object, rules: list[Object] | None, wanted: tuple[list[str], list[int]]
) -> None:
    if rules is not None:
        table.put("policies", policy(*rules))
    told = Ends(Router(RANGES, table, 1), "http://127.0.0.1:9", Path("/nowhere")).told(json.loads(json.dumps(item)))
    assert shown(told) == wanted


class Upstream:
    """An API server's endpointslices: a list, and a watch whose events the test sends."""

    def __init__(self) -> None:
        self.items: list[Object] = []
        self.events: asyncio.Queue[Object] = asyncio.Queue()
        self.asked: list[tuple[str, str, str]] = []
        self.watching = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        self.asked.append((scope["path"], scope["query_string"].decode(), headers.get(b"authorization", b"").decode()))
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-type", b"application/json")]})
        if b"watch=1" not in scope["query_string"]:
            body = json.dumps({"kind": "EndpointSliceList", "metadata": {"resourceVersion": "9"}, "items": self.items})
            await send({"type": "http.response.body", "body": body.encode()})
            return
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        self.watching += 1
        gone = asyncio.create_task(self._gone(receive))
        while not gone.done():
            waiting = asyncio.create_task(self.events.get())
            await asyncio.wait({gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                line = json.dumps(waiting.result()).encode() + b"\n"
                await send({"type": "http.response.body", "body": line, "more_body": True})
            else:
                waiting.cancel()
        self.watching -= 1

    async def _gone(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


@contextlib.asynccontextmanager
async def serving(table: Table) -> AsyncIterator[tuple[Upstream, Ends, httpx.AsyncClient]]:
    """An upstream, what is tested in front of it, and a client of that."""
    upstream = Upstream()
    config = uvicorn.Config(upstream, host="127.0.0.1", port=0, lifespan="off", log_level="warning",
                            timeout_graceful_shutdown=1)
    behind = uvicorn.Server(config)
    tasks = [asyncio.create_task(serve(behind))]
    try:
        await until(lambda: behind.started)
        port = behind.servers[0].sockets[0].getsockname()[1]
        tested = Ends(Router(RANGES, table, 1), f"http://127.0.0.1:{port}", Path(certifi.where()))
        front = uvicorn.Server(tested.server())
        tasks += [asyncio.create_task(serve(front)), asyncio.create_task(tested.keep())]
        await until(lambda: front.started)
        url = f"http://{RANGES.door}:{ends.PORT}"
        async with httpx.AsyncClient(base_url=url, timeout=WITHIN, headers={"Authorization": "Bearer x"}) as client:
            yield upstream, tested, client
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def until(happened: Any) -> None:
    async with asyncio.timeout(WITHIN):
        while not happened():
            await asyncio.sleep(0.01)


SLICES = "/apis/discovery.k8s.io/v1/endpointslices"


def test_versions_are_the_servers_own_when_they_come_back(table: Table) -> None:
    async def talk() -> None:
        async with serving(table) as (upstream, _, client):
            upstream.items = [sliced("web", "10.244.0.2")]
            listed = (await client.get(SLICES)).json()
            assert shown(listed["items"][0]) == (["127.251.0.2"], [8080])
            version = listed["metadata"]["resourceVersion"]
            assert int(version) // ends.SCALE == 9
            await client.get(SLICES, params={"resourceVersion": version, "labelSelector": "a=b"})
            assert upstream.asked[-1] == (SLICES, "resourceVersion=9&labelSelector=a%3Db", "Bearer x")
            await client.get("/api/v1/services", params={"resourceVersion": "12345"})
            assert upstream.asked[-1][:2] == ("/api/v1/services", "resourceVersion=12345")

    asyncio.run(talk())


def test_a_policy_is_told_to_who_watches_and_a_slice_that_went_stays_away(table: Table) -> None:
    async def talk() -> None:
        async with serving(table) as (upstream, tested, client):
            for name in ("closed", "gone"):
                table.put("slices", sliced(name, "10.244.0.4"))
            async with client.stream("GET", SLICES, params={"watch": "1", "resourceVersion": "5000"}) as answer:
                lines = answer.aiter_lines()

                async def said() -> tuple[str, str, Any]:
                    event = json.loads(await anext(lines))
                    return event["type"], event["object"]["metadata"]["name"], shown(event["object"])

                there = ["127.251.0.4"], [8080]
                assert [await said(), await said()] == [("MODIFIED", "closed", there), ("MODIFIED", "gone", there)]
                upstream.events.put_nowait({"type": "DELETED", "object": sliced("gone", "10.244.0.4", version=6)})
                upstream.events.put_nowait({"type": "MODIFIED",
                                            "object": sliced("closed", "10.244.0.4", version=7, ports=(80,))})
                assert [await said(), await said()] == [
                    ("DELETED", "gone", there), ("MODIFIED", "closed", (["127.251.0.4"], [30080]))]
                table.put("policies", policy())         # the table has not heard of either yet
                tested.wake()
                assert await said() == ("MODIFIED", "closed", ([RANGES.void], [DOOR]))
                table.put("policies", policy(INGRESS, version=2))
                tested.wake()
                assert await said() == ("MODIFIED", "closed", (["127.251.0.4"], [30080])), "the newer of the two"
                assert upstream.watching == 1
            await until(lambda: upstream.watching == 0)         # the client went, and so did what was asked for it

    asyncio.run(talk())


def test_who_watches_some_slices_is_told_of_those_only(table: Table) -> None:
    async def talk() -> None:
        async with serving(table) as (upstream, tested, client):
            for name in ("closed", "other"):
                table.put("slices", sliced(name, "10.244.0.4"))
            asked = {"watch": "1", "resourceVersion": "5000", "labelSelector": "kubernetes.io/service-name=closed"}
            async with client.stream("GET", SLICES, params=asked) as answer:
                lines = answer.aiter_lines()
                upstream.events.put_nowait({"type": "MODIFIED", "object": sliced("closed", "10.244.0.4", version=6)})
                first = json.loads(await anext(lines))
                table.put("policies", policy())
                tested.wake()
                second = json.loads(await anext(lines))
                upstream.events.put_nowait({"type": "BOOKMARK", "object": {
                    "kind": "EndpointSlice", "metadata": {"resourceVersion": "8"}}})
                third = json.loads(await anext(lines))
            assert [each["type"] for each in (first, second, third)] == ["MODIFIED", "MODIFIED", "BOOKMARK"]
            assert [shown(each["object"]) for each in (first, second)] == [
                (["127.251.0.4"], [8080]), ([RANGES.void], [DOOR])]
            versions = [int(each["object"]["metadata"]["resourceVersion"]) for each in (first, second, third)]
            assert [each // ends.SCALE for each in versions] == [6, 6, 8]
            assert versions[0] != versions[1], "who compares versions sees a change"

    asyncio.run(talk())


def test_slices_wait_until_policies_are_known(table: Table) -> None:
    async def talk() -> None:
        async with serving(table) as (_, _, client):
            table.synced.discard("policies")
            assert (await client.get(SLICES)).status_code == 503
            assert (await client.get("/api/v1/services")).status_code == 200

    asyncio.run(talk())
