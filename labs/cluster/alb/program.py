"""The controller's program, until SIGTERM.

With ``--home`` it is installed first, and takes its role by its service account's token, as on EKS.  Without, it is
told by ``--kubeconfig`` and ``--vpc``, and finds AWS and its credentials in the environment as every program does.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import kopf

from labs.cluster.alb.deploy import Account
from labs.cluster.alb.naming import KUBECONFIG, NAME, TOKEN
from labs.cluster.alb.operator import Operator
from labs.cluster.space import Cluster
from labs.errors import PermanentError, TemporaryError

REGION = "us-east-1"
CLUSTER = "labs"
"""What the cluster is called in names and tags."""


def main() -> None:
    """Run, or exit with the reason."""
    parser = argparse.ArgumentParser(prog="python -m labs.cluster.alb", description=__doc__)
    parser.add_argument("--home", type=Path, help="the state folder")
    parser.add_argument("--endpoint", help="URL of the AWS endpoint, with --home")
    parser.add_argument("--socket", type=Path, help="Unix socket that answers when it watches")
    parser.add_argument("--kubeconfig", type=Path, help="of the controller")
    parser.add_argument("--vpc", help="id of the VPC")
    parser.add_argument("--cluster", default=CLUSTER, help="the cluster's name")
    parser.add_argument("--namespace", action="append", help="watched; all where none is given")
    given = parser.parse_args()
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    for noisy in ("kopf", "httpx", "botocore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if given.home:
        try:
            given.vpc = _take_role(given, _installed(given))
        except TemporaryError as error:
            sys.exit(str(error))
    if not (given.kubeconfig and given.vpc):
        sys.exit(str(PermanentError("Neither --home nor --kubeconfig and --vpc are given.")))
    asyncio.run(_run(given))


def _installed(given: argparse.Namespace) -> dict[str, str]:
    """:raises TemporaryError: it could not be"""
    command = [sys.executable, "-m", "labs.cluster.alb.install", "--home", str(given.home), "--endpoint",
               given.endpoint, "--cluster", given.cluster]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise TemporaryError("The controller could not be installed: see above.")
    said: dict[str, str] = json.loads(done.stdout)
    return said


def _take_role(given: argparse.Namespace, installed: dict[str, str]) -> str:
    """Have the role by the token, and the kubeconfig; the VPC."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        os.environ.pop(name, None)
    os.environ |= {"AWS_ENDPOINT_URL": given.endpoint, "AWS_ROLE_ARN": installed["role"], "AWS_DEFAULT_REGION": REGION,
                   "AWS_WEB_IDENTITY_TOKEN_FILE": str(given.home / TOKEN), "AWS_ROLE_SESSION_NAME": NAME}
    given.kubeconfig = given.home / KUBECONFIG
    return installed["vpc"]


async def _run(given: argparse.Namespace) -> None:
    def restore() -> None:
        if given.home:
            _installed(given)

    os.environ["KUBECONFIG"] = str(given.kubeconfig)
    made = Operator(Cluster(given.kubeconfig), given.cluster, lambda: Account(_client(), given.vpc, given.cluster),
                    restore)
    ready, stop = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    operating = asyncio.create_task(kopf.operator(
        registry=made.registry, standalone=True, namespaces=given.namespace or (),
        clusterwide=not given.namespace, ready_flag=ready, stop_flag=stop))
    working = asyncio.create_task(made.work())
    greeting = asyncio.create_task(_greet(ready, given.socket))
    await asyncio.wait({operating, working}, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    for each in (working, greeting):
        each.cancel()
    await operating
    if working.done() and not working.cancelled():
        working.result()


async def _greet(ready: asyncio.Event, socket: Path | None) -> None:
    await ready.wait()
    print("ready", flush=True)
    if socket is not None:
        await asyncio.start_unix_server(lambda _, writer: writer.close(), socket)
        await asyncio.Event().wait()


def _client() -> Callable[[str], Any]:
    """Clients of one new session: credentials are looked for again."""
    return functools.partial(boto3.session.Session().client, region_name=REGION)
