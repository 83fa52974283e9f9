"""One running cluster per driver: embedded always, kubeconfig where `scripts/test --all` asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from labs.aws import learner
from labs.aws.account import AwsAccount
from labs.cluster.drivers import base
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
    "embedded", pytest.param("kubeconfig", marks=pytest.mark.long)])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster of one driver, up; nothing is left of it afterwards."""
    name = request.param
    embedded: Path = request.getfixturevalue("cluster_home")
    home = embedded if name == "embedded" else tmp_path_factory.mktemp(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABS_HOME", str(home))
        patch.setenv(base.VARIABLE, name)
        if name == "kubeconfig":
            patch.setenv("LABS_KUBECONFIG", str(embedded / "kubeconfig"))
        known = learner.enroll(state.make_home())
        try:
            control.up(["kubernetes", "aws"])
            account = AwsAccount(state.endpoint("aws"), known["account"])
            yield Cluster(base.chosen(), home, account, "host", name != "kubeconfig" and sandbox.mountable())
        finally:
            if home != embedded:        # that one may be needed for the next driver, and ends by itself
                control.down()
