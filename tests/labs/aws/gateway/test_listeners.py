"""Who is asking, and how: what a connection proves, whatever a header claims."""

from __future__ import annotations

import json
import stat
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount


@pytest.fixture(scope="module")
def running(start_gateway: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    gateway = start_gateway(tmp_path_factory.mktemp("listeners"), "--https-port", "0")
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def listeners(running: Any) -> dict[str, str]:
    with urllib.request.urlopen(f"{running.endpoint}/_lab/health") as answer:
        return json.load(answer)["listeners"]


def alice(running: Any, condition: dict[str, Any]) -> dict[str, str]:
    """Keys of a user who may list buckets under a condition."""
    iam = AwsAccount(running.endpoint, "123456789012").client("iam")
    iam.create_user(UserName="alice")
    statement = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*", "Condition": condition}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


@pytest.fixture(autouse=True)
def reset(running: Any) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{running.endpoint}/_lab/reset", method="POST")).close()


def test_only_the_https_listener_is_secure_transport(running: Any, listeners: dict[str, str]) -> None:
    keys = alice(running, {"Bool": {"aws:SecureTransport": "true"}})
    over_tls = boto3.client("s3", endpoint_url=listeners["https"], verify=listeners["ca_bundle"], **keys)
    assert over_tls.list_buckets()["Buckets"] == []
    plain = boto3.client("s3", endpoint_url=running.endpoint, **keys)
    with pytest.raises(ClientError, match="AccessDenied"):
        plain.list_buckets()


@pytest.mark.parametrize(
    ("header", "value", "condition"),
    [
        ("X-Forwarded-For", "203.0.113.9", {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
        ("X-Real-IP", "203.0.113.9", {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
        ("Forwarded", "for=203.0.113.9;proto=https", {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
        ("X-Forwarded-Proto", "https", {"Bool": {"aws:SecureTransport": "true"}}),
    ],
)
def test_a_header_changes_neither_address_nor_transport(
    running: Any, header: str, value: str, condition: dict[str, Any]
) -> None:
    s3 = boto3.client("s3", endpoint_url=running.endpoint, **alice(running, condition))

    def claim(request: AWSRequest, **_: Any) -> None:
        request.headers[header] = value

    s3.meta.events.register("before-sign.s3", claim)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.list_buckets()


@pytest.mark.parametrize("keys", [("test", "test"), ("123456789012", "test")])
def test_the_https_listener_refuses_shorthands(listeners: dict[str, str], keys: tuple[str, str]) -> None:
    sts = boto3.client(
        "sts",
        endpoint_url=listeners["https"],
        verify=listeners["ca_bundle"],
        region_name="us-east-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
    )
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        sts.get_caller_identity()


def test_every_listener_keeps_its_address_over_a_restart(start_gateway: Any, tmp_path: Path) -> None:
    def once() -> dict[str, str]:
        gateway = start_gateway(tmp_path, "--https-port", "0")
        gateway.stop()
        found: dict[str, str] = json.loads((tmp_path / "aws" / "listeners.json").read_text())
        return found

    first, second = once(), once()
    assert {name: first[name] for name in ("pods", "https")} == {name: second[name] for name in ("pods", "https")}
    private = (tmp_path / "aws" / "https.pem").stat().st_mode
    assert not private & (stat.S_IRWXG | stat.S_IRWXO)
    assert b"PRIVATE" not in (tmp_path / "aws" / "ca.pem").read_bytes()
