"""The controller on a real cluster and the AWS endpoint: load balancers come, serve, follow their pods and go."""

from __future__ import annotations

import http.client
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from labs.aws.balancing.addresses import address_of, port_of
from labs.cluster.alb import account
from labs.cluster.alb.annotations import PREFIX
from labs.services import control, state
from tests.labs.cluster import waiting
from tests.labs.cluster.network.pods import Kubectl, apply, server, service, wait_ready

pytestmark = pytest.mark.timeout(240)
NODES = 2
WITHIN = 60.0
Object = dict[str, Any]


@pytest.fixture(scope="module")
def aws(cluster_home: Path) -> Callable[[str], Any]:
    """Clients of the learner's account, as its root user; the controller and the data plane run."""
    control.up(["load-balancer-controller"])
    number = state.learner()["account"]
    session = boto3.session.Session(number, "test", region_name="us-east-1")
    return lambda name: session.client(name, endpoint_url=state.endpoint("aws"))


@pytest.fixture(scope="module")
def shop(aws: Callable[[str], Any], kubectl: Kubectl) -> str:
    """Two Services, an Ingress over them; the load balancer's DNS name once it answers."""
    apply(kubectl, server("web-1", labels={"app": "web"}), server("api-1", labels={"app": "api"}),
          service("web", {"app": "web"}, {"port": 80, "targetPort": 8080}),
          service("api", {"app": "api"}, {"port": 80, "targetPort": 8080}),
          ingress())
    wait_ready(kubectl, "web-1", "api-1")
    name = waiting.until(lambda: hostname(kubectl), "the Ingress shows a hostname", WITHIN)
    waiting.until(lambda: (ask(name), ask(name, "/api")) == ("web-1", "api-1"), "it leads to the pods", WITHIN)
    return str(name)


def ingress(**annotations: str) -> Object:
    """Of the class, with targets by address."""
    said = {"scheme": "internet-facing", "target-type": "ip", "healthcheck-interval-seconds": "5",
            "healthcheck-timeout-seconds": "2",
            "target-group-attributes": "deregistration_delay.timeout_seconds=1",
            "actions.old": json.dumps({"type": "redirect", "redirectConfig": {
                "path": "/", "statusCode": "HTTP_302"}}), **annotations}

    def path(text: str, name: str, port: Object) -> Object:
        return {"path": text, "pathType": "Prefix", "backend": {"service": {"name": name, "port": port}}}

    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": "shop", "annotations": {PREFIX + key: value for key, value in said.items()}},
            "spec": {"ingressClassName": "alb", "rules": [{"host": "shop.test", "http": {"paths": [
                path("/", "web", {"number": 80}), path("/api", "api", {"number": 80}),
                path("/old", "old", {"name": "use-annotation"})]}}]}}


def hostname(kubectl: Kubectl) -> str:
    return kubectl("get", "ingress", "shop", "-o", "jsonpath={.status.loadBalancer.ingress[0].hostname}").stdout


def ask(name: str, path: str = "/", host: str = "shop.test") -> str:
    """The pod that answers, or the status."""
    connection = http.client.HTTPConnection(address_of(name), port_of(80), timeout=20)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        said = answer.read()
        return str(json.loads(said)["pod"]) if answer.status == 200 else str(answer.status)
    except OSError as error:
        return repr(error)
    finally:
        connection.close()


def health(aws: Callable[[str], Any], service: str) -> dict[str, str]:
    """Target's address → state, of a Service's target group."""
    elb = aws("elbv2")
    groups = elb.describe_target_groups()["TargetGroups"]
    arn = next(each["TargetGroupArn"] for each in groups if f"-{service}-" in each["TargetGroupName"])
    told = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    return {each["Target"]["Id"]: each["TargetHealth"]["State"] for each in told}


def reasons(kubectl: Kubectl) -> list[str]:
    found = json.loads(kubectl("get", "events", "-o", "json").stdout)["items"]
    return [f"{each['reason']}: {each['message']}" for each in found if each["involvedObject"]["name"] == "shop"]


def test_routes_are_the_ingresss(shop: str) -> None:
    assert [ask(shop, path) for path in ("/", "/api/x", "/apis", "/old/x")] == ["web-1", "api-1", "web-1", "302"]
    assert ask(shop, host="other.test") == "404"


def test_what_was_made_carries_names_and_tags(shop: str, aws: Callable[[str], Any], kubectl: Kubectl) -> None:
    elb = aws("elbv2")
    balancer = elb.describe_load_balancers()["LoadBalancers"][0]
    assert balancer["LoadBalancerName"].startswith("k8s-default-shop-")
    assert balancer["DNSName"] == shop
    tags = elb.describe_tags(ResourceArns=[balancer["LoadBalancerArn"]])["TagDescriptions"][0]["Tags"]
    assert {"Key": "ingress.k8s.aws/stack", "Value": "default/shop"} in tags
    held = json.loads(kubectl("get", "ingress", "shop", "-o", "json").stdout)["metadata"]["finalizers"]
    assert held == ["ingress.k8s.aws/resources"]
    assert "SuccessfullyReconciled: Successfully reconciled" in reasons(kubectl)


def test_targets_follow_the_pods(shop: str, aws: Callable[[str], Any], kubectl: Kubectl) -> None:
    apply(kubectl, server("web-2", labels={"app": "web"}))
    wait_ready(kubectl, "web-2")
    waiting.until(lambda: list(health(aws, "web").values()) == ["healthy"] * 2, "two healthy targets", WITHIN)
    waiting.until(lambda: {ask(shop) for _ in range(4)} == {"web-1", "web-2"}, "both pods answer", WITHIN)
    kubectl("delete", "pod", "web-2", "--wait=false")
    waiting.until(lambda: list(health(aws, "web").values()) == ["healthy"], "one target is left", WITHIN)
    waiting.until(lambda: [ask(shop) for _ in range(4)] == ["web-1"] * 4, "only the pod that is left answers", WITHIN)


def test_a_wrong_health_check_path_is_seen(shop: str, aws: Callable[[str], Any], kubectl: Kubectl) -> None:
    apply(kubectl, ingress(**{"success-codes": "204"}))
    waiting.until(lambda: list(health(aws, "web").values()) == ["unhealthy"], "the target is unhealthy", WITHIN)
    apply(kubectl, ingress())
    waiting.until(lambda: list(health(aws, "web").values()) == ["healthy"], "the target is healthy again", WITHIN)


def test_iam_says_no_and_the_event_tells(shop: str, aws: Callable[[str], Any], kubectl: Kubectl) -> None:
    iam, arn = aws("iam"), f"arn:aws:iam::{state.learner()['account']}:policy/{account.POLICY}"
    iam.detach_role_policy(RoleName=account.ROLE, PolicyArn=arn)
    apply(kubectl, ingress(**{"success-codes": "200-299"}))
    waiting.until(lambda: any("FailedDeployModel" in each and "AccessDenied" in each for each in reasons(kubectl)),
                  "the event says AccessDenied", WITHIN)
    assert ask(shop) == "web-1"     # what is there goes on
    iam.attach_role_policy(RoleName=account.ROLE, PolicyArn=arn)


def test_a_controller_that_starts_anew_adopts_what_is_there(shop: str, aws: Callable[[str], Any], kubectl: Kubectl,
                                                            cluster_home: Path) -> None:
    elb = aws("elbv2")
    before = {each["TargetGroupArn"] for each in elb.describe_target_groups()["TargetGroups"]}
    pid = next(row.pid for row in control.status() if row.name == "load-balancer-controller")
    os.kill(pid, signal.SIGKILL)
    apply(kubectl, ingress(tags="team=shop"))
    balancer = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    waiting.until(lambda: {"Key": "team", "Value": "shop"} in elb.describe_tags(
        ResourceArns=[balancer])["TagDescriptions"][0]["Tags"], "the tag is there", WITHIN)
    assert {each["TargetGroupArn"] for each in elb.describe_target_groups()["TargetGroups"]} == before
    assert hostname(kubectl) == shop


def test_an_ingress_that_goes_takes_everything_with_it(shop: str, aws: Callable[[str], Any], kubectl: Kubectl) -> None:
    kubectl("delete", "ingress", "shop", "--timeout=40s")
    elb, ec2 = aws("elbv2"), aws("ec2")
    assert elb.describe_load_balancers()["LoadBalancers"] == []
    assert elb.describe_target_groups()["TargetGroups"] == []
    left = [each["GroupName"] for each in ec2.describe_security_groups()["SecurityGroups"]]
    assert not [each for each in left if each.startswith("k8s-default-")]
    waiting.until(lambda: "ConnectionRefused" in ask(shop), "nobody listens there", WITHIN)
