"""OIDC providers and AssumeRoleWithWebIdentity through stock boto3, against a real issuer on loopback."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from labs.aws import jwt
from labs.aws.account import AwsAccount
from labs.aws.issuer import ClusterIssuer, GitHubIssuer, Issuer, subject_of

GITHUB_HOST = "token.actions.githubusercontent.com"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterIssuer]:
    with ClusterIssuer("D539D4633E53DE1B716D3041E7E4A6B1") as issuer:
        yield issuer


@pytest.fixture(scope="module")
def github() -> Iterator[GitHubIssuer]:
    with GitHubIssuer() as issuer:
        yield issuer


@pytest.fixture
def trusted(account: AwsAccount, cluster: ClusterIssuer, github: GitHubIssuer) -> AwsAccount:
    """An account with providers for both issuers."""
    iam = account.client("iam")
    for issuer in (cluster, github):
        issuer.announce(account.endpoint, account.account)
        iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["sts.amazonaws.com"])
    return account


def role(account: AwsAccount, issuer: Issuer, condition: dict[str, Any], *more: str, name: str = "job") -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{account.account}:oidc-provider/{issuer.host}"},
        "Action": ["sts:AssumeRoleWithWebIdentity", *more],
        "Condition": condition,
    }
    iam = account.client("iam")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(statement), MaxSessionDuration=7200)
    allow = document({"Effect": "Allow", "Action": ["s3:*", "sts:*"], "Resource": "*"})
    iam.put_role_policy(RoleName=name, PolicyName="s3", PolicyDocument=allow)
    return made["Role"]["Arn"]


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def stranger(account: AwsAccount) -> Any:
    """STS without any credentials."""
    return boto3.client(
        "sts", endpoint_url=account.endpoint, region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}, parameter_validation=False),
    )  # fmt: skip


def assume(account: AwsAccount, arn: str, token: str, **more: Any) -> dict[str, Any]:
    return stranger(account).assume_role_with_web_identity(
        RoleArn=arn, RoleSessionName="run", WebIdentityToken=token, **more
    )


def session(account: AwsAccount, answer: dict[str, Any], service: str) -> Any:
    keys = answer["Credentials"]
    return account.client_as(service, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


def refusal(call: Callable[..., Any], *arguments: Any, **params: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **params)
    error = caught.value.response
    return error["Error"]["Code"], error["Error"]["Message"], error["ResponseMetadata"]["HTTPStatusCode"]


def subject_is(issuer: Issuer, subject: str) -> dict[str, Any]:
    return {"StringEquals": {f"{issuer.host}:sub": subject, f"{issuer.host}:aud": "sts.amazonaws.com"}}


# --- providers ----------------------------------------------------------------------------------------------------


def test_provider_keeps_clients_thumbprints_and_tags(account: AwsAccount) -> None:
    iam = account.client("iam")
    arn = iam.create_open_id_connect_provider(
        Url="https://id.example.com/realm", ClientIDList=["one"], ThumbprintList=["a" * 40],
        Tags=[{"Key": "team", "Value": "shop"}],
    )["OpenIDConnectProviderArn"]  # fmt: skip
    assert arn == f"arn:aws:iam::{account.account}:oidc-provider/id.example.com/realm"
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="two")
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="two")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="one")
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=["b" * 40])
    iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=[{"Key": "env", "Value": "prod"}])
    iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=["team"])
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (found["Url"], found["ClientIDList"]) == ("id.example.com/realm", ["two"])
    assert (found["ThumbprintList"], found["Tags"]) == (["b" * 40], [{"Key": "env", "Value": "prod"}])
    tags = iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn)
    assert tags["Tags"] == [{"Key": "env", "Value": "prod"}]
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [{"Arn": arn}]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert refusal(iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn)[0] == "NoSuchEntity"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"Url": "http://id.example.com"}, "InvalidInput"),
        ({"Url": "https://id.example.com:8443"}, "InvalidInput"),
        ({"Url": "https://"}, "InvalidInput"),
        ({"Url": "https://id.example.com/?q=1"}, "InvalidInput"),
        ({"Url": "https://new.example.com", "ThumbprintList": ["a" * 41]}, "ValidationError"),
        ({"Url": "https://new.example.com", "ThumbprintList": ["z" * 40]}, "InvalidInput"),
        ({"Url": "https://new.example.com", "ThumbprintList": ["a" * 40] * 6}, "InvalidInput"),
        ({"Url": "https://new.example.com", "ClientIDList": [str(n) for n in range(101)]}, "LimitExceeded"),
        ({"Url": "https://there.example.com"}, "EntityAlreadyExists"),
    ],
)
def test_provider_that_iam_refuses(account: AwsAccount, params: dict[str, Any], code: str) -> None:
    iam = account.client("iam")
    iam.create_open_id_connect_provider(Url="https://there.example.com")
    assert refusal(iam.create_open_id_connect_provider, **params)[0] == code


def test_provider_of_another_account_is_not_there(new_account: Callable[[], AwsAccount]) -> None:
    arn = new_account().client("iam").create_open_id_connect_provider(Url="https://a.example.com")
    other = new_account().client("iam")
    assert refusal(other.get_open_id_connect_provider, **_only(arn, "OpenIDConnectProviderArn"))[0] == "NoSuchEntity"


def _only(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return {name: answer[name]}


def test_creating_a_provider_needs_permission(account: AwsAccount) -> None:
    account.client("iam").create_user(UserName="ann")
    key = account.client("iam").create_access_key(UserName="ann")["AccessKey"]
    iam = account.client_as("iam", key["AccessKeyId"], key["SecretAccessKey"])
    code, message, _ = refusal(iam.create_open_id_connect_provider, Url="https://id.example.com")
    assert code == "AccessDenied"
    assert f"iam:CreateOpenIDConnectProvider on resource: arn:aws:iam::{account.account}:oidc-provider/" in message


# --- a good token -------------------------------------------------------------------------------------------------


def test_service_account_token_becomes_a_session(trusted: AwsAccount, cluster: ClusterIssuer) -> None:
    arn = role(trusted, cluster, subject_is(cluster, "system:serviceaccount:shop:orders"))
    token = cluster.service_account_token("shop", "orders", pod="orders-7d9f-x2x")
    answer = assume(trusted, arn, token, DurationSeconds=900)
    provider = f"arn:aws:iam::{trusted.account}:oidc-provider/{cluster.host}"
    assert answer["SubjectFromWebIdentityToken"] == "system:serviceaccount:shop:orders"
    assert (answer["Audience"], answer["Provider"]) == ("sts.amazonaws.com", provider)
    assert "PackedPolicySize" not in answer
    assert 850 < answer["Credentials"]["Expiration"].timestamp() - time.time() <= 900
    who = session(trusted, answer, "sts").get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{trusted.account}:assumed-role/job/run"
    assert answer["AssumedRoleUser"]["AssumedRoleId"] == who["UserId"]
    session(trusted, answer, "s3").list_buckets()
    assert assume(trusted, arn, token)["Credentials"]["AccessKeyId"]  # until it expires a token may be used again


def test_sdk_finds_the_token_by_itself(
    trusted: AwsAccount, cluster: ClusterIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = role(trusted, cluster, subject_is(cluster, "system:serviceaccount:shop:orders"))
    (tmp_path / "token").write_text(cluster.service_account_token("shop", "orders"))
    monkeypatch.setenv("AWS_ROLE_ARN", arn)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", trusted.endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    chain = boto3.Session()
    assert chain.get_credentials().method == "assume-role-with-web-identity"
    assert ":assumed-role/job/botocore-session-" in chain.client("sts").get_caller_identity()["Arn"]


def test_session_policies_narrow_the_session(trusted: AwsAccount, cluster: ClusterIssuer) -> None:
    arn = role(trusted, cluster, subject_is(cluster, "system:serviceaccount:shop:orders"))
    token = cluster.service_account_token("shop", "orders")
    inline = assume(trusted, arn, token, Policy=document({"Effect": "Allow", "Action": "sts:*", "Resource": "*"}))
    assert inline["PackedPolicySize"] >= 1
    _, message, _ = refusal(session(trusted, inline, "s3").list_buckets)
    assert "no session policy allows the s3:ListAllMyBuckets action" in message
    managed = assume(trusted, arn, token, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}])
    session(trusted, managed, "s3").list_buckets()
    assert refusal(session(trusted, managed, "s3").create_bucket, Bucket=f"b-{time.time_ns()}")[0] == "AccessDenied"


def test_tags_in_the_token_become_session_tags(trusted: AwsAccount, cluster: ClusterIssuer) -> None:
    condition = subject_is(cluster, "system:serviceaccount:shop:orders")
    arn = role(trusted, cluster, condition, "sts:TagSession", "sts:SetSourceIdentity")
    untagged = role(trusted, cluster, condition, name="untagged")
    tags = {"principal_tags": {"team": ["shop"]}, "transitive_tag_keys": ["team"]}
    claims = {"https://aws.amazon.com/tags": tags, "https://aws.amazon.com/source_identity": "ann"}
    token = cluster.service_account_token("shop", "orders", **claims)
    flat = cluster.service_account_token("shop", "orders", **{"https://aws.amazon.com/tags/principal_tags/team": ["x"]})
    answer = assume(trusted, arn, token)
    assert (answer["SourceIdentity"], answer["PackedPolicySize"] >= 1) == ("ann", True)
    only_shop = {"StringEquals": {"aws:PrincipalTag/team": "shop"}}
    trusted.client("iam").put_role_policy(
        RoleName="job", PolicyName="s3",
        PolicyDocument=document({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": only_shop}),
    )  # fmt: skip
    session(trusted, answer, "s3").list_buckets()
    other = assume(trusted, arn, flat)
    assert refusal(session(trusted, other, "s3").list_buckets)[0] == "AccessDenied"
    assert refusal(assume, trusted, untagged, token)[:2] == NOT_AUTHORIZED


def test_session_carries_provider_and_claims(trusted: AwsAccount, cluster: ClusterIssuer) -> None:
    arn = role(trusted, cluster, subject_is(cluster, "system:serviceaccount:shop:orders"))
    provider = f"arn:aws:iam::{trusted.account}:oidc-provider/{cluster.host}"
    condition = {
        "StringEquals": {
            "aws:FederatedProvider": provider,
            f"{cluster.host}:sub": "system:serviceaccount:shop:orders",
        }
    }
    trusted.client("iam").put_role_policy(
        RoleName="job", PolicyName="s3",
        PolicyDocument=document({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition}),
    )  # fmt: skip
    answer = assume(trusted, arn, cluster.service_account_token("shop", "orders"))
    session(trusted, answer, "s3").list_buckets()


def test_trail_says_who_came_with_which_token(trusted: AwsAccount, cluster: ClusterIssuer) -> None:
    arn = role(trusted, cluster, subject_is(cluster, "system:serviceaccount:shop:orders"))
    answer = assume(trusted, arn, cluster.service_account_token("shop", "orders"))
    refusal(assume, trusted, arn, cluster.service_account_token("shop", "payments"))
    session(trusted, answer, "s3").list_buckets()
    trail = trusted.client("cloudtrail")
    found = trail.lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "AssumeRoleWithWebIdentity"}]
    )["Events"]
    refused, taken = (json.loads(item["CloudTrailEvent"]) for item in found)
    provider = f"arn:aws:iam::{trusted.account}:oidc-provider/{cluster.host}"
    assert taken["userIdentity"] == {
        "type": "WebIdentityUser",
        "principalId": f"{provider}:sts.amazonaws.com:system:serviceaccount:shop:orders",
        "userName": "system:serviceaccount:shop:orders",
        "identityProvider": provider,
    }
    assert taken["requestParameters"] == {"roleArn": arn, "roleSessionName": "run"}
    assert taken["responseElements"]["credentials"]["accessKeyId"] == answer["Credentials"]["AccessKeyId"]
    assert taken["responseElements"]["subjectFromWebIdentityToken"] == "system:serviceaccount:shop:orders"
    assert answer["Credentials"]["SecretAccessKey"] not in json.dumps(taken)
    assert refused["userIdentity"]["userName"] == "system:serviceaccount:shop:payments"
    assert (refused["errorCode"], refused["errorMessage"]) == ("AccessDenied", "An unknown error occurred")
    later = trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ListBuckets"}])
    context = json.loads(later["Events"][0]["CloudTrailEvent"])["userIdentity"]["sessionContext"]
    assert context["webIdFederationData"]["federatedProvider"] == provider


# --- tokens that are refused --------------------------------------------------------------------------------------

NOT_AUTHORIZED = ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")


def test_forks_token_is_refused(trusted: AwsAccount, github: GitHubIssuer) -> None:
    arn = role(trusted, github, subject_is(github, subject_of("acme/shop") + ":ref:refs/heads/main"))
    assume(trusted, arn, github.job_token("acme/shop"))
    for token in (
        github.job_token("mallory/shop"),
        github.job_token("acme/shop", pull_request=7),
        github.job_token("acme/shop", ref="refs/heads/feature"),
        github.job_token("acme/shop", environment="production"),
        github.job_token("acme/shop", immutable=False),
        github.job_token("acme/shop", audience="sts.amazonaws.com", sub="repo:acme/shop-2:ref:refs/heads/main"),
    ):
        assert refusal(assume, trusted, arn, token) == (*NOT_AUTHORIZED, 403)


def test_claims_that_aws_maps_and_one_that_it_does_not(trusted: AwsAccount, github: GitHubIssuer) -> None:
    subject = {f"{GITHUB_HOST}:sub": subject_of("acme/shop") + ":*"}
    mapped = {f"{GITHUB_HOST}:job_workflow_ref": "acme/shop/.github/workflows/deploy.yml@refs/heads/main"}
    unmapped = {f"{GITHUB_HOST}:event_name": "push"}
    good = role(trusted, github, {"StringLike": subject, "StringEquals": mapped})
    bad = role(trusted, github, {"StringLike": subject, "StringEquals": unmapped}, name="unmapped")
    token = github.job_token("acme/shop")
    assume(trusted, good, token)
    assert refusal(assume, trusted, bad, token)[:2] == NOT_AUTHORIZED
    assert refusal(assume, trusted, good, github.job_token("acme/shop", workflow="lint"))[:2] == NOT_AUTHORIZED


@pytest.mark.parametrize(
    ("condition", "accepted"),
    [
        ({"StringEquals": {f"{GITHUB_HOST}:aud": "sts.amazonaws.com"}}, False),
        ({"StringLike": {f"{GITHUB_HOST}:sub": "*"}}, False),
        ({"StringNotEquals": {f"{GITHUB_HOST}:sub": "repo:mallory/shop:ref:refs/heads/main"}}, False),
        ({"StringLike": {f"{GITHUB_HOST}:sub": "repo:acme/*"}}, True),
    ],
)
def test_iam_wants_the_subject_of_a_shared_issuer(
    trusted: AwsAccount, github: GitHubIssuer, condition: dict[str, Any], accepted: bool
) -> None:
    if accepted:
        role(trusted, github, condition)
        return
    code, message, _ = refusal(role, trusted, github, condition)
    assert code == "MalformedPolicyDocument"
    assert f"{GITHUB_HOST}:sub" in message


def test_trust_in_another_provider_is_no_trust(
    trusted: AwsAccount, cluster: ClusterIssuer, github: GitHubIssuer
) -> None:
    arn = role(trusted, github, {"StringLike": {f"{GITHUB_HOST}:sub": "repo:acme/*"}})
    assert refusal(assume, trusted, arn, cluster.service_account_token("shop", "orders"))[:2] == NOT_AUTHORIZED
    missing = arn.replace("role/job", "role/none")
    assert refusal(assume, trusted, missing, github.job_token("acme/shop"))[:2] == NOT_AUTHORIZED


NOW = int(time.time())
TAGS = "https://aws.amazon.com/tags"
BAD_TOKENS: dict[str, tuple[Callable[[ClusterIssuer], str], str, str]] = {
    "no token": (lambda issuer: "not.a.token", "InvalidIdentityToken", "not a valid JWT"),
    "an access token": (lambda issuer: "opaque-access-token", "InvalidIdentityToken", "not a valid JWT"),
    "expired": (lambda issuer: issuer.mint("s", exp=NOW - 1), "ExpiredTokenException", "Token expired: current date"),
    "not yet valid": (lambda issuer: issuer.mint("s", nbf=NOW + 3600), "InvalidIdentityToken", "future"),
    "issued in the future": (lambda issuer: issuer.mint("s", iat=NOW + 3600), "InvalidIdentityToken", "future"),
    "for somebody else": (lambda issuer: issuer.mint("s", "vault"), "InvalidIdentityToken", "Incorrect token audience"),
    "azp for somebody else": (lambda issuer: issuer.mint("s", azp="vault"), "InvalidIdentityToken", "token audience"),
    "no subject": (lambda issuer: issuer.mint(""), "InvalidIdentityToken", "Missing a required claim: sub"),
    "no expiry": (lambda issuer: issuer.mint("s", exp=None), "InvalidIdentityToken", "required claim: exp"),
    "expiry as text": (lambda issuer: issuer.mint("s", exp="never"), "InvalidIdentityToken", "required claim: exp"),
    "no audience": (lambda issuer: issuer.mint("s", []), "InvalidIdentityToken", "Missing a required claim: aud"),
    "unknown issuer": (
        lambda issuer: issuer.mint("s", iss="https://evil.example.com"),
        "InvalidIdentityToken",
        "No OpenIDConnect provider found in your account for https://evil.example.com",
    ),
    "unknown key": (
        lambda issuer: jwt.sign(_claims(issuer), jwt.new_key(), "other"),
        "InvalidIdentityToken",
        "Couldn't retrieve verification key",
    ),
    "somebody else's signature": (
        lambda issuer: jwt.sign(_claims(issuer), jwt.new_key(), issuer.key_id),
        "InvalidIdentityToken",
        "signature",
    ),
    "no signature": (lambda issuer: _unsigned(issuer, "none"), "InvalidIdentityToken", "signature"),
    "hmac over the public key": (lambda issuer: _unsigned(issuer, "HS256"), "InvalidIdentityToken", "signature"),
    "changed subject": (lambda issuer: _resubjected(issuer), "InvalidIdentityToken", "signature"),
    "expiry without end": (lambda issuer: issuer.mint("s", exp=float("inf")), "InvalidIdentityToken", "claim: exp"),
    "expiry that is no number": (
        lambda issuer: issuer.mint("s", exp=float("nan")),
        "InvalidIdentityToken",
        "claim: exp",
    ),
    "audience of numbers": (lambda issuer: issuer.mint("s", aud=[1]), "InvalidIdentityToken", "claim: aud"),
    "azp as a list": (lambda issuer: issuer.mint("s", azp=["a"]), "InvalidIdentityToken", "token audience"),
    "subject as a list": (lambda issuer: issuer.mint("s", sub=["a"]), "InvalidIdentityToken", "claim: sub"),
    "tags as a list": (lambda issuer: issuer.mint("s", **{TAGS: [1]}), "InvalidIdentityToken", "not valid"),
    "tags that are no mapping": (
        lambda issuer: issuer.mint("s", **{TAGS: {"principal_tags": [1]}}),
        "InvalidIdentityToken",
        "not valid",
    ),
    "transitive tags of another kind": (
        lambda issuer: issuer.mint("s", **{TAGS: {"principal_tags": {}, "transitive_tag_keys": [[1]]}}),
        "InvalidIdentityToken",
        "transitive",
    ),
    "tags with two values": (
        lambda issuer: issuer.mint("s", **{"https://aws.amazon.com/tags": {"principal_tags": {"a": ["b", "c"]}}}),
        "InvalidIdentityToken",
        "one value",
    ),
}


def _claims(issuer: Issuer) -> dict[str, Any]:
    return dict(jwt.parse(issuer.mint("s")).claims)


def _unsigned(issuer: Issuer, algorithm: str) -> str:
    real = jwt.sign(_claims(issuer), jwt.new_key(), issuer.key_id, alg=algorithm)
    return real if algorithm != "none" else real.rpartition(".")[0] + "."


def _resubjected(issuer: Issuer) -> str:
    first, second = issuer.mint("s"), issuer.mint("t")
    return ".".join((second.split(".")[0], second.split(".")[1], first.split(".")[2]))


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_bad_token(trusted: AwsAccount, cluster: ClusterIssuer, name: str) -> None:
    make, code, words = BAD_TOKENS[name]
    arn = role(trusted, cluster, {"StringEquals": {f"{cluster.host}:aud": "sts.amazonaws.com"}})
    found, message, status = refusal(assume, trusted, arn, make(cluster))
    event = trusted.client("cloudtrail").lookup_events(MaxResults=1)["Events"][0]
    assert json.loads(event["CloudTrailEvent"])["userIdentity"]["type"] in ("Unknown", "WebIdentityUser")
    assert (found, status) == (code, 400)
    assert words in message


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"DurationSeconds": 60}, "ValidationError"),
        ({"DurationSeconds": 43_200}, "ValidationError"),
        ({"ProviderId": "www.amazon.com"}, "ValidationError"),
        ({"Policy": "{"}, "MalformedPolicyDocument"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/NoSuch"}]}, "ValidationError"),
    ],
)
def test_bad_parameters(trusted: AwsAccount, cluster: ClusterIssuer, params: dict[str, Any], code: str) -> None:
    arn = role(trusted, cluster, subject_is(cluster, "system:serviceaccount:shop:orders"))
    token = cluster.service_account_token("shop", "orders")
    assert refusal(assume, trusted, arn, token, **params)[0] == code


def test_issuer_that_cannot_be_asked(account: AwsAccount) -> None:
    issuer = Issuer("https://id.example.com").start()
    arn = role(account, issuer, {"StringEquals": {"id.example.com:aud": "sts.amazonaws.com"}})
    account.client("iam").create_open_id_connect_provider(Url=issuer.url, ClientIDList=["sts.amazonaws.com"])
    assert refusal(assume, account, arn, issuer.mint("s"))[0] == "IDPCommunicationError"  # not on this machine
    issuer.announce(account.endpoint, account.account)
    issuer.answers = False
    assert refusal(assume, account, arn, issuer.mint("s"))[1].startswith("Couldn't retrieve verification key")
    issuer.answers = True
    old = issuer.mint("s")
    assume(account, arn, old)
    issuer.rotate()
    assume(account, arn, issuer.mint("s"))
    assert refusal(assume, account, arn, old)[0] == "InvalidIdentityToken"
    token = issuer.mint("s")
    issuer.stop()
    assume(account, arn, token)  # the keys are kept a while
    issuer.rotate()
    assert refusal(assume, account, arn, issuer.mint("s"))[0] == "IDPCommunicationError"


def test_rcp_of_the_organization_limits_web_identities(
    gateway: Any, trusted: AwsAccount, cluster: ClusterIssuer
) -> None:
    arn = role(trusted, cluster, subject_is(cluster, "system:serviceaccount:shop:orders"))
    token = cluster.service_account_token("shop", "orders")
    organizations = gateway.account("000000000000").client("organizations")
    root = organizations.list_roots()["Roots"][0]["Id"]
    enabled = {kind["Type"] for kind in organizations.list_roots()["Roots"][0]["PolicyTypes"]}
    if "RESOURCE_CONTROL_POLICY" not in enabled:
        organizations.enable_policy_type(RootId=root, PolicyType="RESOURCE_CONTROL_POLICY")
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Resource": "*",
        "Condition": {"StringLike": {f"{cluster.host}:sub": "system:serviceaccount:shop:*"}},
    }
    policy = organizations.create_policy(
        Name=f"p{time.time_ns()}", Type="RESOURCE_CONTROL_POLICY", Description="", Content=document(deny)
    )["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=policy, TargetId=trusted.account)
    assert refusal(assume, trusted, arn, token)[:2] == NOT_AUTHORIZED
    organizations.detach_policy(PolicyId=policy, TargetId=trusted.account)
    assume(trusted, arn, token)
