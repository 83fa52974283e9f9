"""Where a container's programs come from.

An image named ``host``, or below ``host/``, means the programs of this machine that ``labs.jail.runtime()`` lists:
``host`` has no command of its own, ``host/NAME`` runs NAME (``host/python3:1``, say; tags are not looked at).  Every
other image comes from the store and its registries: see pulls.py.

"Images" (Kubernetes documentation).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from labs import jail
from labs.cluster.nodes.api import Object


@dataclass(frozen=True, slots=True)
class Image:
    """What a pulled image says.

    :param identifier: as in ``status.containerStatuses[].imageID``
    :param readable: host paths that hold its programs
    :param pulled: was it fetched just now?  Else it was there already
    :param root: host path of its files, to be seen as ``/``; "" for the host's programs where they are
    :param user: as its configuration names it: ``NAME``, ``UID``, each with ``:GROUP``
    :param size: bytes of what was or would be fetched
    :param took: seconds of fetching and unpacking
    """

    name: str
    identifier: str
    readable: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    working_directory: str = ""
    pulled: bool = False
    root: str = ""
    user: str = ""
    stop_signal: str = ""
    size: int = 0
    took: float = 0.0


class ImageError(Exception):
    """An image cannot be had; ``reason`` is a kubelet's word for it.  Trying again later may help."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Images(Protocol):
    """A place to get images from."""

    async def get(self, name: str, policy: str, pod: Object, pulling: Callable[[], None]) -> Image:
        """The image, fetched where ``policy`` (Always, IfNotPresent, Never) asks for it; raises ImageError.

        :param pulling: called before it is fetched
        """
        ...


class HostImages:
    """The programs of this machine as the only image."""

    async def get(self, name: str, policy: str, pod: Object, pulling: Callable[[], None] = lambda: None) -> Image:
        """See :class:`Images`."""
        repository = name.partition("@")[0]
        if ":" in repository.rpartition("/")[2]:
            repository = repository.rpartition(":")[0]
        family, _, program = repository.partition("/")
        if family != "host":
            raise ImageError("ErrImagePull", f'failed to pull image "{name}": only "host" and "host/PROGRAM" are '
                                             'programs of this machine')
        return Image(name, f"host@{name}", jail.runtime(), command=(program,) if program else ())
