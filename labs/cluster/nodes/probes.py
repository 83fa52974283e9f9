"""Startup, liveness and readiness probes: exec, httpGet, tcpSocket, grpc.

"Configure Liveness, Readiness and Startup Probes" (Kubernetes documentation): the others wait for the startup probe; a
failed liveness or startup probe ends the container, a failed readiness probe takes it out of Services.
An exec probe runs inside the container, as `kubectl exec` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from labs.cluster.network import addresses
from labs.cluster.nodes import grpc, visits
from labs.cluster.nodes.api import Object
from labs.cluster.nodes.containers import Container


class Owner(Protocol):
    """Whom a verdict concerns: the pod's worker."""

    @property
    def loopback(self) -> str:
        """The pod's address on loopback."""

    def wake(self) -> None:
        """Something changed."""

    def unhealthy(self, name: str, kind: str, message: str) -> None:
        """A probe failed."""

    def restart(self, name: str, kind: str, grace: float) -> None:
        """It failed too often."""

    def grace(self) -> float:
        """The pod's grace period in seconds."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds and counts of one probe, with the API's defaults."""

    delay: float
    period: float
    timeout: float
    successes: int
    failures: int

    @staticmethod
    def of(probe: Object) -> Timing:
        """From the probe's fields."""
        return Timing(probe.get("initialDelaySeconds", 0), probe.get("periodSeconds", 10),
                      probe.get("timeoutSeconds", 1), probe.get("successThreshold", 1),
                      probe.get("failureThreshold", 3))


class Health:
    """The probes of one running container; ``end`` stops them."""

    def __init__(self, owner: Owner, spec: Object, container: Container) -> None:
        self._owner = owner
        self._spec = spec
        self._container = container
        self.started = "startupProbe" not in spec
        self.ready = "readinessProbe" not in spec
        self._begun = asyncio.Event()
        if self.started:
            self._begun.set()
        self._tasks = [asyncio.create_task(self._watch(kind, spec[f"{kind.lower()}Probe"]))
                       for kind in ("Startup", "Liveness", "Readiness") if f"{kind.lower()}Probe" in spec]

    def end(self) -> None:
        """Probe no more."""
        for task in self._tasks:
            task.cancel()

    async def _watch(self, kind: str, probe: Object) -> None:
        """Probe until the container ends, or has started where this is the startup probe."""
        timing = Timing.of(probe)
        if kind != "Startup":
            await self._begun.wait()
        await asyncio.sleep(timing.delay)
        loop = asyncio.get_running_loop()
        began = due = loop.time()
        passed = failed = 0
        while True:
            message = await self._once(probe, timing.timeout)
            passed, failed = (passed + 1, 0) if message is None else (0, failed + 1)
            if message is not None:
                self._owner.unhealthy(self._spec["name"], kind, message)
            if passed >= timing.successes and self._good(kind):
                return
            if failed >= timing.failures:
                self._bad(kind, probe)
            # a ticker, as a kubelet has: a probe that took as long as the period is followed by the next at once
            due = max(due + timing.period, began + (loop.time() - began) // timing.period * timing.period)
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _good(self, kind: str) -> bool:
        """Take in a success; True when this probe is done."""
        if kind == "Readiness" and not self.ready:
            self.ready = True
            self._owner.wake()
        if kind == "Startup":
            self.started = True
            self._begun.set()
            self._owner.wake()
        return kind == "Startup"

    def _bad(self, kind: str, probe: Object) -> None:
        """Take in a failure that counts."""
        if kind == "Readiness":
            if self.ready:
                self.ready = False
                self._owner.wake()
            return
        grace = probe.get("terminationGracePeriodSeconds", self._owner.grace())
        self._owner.restart(self._spec["name"], kind, float(grace))

    async def _once(self, probe: Object, timeout: float) -> str | None:
        """None for a success, else why not."""
        if "exec" in probe:
            return await self._exec(probe["exec"].get("command") or [], timeout)
        if "httpGet" in probe:
            return await self._http(probe["httpGet"], timeout)
        if "tcpSocket" in probe:
            return await self._tcp(probe["tcpSocket"], timeout)
        if "grpc" in probe:
            port = addresses.port(self._port(probe["grpc"]["port"]))
            return await grpc.check(self._owner.loopback, port, probe["grpc"].get("service") or "", timeout)
        return f"this node has no {', '.join(key for key in probe if isinstance(probe[key], dict))} probes"

    async def _exec(self, command: list[str], timeout: float) -> str | None:
        try:
            done = await visits.run(self._container, command, timeout)
        except visits.VisitError as error:
            return f"rpc error: code = Unknown desc = {error}"
        if done.status is None:
            return f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s'
        return None if done.status == 0 else done.output.decode(errors="replace")

    async def _http(self, wanted: Mapping[str, Any], timeout: float) -> str | None:
        """"HTTP probes": any status from 200 to 399 is a success."""
        host, port = wanted.get("host") or self._owner.loopback, self._port(wanted["port"])
        url = f"{wanted.get('scheme', 'HTTP').lower()}://{host}:{port}/{wanted.get('path', '/').removeprefix('/')}"
        headers = {"User-Agent": "kube-probe/1.37", "Accept": "*/*"}
        headers |= {each["name"]: each["value"] for each in wanted.get("httpHeaders") or []}
        try:
            async with asyncio.timeout(timeout), httpx.AsyncClient(verify=False, trust_env=False) as client:
                answer = await client.get(url, headers=headers, timeout=timeout)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return f'Get "{url}": {error or "context deadline exceeded"}'
        return None if 200 <= answer.status_code < 400 else f"HTTP probe failed with statuscode: {answer.status_code}"

    async def _tcp(self, wanted: Mapping[str, Any], timeout: float) -> str | None:
        host, port = wanted.get("host") or self._owner.loopback, self._port(wanted["port"])
        try:
            async with asyncio.timeout(timeout):
                _, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError) as error:
            return f"dial tcp {host}:{port}: {error or 'i/o timeout'}"
        writer.close()
        return None

    def _port(self, port: int | str) -> int:
        """A number, or the name of one of the container's ports."""
        named = {each.get("name"): each["containerPort"] for each in self._spec.get("ports") or []}
        return addresses.port(int(named.get(port, port) if isinstance(port, str) else port))
