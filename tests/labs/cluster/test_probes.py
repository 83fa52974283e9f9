"""When a probe is made, without a cluster: against a server that never answers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from labs.cluster.nodes.probes import Health


class Owner:
    """A pod's worker that notes what it is told."""

    loopback = "127.0.0.1"

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.failures: list[float] = []
        self.restarted = asyncio.Event()

    def wake(self) -> None:
        pass

    def unhealthy(self, name: str, kind: str, message: str) -> None:
        self.failures.append(time.monotonic() - self.began)

    def restart(self, name: str, kind: str, grace: float) -> None:
        self.restarted.set()

    def grace(self) -> float:
        return 1.0


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept, and say nothing until the other end goes."""
    await reader.read()
    while await reader.read(1024):
        pass
    writer.close()


@pytest.mark.parametrize("threshold", [2, 3])
def test_a_probe_that_times_out_does_not_make_the_period_longer(threshold: int) -> None:
    async def measured() -> list[float]:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        owner = Owner()
        probe = {"httpGet": {"port": port}, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": threshold}
        spec: dict[str, Any] = {"name": "web", "livenessProbe": probe}
        health = Health(owner, spec, None)  # type: ignore[arg-type]
        async with asyncio.timeout(10):
            await owner.restarted.wait()
        health.end()
        server.close()
        return owner.failures

    failures = asyncio.run(measured())
    assert len(failures) == threshold
    assert threshold <= failures[-1] < threshold + 0.8
