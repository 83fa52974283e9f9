"""One real control plane for the tests of a module, where its programs are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labs.cluster.network.addresses import Ranges
from labs.toolbox import programs
from tests.programs import CLUSTER, need

ROOT = Path(__file__).resolve().parents[3]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that waits for a cluster may take longer: a timeout ends the whole worker, and its cluster stays."""
    for item in items:
        if "cluster_home" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(scope="module")
def tools() -> None:
    need(*CLUSTER)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The services this tree's pyproject.toml registers, also where an older tree was installed."""
    site = tmp_path_factory.mktemp("site")
    info = site / "services_of_this_tree-1.dist-info"
    info.mkdir()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    entries = project["entry-points"]["labs.services"]
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: services-of-this-tree\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[labs.services]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items()))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setenv("PYTHONPATH", f"{site}:{os.environ['PYTHONPATH']}")
        yield


@pytest.fixture(scope="module")
def cluster_home(
    request: pytest.FixtureRequest, registered: None, tools: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A state folder with a running control plane; nothing is left of it afterwards.

    A module that wants nodes says how many in ``NODES``, how they wait in ``BACKOFF``, and in ``NETWORK`` that pods are
    to see the network as on a host without seccomp notification.
    """
    from labs.aws import learner
    from labs.services import control

    home = tmp_path_factory.mktemp("cluster")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABS_HOME", str(home))
        patch.setenv("LABS_KUBERNETES_NODES", str(getattr(request.module, "NODES", 0)))
        patch.setenv("LABS_KUBERNETES_NETWORK", getattr(request.module, "NETWORK", ""))
        patch.setenv("LABS_KUBERNETES_BACKOFF", getattr(request.module, "BACKOFF", "10,300"))
        learner.enroll(home)        # as `lab up` does first
        try:
            control.up(["kubernetes"])
            yield home
        finally:
            control.down()


@pytest.fixture(scope="module")
def ranges(cluster_home: Path) -> Ranges:
    """Where this cluster's addresses are on loopback."""
    found = json.loads((cluster_home / "kubernetes/network.json").read_text())
    return Ranges(int(os.environ.get("LABS_KUBERNETES_NUMBER", "0")), found["offset"])


@pytest.fixture(scope="module")
def kubectl(cluster_home: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Calls kubectl as the administrator; fails the test unless it ends with ``status`` (None: any)."""
    found = programs.find(programs.tool("kubectl"))
    assert found is not None

    def call(*arguments: str, status: int | None = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [found.path, "--kubeconfig", str(cluster_home / "kubeconfig"), "--request-timeout=30s", *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(cluster_home)}, input=stdin, capture_output=True, text=True,
            timeout=60, check=False)
        if status is not None:
            assert done.returncode == status, done.stdout + done.stderr
        return done

    return call


if sys.platform != "linux":
    collect_ignore_glob = ["test_controlplane*", "test_nodes*"]
