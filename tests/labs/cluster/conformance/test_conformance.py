"""Every driver keeps the same promises to labs."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs.aws import jwt
from labs.cluster.drivers.base import MANAGED, MANAGER, kubectl
from labs.cluster.drivers.kind import host_image
from labs.cluster.identity import issuer
from labs.cluster.nodes import sandbox
from labs.errors import PermanentError
from tests.labs.cluster import waiting
from tests.labs.cluster.conformance.conftest import Cluster

NODES = 1
pytestmark = pytest.mark.timeout(900)
until = functools.partial(waiting.until, within=90.0)
WHO = 'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])'


def run(
    cluster: Cluster, namespace: str, name: str, code: str, account: str = "default", image: str = ""
) -> str:
    """What a Python program prints in a pod that ends well."""
    container = {"name": "main", "image": image or cluster.image, "imagePullPolicy": "IfNotPresent",
                 "command": ["python3", "-c", code]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
            "spec": {"restartPolicy": "Never", "serviceAccountName": account, "containers": [container]}}
    kubectl("create", "-f", "-", stdin=json.dumps(body))
    seen: list[dict[str, Any]] = [{}]

    def over() -> bool:
        seen[0] = json.loads(kubectl("get", "pod", name, "-n", namespace, "-o", "json"))["status"]
        return seen[0].get("phase") in ("Succeeded", "Failed")

    try:
        until(over, f"{name} has ended")
    except AssertionError as error:
        raise AssertionError(f"{error}; seen: {seen[0]}") from None
    said = kubectl("logs", name, "-n", namespace)
    assert seen[0]["phase"] == "Succeeded", said
    return said.strip()


def trust(cluster: Cluster, url: str, subject: str) -> str:
    """Trust policy for one service account; the account has the provider afterwards."""
    iam, host = cluster.aws.client("iam"), url.removeprefix("https://")
    arn = f"arn:aws:iam::{cluster.aws.account}:oidc-provider/{host}"
    if arn not in [each["Arn"] for each in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]:
        iam.create_open_id_connect_provider(Url=url, ClientIDList=["sts.amazonaws.com"])
    return json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Federated": arn}, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{host}:sub": f"system:serviceaccount:{subject}"}}}]})


def test_kubectl_reaches_ready_nodes(cluster: Cluster) -> None:
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    assert nodes
    for node in nodes:
        assert {"type": "Ready", "status": "True"}.items() <= next(
            each for each in node["status"]["conditions"] if each["type"] == "Ready").items()


def test_pod_runs_to_its_end(cluster: Cluster) -> None:
    namespace = _namespace(cluster, "runs")
    assert run(cluster, namespace, "counts", "print(6 * 7)") == "42"


@pytest.mark.long
def test_loaded_image_runs(cluster: Cluster, tmp_path: Path) -> None:
    archive = host_image.archive()
    if cluster.driver.name == "kubeconfig":
        with pytest.raises(PermanentError, match="not the labs' own"):
            cluster.driver.load_image("team/tools:2", archive)
        return
    if cluster.driver.name == "embedded" and not sandbox.mountable():
        pytest.skip("nodes of this machine give no pod a root filesystem of its own")
    cluster.driver.load_image("team/tools:2", archive)
    namespace = _namespace(cluster, "images")
    code = "import boto3, os; print(os.getcwd(), len(os.listdir('/')) < 20)"
    assert run(cluster, namespace, "tools", code, image="team/tools:2") == "/ True"
    with pytest.raises(PermanentError, match="nothing"):
        cluster.driver.load_image("team/other:1", tmp_path / "nothing.tar")


def test_aws_believes_the_tokens_that_the_cluster_signs(cluster: Cluster) -> None:
    namespace = _namespace(cluster, "tokens")
    kubectl("create", "serviceaccount", "orders", "-n", namespace)
    token = kubectl("create", "token", "orders", "-n", namespace, "--audience", "sts.amazonaws.com").strip()
    url = jwt.parse(token).claims["iss"]
    assert url == issuer.published(cluster.home)["issuer"]
    policy = trust(cluster, url, f"{namespace}:orders")
    arn = cluster.aws.client("iam").create_role(RoleName="tokens", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    sts = cluster.aws.client("sts")
    call = functools.partial(sts.assume_role_with_web_identity, RoleArn=arn, RoleSessionName="pod")
    assert call(WebIdentityToken=token)["AssumedRoleUser"]["Arn"].endswith(":assumed-role/tokens/pod")
    forged = jwt.sign(jwt.parse(token).claims, jwt.new_key(), jwt.parse(token).key_id)
    with pytest.raises(ClientError, match="InvalidIdentityToken"):
        call(WebIdentityToken=forged)


def test_pod_of_an_annotated_account_is_its_role(cluster: Cluster) -> None:
    if not cluster.roles:
        pytest.skip("pods of this cluster get no roles in AWS")
    namespace = _namespace(cluster, "roles")
    policy = trust(cluster, issuer.published(cluster.home)["issuer"], f"{namespace}:pages")
    arn = cluster.aws.client("iam").create_role(RoleName="pages", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    kubectl("create", "serviceaccount", "pages", "-n", namespace)
    kubectl("annotate", "serviceaccount", "pages", "-n", namespace, f"eks.amazonaws.com/role-arn={arn}")

    def mounted() -> bool:
        made = kubectl("run", "probe", "-n", namespace, "--image=host", "--dry-run=server", "-o", "json",
                       "--overrides", json.dumps({"spec": {"serviceAccountName": "pages"}}))
        return any(volume["name"] == "aws-iam-token" for volume in json.loads(made)["spec"]["volumes"])

    until(mounted, "a pod of the account gets a token")
    assert ":assumed-role/pages/" in run(cluster, namespace, "who", WHO, "pages")


def test_pod_of_an_associated_account_is_its_role(cluster: Cluster) -> None:
    if not cluster.roles:
        pytest.skip("pods of this cluster get no roles in AWS")
    namespace, aws = _namespace(cluster, "pods"), cluster.aws
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"]}]})
    arn = aws.client("iam").create_role(RoleName="associated", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    subnets = [each["SubnetId"] for each in aws.client("ec2").describe_subnets()["Subnets"]][:2]
    eks = aws.client("eks")
    eks.create_cluster(name="shop", roleArn=arn, resourcesVpcConfig={"subnetIds": subnets})
    eks.create_pod_identity_association(clusterName="shop", namespace=namespace, serviceAccount="carts", roleArn=arn)
    kubectl("create", "serviceaccount", "carts", "-n", namespace)
    hooks = "mutatingwebhookconfigurations"
    until(lambda: "pod-identity.labs" in kubectl("get", hooks, "-o", "name"), "the webhook is there")

    def mounted() -> bool:
        made = kubectl("run", "probe", "-n", namespace, "--image=host", "--dry-run=server", "-o", "json",
                       "--overrides", json.dumps({"spec": {"serviceAccountName": "carts"}}))
        return any(volume["name"] == "eks-pod-identity-token" for volume in json.loads(made)["spec"]["volumes"])

    until(mounted, "the webhook is asked")
    assert ":assumed-role/associated/eks-shop-who-" in run(cluster, namespace, "who", WHO, "carts")


def test_reset_removes_what_the_lab_made(cluster: Cluster) -> None:
    name = cluster.driver.namespace("mine")
    foreign = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "labs-somebody", "labels": {
        MANAGED: MANAGER, "production-labs/home": "another"}}}
    if cluster.driver.name != "kubeconfig":
        kubectl("create", "namespace", name)
    kubectl("create", "-f", "-", stdin=json.dumps(foreign))
    if cluster.driver.name == "kubeconfig":
        assert cluster.driver.namespace("mine") == name, "a second time changes nothing"
        with pytest.raises(PermanentError, match="was not made by this lab"):
            cluster.driver.namespace("somebody")
    said = cluster.driver.reset()
    assert said[0].startswith("kubernetes: ")
    left = kubectl("get", "namespaces", "-o", "name").split()
    assert f"namespace/{name}" not in left
    assert ("namespace/labs-somebody" in left) == (cluster.driver.name == "kubeconfig")
    kubectl("delete", "namespace", "labs-somebody", "--ignore-not-found", "--wait=false")


def _namespace(cluster: Cluster, wanted: str) -> str:
    """A namespace of the lab's, there."""
    name = cluster.driver.namespace(wanted)
    if not kubectl("get", "namespace", name, "--ignore-not-found", "-o", "name"):
        kubectl("create", "namespace", name)
    until(lambda: kubectl("get", "serviceaccount", "default", "-n", name, "--ignore-not-found", "-o", "name"),
          "its default account is there")
    return name
