"""The embedded cluster: upstream's control plane and nodes that are processes; ``labs.cluster.controlplane``."""

from __future__ import annotations

from pathlib import Path

from labs.cluster.controlplane.services import KUBERNETES
from labs.services import state
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
        """Into the nodes' own image store, as `lab image load` does."""
        from labs.cluster.images import archives
        from labs.cluster.images.names import named
        from labs.cluster.images.store import of_home

        archives.load(of_home(state.make_home()), archive, named(name))

    def reset(self) -> list[str]:
        """A new etcd; see ``labs.cluster.controlplane.reset``."""
        from labs.cluster.controlplane.reset import reset

        return reset()


DRIVER = Embedded()
