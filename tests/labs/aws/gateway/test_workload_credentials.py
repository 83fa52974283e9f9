"""Instance metadata and EKS Pod Identity: stock boto3 finds credentials in the ways that AWS offers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import ContainerProvider, InstanceMetadataProvider
from botocore.exceptions import ClientError
from botocore.utils import ContainerMetadataFetcher, InstanceMetadataFetcher

from labs.aws.account import AwsAccount
from labs.aws.issuer import POD_IDENTITY_AUDIENCE, ClusterIssuer
from labs.aws.metadata import InstanceMetadata
from labs.aws.pod_agent import PodIdentityAgent
from labs.aws.serving import Serving
from labs.scenarios.creation import subnets

ALLOW_S3 = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service: str, *actions: str, **condition: Any) -> str:
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions)}
    return document({**statement, "Condition": condition} if condition else statement)


def role(account: AwsAccount, name: str, trusted: str, *statements: dict[str, Any]) -> str:
    iam = account.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="work", PolicyDocument=document(*(statements or (ALLOW_S3,))))
    return arn


def refusal(call: Callable[..., Any], *arguments: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **params)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def events(account: AwsAccount, name: str) -> list[dict[str, Any]]:
    found = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}]
    )
    return [json.loads(item["CloudTrailEvent"]) for item in found["Events"]]


# --- instances ----------------------------------------------------------------------------------------------------


def launch(account: AwsAccount, **options: Any) -> str:
    """An instance with the role ``node``."""
    iam, ec2 = account.client("iam"), account.client("ec2")
    role(account, "node", trust("ec2.amazonaws.com", "sts:AssumeRole"))
    iam.create_instance_profile(InstanceProfileName="node")
    iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
    made = ec2.run_instances(
        ImageId="ami-12345678", MinCount=1, MaxCount=1, InstanceType="t3.micro", UserData="#!/bin/sh\necho hello",
        IamInstanceProfile={"Name": "node"}, MetadataOptions=options,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "node-1"}]}],
    )  # fmt: skip
    return made["Instances"][0]["InstanceId"]


class Node:
    """An instance with listeners for the host (1 hop) and for pods (2 hops)."""

    def __init__(self, account: AwsAccount, **options: Any) -> None:
        self.account, self.id = account, launch(account, **options)
        metadata = InstanceMetadata(account.endpoint, account.account, self.id)
        self.host, self.pod = Serving(metadata.through(1)).start(), Serving(metadata.through(2)).start()

    def stop(self) -> None:
        self.host.stop()
        self.pod.stop()

    def ask(
        self, path: str, method: str = "GET", listener: Serving | None = None, timeout: float = 5, **headers: str
    ) -> tuple[int, str, Any]:
        """Status, text and headers."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        url = (listener or self.host).url + path
        request = urllib.request.Request(url, method=method, headers=sent)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, response.read().decode(), response.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), error.headers

    def token(self, listener: Serving | None = None, ttl: int = 60) -> str:
        status, text, _ = self.ask(
            "/latest/api/token", "PUT", listener, 1, X_aws_ec2_metadata_token_ttl_seconds=str(ttl)
        )
        assert status == 200
        return text

    def read(self, path: str, listener: Serving | None = None) -> str:
        status, text, _ = self.ask(path, listener=listener, X_aws_ec2_metadata_token=self.token())
        assert status == 200, text
        return text

    def options(self, **options: Any) -> None:
        self.account.client("ec2").modify_instance_metadata_options(InstanceId=self.id, **options)


@pytest.fixture
def node(account: AwsAccount) -> Iterator[Node]:
    running = Node(account, HttpTokens="required")
    yield running
    running.stop()


def sdk_credentials(base_url: str) -> Any:
    fetcher = InstanceMetadataFetcher(
        timeout=1, num_attempts=1, base_url=base_url, config={"ec2_metadata_service_endpoint": base_url}
    )
    return InstanceMetadataProvider(iam_role_fetcher=fetcher).load()


def test_sdk_gets_the_roles_credentials_from_the_instance(node: Node) -> None:
    found = sdk_credentials(node.host.url)
    frozen = found.get_frozen_credentials()
    keys = (frozen.access_key, frozen.secret_key, frozen.token)
    who = node.account.client_as("sts", *keys).get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{node.account.account}:assumed-role/node/{node.id}"
    node.account.client_as("s3", *keys).list_buckets()
    again = json.loads(node.read("/latest/meta-data/iam/security-credentials/node"))
    assert again["AccessKeyId"] == keys[0]  # the same ones until shortly before they expire
    taken = events(node.account, "AssumeRole")[0]
    assert taken["userIdentity"] == {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}
    assert taken["requestParameters"]["roleSessionName"] == node.id
    assert taken["responseElements"]["credentials"]["accessKeyId"] == keys[0]


def test_credentials_say_how_they_were_delivered(node: Node) -> None:
    node.options(HttpTokens="optional")
    source = f"arn:aws:ec2:us-east-1:{node.account.account}:instance/{node.id}"
    condition = {"NumericLessThan": {"ec2:RoleDelivery": "2.0"}, "ArnEquals": {"ec2:SourceInstanceARN": source}}
    node.account.client("iam").put_role_policy(
        RoleName="node",
        PolicyName="v2",
        PolicyDocument=document({**ALLOW_S3, "Effect": "Deny", "Condition": condition}),
    )
    path = "/latest/meta-data/iam/security-credentials/node"
    first, second = json.loads(node.ask(path)[1]), json.loads(node.read(path))
    old, new = (
        node.account.client_as("s3", keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"])
        for keys in (first, second)
    )
    new.list_buckets()
    assert "explicit deny" in refusal(old.list_buckets)[1]


def test_hop_limit_keeps_pods_from_the_nodes_role(node: Node) -> None:
    assert sdk_credentials(node.host.url) is not None
    assert sdk_credentials(node.pod.url) is None
    with pytest.raises(TimeoutError):
        node.token(node.pod)
    node.options(HttpPutResponseHopLimit=2)
    assert sdk_credentials(node.pod.url) is not None
    node.options(HttpPutResponseHopLimit=1)
    with_the_hosts_token = node.read("/latest/meta-data/instance-id", node.pod)
    assert with_the_hosts_token == node.id


def test_version_one_knows_no_hop_limit(node: Node) -> None:
    assert node.ask("/latest/meta-data/instance-id", listener=node.pod)[0] == 401
    node.options(HttpTokens="optional")
    assert node.ask("/latest/meta-data/instance-id", listener=node.pod)[:2] == (200, node.id)


def test_endpoint_that_is_off_answers_nothing(node: Node) -> None:
    token = node.token()
    node.options(HttpEndpoint="disabled")
    assert node.ask("/latest/meta-data/", X_aws_ec2_metadata_token=token)[0] == 403
    assert node.ask("/latest/api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60")[0] == 403
    assert sdk_credentials(node.host.url) is None


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("PUT", "/latest/api/token", {}, 400),
        ("PUT", "/latest/api/token", {"X_aws_ec2_metadata_token_ttl_seconds": "0"}, 400),
        ("PUT", "/latest/api/token", {"X_aws_ec2_metadata_token_ttl_seconds": "21601"}, 400),
        ("PUT", "/latest/api/token", {"X_aws_ec2_metadata_token_ttl_seconds": "soon"}, 400),
        ("PUT", "/latest/api/token", {"X_aws_ec2_metadata_token_ttl_seconds": "21600"}, 200),
        (
            "PUT",
            "/latest/api/token",
            {"X_aws_ec2_metadata_token_ttl_seconds": "60", "X_Forwarded_For": "203.0.113.9"},
            403,
        ),
        ("PUT", "/latest/meta-data/", {"X_aws_ec2_metadata_token_ttl_seconds": "60"}, 405),
        ("GET", "/latest/meta-data/", {}, 401),
        ("GET", "/latest/meta-data/", {"X_aws_ec2_metadata_token": "guess"}, 401),
        ("POST", "/latest/meta-data/", {}, 405),
        ("DELETE", "/latest/api/token", {}, 405),
    ],
)
def test_status_of_a_request(node: Node, method: str, path: str, headers: dict[str, str], status: int) -> None:
    assert node.ask(path, method, **headers)[0] == status


def test_tree_of_categories(node: Node) -> None:
    assert node.read("/") == "latest"
    assert node.read("/latest/user-data") == "#!/bin/sh\necho hello"
    assert {"instance-id", "iam/", "placement/"} <= set(node.read("/latest/meta-data/").split("\n"))
    assert node.read("/latest/meta-data/placement/region") == "us-east-1"
    assert node.read("/latest/meta-data/placement/availability-zone").startswith("us-east-1")
    identity = json.loads(node.read("/latest/dynamic/instance-identity/document"))
    assert (identity["accountId"], identity["instanceId"]) == (node.account.account, node.id)
    info = json.loads(node.read("/latest/meta-data/iam/info"))
    assert info["InstanceProfileArn"] == f"arn:aws:iam::{node.account.account}:instance-profile/node"
    token = node.token(ttl=60)
    status, _, headers = node.ask("/latest/meta-data/tags/instance/Name", X_aws_ec2_metadata_token=token)
    assert status == 404
    assert 55 <= int(headers["X-Aws-Ec2-Metadata-Token-Ttl-Seconds"] or 60) <= 60
    node.options(InstanceMetadataTags="enabled")
    assert node.read("/latest/meta-data/tags/instance/Name") == "node-1"


def test_role_that_ec2_may_not_assume(node: Node) -> None:
    node.account.client("iam").update_assume_role_policy(
        RoleName="node", PolicyDocument=trust("ecs-tasks.amazonaws.com", "sts:AssumeRole")
    )
    answer = json.loads(node.read("/latest/meta-data/iam/security-credentials/node"))
    assert answer["Code"] == "AssumeRoleUnauthorizedAccess"
    assert events(node.account, "AssumeRole")[0]["errorCode"] == "AccessDenied"


def test_options_show_on_the_instance(node: Node) -> None:
    ec2 = node.account.client("ec2")
    node.options(HttpPutResponseHopLimit=64)
    found = ec2.describe_instances(InstanceIds=[node.id])["Reservations"][0]["Instances"][0]
    assert found["MetadataOptions"]["HttpTokens"] == "required"
    assert found["MetadataOptions"]["HttpPutResponseHopLimit"] == 64
    assert found["Tags"] == [{"Key": "Name", "Value": "node-1"}]


@pytest.mark.parametrize("limit", [0, 65, -1])
def test_hop_limit_out_of_range(node: Node, limit: int) -> None:
    ec2 = node.account.client("ec2")
    modify = ec2.modify_instance_metadata_options
    expected = f"Value ({limit}) for parameter HttpPutResponseHopLimit is invalid."
    code, message = refusal(modify, InstanceId=node.id, HttpPutResponseHopLimit=limit)
    assert (code, message[: len(expected)]) == ("InvalidParameterValue", expected)
    options = {"HttpPutResponseHopLimit": limit}
    run = {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1, "MetadataOptions": options}
    assert refusal(ec2.run_instances, **run)[0] == "InvalidParameterValue"


def test_launch_template_brings_options_along(account: AwsAccount) -> None:
    ec2 = account.client("ec2")
    options = {"HttpTokens": "required", "HttpPutResponseHopLimit": 3}
    ec2.create_launch_template(
        LaunchTemplateName="nodes", LaunchTemplateData={"ImageId": "ami-12345678", "MetadataOptions": options}
    )
    made = ec2.run_instances(
        LaunchTemplate={"LaunchTemplateName": "nodes"}, MinCount=1, MaxCount=1,
        MetadataOptions={"HttpPutResponseHopLimit": 1},
    )["Instances"][0]  # fmt: skip
    assert (made["MetadataOptions"]["HttpTokens"], made["MetadataOptions"]["HttpPutResponseHopLimit"]) == (
        "required",
        1,
    )


def test_options_of_no_instance(account: AwsAccount) -> None:
    modify = account.client("ec2").modify_instance_metadata_options
    assert refusal(modify, InstanceId="i-1")[0] == "InvalidInstanceID.Malformed"
    assert refusal(modify, InstanceId="i-0123456789abcdef0")[0] == "InvalidInstanceID.NotFound"


# --- pods ---------------------------------------------------------------------------------------------------------


class Cluster:
    """An EKS cluster with its issuer and one node's Pod Identity Agent."""

    def __init__(self, account: AwsAccount) -> None:
        self.account, self.eks = account, account.client("eks")
        self.name, self.arn = "shop", f"arn:aws:eks:us-east-1:{account.account}:cluster/shop"
        cluster_role = role(account, "cluster", trust("eks.amazonaws.com", "sts:AssumeRole"))
        self.eks.create_cluster(
            name=self.name, roleArn=cluster_role, resourcesVpcConfig={"subnetIds": subnets(account)}
        )
        self.issuer = ClusterIssuer("A" * 32).start()
        self.issuer.announce(account.endpoint, account.account, self.name)
        self.agent = Serving(PodIdentityAgent(account.client("eks-auth"), self.name)).start()

    def stop(self) -> None:
        self.agent.stop()
        self.issuer.stop()

    def associate(self, role_arn: str, **more: Any) -> dict[str, Any]:
        return self.eks.create_pod_identity_association(
            clusterName=self.name, namespace="shop", serviceAccount="orders", roleArn=role_arn, **more
        )["association"]

    def token(self, service_account: str = "orders", audience: str = POD_IDENTITY_AUDIENCE, **more: Any) -> str:
        return self.issuer.service_account_token(
            "shop", service_account, **{"pod": "orders-0", "audience": audience, **more}
        )

    def assume(self, token: str) -> dict[str, Any]:
        return self.account.client("eks-auth").assume_role_for_pod_identity(clusterName=self.name, token=token)

    def client(self, answer: dict[str, Any], service: str) -> Any:
        keys = answer["credentials"]
        return self.account.client_as(service, keys["accessKeyId"], keys["secretAccessKey"], keys["sessionToken"])


@pytest.fixture
def cluster(account: AwsAccount) -> Iterator[Cluster]:
    running = Cluster(account)
    yield running
    running.stop()


POD_TRUST = trust("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")


def test_cluster_names_the_issuer_of_its_tokens(cluster: Cluster) -> None:
    found = cluster.eks.describe_cluster(name="shop")["cluster"]["identity"]["oidc"]["issuer"]
    assert found == cluster.issuer.url == f"https://oidc.eks.us-east-1.amazonaws.com/id/{'A' * 32}"


def test_sdk_gets_the_pods_credentials_from_the_agent(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.associate(role(cluster.account, "orders", POD_TRUST))
    file = tmp_path / "token"
    file.write_text(cluster.token())
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{cluster.agent.url}/v1/credentials")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(file))
    found = ContainerProvider(fetcher=ContainerMetadataFetcher(sleep=lambda _: None)).load()
    frozen = found.get_frozen_credentials()
    client = cluster.account.client_as("sts", frozen.access_key, frozen.secret_key, frozen.token)
    who = client.get_caller_identity()["Arn"]
    assert who.startswith(f"arn:aws:sts::{cluster.account.account}:assumed-role/orders/eks-shop-orders-0-")
    cluster.account.client_as("s3", frozen.access_key, frozen.secret_key, frozen.token).list_buckets()
    taken = events(cluster.account, "AssumeRole")[0]
    assert taken["userIdentity"] == {"type": "AWSService", "invokedBy": "pods.eks.amazonaws.com"}
    asked = events(cluster.account, "AssumeRoleForPodIdentity")[0]
    assert asked["eventSource"] == "eks-auth.amazonaws.com"
    assert asked["requestParameters"] == {"clusterName": "shop"}
    file.write_text(cluster.token("stranger"))
    with urllib.request.urlopen(_asked(cluster, cluster.token())) as response:
        assert json.load(response)["AccountId"] == cluster.account.account
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(_asked(cluster, cluster.token("stranger")), timeout=5)
    with caught.value as error:
        assert (error.code, "(ResourceNotFoundException)" in error.read().decode()) == (404, True)


def _asked(cluster: Cluster, token: str) -> urllib.request.Request:
    return urllib.request.Request(f"{cluster.agent.url}/v1/credentials", headers={"Authorization": token})


def test_session_tags_say_which_pod_it_is(cluster: Cluster) -> None:
    tags = {
        "eks-cluster-arn": cluster.arn,
        "eks-cluster-name": "shop",
        "kubernetes-namespace": "shop",
        "kubernetes-service-account": "orders",
        "kubernetes-pod-name": "orders-0",
    }
    condition = {"StringEquals": {f"aws:PrincipalTag/{key}": value for key, value in tags.items()}}
    arn = role(cluster.account, "orders", POD_TRUST, {**ALLOW_S3, "Condition": condition})
    cluster.associate(arn)
    cluster.client(cluster.assume(cluster.token()), "s3").list_buckets()
    other = cluster.client(cluster.assume(cluster.token(pod="orders-1")), "s3")
    assert refusal(other.list_buckets)[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("trusted", "allowed"),
    [
        (POD_TRUST, True),
        (trust("pods.eks.amazonaws.com", "sts:AssumeRole"), False),  # tags come along: TagSession is needed too
        (trust("ec2.amazonaws.com", "sts:AssumeRole", "sts:TagSession"), False),
        (
            trust(
                "pods.eks.amazonaws.com",
                "sts:AssumeRole",
                "sts:TagSession",
                StringEquals={"aws:RequestTag/kubernetes-namespace": "shop"},
            ),
            True,
        ),
        (
            trust(
                "pods.eks.amazonaws.com",
                "sts:AssumeRole",
                "sts:TagSession",
                StringEquals={"aws:RequestTag/kubernetes-namespace": "billing"},
            ),
            False,
        ),
        (
            trust(
                "pods.eks.amazonaws.com",
                "sts:AssumeRole",
                "sts:TagSession",
                StringEquals={"aws:SourceAccount": "999988887777"},
            ),
            False,
        ),
    ],
)
def test_trust_policy_decides(cluster: Cluster, trusted: str, allowed: bool) -> None:
    cluster.associate(role(cluster.account, "orders", trusted))
    if allowed:
        cluster.assume(cluster.token())
        return
    expected = "Unauthorized Exception! EKS does not have permissions to assume the associated role."
    assert refusal(cluster.assume, cluster.token()) == ("AccessDeniedException", expected)


def test_session_policy_narrows_a_shared_role(cluster: Cluster) -> None:
    arn = role(cluster.account, "shared", POD_TRUST)
    policy = document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
    code, message = refusal(cluster.associate, arn, policy=policy)
    assert (code, "disableSessionTags" in message) == ("InvalidParameterException", True)
    bad = refusal(cluster.associate, arn, policy="{}", disableSessionTags=True)
    assert bad[0] == "InvalidParameterException"
    made = cluster.associate(arn, policy=policy, disableSessionTags=True)
    assert made["policy"] == policy
    client = cluster.client(cluster.assume(cluster.token()), "s3")
    assert "no session policy allows the s3:ListAllMyBuckets action" in refusal(client.list_buckets)[1]
    update = cluster.eks.update_pod_identity_association
    who = {"clusterName": "shop", "associationId": made["associationId"]}
    assert refusal(update, **who, disableSessionTags=False)[0] == "InvalidParameterException"
    update(**who, policy=document(ALLOW_S3))
    cluster.client(cluster.assume(cluster.token()), "s3").list_buckets()


def test_target_role_is_reached_through_the_associations_role(
    cluster: Cluster, new_account: Callable[[], AwsAccount]
) -> None:
    there = new_account()
    target = f"arn:aws:iam::{there.account}:role/reader"
    hop = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": target}
    arn = role(cluster.account, "orders", POD_TRUST, hop)
    made = cluster.associate(arn, targetRoleArn=target)
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": arn},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": {"sts:ExternalId": made["externalId"]}},
    }
    role(there, "reader", document(statement))
    answer = cluster.assume(cluster.token())
    assert answer["assumedRoleUser"]["arn"].startswith(f"arn:aws:sts::{there.account}:assumed-role/reader/")
    cluster.client(answer, "s3").list_buckets()
    statement["Condition"] = {"StringEquals": {"sts:ExternalId": "another"}}
    there.client("iam").update_assume_role_policy(RoleName="reader", PolicyDocument=document(statement))
    assert refusal(cluster.assume, cluster.token())[0] == "AccessDeniedException"


def test_association_is_found_changed_and_removed(cluster: Cluster) -> None:
    first = role(cluster.account, "orders", POD_TRUST)
    second = role(cluster.account, "orders2", POD_TRUST)
    made = cluster.associate(first)
    assert refusal(cluster.associate, first)[0] == "ResourceInUseException"
    missing = f"arn:aws:iam::{cluster.account.account}:role/none"
    assert refusal(cluster.associate, missing)[0] == "InvalidParameterException"
    who = {"clusterName": "shop", "associationId": made["associationId"]}
    cluster.eks.update_pod_identity_association(**who, roleArn=second)
    assert cluster.eks.describe_pod_identity_association(**who)["association"]["roleArn"] == second
    assert ":assumed-role/orders2/" in cluster.assume(cluster.token())["assumedRoleUser"]["arn"]
    listed = cluster.eks.list_pod_identity_associations(clusterName="shop")["associations"]
    assert [item["associationId"] for item in listed] == [made["associationId"]]
    cluster.eks.delete_pod_identity_association(**who)
    assert refusal(cluster.assume, cluster.token())[0] == "ResourceNotFoundException"


def test_association_passes_a_role(cluster: Cluster) -> None:
    arn = role(cluster.account, "orders", POD_TRUST)
    iam = cluster.account.client("iam")
    iam.create_user(UserName="ann")
    iam.put_user_policy(UserName="ann", PolicyName="eks", PolicyDocument=document({**ALLOW_S3, "Action": "eks:*"}))
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    cluster.eks = cluster.account.client_as("eks", key["AccessKeyId"], key["SecretAccessKey"])
    code, message = refusal(cluster.associate, arn)
    assert (code, f"iam:PassRole on resource: {arn}" in message) == ("AccessDeniedException", True)


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda cluster: "not.a.token", "InvalidTokenException"),
        (lambda cluster: cluster.token(audience="sts.amazonaws.com"), "InvalidTokenException"),
        (lambda cluster: cluster.token(pod=""), "InvalidTokenException"),
        (lambda cluster: cluster.token(exp=1), "ExpiredTokenException"),
        (lambda cluster: cluster.token(iss="https://other.example.com"), "InvalidTokenException"),
        (lambda cluster: cluster.token()[:-20] + "A" * 20, "InvalidTokenException"),
        (lambda cluster: cluster.token("stranger"), "ResourceNotFoundException"),
    ],
)
def test_token_that_is_no_pods(cluster: Cluster, token: Callable[[Cluster], str], code: str) -> None:
    cluster.associate(role(cluster.account, "orders", POD_TRUST))
    assert refusal(cluster.assume, token(cluster))[0] == code


def test_only_whoever_may_assume_for_pods_gets_anything(cluster: Cluster) -> None:
    cluster.associate(role(cluster.account, "orders", POD_TRUST))
    iam = cluster.account.client("iam")
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    eks_auth = cluster.account.client_as("eks-auth", key["AccessKeyId"], key["SecretAccessKey"])
    code, message = refusal(eks_auth.assume_role_for_pod_identity, clusterName="shop", token=cluster.token())
    assert (code, f"eks-auth:AssumeRoleForPodIdentity on resource: {cluster.arn}" in message) == (
        "AccessDeniedException",
        True,
    )
