"""Images out of the store, pulled into it from registries as a kubelet with containerd does, with the words of both.

"Images" and "Pull an Image from a Private Registry" (Kubernetes documentation): ``imagePullPolicy``, tags and digests,
``imagePullSecrets``.  All nodes share one store, so an image that one has pulled is there for the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from labs.cluster.images import credentials, layers, transfer
from labs.cluster.images.credentials import Access
from labs.cluster.images.names import Name
from labs.cluster.images.registry import RegistryError
from labs.cluster.images.store import Descriptor, Parts, Store
from labs.cluster.nodes.api import Object
from labs.cluster.nodes.containers import roots_in_use
from labs.cluster.nodes.environment import contents
from labs.cluster.nodes.images import HostImages, Image, ImageError
from labs.errors import LabError

Secret = Callable[[str, str], Awaitable[Object | None]]
"""(namespace, name) → a Secret."""
SWEPT_EVERY = 300.0
LISTED = 50
"""Images a node's status lists, the largest first (``nodeStatusMaxImages``)."""


class StoredImages:
    """The store, and the host's own programs as the image ``host``."""

    def __init__(self, store: Store, secret: Secret, pods: Path) -> None:
        self._store = store
        self._secret = secret
        self._pods = pods
        self._host = HostImages()
        self._ecr = credentials.Ecr()
        self._pulling: dict[str, asyncio.Lock] = {}
        self._listed: tuple[float, list[Object]] = (-1.0, [])

    async def get(self, name: str, policy: str, pod: Object, pulling: Callable[[], None] = lambda: None) -> Image:
        """See :class:`labs.cluster.nodes.images.Images`."""
        if name.partition("@")[0].partition(":")[0].partition("/")[0] == "host":
            return await self._host.get(name, policy, pod, pulling)
        try:
            wanted = Name.parse(name)
        except ValueError as error:
            raise ImageError("InvalidImageName", f'Failed to apply default image tag "{name}": couldn\'t parse image '
                             f'name "{name}": {error}') from error
        async with self._pulling.setdefault(str(wanted), asyncio.Lock()):
            return await self._get(name, wanted, policy, pod, pulling)

    async def _get(self, name: str, wanted: Name, policy: str, pod: Object, pulling: Callable[[], None]) -> Image:
        began = time.monotonic()
        found = await asyncio.to_thread(self._there, wanted)
        pulled = found is None or policy == "Always"
        if found is None and policy == "Never":
            raise ImageError("ErrImageNeverPull", f'Container image "{name}" is not present with pull policy of Never')
        if pulled:
            pulling()
            found = await self._pull(wanted, await self._credentials(wanted, pod))
        assert found is not None
        try:
            parts = await asyncio.to_thread(self._store.parts, found)
            root = await asyncio.to_thread(layers.unpacked, self._store, parts)
        except (LabError, OSError) as error:
            raise ImageError("ErrImagePull", f'failed to pull and unpack image "{wanted}": {error}') from error
        return described(wanted, found, parts, root, time.monotonic() - began if pulled else None)

    def _there(self, wanted: Name) -> Descriptor | None:
        found = self._store.find(wanted)
        return found if found is not None and self._store.whole(found) else None

    async def _credentials(self, wanted: Name, pod: Object) -> list[Access]:
        """What to try, in this order: the pod's secrets, the node's own, nobody's."""
        contained = []
        for reference in pod.get("spec", {}).get("imagePullSecrets") or []:
            found = await self._secret(pod["metadata"]["namespace"], reference.get("name", ""))
            if found is not None:       # a kubelet goes on without one that is missing
                contained += [value for key, value in contents(found).items() if key == ".dockerconfigjson"]
        made = [Access(pair) for pair in credentials.from_secrets(wanted, contained)]
        try:
            own = await asyncio.to_thread(self._ecr.access, wanted)
        except LabError as error:
            raise ImageError("ErrImagePull", f"{_before(wanted)}credential provider: {error}") from error
        if own is not None:
            return [*(Access(each.credential, own.server) for each in made), own]
        return [*made, Access()]

    async def _pull(self, wanted: Name, ways: list[Access]) -> Descriptor:
        last: Exception | None = None
        for way in ways:
            try:
                return await asyncio.to_thread(transfer.pull, self._store, wanted, way)
            except RegistryError as error:
                if last is None or not isinstance(last, RegistryError) or error.status not in (401, 403):
                    last = error
                if error.status not in (401, 403):
                    break
                self._ecr.forget()
            except (LabError, OSError) as error:
                last = error
                break
        assert last is not None
        raise ImageError("ErrImagePull", refusal(wanted, last)) from last

    def listed(self) -> list[Object]:
        """``status.images`` of every node."""
        try:
            changed = (self._store.folder / "index.json").stat().st_mtime
        except FileNotFoundError:
            return []
        if changed != self._listed[0]:
            found: dict[str, Any] = {}
            for entry in self._store.entries():
                names = found.setdefault(entry.digest, {"names": [], "sizeBytes": entry.size})["names"]
                plain = f"{entry.name.repository_name}@{entry.digest}"
                names += [name for name in (plain, str(entry.name)) if name not in names]
            biggest = sorted(found.values(), key=lambda each: -each["sizeBytes"])
            self._listed = changed, biggest[:LISTED]
        return self._listed[1]

    async def tidy(self) -> None:
        """Sweep the store again and again, without end; what containers run from stays."""
        while True:
            await asyncio.to_thread(lambda: self._store.sweep(roots_in_use(self._pods)))
            await asyncio.sleep(SWEPT_EVERY)


def described(wanted: Name, found: Descriptor, parts: Parts, root: Path, took: float | None) -> Image:
    """An image of the store as a container needs it; "OCI Image Configuration"."""
    config = parts.config.get("config") or {}
    return Image(
        str(wanted), f"{wanted.repository_name}@{found['digest']}", (), tuple(config.get("Entrypoint") or ()),
        tuple(config.get("Cmd") or ()), dict(each.partition("=")[::2] for each in config.get("Env") or []),
        config.get("WorkingDir") or "", took is not None, root=str(root), user=config.get("User") or "",
        stop_signal=config.get("StopSignal") or "", size=parts.size, took=took or 0.0)


def refusal(wanted: Name, error: Exception) -> str:
    """What containerd says of a failed pull, as a kubelet passes it on."""
    if not isinstance(error, RegistryError):
        return f'rpc error: code = Unknown desc = failed to pull and unpack image "{wanted}": {error}'
    code, told = "Unknown", str(error)
    if error.status == 404:
        code, told = "NotFound", f"{wanted}: not found: {told}"
    elif error.status in (401, 403):
        told = ("pull access denied, repository does not exist or may require authorization: authorization failed: "
                f"{told}")
    return f"rpc error: code = {code} desc = {_before(wanted)}{told}"


def _before(wanted: Name) -> str:
    return f'failed to pull and unpack image "{wanted}": failed to resolve reference "{wanted}": '
