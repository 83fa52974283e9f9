"""Pods of a real cluster are roles in AWS: by web identity, by EKS Pod Identity, and not otherwise."""

from __future__ import annotations

import functools
import http.client
import json
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs import jail
from labs.aws import jwt, learner
from labs.aws.account import AwsAccount
from labs.cluster.network.plane import METADATA_FILE
from labs.cluster.nodes import sandbox
from labs.scenarios import Session, registry
from labs.scenarios.b_iam_security.b6 import HARDENED, SECRET
from labs.services import control, state
from tests.labs.cluster import waiting

NODES = 1
WITHIN = 40.0
pytestmark = pytest.mark.timeout(300)
until = functools.partial(waiting.until, within=WITHIN)
PODS = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"]}
WHO = """
import boto3, json, os
print(json.dumps({name: value for name, value in os.environ.items() if name.startswith("AWS_")}))
print(boto3.client("sts").get_caller_identity()["Arn"])
"""

Kubectl = Callable[..., subprocess.CompletedProcess[str]]
needs_mounts = pytest.mark.skipif(not sandbox.mountable(), reason="no bubblewrap and no PRoot: no mounts")


@pytest.fixture(scope="module")
def aws(cluster_home: Path) -> AwsAccount:
    """The learner's account at the AWS endpoint of the cluster's state folder."""
    known = learner.enroll(cluster_home)
    control.up(["aws"])
    return AwsAccount(state.endpoint("aws"), known["account"])      # it ends with the cluster


@pytest.fixture(scope="module")
def issuer(aws: AwsAccount, kubectl: Kubectl) -> str:
    """The cluster's issuer, for which the account has a provider."""
    url = json.loads(kubectl("get", "--raw", "/.well-known/openid-configuration").stdout)["issuer"]
    aws.client("iam").create_open_id_connect_provider(Url=url, ClientIDList=["sts.amazonaws.com"])
    return str(url)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def role(aws: AwsAccount, name: str, *trust: dict[str, Any]) -> str:
    arn: str = aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document(*trust))["Role"]["Arn"]
    return arn


def trusted(aws: AwsAccount, issuer: str, subject: str) -> dict[str, Any]:
    host = issuer.removeprefix("https://")
    return {"Effect": "Allow", "Principal": {"Federated": f"arn:aws:iam::{aws.account}:oidc-provider/{host}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{host}:sub": f"system:serviceaccount:{subject}",
                                           f"{host}:aud": "sts.amazonaws.com"}}}


def pod(name: str, account: str, *more: dict[str, Any], annotations: dict[str, str] | None = None) -> dict[str, Any]:
    main = {"name": "main", "image": "host", "command": ["python3", "-c", WHO]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "annotations": annotations or {}},
            "spec": {"serviceAccountName": account, "restartPolicy": "Never", "containers": [main, *more]}}


def tried(kubectl: Kubectl, body: dict[str, Any], volume: str = "") -> dict[str, Any]:
    """What the API server would make of a pod.

    :param volume: waits until it gets this one: an annotation is seen a moment later, as by EKS's webhook
    """
    def answer() -> dict[str, Any]:
        done = kubectl("create", "-o", "json", "--dry-run=server", "-f", "-", stdin=json.dumps(body))
        found: dict[str, Any] = json.loads(done.stdout)
        return found if not volume or volume in volumes(found) else {}

    return dict(until(answer, f"the pod gets the volume {volume}"))


def volumes(found: dict[str, Any]) -> set[str]:
    return {each["name"] for each in found["spec"]["volumes"]}


def said(kubectl: Kubectl, name: str) -> tuple[dict[str, str], str]:
    """The AWS variables that the pod saw, and who AWS says it is."""
    def over() -> bool:
        return kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}").stdout in ("Succeeded", "Failed")

    until(over, f"{name} has ended")
    lines = kubectl("logs", name).stdout.splitlines()
    assert len(lines) == 2, lines
    return json.loads(lines[0]), lines[1]


# --- the issuer ---------------------------------------------------------------------------------------------------


def test_strangers_read_the_keys_that_sign_tokens(cluster_home: Path, kubectl: Kubectl) -> None:
    trust = ssl.create_default_context(cafile=str(cluster_home / "kubernetes" / "pki" / "ca.crt"))
    port = int(state.endpoint("kubernetes").rpartition(":")[2])
    found = {}
    for path in ("/.well-known/openid-configuration", "/openid/v1/jwks", "/api/v1/namespaces"):
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=trust)
        connection.request("GET", path)
        answer = connection.getresponse()
        found[path] = (answer.status, json.loads(answer.read()))
        connection.close()
    about, keys, secret = found.values()
    assert about[1]["jwks_uri"] == about[1]["issuer"] + "/openid/v1/jwks"
    token = jwt.parse(kubectl("create", "token", "default").stdout.strip())
    assert token.claims["iss"] == about[1]["issuer"]
    assert any(jwt.verify(token, key) for key in keys[1]["keys"])
    assert secret[0] == 403


# --- web identity -------------------------------------------------------------------------------------------------


@needs_mounts
def test_pod_of_an_annotated_account_is_its_role(aws: AwsAccount, issuer: str, kubectl: Kubectl) -> None:
    arn = role(aws, "orders", trusted(aws, issuer, "default:orders"))
    kubectl("create", "serviceaccount", "orders")
    kubectl("annotate", "serviceaccount", "orders", f"eks.amazonaws.com/role-arn={arn}")
    tried(kubectl, pod("orders", "orders"), "aws-iam-token")
    kubectl("apply", "-f", "-", stdin=json.dumps(pod("orders", "orders")))
    variables, caller = said(kubectl, "orders")
    assert caller.startswith(f"arn:aws:sts::{aws.account}:assumed-role/orders/")
    assert variables["AWS_ROLE_ARN"] == arn
    assert variables["AWS_WEB_IDENTITY_TOKEN_FILE"] == "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
    assert variables["AWS_REGION"] == "us-east-1"
    assert variables["AWS_ENDPOINT_URL"] != aws.endpoint       # the host's listener takes shorthand credentials


@pytest.mark.usefixtures("issuer")
def test_what_a_container_sets_itself_stays_and_skipped_ones_get_nothing(kubectl: Kubectl) -> None:
    kubectl("create", "serviceaccount", "parcels")
    kubectl("annotate", "serviceaccount", "parcels", "eks.amazonaws.com/role-arn=arn:aws:iam::111122223333:role/x",
            "eks.amazonaws.com/audience=sts.amazonaws.com.cn", "eks.amazonaws.com/token-expiration=7200")
    own = {"name": "own", "image": "host/true", "env": [{"name": "AWS_REGION", "value": "eu-west-1"}]}
    left = {"name": "left", "image": "host/true"}
    body = pod("parcels", "parcels", own, left, annotations={"eks.amazonaws.com/skip-containers": "left, sidecar"})
    found = tried(kubectl, body, "aws-iam-token")
    main, own, left = ({each["name"]: each["value"] for each in one.get("env", [])}
                       for one in found["spec"]["containers"])
    assert main["AWS_REGION"] == "us-east-1"
    assert own["AWS_REGION"] == "eu-west-1"
    assert own["AWS_ROLE_ARN"] == "arn:aws:iam::111122223333:role/x"
    assert left == {}
    (volume,) = (each for each in found["spec"]["volumes"] if each["name"] == "aws-iam-token")
    assert volume["projected"]["sources"] == [{"serviceAccountToken": {
        "audience": "sts.amazonaws.com.cn", "expirationSeconds": 7200, "path": "token"}}]


def test_tokens_that_do_not_fit_get_the_errors_of_aws(aws: AwsAccount, issuer: str, kubectl: Kubectl) -> None:
    arn = role(aws, "invoices", trusted(aws, issuer, "default:invoices"))
    for name in ("invoices", "reviews"):
        kubectl("create", "serviceaccount", name)

    def token(account: str, audience: str = "sts.amazonaws.com") -> str:
        return kubectl("create", "token", account, "--audience", audience).stdout.strip()

    def answer(text: str) -> str:
        try:
            aws.client("sts").assume_role_with_web_identity(
                RoleArn=arn, RoleSessionName="pod", WebIdentityToken=text)
        except ClientError as error:
            return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
        return "allowed"

    good = token("invoices")
    head, _, tail = good.split(".")
    other_claims = token("reviews").split(".")[1]
    assert answer(good) == "allowed"
    assert answer(token("reviews")).startswith("AccessDenied: Not authorized to perform")
    assert answer(token("invoices", "internal-api")) == "InvalidIdentityToken: Incorrect token audience"
    assert answer(f"{head}.{other_claims}.{tail}").startswith("InvalidIdentityToken: The signature")
    stranger = jwt.sign({**jwt.parse(good).claims, "iss": f"{issuer}0"}, jwt.new_key(), "k")
    assert answer(stranger).startswith("InvalidIdentityToken: No OpenIDConnect provider found")
    forged = jwt.sign(jwt.parse(good).claims, jwt.new_key(), jwt.parse(good).key_id)
    assert answer(forged).startswith("InvalidIdentityToken: The signature")


# --- Pod Identity -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def associated(aws: AwsAccount, kubectl: Kubectl) -> str:
    """An EKS cluster with an association of the service account ``pages``; the cluster's name."""
    arn = role(aws, "pages", PODS)
    subnets = [each["SubnetId"] for each in aws.client("ec2").describe_subnets()["Subnets"]][:2]
    eks = aws.client("eks")
    eks.create_cluster(name="shop", roleArn=arn, resourcesVpcConfig={"subnetIds": subnets})
    eks.create_pod_identity_association(clusterName="shop", namespace="default", serviceAccount="pages", roleArn=arn)
    for name in ("pages", "nobody"):
        kubectl("create", "serviceaccount", name)
    hooks = "mutatingwebhookconfigurations"
    until(lambda: "pod-identity.labs" in kubectl("get", hooks, "-o", "name").stdout, "the webhook is there")
    return "shop"


@needs_mounts
def test_pod_of_an_associated_account_is_its_role(aws: AwsAccount, associated: str, kubectl: Kubectl) -> None:
    tried(kubectl, pod("pages-1", "pages"), "eks-pod-identity-token")
    kubectl("apply", "-f", "-", stdin=json.dumps(pod("pages", "pages")))
    variables, caller = said(kubectl, "pages")
    assert caller.startswith(f"arn:aws:sts::{aws.account}:assumed-role/pages/eks-{associated}-pages-")
    assert "AWS_ROLE_ARN" not in variables
    assert variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"].startswith(variables["AWS_ENDPOINT_URL"])
    found = aws.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "AssumeRoleForPodIdentity"}])["Events"]
    assert json.loads(found[0]["CloudTrailEvent"])["requestParameters"]["clusterName"] == associated


@pytest.mark.usefixtures("associated")
def test_pod_of_another_account_is_left_alone(kubectl: Kubectl) -> None:
    tried(kubectl, pod("pages-1", "pages"), "eks-pod-identity-token")
    assert "eks-pod-identity-token" not in volumes(tried(kubectl, pod("nobody", "nobody")))


# --- reach --------------------------------------------------------------------------------------------------------


def test_pods_do_not_reach_the_listener_that_takes_shorthand_credentials(aws: AwsAccount, kubectl: Kubectl) -> None:
    port = aws.endpoint.rpartition(":")[2]
    code = ("import os, socket, urllib.parse\n"
            f"for port in ({port}, urllib.parse.urlsplit(os.environ['AWS_ENDPOINT_URL']).port):\n"
            "    try: print('reached', socket.create_connection(('127.0.0.1', port), 5) and 'it')\n"
            "    except OSError as error: print(type(error).__name__)\n")
    body = pod("reach", "default")
    main = body["spec"]["containers"][0]
    evading = {**main, "name": "evading", "command": ["python3", "-I", "-S", "-c", code]}
    body["spec"]["containers"] = [{**main, "command": ["python3", "-c", code]}, evading]
    kubectl("apply", "-f", "-", stdin=json.dumps(body))
    until(lambda: kubectl("get", "pod", "reach", "-o", "jsonpath={.status.phase}").stdout == "Succeeded", "it ended")
    assert kubectl("logs", "reach", "-c", "main").stdout.splitlines() == ["ConnectionRefusedError", "reached it"]
    if "ports" in jail.promises().kept:
        # by the jail, or by the network's door where the kernel asks it for programs of any kind
        refused, reached = kubectl("logs", "reach", "-c", "evading").stdout.splitlines()
        assert (refused in ("PermissionError", "ConnectionRefusedError"), reached) == (True, "reached it")


# --- lab b2 -------------------------------------------------------------------------------------------------------


@needs_mounts
def test_lab_b2_runs_its_pods_on_the_learners_cluster(aws: AwsAccount, kubectl: Kubectl) -> None:
    session = Session(registry()["b2"], aws, bytes.fromhex(state.learner()["seed"])).prepare()
    values = session.values
    served = json.loads(kubectl("get", "--raw", "/.well-known/openid-configuration").stdout)["issuer"]
    assert served == f"https://{values['issuer']}"
    claims = session.run("claims", token=session.run("token"))
    assert claims["sub"] == f"system:serviceaccount:{values['namespace']}:{values['app']}"
    assert kubectl("get", "serviceaccount", values["app"], "-n", values["namespace"], "-o", "name").stdout
    session.lab.solution(aws, values)
    assert session.observe()["the pod takes the role"] == "allowed"
    web, pods = session.run("pod", identity="web identity"), session.run("pod", identity="pod identity")
    assert f":assumed-role/{values['app_role']}/{values['app']}" in web
    assert f":assumed-role/{values['shared_role']}/eks-" in pods
    assert "AWS_CONTAINER" not in web, "an annotation brings web identity only"
    assert "AWS_ROLE_ARN" not in pods
    for printed in (web, pods):
        assert f"bytes of {values['key']}" in printed
    assert f"namespace/{values['namespace']}" in session.reset()


# --- lab b6 -------------------------------------------------------------------------------------------------------


@needs_mounts
@pytest.mark.long
@pytest.mark.timeout(240)
def test_lab_b6_attacks_from_pods_of_the_learners_cluster(aws: AwsAccount, kubectl: Kubectl) -> None:
    session = Session(registry()["b6"], aws, bytes.fromhex(state.learner()["seed"])).prepare()
    values = session.values
    page = f"{values['folder']}/list.json"

    def got(*steps: str, **pod: bool) -> list[str]:
        return [seen["got"] for seen in site.intrude(*steps, use=False, **pod).values()]

    with session.lab.site(session) as site:
        seen = site.intrude("v1", "v2", keys=(SECRET,))
        for each in seen.values():
            assert each["arn"].endswith(f"assumed-role/{values['node_role']}/{site.instance}")
            assert each["reads"] == {SECRET: "allowed"}
        assert kubectl("get", "serviceaccount", values["service_account"], "-n", values["namespace"], "-o",
                       "name").stdout
        site.node.modify(**HARDENED)
        assert got("v1", "v2") == ["HTTP 401", "no answer"]
        assert got("v1", "v2", host_network=True) == ["HTTP 401", "credentials"]

        site.node.modify(HttpTokens="optional", HttpPutResponseHopLimit=2)
        deny = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "nothing"},
                "spec": {"podSelector": {}, "policyTypes": ["Egress"]}}
        kubectl("apply", "-n", values["namespace"], "-f", "-", stdin=json.dumps(deny))
        until(lambda: got("v1") == ["no answer"], "the policy closed the way to the metadata service")
        assert got("v2", host_network=True) == ["credentials"], "no policy is about a pod on the host's network"
        kubectl("delete", "-n", values["namespace"], "networkpolicy", "nothing")

        session.lab.solution(aws, values)
        site.node.modify(**HARDENED)
        own = site.intrude("environment", keys=(SECRET, page), role=values["pod_role"])["environment"]
        assert f":assumed-role/{values['pod_role']}/eks-" in own["arn"]
        assert (own["reads"][SECRET].partition(":")[0], own["reads"][page]) == ("AccessDenied", "allowed")
    file = state.home() / "kubernetes" / METADATA_FILE
    assert not file.exists(), "who closes the node takes its address back"
    assert f"namespace/{values['namespace']}" in session.reset()
