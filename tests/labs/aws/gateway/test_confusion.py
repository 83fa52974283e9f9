"""Requests that two readers could read differently: what was authorised is what the engine does, or nothing is done."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LIST_QUEUES = "Action=ListQueues&Version=2012-11-05"
LIST_QUEUES_JSON = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.ListQueues"}
ENGINE_PATHS = (
    "/_ministack/reset",
    "/_ministack/sqs/messages",
    "/_ministack/config",
    "/_localstack/health",
    "/_aws/lambda-url/x/",
    "/moto-api/reset",
    "/health",
    "/restapis/a/b/_user_request_/x",
    "/iceberg/v1/config",
    "/v20180820/configuration/publicAccessBlock",
    "/latest/meta-data/",
    "/_lab/reset",
)


class World:
    """An account with a bucket and users who may do little."""

    def __init__(self, gateway: Any, account: AwsAccount) -> None:
        self.endpoint, self.pods_endpoint, self.account = gateway.endpoint, gateway.pods_endpoint, account
        self.bucket = f"confusion-{uuid.uuid4().hex[:12]}"
        s3 = account.client("s3")
        s3.create_bucket(Bucket=self.bucket)
        for key in ("open/x", "secret/x"):
            s3.put_object(Bucket=self.bucket, Key=key, Body=key.encode())
        secret = f"arn:aws:s3:::{self.bucket}/secret/*"
        self.reader = self.user(
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:*", "Resource": secret},
        )
        self.lister = self.user({"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"})

    def user(self, *statements: dict[str, Any]) -> tuple[str, str]:
        """Keys of a new user with one inline policy."""
        iam, name = self.account.client("iam"), f"u{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def send(
        self,
        keys: tuple[str, str] | None,
        method: str,
        path: str,
        body: bytes = b"",
        service: str = "s3",
        headers: dict[str, str] | None = None,
        host: str = "",
        endpoint: str = "",
    ) -> tuple[int, bytes]:
        """Status and body of a request signed as its headers say."""
        address = (endpoint or self.endpoint).removeprefix("http://")
        headers = {**(headers or {}), "Host": host or address}
        if keys:
            request = AWSRequest(method=method, url=f"http://{host or address}{path}", data=body, headers=headers)
            (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(*keys), service, "us-east-1").add_auth(request)
            headers = dict(request.headers.items())
        connection = http.client.HTTPConnection(address, timeout=20)
        try:
            connection.request(method, path, body=body or None, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def intact(self) -> bool:
        """Whether everything is still there."""
        listed = self.account.client("s3").list_objects_v2(Bucket=self.bucket)
        return [entry["Key"] for entry in listed["Contents"]] == ["open/x", "secret/x"]


@pytest.fixture(scope="module")
def world(gateway: Any) -> Iterator[World]:
    return World(gateway, gateway.account(f"{time.time_ns() % 10**12:012d}"))


@pytest.mark.parametrize("path", ENGINE_PATHS)
@pytest.mark.parametrize(
    ("method", "query"), [("GET", ""), ("POST", "?uploads"), ("PUT", ""), ("POST", "?delete"), ("HEAD", "")]
)
def test_the_engines_own_paths_are_nobodys_buckets(world: World, path: str, method: str, query: str) -> None:
    for keys, endpoint in ((world.reader, world.pods_endpoint), (None, world.pods_endpoint)):
        status, answer = world.send(keys, method, path + query, endpoint=endpoint)
        assert 400 <= status < 500, answer
    assert world.intact()


def test_engine_paths_are_not_reached_by_way_of_copy_sources(world: World) -> None:
    for source in ("/_ministack/sqs/messages", "_ministack/health", "/moto-api/data.json"):
        path, headers = f"/{world.bucket}/open/copy", {"x-amz-copy-source": source}
        status, answer = world.send(world.reader, "PUT", path, headers=headers)
        assert status in (400, 403), answer


@pytest.mark.parametrize("path", ["/_ministack/reset", "/moto-api/reset", "/somewhere", "/2015-03-31/functions"])
@pytest.mark.parametrize(
    ("headers", "body"), [(FORM, LIST_QUEUES.encode()), (LIST_QUEUES_JSON, b"{}")], ids=["query", "json"]
)
def test_an_operation_named_in_the_body_or_a_header_is_not_changed_by_the_path(
    world: World, path: str, headers: dict[str, str], body: bytes
) -> None:
    status, answer = world.send(world.lister, "POST", path, body, "sqs", headers)
    assert (status, b"Queue" in answer) == (200, True)
    assert world.intact()


@pytest.mark.parametrize("suffix", ["s3.localhost", "localhost", "s3.us-east-1.amazonaws.com", "execute-api.localhost"])
def test_a_host_does_not_change_the_service(world: World, suffix: str) -> None:
    host, path = f"{world.bucket}.{suffix}:4566", f"/secret/x?{LIST_QUEUES}"
    status, answer = world.send(world.lister, "GET", path, service="sqs", host=host)
    assert b"secret/x" not in answer
    assert (status, b"ListQueuesResponse" in answer) == (200, True)


@pytest.mark.parametrize(
    "path",
    [
        "secret/x", "secret%2Fx", "%73ecret/x", "secret/x?versionId=null", "secret/x?acl", "secret/x?tagging",
        "/secret/x", "./secret/x", "open/../secret/x", "open/%2e%2e/secret/x", "secret%252Fx", "secret/x%00",
        "open/x?x-amz-copy-source=secret", "secret;/x", "%C5%BFecret/x", "open%5c..%5csecret/x",
    ],
)  # fmt: skip
def test_no_spelling_of_a_key_gets_round_a_deny(world: World, path: str) -> None:
    status, answer = world.send(world.reader, "GET", f"/{world.bucket}/{path}")
    assert answer != b"secret/x"
    assert status in (403, 404) or answer == b"open/x"


@pytest.mark.parametrize("style", ["{bucket}.s3.localhost", "{bucket}.S3.localhost", "{BUCKET}.s3.localhost"])
def test_virtual_host_style_is_judged_by_the_same_bucket(world: World, style: str) -> None:
    host = style.format(bucket=world.bucket, BUCKET=world.bucket.upper()) + ":4566"
    assert world.send(world.reader, "GET", "/open/x", host=host) == (200, b"open/x")
    assert world.send(world.reader, "GET", "/secret/x", host=host)[0] == 403
    status, answer = world.send(world.reader, "GET", f"/{world.bucket}/secret/x", host=f"other-bucket.{host}")
    assert (status, answer == b"secret/x") in ((404, False), (403, False), (400, False))


@pytest.mark.parametrize("source", ["/{b}/secret/x", "{b}/%73ecret/x", "//{b}/secret/x", "{b}/secret/x?versionId=null"])
def test_a_copy_source_is_read_as_the_engine_reads_it(world: World, source: str) -> None:
    headers = {"x-amz-copy-source": source.format(b=world.bucket)}
    status, answer = world.send(world.reader, "PUT", f"/{world.bucket}/open/copy", headers=headers)
    assert status in (400, 403), answer


def test_a_header_in_the_query_string_counts_in_presigned_urls_only(world: World) -> None:
    path = f"/{world.bucket}/plain?x-amz-acl=public-read&x-amz-meta-a=1"
    writer = world.user({"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"})
    assert world.send(writer, "PUT", path, b"x")[0] == 200
    s3 = world.account.client("s3")
    assert s3.head_object(Bucket=world.bucket, Key="plain")["Metadata"] == {}
    assert not any("URI" in grant["Grantee"] for grant in s3.get_object_acl(Bucket=world.bucket, Key="plain")["Grants"])
    s3.delete_object(Bucket=world.bucket, Key="plain")


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("POST", "/?Action=CreateQueue&QueueName=x", FORM, LIST_QUEUES.encode()),
        ("POST", "/", FORM, (LIST_QUEUES + "&Action=CreateQueue&QueueName=x").encode()),
        ("POST", "/", FORM, b"%41ction=CreateQueue&QueueName=x&" + LIST_QUEUES.encode()),
        ("POST", "/?QueueNamePrefix=a", FORM, (LIST_QUEUES + "&QueueNamePrefix=b").encode()),
        ("POST", "/?Action=CreateQueue&QueueName=x", LIST_QUEUES_JSON, b"{}"),
        ("POST", "/service/AmazonSQS/operation/CreateQueue",
         {**LIST_QUEUES_JSON, "Smithy-Protocol": "rpc-v2-cbor"}, b"{}"),
        ("POST", "/", {**FORM, "X-Amz-Target": "AmazonSQS.ListQueues"}, b"Action=CreateQueue&QueueName=x"),
    ],
)  # fmt: skip
def test_a_request_that_names_two_operations_is_refused(
    world: World, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    status, answer = world.send(world.lister, method, path, body, "sqs", headers)
    assert 400 <= status < 500, answer
    assert not world.account.client("sqs").list_queues().get("QueueUrls")


@pytest.mark.parametrize(
    ("service", "body"),
    [("s3", b"Action=ListUsers&Version=2010-05-08"), ("sqs", b"Action=ListUsers&Version=2010-05-08"),
     ("IAM", b"Action=ListUsers&Version=2010-05-08"), ("Sqs", LIST_QUEUES.encode())],
)  # fmt: skip
def test_the_service_is_the_one_in_the_signature(world: World, service: str, body: bytes) -> None:
    status, answer = world.send((world.account.account, "test"), "POST", "/", body, service, FORM)
    assert 400 <= status < 500, answer
    assert b"<Users>" not in answer


@pytest.mark.parametrize("label", ["f%2Fpolicy", "f%2fpolicy", "arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af%2Fx"])
def test_an_encoded_slash_does_not_lead_to_another_operation(world: World, label: str) -> None:
    reader = world.user({"Effect": "Allow", "Action": "lambda:GetFunction", "Resource": "*"})
    status, answer = world.send(reader, "GET", f"/2015-03-31/functions/{label}", service="lambda")
    assert (status, b"ValidationException" in answer or b"is not valid" in answer) == (400, True)


@pytest.mark.parametrize("header", ["x-moto-account-id", "x-amz-account-id", "X-Forwarded-For"])
def test_no_header_changes_the_account(world: World, gateway: Any, new_account: Any, header: str) -> None:
    other = new_account()
    other.client("s3").create_bucket(Bucket=f"theirs-{other.account}")
    status, answer = world.send((world.account.account, "test"), "GET", "/", headers={header: other.account})
    assert (status, b"theirs-" in answer) == (200, False)
    path = f"/?X%2DAmz-Credential={other.account}%2F20260101%2Fus-east-1%2Fs3%2Faws4_request"
    assert b"theirs-" not in world.send((world.account.account, "test"), "GET", path)[1]


def test_s3_control_of_another_account_is_denied(world: World, new_account: Any) -> None:
    body = b"<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>"
    headers, path = {"x-amz-account-id": new_account().account}, "/v20180820/configuration/publicAccessBlock"
    admin = world.user({"Effect": "Allow", "Action": "*", "Resource": "*"})
    assert world.send(admin, "PUT", path, body, headers=headers)[0] == 403
    assert world.send(admin, "GET", path, headers=headers)[0] == 403


@pytest.mark.parametrize(
    "url",
    ["http://x/{o}/q", "http://x/{o}/q/", "http://x/{o}//q", "{o}/q", "http://x/{o}%2Fq", "http://x/{a}/{o}/q", "q",
     "http://x/{o}/q/{a}/q", "http://x/queue/us-east-1/{o}/q", "arn:aws:sqs:us-east-1:{o}:q", "http://x/{w}/q",
     "http://x/{o}/q?{a}/q", "http://x/{o}/q#/{a}/q", " http://x/{o}/q "],
)  # fmt: skip
def test_no_queue_url_reads_another_accounts_queue(gateway: Any, world: World, new_account: Any, url: str) -> None:
    owner, caller = new_account(), new_account()
    for account in (owner, caller):
        queue = account.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    owner.client("sqs").send_message(QueueUrl=queue.replace(caller.account, owner.account), MessageBody="theirs")
    wide = "".join(chr(0x0660 + int(digit)) for digit in owner.account)  # digits, but not those of an account
    try:
        found = caller.client("sqs").receive_message(QueueUrl=url.format(o=owner.account, a=caller.account, w=wide))
        assert "Messages" not in found
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500


def test_nobody_takes_over_the_endpoints_own_name(gateway: Any, new_account: Any) -> None:
    gateways = new_account().client("apigateway")
    for name in ("127.0.0.1", "localhost", "127.0.0.1:4566"):
        with pytest.raises(ClientError, match="not valid"):
            gateways.create_domain_name(domainName=name)


PROTECTED = [
    "arn:aws:dynamodb:*:*:table/protected*", "arn:aws:ecr:*:*:repository/protected", "arn:aws:sqs:*:*:protected",
    "arn:aws:logs:*:*:log-group:protected*", "arn:aws:ssm:*:*:parameter/protected", "arn:aws:iam::*:user/protected",
    "arn:aws:events:*:*:event-bus/protected",
]  # fmt: skip
TABLE = "arn:aws:dynamodb:us-east-1:{account}:table/protected"
SELECTS = (
    "SELECT * FROM protected", 'SELECT * FROM "protected"', 'SELECT "x FROM y" FROM protected', "select*from protected",
    "SELECT 'a FROM open' FROM protected", 'SELECT "FROM open" FROM "protected"', "/* FROM x */SELECT * FROM protected",
    "SELECT * FROM protected -- FROM open", 'SELECT * FROM "protected"."index"', 'SELECT a FROM"protected"',
    "SELECT * FROM open, protected", "EXISTS(SELECT * FROM protected)",
)  # fmt: skip


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        *(("dynamodb", "execute_statement", {"Statement": text}) for text in SELECTS),
        ("dynamodb", "batch_execute_statement", {"Statements": [{"Statement": SELECTS[0]}]}),
        ("dynamodb", "restore_table_to_point_in_time", {"SourceTableName": "protected", "TargetTableName": "copy"}),
        ("dynamodb", "restore_table_to_point_in_time", {"SourceTableArn": TABLE, "TargetTableName": "copy"}),
        ("dynamodb", "restore_table_to_point_in_time", {"SourceTableName": "open", "TargetTableName": "protected"}),
        ("dynamodb", "transact_get_items", {"TransactItems": [
            {"Get": {"TableName": "open", "Key": {"id": {"S": "a"}}}},
            {"Get": {"TableName": "protected", "Key": {"id": {"S": "a"}}}}]}),
        ("resourcegroupstaggingapi", "tag_resources", {"ResourceARNList": [TABLE], "Tags": {"a": "b"}}),
        ("resourcegroupstaggingapi", "untag_resources", {"ResourceARNList": [TABLE], "TagKeys": ["a"]}),
        ("ecr", "describe_repositories", {"repositoryNames": ["open", "protected"]}),
        ("ecr", "list_images", {"repositoryName": "protected"}),
        ("logs", "start_query", {"logGroupNames": ["open", "protected"], "startTime": 1, "endTime": 2,
                                 "queryString": "fields @message"}),
        ("ssm", "get_parameters", {"Names": ["open", "protected"]}),
        ("ssm", "get_parameter", {"Name": "protected:1"}),
        ("iam", "create_access_key", {"UserName": "protected"}),
        ("events", "put_events", {"Entries": [{"Source": "a", "DetailType": "b", "Detail": "{}"},
                                              {"Source": "a", "DetailType": "b", "Detail": "{}",
                                               "EventBusName": "protected"}]}),
    ],
)  # fmt: skip
def test_a_deny_on_a_name_holds_for_every_call_that_names_it(
    world: World, service: str, operation: str, params: dict[str, Any]
) -> None:
    keys = world.user(
        {"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "*", "Resource": PROTECTED}
    )
    asked = json.loads(json.dumps(params).replace("{account}", world.account.account))
    with pytest.raises(ClientError) as caught:
        getattr(world.account.client_as(service, *keys), operation)(**asked)
    error = caught.value.response["Error"]
    assert "explicit deny" in error["Message"] or error["Code"] == "ValidationException", error


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("glue", "get_databases", {}), ("redshift", "describe_clusters", {}), ("iot", "list_things", {}),
        ("batch", "describe_job_queues", {}), ("ce", "list_cost_category_definitions", {}),
        ("bedrock", "list_foundation_models", {}), ("macie2", "get_macie_session", {}),
        ("workspaces", "describe_workspaces", {}), ("lightsail", "get_instances", {}),
        ("apigateway", "get_rest_apis", {}),
    ],
)  # fmt: skip
def test_what_the_authoriser_has_no_rule_for_is_denied_by_default(
    gateway: Any, world: World, service: str, operation: str, params: dict[str, Any]
) -> None:
    client = world.account.client_as(service, *world.lister)
    with pytest.raises(ClientError, match="is not authorized to perform"):
        getattr(client, operation)(**params)
