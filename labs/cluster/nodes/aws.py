"""What ties the embedded cluster to the AWS endpoint of the same state folder, whichever of both was started first.

Pods are told where AWS answers (``AWS_ENDPOINT_URL``; on EKS the name server says it) and may connect to that port: the
listener without shorthand credentials.  The API server asks the endpoint's webhook about new pods.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

from labs.cluster.identity import manifests
from labs.cluster.nodes.api import Client, Object, Refused
from labs.errors import TemporaryError

LOOKED_EVERY = 1.0
"""Seconds between two looks at where the endpoint listens."""


class Aws:
    """The AWS endpoint of a state folder, as its cluster sees it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._told = ("", "")       # where the API server was sent for its webhook, and pods for AWS

    @property
    def endpoint(self) -> str:
        """URL for pods, "" while there is none."""
        return manifests.listeners(self._home).get("pods", "")

    def environment(self) -> dict[str, str]:
        """What a container is told."""
        return {"AWS_ENDPOINT_URL": self.endpoint} if self.endpoint else {}

    def ports(self) -> tuple[int, ...]:
        """What a container may connect to."""
        port = urlsplit(self.endpoint).port if self.endpoint else None
        return (port,) if port else ()

    async def install(self, administrator: Client) -> None:
        """Give the cluster what pods' identities need; raises Refused or TemporaryError."""
        await _apply(administrator, manifests.discovery())
        for text in manifests.policies():
            await administrator.apply_yaml(_path(text), text)
        await self._announce(administrator)

    async def keep(self, administrator: Client) -> None:
        """Follow the endpoint's address, without end."""
        while True:
            await asyncio.sleep(LOOKED_EVERY)
            try:
                await self._announce(administrator)
            except (Refused, TemporaryError, OSError) as error:
                print(f"identities in AWS: {error}", file=sys.stderr)

    async def _announce(self, administrator: Client) -> None:
        """Tell the API server where the endpoint's webhook is, where that changed."""
        found = manifests.listeners(self._home)
        now = (found.get("https", ""), found.get("pods", ""))
        if all(now) and now != self._told:
            authority = Path(found["ca_bundle"]).read_text(encoding="utf-8")
            await _apply(administrator, manifests.webhook(*now, authority))
            self._told = now


async def _apply(administrator: Client, body: Object) -> None:
    await administrator.apply(manifests.path_of(body["kind"], body["metadata"]["name"]), body)


def _path(text: str) -> str:
    """Of an object in YAML of ours."""
    kind = re.search(r"^kind: (\w+)$", text, re.MULTILINE)
    name = re.search(r"^  name: ([\w.-]+)$", text, re.MULTILINE)
    assert kind is not None
    assert name is not None
    return manifests.path_of(kind[1], name[1])
