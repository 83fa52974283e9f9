"""The embedded cluster: upstream's control plane and nodes that are processes; ``labs.cluster.controlplane``."""

from __future__ import annotations

from pathlib import Path

from labs.cluster.controlplane.services import KUBERNETES
from labs.errors import PermanentError
from labs.services.catalog import Service


class Embedded:
    """The default driver."""

    name = "embedded"

    def service(self) -> Service:
        """The API server, with etcd before it and the other components as its parts."""
        return KUBERNETES

    def namespace(self, wanted: str) -> str:
        """The cluster is the labs' own: names stay as they are."""
        return wanted

    def load_image(self, name: str, archive: Path) -> None:
        """Through the nodes' own image store."""
        raise PermanentError(f"{name} cannot be loaded from {archive} by this driver.",
                             "Run `lab image load` where there is one; the nodes run `host/NAME` without an image.")

    def reset(self) -> list[str]:
        """A new etcd; see ``labs.cluster.controlplane.reset``."""
        from labs.cluster.controlplane.reset import reset

        return reset()


DRIVER = Embedded()
