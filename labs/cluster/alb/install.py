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
import time
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from labs.cluster.alb import account, manifests
from labs.cluster.controlplane.services import READY_WITHIN
from labs.cluster.identity import issuer
from labs.cluster.nodes.api import Refused
from labs.cluster.space import APPLY, Cluster
from labs.errors import LabError, TemporaryError
from labs.services import state

KUBECONFIG = Path("kubernetes", "alb.kubeconfig")
TOKEN = Path("kubernetes", "alb.token")
"""In the state folder."""
REGION = "us-east-1"
_TOKEN_SECONDS = 365 * 24 * 3600


def main() -> None:
    """Install; waits for a cluster and an endpoint that start at the same time."""
    parser = argparse.ArgumentParser(prog="python -m labs.cluster.alb.install", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--cluster", required=True)
    given = parser.parse_args()
    os.umask(0o077)
    end = time.monotonic() + READY_WITHIN
    while True:
        try:
            in_the_cluster(given.home)
            made = in_the_account(given.home, given.endpoint, given.cluster)
            break
        except (LabError, BotoCoreError, ClientError) as error:
            if time.monotonic() > end:
                sys.exit(f"The controller cannot be installed: {error}")
        time.sleep(0.2)
    print(json.dumps({"vpc": made.vpc, "role": made.role}))


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
            for_cluster, for_aws = (_token(administrator, audiences) for audiences in ([], [account.AUDIENCE]))
        except Refused as error:
            raise TemporaryError(str(error)) from error
    state.write_private(home / TOKEN, for_aws)
    state.write_private(home / KUBECONFIG, with_token(home / "kubeconfig", for_cluster))


def _token(administrator: Cluster, audiences: list[str]) -> str:
    """ "TokenRequest", Kubernetes API reference."""
    spec: dict[str, Any] = {"expirationSeconds": _TOKEN_SECONDS, **({"audiences": audiences} if audiences else {})}
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str(administrator.call("POST", f"{manifests.ACCOUNT}/token", asked)["status"]["token"])


def with_token(kubeconfig: Path, token: str) -> str:
    """A kubeconfig like another one, for whoever has a token."""
    known = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    for each in known["users"]:
        each["user"] = {"token": token}
    return str(yaml.safe_dump(known))


if __name__ == "__main__":
    main()
