"""Load balancers and their controller for one namespace, as two processes of a lab's or a check's own."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labs.aws.balancing.addresses import address_of, port_of
from labs.cluster.alb import account
from labs.cluster.space import patient
from labs.errors import TemporaryError
from labs.scenarios.h_networking.asking import Place

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount
    from labs.cluster.space import Space

READY_WITHIN = 30.0


@contextlib.contextmanager
def serving(aws: AwsAccount, home: Path, cluster: Path | None = None) -> Iterator[None]:
    """The data plane of an account's load balancers.

    :param home: a folder for logs, the access log among them
    :param cluster: state folder of a cluster whose pods are targets
    :raises TemporaryError: it does not become ready
    """
    more = ("--cluster", str(cluster)) if cluster else ()
    plane = _running(home / "load-balancers.log", {}, "labs.aws.balancing", "--home", str(home), "--endpoint",
                     aws.endpoint, *more)
    try:
        _wait_ready(plane, home)
        yield
    finally:
        _ended(plane)


@contextlib.contextmanager
def controlled(aws: AwsAccount, space: Space, home: Path) -> Iterator[None]:
    """The data plane of an account's load balancers, and a controller that sees one namespace.

    The controller is a user of the account with its own policy: the account does not know this cluster's tokens.

    :param home: a folder for logs
    :raises TemporaryError: one of them does not become ready
    """
    vpc = account.prepare(aws.client, aws.account, space.name).vpc
    credentials = account.as_user(aws.client("iam"), aws.account)
    cluster = space.cluster.kubeconfig
    told = {"AWS_ENDPOINT_URL": aws.endpoint, "AWS_DEFAULT_REGION": aws.region, **credentials}
    controller = _running(home / "controller.log", told, "labs.cluster.alb", "--kubeconfig", str(cluster), "--vpc", vpc,
                          "--cluster", space.name, "--namespace", space.name)
    try:
        with serving(aws, home, cluster.parent):
            _wait_ready(controller, home)
            yield
    finally:
        _ended(controller)


def _running(log: Path, more: Mapping[str, str], module: str, *arguments: str) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with log.open("ab") as file:
        return subprocess.Popen([sys.executable, "-m", module, *arguments], env={**kept, **more}, stderr=file,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)


def _wait_ready(process: subprocess.Popen[bytes], home: Path) -> None:
    assert process.stdout is not None
    if select.select([process.stdout], [], [], patient(READY_WITHIN))[0] and process.stdout.readline() == b"ready\n":
        return
    said = "".join(each.read_text("utf-8", "replace")[-600:] for each in home.glob("*.log"))
    raise TemporaryError(f"the load balancers did not become ready in {READY_WITHIN:.0f} s; they said: {said}")


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()


def hostname(ingress: Mapping[str, Any]) -> str:
    """The load balancer's DNS name that an Ingress shows, "" for none yet."""
    places = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
    return str(places[0].get("hostname", ""))


def place_of(dns_name: str, port: int = 80, tls: bool = False) -> Place:
    """Where a load balancer's listener is on this machine."""
    return Place(address_of(dns_name), port_of(port), tls)


def described(elb: Any, dns_name: str) -> dict[str, Any]:
    """A load balancer with its listeners, their rules, and its target groups with their health."""
    balancer = next((each for each in elb.describe_load_balancers()["LoadBalancers"] if each["DNSName"] == dns_name),
                    None)
    if balancer is None:
        raise TemporaryError(f"there is no load balancer {dns_name}", 0.5)
    ask = functools.partial(elb.describe_listeners, LoadBalancerArn=balancer["LoadBalancerArn"])
    listeners = [{**each, "Rules": elb.describe_rules(ListenerArn=each["ListenerArn"])["Rules"]}
                 for each in ask()["Listeners"]]
    told = json.dumps(listeners)
    groups = [{**each, "Health": elb.describe_target_health(TargetGroupArn=each["TargetGroupArn"])[
        "TargetHealthDescriptions"]} for each in elb.describe_target_groups()["TargetGroups"]
        if each["TargetGroupArn"] in told]
    return {**balancer, "Listeners": listeners, "TargetGroups": groups}

