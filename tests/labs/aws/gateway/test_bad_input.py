"""Whatever arrives: an AWS error in the right protocol; never a 500, never allowed, never a hang."""

from __future__ import annotations

import http.client
import json
import socket
import time
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ACCOUNT = "345678901234"


def send(
    endpoint: str, method: str, path: str, headers: dict[str, str], body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    host = endpoint.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=20)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def signed(
    endpoint: str, method: str, path: str, body: bytes, service: str, headers: dict[str, str] | None = None
) -> dict[str, str]:
    request = AWSRequest(method=method, url=endpoint + path, data=body, headers=headers or {})
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(ACCOUNT, "test"), service, "us-east-1").add_auth(request)
    return dict(request.headers.items())


JSON = {"Content-Type": "application/x-amz-json-1.0"}


@pytest.mark.parametrize(
    ("service", "headers", "body", "code"),
    [
        ("dynamodb", {**JSON, "X-Amz-Target": "DynamoDB_20120810.NoSuchThing"}, b"{}", "UnknownOperationException"),
        ("dynamodb", {**JSON, "X-Amz-Target": "DynamoDB_20120810.ListTables"}, b"{", "SerializationException"),
        (
            "dynamodb",
            {**JSON, "X-Amz-Target": "DynamoDB_20120810.ListTables"},
            b"[" * 100_000,
            "SerializationException",
        ),
        (
            "iam",
            {"Content-Type": "application/x-www-form-urlencoded"},
            b"Action=NoSuchThing&Version=2010-05-08",
            "InvalidAction",
        ),
        ("iam", {"Content-Type": "application/x-www-form-urlencoded"}, b"\xff\xfe", None),
        ("nosuchservice", {"Content-Type": "application/x-www-form-urlencoded"}, b"Action=Do", None),
        (
            "ec2",
            {"Content-Type": "application/x-www-form-urlencoded"},
            b"Action=NoSuchThing&Version=2016-11-15",
            "InvalidAction",
        ),
    ],
)
def test_unknown_and_malformed_calls(
    gateway: Any, service: str, headers: dict[str, str], body: bytes, code: str | None
) -> None:
    status, _, answer = send(
        gateway.endpoint, "POST", "/", signed(gateway.endpoint, "POST", "/", body, service, headers), body
    )
    assert 400 <= status < 500, answer
    if code:
        assert code.encode() in answer


def test_unsigned_request_is_refused(gateway: Any) -> None:
    status, _, answer = send(
        gateway.endpoint, "POST", "/", {**JSON, "X-Amz-Target": "DynamoDB_20120810.ListTables"}, b"{}"
    )
    assert status in (400, 403)
    assert b"MissingAuthenticationToken" in answer
    status, _, answer = send(gateway.endpoint, "GET", "/", {})
    assert (status, b"AccessDenied" in answer) == (403, True)


def test_replay_with_another_path_or_host(gateway: Any) -> None:
    headers = signed(gateway.endpoint, "GET", "/bucket/key", b"", "s3")
    status, _, answer = send(gateway.endpoint, "GET", "/bucket/other", headers)
    assert (status, b"SignatureDoesNotMatch" in answer) == (403, True)
    status, _, answer = send(gateway.endpoint, "GET", "/bucket/key", {**headers, "Host": "elsewhere.example"})
    assert (status, b"SignatureDoesNotMatch" in answer) == (403, True)


def test_changed_body_is_refused_and_not_stored(gateway: Any) -> None:
    s3 = gateway.account(ACCOUNT).client("s3")
    bucket = f"body-{time.time_ns()}"
    s3.create_bucket(Bucket=bucket)
    headers = signed(gateway.endpoint, "PUT", f"/{bucket}/k", b"good", "s3")
    status, _, answer = send(gateway.endpoint, "PUT", f"/{bucket}/k", headers, b"evil")
    assert (status, b"XAmzContentSHA256Mismatch" in answer) == (400, True)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_truncated_body_is_not_stored(gateway: Any) -> None:
    s3 = gateway.account(ACCOUNT).client("s3")
    bucket = f"cut-{time.time_ns()}"
    s3.create_bucket(Bucket=bucket)
    headers = signed(gateway.endpoint, "PUT", f"/{bucket}/k", b"x" * 100, "s3")
    host, port = gateway.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        lines = [f"PUT /{bucket}/k HTTP/1.1", f"Host: {host}:{port}", "Content-Length: 100"]
        lines += [
            f"{name}: {value}" for name, value in headers.items() if name.lower() not in ("host", "content-length")
        ]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + b"x" * 40)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_ten_megabytes_of_headers(gateway: Any) -> None:
    host, port = gateway.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        try:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            for number in range(160):
                connection.sendall(f"X-Filler-{number}: ".encode() + b"a" * 65_000 + b"\r\n")
            connection.sendall(b"\r\n")
            answer = connection.recv(65_536)
        except (BrokenPipeError, ConnectionResetError):
            answer = b"HTTP/1.1 400 closed"
    assert answer.split(b" ")[1].startswith(b"4")


def test_a_slow_client_keeps_nobody_waiting(gateway: Any) -> None:
    host, port = gateway.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as slow:
        slow.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\n\r\n{"
        )
        started = time.monotonic()
        gateway.account(ACCOUNT).client("sts").get_caller_identity()
        assert time.monotonic() - started < 5


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"]),
    path=st.lists(
        st.sampled_from(["bucket", "%zz", "..", "%00", "a b", "v2", "_lab", "2015-03-31", "functions", "ü"]), max_size=4
    ),
    query=st.lists(
        st.sampled_from(["acl", "uploadId=x", "list-type=2", "X-Amz-Signature=1", "Action=GetUser", "=", "%ff"]),
        max_size=4,
    ),
    service=st.sampled_from(["s3", "iam", "dynamodb", "ec2", "lambda", "sqs", "kms", "cloudwatch", "route53", None]),
    target=st.sampled_from(
        [None, "DynamoDB_20120810.ListTables", "AmazonSQS.SendMessage", "TrentService.Encrypt", "x.y", "."]
    ),
    kind=st.sampled_from([None, "application/x-amz-json-1.1", "application/cbor", "application/xml", "text/plain"]),
    body=st.one_of(
        st.binary(max_size=200), st.just(b"{}"), st.just(b"<a/>"), st.just(b"Action=GetUser&Version=2010-05-08")
    ),
)
def test_fuzz(
    gateway: Any,
    method: str,
    path: list[str],
    query: list[str],
    service: str | None,
    target: str | None,
    kind: str | None,
    body: bytes,
) -> None:
    from urllib.parse import quote

    url = "/" + "/".join(quote(part, safe="%") for part in path) + ("?" + "&".join(query) if query else "")
    headers = {name: value for name, value in (("X-Amz-Target", target), ("Content-Type", kind)) if value}
    if service:
        headers = signed(gateway.endpoint, method, url, body, service, headers)
    status, _, answer = send(gateway.endpoint, method, url, headers, body)
    assert status not in (500, 502, 504), answer
    if not service:
        assert status >= 400 or method == "OPTIONS", (status, answer)


def test_decisions_are_shown_by_request_id(gateway: Any) -> None:
    account = gateway.account(ACCOUNT)
    iam = account.client("iam")
    name = f"d{time.time_ns()}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the class belongs to the client)
        account.client_as("sqs", key["AccessKeyId"], key["SecretAccessKey"]).list_queues()
    request_id = caught.value.response["ResponseMetadata"]["RequestId"]  # type: ignore[attr-defined]
    for path in (f"/_lab/decisions/{request_id}", f"/_lab/decisions/last?account={ACCOUNT}"):
        status, _, body = send(gateway.endpoint, "GET", path, {})
        answer = json.loads(body)
        assert status == 200
        assert answer["decision"]["allowed"] is False
        assert answer["decision"]["request"]["action"] == "sqs:ListQueues"
        assert answer["decision"]["request"]["principal"]["arn"].endswith(f":user/{name}")
