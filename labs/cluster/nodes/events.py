"""Events, as `kubectl describe pod` shows them: the same one again only raises its count ("Event", API reference)."""

from __future__ import annotations

import asyncio
import sys
import uuid
from typing import Any

from labs.cluster.nodes.api import Client, Object, Refused
from labs.cluster.nodes.node import now
from labs.errors import TemporaryError

REMEMBERED = 1000
WAITING = 500


class Events:
    """Sends events in the background, in their order; what cannot be sent is lost, as a kubelet's is."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._queue: asyncio.Queue[tuple[Object, str, str, str, str, str]] = asyncio.Queue(WAITING)
        self._sent: dict[tuple[Any, ...], Object] = {}

    def tell(self, about: Object, kind: str, reason: str, message: str, container: str = "",
             moment: str = "") -> None:
        """Note an event of a pod, or of another object that says its kind.

        :param kind: Normal or Warning
        :param container: as a field path, such as ``spec.containers{web}``
        :param moment: when it was, as the API writes it; now by default
        """
        if not self._queue.full():
            self._queue.put_nowait((about, kind, reason, message, container, moment or now()))

    async def send(self) -> None:
        """Send what was told, without end."""
        while True:
            told = await self._queue.get()
            try:
                await self._send(*told)
            except (Refused, TemporaryError) as error:
                print(f"an event is lost: {error}", file=sys.stderr)

    async def _send(self, pod: Object, kind: str, reason: str, message: str, container: str, moment: str) -> None:
        described = pod["metadata"]
        root = f"/api/v1/namespaces/{described['namespace']}/events"
        key = (described["uid"], kind, reason, message, container)
        if (known := self._sent.get(key)) is not None:
            known["count"] += 1
            try:
                await self._client.patch(f"{root}/{known['name']}", {"count": known["count"], "lastTimestamp": moment})
                return
            except Refused as error:
                if error.status != 404:
                    raise
        version, called = pod.get("apiVersion", "v1"), pod.get("kind", "Pod")
        node = pod["spec"].get("nodeName", "")
        component = "kubelet" if called in ("Pod", "Node") else "volumes.labs.internal"
        name = f"{described['name']}.{uuid.uuid4().hex[:16]}"
        involved = {"apiVersion": version, "kind": called, "namespace": described["namespace"],
                    "name": described["name"], "uid": described["uid"], "resourceVersion": described["resourceVersion"]}
        await self._client.create(root, {
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": described["namespace"]},
            "involvedObject": {**involved, **({"fieldPath": container} if container else {})},
            "type": kind, "reason": reason, "message": message[:1024], "count": 1, "firstTimestamp": moment,
            "lastTimestamp": moment, "source": {"component": component, "host": node},
            "reportingComponent": component, "reportingInstance": node})
        if len(self._sent) >= REMEMBERED:
            self._sent.clear()
        self._sent[key] = {"name": name, "count": 1}
