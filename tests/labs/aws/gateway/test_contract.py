"""The same promises on every engine: stock clients work, denials are AWS's, credentials are enforced."""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount
from labs.aws.engines import localstack

LOCALSTACK = pytest.param("localstack", marks=[pytest.mark.long, pytest.mark.timeout(900)])
ENGINES = ["ministack", "moto", "remote", LOCALSTACK]


@pytest.fixture(scope="module", params=ENGINES)
def engine_gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, start_gateway: Any, bare_ministack: Any
) -> Iterator[Any]:
    if request.param == "localstack":
        localstack.ENVIRONMENT.ensure()  # a PermanentError where there is no Python for it: --all needs one
    home = tmp_path_factory.mktemp(request.param)
    if request.param == "remote":
        with bare_ministack(home) as url:
            running = start_gateway(home, "--backend", url)
            yield running
            running.stop()
    else:
        running = start_gateway(home, "--engine", request.param)
        yield running
        running.stop()


@pytest.fixture
def account(engine_gateway: Any) -> AwsAccount:
    return engine_gateway.account(str(random.randrange(10**11, 10**12)))


def user_with(account: AwsAccount, *statements: dict[str, Any], name: str = "alice") -> Callable[..., Any]:
    """Create a user with one inline policy; returns a maker of clients with that user's own keys."""
    iam = account.client("iam")
    iam.create_user(UserName=name)
    if statements:
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return lambda service, **more: account.client_as(service, key["AccessKeyId"], key["SecretAccessKey"], **more)


def refusal(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_caller_identity_is_the_user_whose_key_signed(account: AwsAccount) -> None:
    alice = user_with(account)
    who = alice("sts").get_caller_identity()
    assert who["Arn"] == f"arn:aws:iam::{account.account}:user/alice"
    assert who["Account"] == account.account


def test_each_protocol_is_denied_in_its_own_shape(account: AwsAccount) -> None:
    alice = user_with(account)
    because = "because no identity-based policy allows the"
    s3 = account.client("s3")
    bucket = f"b-{account.account}"
    s3.create_bucket(Bucket=bucket)
    for code, message, action in (
        (*refusal(alice("s3").list_objects_v2, Bucket=bucket), "s3:ListBucket"),  # rest-xml
        (*refusal(alice("iam").list_users), "iam:ListUsers"),  # query
        (*refusal(alice("dynamodb").list_tables), "dynamodb:ListTables"),  # json 1.0
        (*refusal(alice("kms").list_keys), "kms:ListKeys"),  # json 1.1
        (*refusal(alice("lambda").list_functions), "lambda:ListFunctions"),  # rest-json
    ):
        assert code in ("AccessDenied", "AccessDeniedException")
        assert f"User: arn:aws:iam::{account.account}:user/alice is not authorized to perform: {action}" in message
        assert f"{because} {action} action" in message
    code, message = refusal(alice("ec2").describe_vpcs)
    assert code == "UnauthorizedOperation"
    assert "Encoded authorization failure message: " in message


def test_encoded_message_can_be_decoded_by_who_may(account: AwsAccount) -> None:
    _, message = refusal(user_with(account)("ec2").describe_vpcs)
    sealed = message.rpartition("Encoded authorization failure message: ")[2]
    decoded = account.client("sts").decode_authorization_message(EncodedMessage=sealed)["DecodedMessage"]
    assert json.loads(decoded)["context"]["action"] == "ec2:DescribeVpcs"


def test_allowed_calls_reach_the_engine(account: AwsAccount) -> None:
    alice = user_with(account, {"Effect": "Allow", "Action": ["s3:*", "dynamodb:*", "sqs:*"], "Resource": "*"})
    s3 = alice("s3")
    bucket = f"b-{account.account}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="folder/ü k", Body=b"hello")
    assert s3.get_object(Bucket=bucket, Key="folder/ü k")["Body"].read() == b"hello"
    table = alice("dynamodb")
    table.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    table.put_item(TableName="table", Item={"id": {"S": "1"}, "n": {"N": "7"}})
    assert table.get_item(TableName="table", Key={"id": {"S": "1"}})["Item"]["n"] == {"N": "7"}
    sqs = alice("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="m")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "m"


def test_a_deactivated_and_a_deleted_key_stop_working(account: AwsAccount) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="bob")
    key = iam.create_access_key(UserName="bob")["AccessKey"]
    sts = account.client_as("sts", key["AccessKeyId"], key["SecretAccessKey"])
    sts.get_caller_identity()
    iam.update_access_key(UserName="bob", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert refusal(sts.get_caller_identity)[0] == "InvalidClientTokenId"
    iam.update_access_key(UserName="bob", AccessKeyId=key["AccessKeyId"], Status="Active")
    sts.get_caller_identity()
    iam.delete_access_key(UserName="bob", AccessKeyId=key["AccessKeyId"])
    assert refusal(sts.get_caller_identity)[0] == "InvalidClientTokenId"


def test_a_policy_change_holds_for_the_next_call(account: AwsAccount) -> None:
    alice = user_with(account, {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"})
    sqs = alice("sqs")
    sqs.list_queues()
    account.client("iam").delete_user_policy(UserName="alice", PolicyName="inline")
    assert refusal(sqs.list_queues)[0] in ("AccessDenied", "AccessDeniedException")


def test_group_and_managed_policies_count(account: AwsAccount) -> None:
    iam = account.client("iam")
    alice = user_with(account)
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="alice")
    policy = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sns:*", "Resource": "*"}]}
    )
    iam.put_group_policy(GroupName="g", PolicyName="p", PolicyDocument=policy)
    alice("sns").list_topics()
    iam.attach_user_policy(UserName="alice", PolicyArn="arn:aws:iam::aws:policy/AmazonSQSFullAccess")
    alice("sqs").list_queues()
    assert refusal(alice("kms").list_keys)[0] == "AccessDeniedException"


def test_assumed_role_has_the_role_and_nothing_else(account: AwsAccount) -> None:
    iam = account.client("iam")
    alice = user_with(account, {"Effect": "Allow", "Action": "*", "Resource": "*"})
    trust = {"Effect": "Allow", "Principal": {"AWS": account.account}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    iam.put_role_policy(
        RoleName="r",
        PolicyName="p",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
        ),
    )
    role = f"arn:aws:iam::{account.account}:role/r"
    got = alice("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    keys = (got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"])
    assert account.client_as("sts", *keys).get_caller_identity()["Arn"].endswith(":assumed-role/r/session")
    account.client_as("sqs", *keys).list_queues()
    assert refusal(account.client_as("iam", *keys).list_users)[0] == "AccessDenied"


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_url_works_and_cannot_be_changed(account: AwsAccount, version: str) -> None:
    alice = user_with(account, {"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    s3 = alice("s3")
    bucket = f"b-{account.account}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"signed")
    signer = boto3.client(
        "s3",
        endpoint_url=account.endpoint,
        region_name="us-east-1",
        aws_access_key_id=account.account,
        aws_secret_access_key="test",
        config=Config(signature_version=version, s3={"addressing_style": "path"}),
    )
    url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"signed"
    for broken in (url.replace("/k?", "/other?"), url.replace("Expires=", "Expires=1")):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(broken)
        assert caught.value.code == 403
        assert b"SignatureDoesNotMatch" in caught.value.read()


def test_multipart_upload_in_chunks(account: AwsAccount, tmp_path: Path) -> None:
    file = tmp_path / "big"
    block = bytes(range(256)) * 4096  # 1 MB
    with file.open("wb") as out:
        for _ in range(20):
            out.write(block)
    s3 = account.client("s3")
    bucket = f"b-{account.account}"
    s3.create_bucket(Bucket=bucket)
    s3.upload_file(str(file), bucket, "big")
    digest = hashlib.sha256()
    for chunk in s3.get_object(Bucket=bucket, Key="big")["Body"].iter_chunks(1 << 20):
        digest.update(chunk)
    assert digest.hexdigest() == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_large_upload_and_download_pass_through_in_pieces(
    start_gateway: Any, bare_ministack: Any, tmp_path: Path
) -> None:
    """200 MB in parts, then in one request: the gateway's own memory stays flat (the engine keeps objects in its)."""
    megabytes = 200
    file = tmp_path / "big"
    with file.open("wb") as out:
        for number in range(megabytes):
            out.write(number.to_bytes(4, "big") * (1 << 18))
    with bare_ministack(tmp_path) as url:
        running = start_gateway(tmp_path, "--backend", url)
        try:
            s3 = running.account("123456789012").client("s3")
            s3.create_bucket(Bucket="big")
            s3.put_object(Bucket="big", Key="warm", Body=b"up")
            before = peak_memory(running.process.pid)
            s3.upload_file(str(file), "big", "parts")
            with file.open("rb") as body:
                s3.put_object(Bucket="big", Key="whole", Body=body)
            for key in ("parts", "whole"):
                s3.download_file("big", key, str(tmp_path / "back"))
                assert filecmp.cmp(file, tmp_path / "back", shallow=False)
            # Ten transfers at once keep a few MB each in buffers, however large the file is.
            assert peak_memory(running.process.pid) - before < megabytes / 2
        finally:
            running.stop()


def peak_memory(pid: int) -> float:
    """The most memory the process ever had resident, in MB (proc(5), VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def test_virtual_host_style(engine_gateway: Any, account: AwsAccount) -> None:
    port = engine_gateway.endpoint.rpartition(":")[2]
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://localhost:{port}",
        region_name="us-east-1",
        aws_access_key_id=account.account,
        aws_secret_access_key="test",
        config=Config(s3={"addressing_style": "virtual"}),
    )
    bucket = f"v-{account.account}"
    # The name must resolve: *.localhost does on every system that follows RFC 6761; here it is sent by hand.
    s3.meta.events.register("before-send.s3", _to_loopback(port))
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"v")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"v"


def _to_loopback(port: str) -> Callable[..., None]:
    def send(request: Any, **_: Any) -> None:
        host = request.url.split("/")[2]
        request.headers["Host"] = host
        request.url = request.url.replace(host, f"127.0.0.1:{port}", 1)

    return send


def test_aws_cli_and_localstack_client(engine_gateway: Any) -> None:
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": engine_gateway.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    command = [sys.executable, "-m", "awscli", "sts", "get-caller-identity", "--output", "json"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(answer.stdout)["Arn"] == "arn:aws:iam::000000000000:root"
    import localstack_client.session

    session = localstack_client.session.Session(localstack_host=engine_gateway.endpoint.removeprefix("http://"))
    session.client("s3").create_bucket(Bucket="from-localstack-client")
    listed = session.client("s3").list_buckets()["Buckets"]
    assert "from-localstack-client" in [bucket["Name"] for bucket in listed]


def test_second_listener_refuses_shorthands_and_the_labs_own_api(engine_gateway: Any, account: AwsAccount) -> None:
    alice = user_with(account)
    key = alice("sts")._keys
    inside = AwsAccount(engine_gateway.pods_endpoint, account.account)
    assert inside.client_as("sts", key.access_key, key.secret_key).get_caller_identity()["Account"] == account.account
    assert refusal(inside.client("sts").get_caller_identity)[0] == "InvalidClientTokenId"
    assert refusal(inside.client_as("sts", "test", "test").get_caller_identity)[0] == "InvalidClientTokenId"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{engine_gateway.pods_endpoint}/_lab/health")
    assert caught.value.code in (400, 403, 404)  # to this listener it is the name of a bucket, and not a good one


def test_malformed_policy_is_refused_with_the_reason(account: AwsAccount) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="u")
    put = lambda text: refusal(iam.put_user_policy, UserName="u", PolicyName="p", PolicyDocument=text)  # noqa: E731
    assert put("{")[0] == "MalformedPolicyDocument"
    assert (
        put('{"Version": "2012-10-17", "Statement": [{"Effect": "Permit", "Action": "*", "Resource": "*"}]}')[0]
        == "MalformedPolicyDocument"
    )
    long = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": [f"arn:aws:s3:::b/{n:040}" for n in range(60)]}
    assert put(json.dumps({"Version": "2012-10-17", "Statement": [long]}))[0] == "LimitExceeded"


def test_somebody_elses_server_is_not_wiped(start_gateway: Any, bare_ministack: Any, tmp_path: Path) -> None:
    with bare_ministack(tmp_path) as url:
        running = start_gateway(tmp_path, "--backend", url)
        try:
            s3 = running.account("123456789012").client("s3")
            s3.create_bucket(Bucket="theirs")
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(urllib.request.Request(f"{running.endpoint}/_lab/reset", method="POST"))
            assert refused.value.code == 409
            assert "never wiped" in json.load(refused.value)["error"]
            assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["theirs"]
        finally:
            running.stop()


def test_reset_forgets_everything(start_gateway: Any, tmp_path: Path) -> None:
    running = start_gateway(tmp_path)
    try:
        account = running.account("123456789012")
        account.client("s3").create_bucket(Bucket="gone")
        alice = user_with(account)
        request = urllib.request.Request(f"{running.endpoint}/_lab/reset", method="POST")
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["reset"] == "ministack"
        assert account.client("s3").list_buckets()["Buckets"] == []
        assert refusal(alice("sts").get_caller_identity)[0] == "InvalidClientTokenId"
    finally:
        running.stop()
