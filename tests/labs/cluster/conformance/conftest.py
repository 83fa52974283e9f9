"""One running cluster per driver: embedded always, the others where `scripts/test --all` asks for them.

That of kind needs a Docker daemon and a node image: the one that ``LABS_KIND_IMAGE`` names, else the published one,
else any ``kindest/node`` that is on this machine (a minor apart from the toolbox's changes nothing that is promised).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from labs.aws import learner
from labs.aws.account import AwsAccount
from labs.cluster.drivers import base
from labs.cluster.drivers.kind import cluster as kind
from labs.cluster.drivers.kind import docker
from labs.cluster.nodes import sandbox
from labs.services import control, state


@dataclass(frozen=True)
class Cluster:
    """A cluster under test, with the AWS endpoint of the same state folder.

    :param image: has Python and boto3 as ``python3``
    :param roles: do pods get roles in AWS here?
    """

    driver: base.Driver
    home: Path
    aws: AwsAccount
    image: str
    roles: bool


@pytest.fixture(scope="module", params=[
    "embedded", pytest.param("kubeconfig", marks=pytest.mark.long), pytest.param("kind", marks=pytest.mark.long)])
def cluster(
    request: pytest.FixtureRequest, registered: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """The cluster of one driver, up; nothing is left of it afterwards."""
    name = request.param
    with pytest.MonkeyPatch.context() as patch:
        if name == "kind":
            patch.setenv("LABS_KIND_IMAGE", node_image())
            patch.delenv("LABS_KUBERNETES_NODES", raising=False)
        else:
            embedded: Path = request.getfixturevalue("cluster_home")
            patch.setenv("LABS_KUBECONFIG", str(embedded / "kubeconfig"))
        home = embedded if name == "embedded" else tmp_path_factory.mktemp(name)
        patch.setenv("LABS_HOME", str(home))
        patch.setenv(base.VARIABLE, name)
        known = learner.enroll(state.make_home())
        try:
            control.up(["kubernetes", "aws"])
            account = AwsAccount(state.endpoint("aws"), known["account"])
            roles = name == "kind" or (name == "embedded" and sandbox.mountable())
            yield Cluster(base.chosen(), home, account, "host", roles)
        finally:
            if name != "embedded":      # that one may be needed for the next driver, and ends by itself
                control.down()


def node_image() -> str:
    """The image for nodes of kind; skips with the reason where there is none, or no Docker."""
    why = docker.usable()
    if why:
        pytest.skip(why)
    here = docker.docker("image", "ls", "kindest/node", "--format", "{{.Repository}}:{{.Tag}}").split()
    chosen = os.environ.get("LABS_KIND_IMAGE") or kind.IMAGE
    if docker.has_image(chosen):
        return chosen
    ours = [name for name in here if re.fullmatch(r"kindest/node:v[0-9.]+", name)]
    if os.environ.get("LABS_KIND_IMAGE") or not ours:
        pytest.skip(f"the node image {chosen} is not on this machine; here are: {', '.join(here) or 'none'}")
    return ours[0]
