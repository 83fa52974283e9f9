"""A lab that lives in a namespace of a cluster: :class:`ClusterLab`, and the learner's hold on it.

Its methods get a :class:`labs.cluster.space.Space` where those of an AWS lab get an account.  All that such a lab makes
is in one namespace, whose name comes from the learner's seed, so that ``reset`` is the removal of that namespace.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from labs.cluster.nodes.api import Refused
from labs.cluster.space import Cluster, Object, Space, complete, kubeconfig_for, until
from labs.errors import TemporaryError
from labs.scenarios.base import Hold, Lab, Values, settle

LABEL = "labs/lab"
"""Label of a namespace that belongs to a lab; its value is the lab's id."""
REMOVED_WITHIN = 60.0
WATCHED_FOR = 120.0


class ClusterLab(Lab):
    """See the module; ``values(seed)["namespace"]`` names the namespace."""

    needs: ClassVar[tuple[str, ...]] = ("kubernetes",)
    faults: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def prepare(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """Bring about the declared start in a namespace that is there."""
        raise NotImplementedError

    def furnish(self, space: Space, values: Values) -> None:
        """Bring into an attempt's namespace what the lab's exercises are judged with; as ``prepare`` unless said."""
        self.prepare(space, values)

    def observe(self, space: Space, values: Values) -> dict[str, Any]:  # type: ignore[override]
        """What is the case now, as JSON values."""
        raise NotImplementedError

    def reset(self, space: Space, values: Values) -> list[str]:  # type: ignore[override]
        """Remove the namespace; a line for each thing that it held."""
        if not space.exists():
            return []
        held = [
            f"{kind} {each['metadata']['name']}"
            for kind in ("Deployment", "Service", "ConfigMap", "PodDisruptionBudget")
            for each in space.list(kind)
            if each["metadata"]["name"] != "kube-root-ca.crt"
        ]
        if not space.remove(REMOVED_WITHIN):
            raise TemporaryError(f"namespace {space.name} is not gone after {REMOVED_WITHIN:.0f} s")
        return [*held, f"namespace {space.name}"]


class ClusterSession(Hold):
    """One learner's hold on a lab of a cluster: what a notebook gets from ``lab("e4")``."""

    def __init__(self, lab: ClusterLab, cluster: Cluster, account: str, seed: bytes) -> None:
        values = settle(lab.values(seed), account)
        self.space = cluster.space(values["namespace"])
        super().__init__(lab, self.space, values)

    def __repr__(self) -> str:
        return f"<lab {self.lab.id}: {self.lab.title}, namespace {self.space.name}>"

    def prepare(self) -> ClusterSession:
        """Start the lab, or bring it back to its start; returns itself."""
        if not self.space.exists():
            until(lambda: self.space.cluster.namespaces(f"kubernetes.io/metadata.name={self.space.name}") == [], 60.0)
        self.space.make({LABEL: self.lab.id})
        self.lab.prepare(self.space, self.values)
        print(f"Lab {self.lab.id} is ready in namespace {self.space.name}.")
        return self

    def apply(self, *objects: Object) -> None:
        """Server-side apply of manifests (dictionaries) in the lab's namespace.

        :raises labs.cluster.space.Refused: the API server says no
        """
        for each in self.space.apply(*objects, manager="learner"):
            print(f"{each['kind'].lower()}/{each['metadata']['name']} applied")

    def attempt(self, call: Callable[..., Any], *arguments: Any) -> Refused | None:
        """Make a call and print the API server's answer in a line if it says no; that error, or None."""
        try:
            call(*arguments)
        except Refused as error:
            print(error)
            return error
        return None

    def patch(self, app: str, patch: Object) -> None:
        """A strategic merge patch of a Deployment, as ``kubectl patch`` sends it.

        :raises labs.cluster.space.Refused: the API server says no
        """
        self.space.patch("Deployment", app, patch)
        print(f"deployment/{app} patched")

    def wait(self, app: str, seconds: float = WATCHED_FOR) -> None:
        """Return when every pod of a workload is Ready, or say after some seconds what is not."""
        began = time.monotonic()
        if until(lambda: complete(self.space.get("Deployment", app)), seconds):
            print(f"{app}: every pod is Ready after {time.monotonic() - began:.0f} s")
        else:
            print(f"{app}: not every pod is Ready after {seconds:.0f} s; look at `kubectl get pods`")


def session(lab: ClusterLab, enrolled: Mapping[str, str]) -> ClusterSession:
    """The learner's session; starts the cluster where it does not run, and points ``kubectl`` of this process at it.

    :param enrolled: ``labs.services.learner()``
    """
    home = running_cluster(lab.needs)
    values = lab.values(bytes.fromhex(enrolled["seed"]))
    kubeconfig = kubeconfig_for(home / "kubeconfig", home / f"{lab.id}.kubeconfig", values["namespace"])
    os.environ["KUBECONFIG"] = str(kubeconfig)
    _find_kubectl()
    return ClusterSession(lab, Cluster(kubeconfig), enrolled["account"], bytes.fromhex(enrolled["seed"]))


def running_cluster(services_needed: Sequence[str] = ("kubernetes",)) -> Path:
    """The state folder, with a cluster and what else is needed beside it; starting that takes some seconds and says so.
    """
    from labs import services
    from labs.cluster.drivers import base

    nodes = ("nodes",) if base.chosen().name == "embedded" else ()
    running = {row.name for row in services.status() if row.state == "running"}
    if not running >= {*services_needed, *nodes}:
        print("Starting what the lab needs, which takes some seconds.", file=sys.stderr)
        services.up(list(services_needed))
    return services.home()


def _find_kubectl() -> None:
    """Put a kubectl that fits the cluster first in PATH of this process, unless it is there."""
    from labs.toolbox import programs

    found = programs.find(programs.tool("kubectl"))
    if found is not None and shutil.which("kubectl") != str(found.path):
        os.environ["PATH"] = os.pathsep.join([str(found.path.parent), os.environ.get("PATH", os.defpath)])
