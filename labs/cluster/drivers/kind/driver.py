"""The driver of kind, and its service: ``LABS_KUBERNETES=kind``.

Before the service starts (``prepare``) the cluster is made, with progress in the foreground.  While it runs, its
process keeps the ways of ``connection.py`` open.  After `lab down` (``remove``) nothing of the cluster is left.
"""

from __future__ import annotations

import http.client
import ssl
import sys
from pathlib import Path
from typing import Any

import yaml

from labs.cluster.controlplane.services import ANSWERED_WITHIN, get
from labs.cluster.drivers.base import kubectl
from labs.cluster.drivers.kind import cluster, docker
from labs.errors import PermanentError, TemporaryError
from labs.services import control
from labs.services.catalog import Context, Service

MODULE = "labs.cluster.drivers.kind"
READY_WITHIN = 120.0
_THEIRS = {"default", "kube-system", "kube-public", "kube-node-lease", "local-path-storage"}
"""Namespaces of a new cluster."""


class Kind:
    """The driver."""

    name = "kind"

    def service(self) -> Service:
        """The API server's address; the cluster is made before, and removed after."""
        return Service(
            "kubernetes", _command, _ready, port=6443, scheme="https", start=False, deadline=READY_WITHIN,
            prepare=lambda: [sys.executable, "-m", MODULE, "make"], remove=(sys.executable, "-m", MODULE, "remove"))

    def namespace(self, wanted: str) -> str:
        """The cluster is the labs' own: names stay as they are."""
        return wanted

    def load_image(self, name: str, archive: Path) -> None:
        """Into every node's containerd.

        :raises PermanentError: there is no cluster, or it takes no such archive
        """
        from labs.cluster.images.names import named

        record = cluster.read()
        if record is None:
            raise PermanentError("There is no kind cluster.", "Run `lab up kubernetes`.")
        if not archive.is_file():
            raise PermanentError(f"There is no archive {archive}.")
        cluster.load(archive, docker.containers(record.name), str(named(name)))

    def reset(self) -> list[str]:
        """A new cluster in place of this one; one that was not there stays away."""
        if cluster.read() is None:
            return ["kubernetes: there is no cluster; it starts empty"]
        try:
            before = set(kubectl("get", "namespaces", "-o", "jsonpath={.items[*].metadata.name}",
                                 kubeconfig=cluster.kubeconfig()).split()) - _THEIRS
        except TemporaryError:      # one that does not answer is made anew all the more
            before = set()
        control.down(["kubernetes"])
        control.up(["kubernetes"])
        return ["kubernetes: back to its start, a new cluster",
                *(f"  removed namespace {name}" for name in sorted(before))]


def _command(context: Context) -> list[str]:
    return [sys.executable, "-m", MODULE, "serve", "--port", str(context.port)]


def _ready(context: Context) -> None:
    """The API server answers at the service's address."""
    try:
        known = yaml.safe_load((context.home / "kubeconfig").read_text(encoding="utf-8"))
        trust = ssl.create_default_context(cadata=_authority(known))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TemporaryError(f"{context.home / 'kubeconfig'}: {error!r}") from error
    get(http.client.HTTPSConnection("127.0.0.1", context.port or 0, timeout=ANSWERED_WITHIN, context=trust), "/readyz")


def _authority(known: Any) -> str:
    import base64

    return base64.b64decode(known["clusters"][0]["cluster"]["certificate-authority-data"]).decode("ascii")


DRIVER = Kind()
