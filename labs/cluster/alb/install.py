"""``python -m labs.cluster.alb.install --home DIR --endpoint URL --cluster NAME``: installs the controller.

As administrator of the cluster, and of the learner's account by the shorthand of the endpoint's own machine.  A program
of its own, so that the controller never holds more than its own rights, nor the memory that this takes.  Prints
``{"vpc", "role"}``; the controller's kubeconfig and its token for AWS are files in the state folder.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import sys
from pathlib import Path

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from labs.cluster.alb import account, manifests
from labs.cluster.alb.naming import KUBECONFIG, TOKEN
from labs.cluster.controlplane import accounts
from labs.cluster.identity import issuer
from labs.cluster.nodes.api import Refused
from labs.cluster.space import APPLY, Cluster
from labs.errors import LabError, TemporaryError
from labs.services import state

REGION = "us-east-1"


def main() -> None:
    """Install; waits for a cluster and an endpoint that start at the same time."""
    parser = argparse.ArgumentParser(prog="python -m labs.cluster.alb.install", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--cluster", required=True)
    given = parser.parse_args()
    os.umask(0o077)

    def made() -> account.Prepared:
        in_the_cluster(given.home)
        return in_the_account(given.home, given.endpoint, given.cluster)

    errors = (LabError, BotoCoreError, ClientError)
    try:
        prepared = accounts.patiently(made, errors)
    except errors as error:
        sys.exit(f"The controller cannot be installed: {error}")
    print(json.dumps({"vpc": prepared.vpc, "role": prepared.role}))


def in_the_account(home: Path, endpoint: str, cluster: str) -> account.Prepared:
    """Role, policy, subnets' tags and the nodes' security group."""
    learner = state.read_json(home / "learner.json") or {}
    number = str(learner.get("account") or "000000000000")
    session = boto3.session.Session(number, "test", region_name=REGION)
    known = issuer.published(home)
    if not known:
        raise TemporaryError("the cluster has not published its issuer yet")
    return account.prepare(functools.partial(session.client, endpoint_url=endpoint), number, cluster, known["issuer"])


def in_the_cluster(home: Path) -> None:
    """The service account and what it may do, the IngressClass, and the account's two tokens."""
    administrator = Cluster(home / "kubeconfig")
    with contextlib.closing(administrator):
        try:
            for path, item in manifests.applied().items():
                administrator.call("PATCH", path, item, APPLY, fieldManager="labs-alb", force="true")
            for_cluster, for_aws = (_token(administrator), _token(administrator, account.AUDIENCE))
        except Refused as error:
            raise TemporaryError(str(error)) from error
    state.write_private(home / TOKEN, for_aws)
    state.write_private(home / KUBECONFIG, with_token(home / "kubeconfig", for_cluster))


def _token(administrator: Cluster, *audiences: str) -> str:
    asked = administrator.call("POST", f"{manifests.ACCOUNT}/token", accounts.token_request(*audiences))
    return str(asked["status"]["token"])


def with_token(kubeconfig: Path, token: str) -> str:
    """A kubeconfig like another one, for whoever has a token."""
    known = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    for each in known["users"]:
        each["user"] = {"token": token}
    return str(yaml.safe_dump(known))


if __name__ == "__main__":
    main()
