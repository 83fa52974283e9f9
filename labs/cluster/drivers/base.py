"""What a cluster driver is, and which one was chosen.

    embedded     the control plane and process nodes of ours (default)
    kind         real kubelets in Docker containers: a cluster of ours, too
    kubeconfig   a cluster that is somebody's: only namespaces that we made are ours

``LABS_KUBERNETES`` chooses.  The same words for all: the service ``kubernetes`` with the file ``HOME/kubeconfig``,
:meth:`Driver.namespace`, :meth:`Driver.load_image`, :meth:`Driver.reset`.
"""

from __future__ import annotations

import importlib
import os
import subprocess
from pathlib import Path
from typing import Any, Protocol

from labs.errors import PermanentError, TemporaryError
from labs.services import state
from labs.services.catalog import Service
from labs.toolbox import programs

VARIABLE = "LABS_KUBERNETES"
NAMES = ("embedded", "kind", "kubeconfig")
MANAGED = "app.kubernetes.io/managed-by"
MANAGER = "production-labs"
"""Label and value of every namespace that a lab made ("Recommended Labels", Kubernetes documentation)."""
ANSWERED_WITHIN = 60.0


class Driver(Protocol):
    """One kind of cluster."""

    name: str

    def service(self) -> Service:
        """The service ``kubernetes``: it runs while the cluster can be used."""
        ...

    def namespace(self, wanted: str) -> str:
        """The name under which a lab's namespace exists on this cluster."""
        ...

    def load_image(self, name: str, archive: Path) -> None:
        """Make a container image from an OCI or Docker archive known to the nodes.

        :raises PermanentError: this cluster takes no archives; says what to do instead
        """
        ...

    def reset(self) -> list[str]:
        """Back to the start; lines that say what was removed."""
        ...


def chosen() -> Driver:
    """The driver that ``LABS_KUBERNETES`` names.

    :raises PermanentError: there is none of that name
    """
    name = os.environ.get(VARIABLE) or "embedded"
    if name not in NAMES:
        raise PermanentError(f"{VARIABLE} is {name!r}.", f"Set it to one of: {', '.join(NAMES)}.")
    found: Driver = importlib.import_module(f"labs.cluster.drivers.{name}").DRIVER
    return found


def kubectl(*arguments: str, stdin: str | None = None, kubeconfig: Path | None = None,
            within: float = ANSWERED_WITHIN) -> str:
    """What kubectl prints, on ``HOME/kubeconfig`` unless told otherwise; TemporaryError with its words when it fails.

    :param within: seconds
    """
    found = programs.find(programs.tool("kubectl"))
    if found is None:
        raise PermanentError("kubectl is not here.", "Run `lab tools fetch kubectl`.")
    command = [str(found.path), "--kubeconfig", str(kubeconfig or state.home() / "kubeconfig"), *arguments]
    return run(command, within=within, stdin=stdin)


def run(command: list[str], within: float, stdin: str | None = None, **environment: str) -> str:
    """Standard output of a program that ends with 0; TemporaryError with what it said when it does not."""
    given: dict[str, Any] = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=within, check=False,
                              env={**os.environ, **environment}, **given)
    except subprocess.TimeoutExpired as error:
        raise TemporaryError(f"{' '.join(command[:4])} did not end within {within:.0f} s") from error
    except OSError as error:
        raise PermanentError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-800:]
        raise TemporaryError(f"{Path(command[0]).name} {' '.join(command[1:4])} fails: {said}")
    return done.stdout
