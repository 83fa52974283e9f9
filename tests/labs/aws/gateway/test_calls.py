"""What botocore sends is understood as what botocore was told, and what the gateway answers botocore reads back."""

from __future__ import annotations

import copy
import datetime
import gzip
import json
import math
import struct
import subprocess
import sys
import time
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore import UNSIGNED, serialize, xform_name
from botocore.awsrequest import HeadersDict
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import create_parser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labs.aws.gateway import cbor, directory
from labs.aws.gateway.calls import AwsError, ServiceCall, needs_body, render_error, render_result, understand
from labs.aws.gateway.protocols import bindings, query_model, read_time
from labs.aws.models import service_model

WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
REGION = "eu-west-1"
ACCOUNT = "123456789012"
CORE = (
    "s3", "iam", "sts", "ec2", "sqs", "sns", "dynamodb", "kms", "secretsmanager", "lambda", "ecr", "eks",
    "organizations", "cloudtrail", "cloudwatch", "logs", "elb", "elbv2", "rds", "route53", "acm", "ssm", "events",
    "stepfunctions", "backup", "ce", "accessanalyzer", "guardduty", "autoscaling", "budgets", "config",
    "apigateway", "apigatewayv2", "cloudformation", "s3control", "ses", "sesv2", "dynamodbstreams", "sso-oidc",
    "resourcegroupstaggingapi",
    "cognito-idp", "timestream-query", "arc-region-switch",
)  # fmt: skip


class Captured(Exception):
    """Carries the request that botocore was about to send."""

    def __init__(self, request):
        super().__init__()
        self.request = request


class Wire:
    """A stock botocore client whose requests end here instead of on the network."""

    def __init__(self, service, endpoint="http://localhost:4566", unsigned=False, **config):
        if unsigned:
            config["signature_version"] = UNSIGNED
        self.client = botocore.session.get_session().create_client(
            service,
            region_name=REGION,
            endpoint_url=endpoint,
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="secret",
            config=Config(parameter_validation=False, retries={"total_max_attempts": 1}, **config),
        )
        self.sent = {}
        self.client.meta.events.register("before-send.*.*", self._stop)
        self.client.meta.events.register_last("before-parameter-build.*.*", self._keep)

    def _stop(self, request, **_):
        raise Captured(request)

    def _keep(self, params, **_):
        self.sent = copy.deepcopy(params)

    def send(self, operation, params):
        """The raw request (method, path, query, headers, body, signing name) of an operation."""
        with pytest.raises(Captured) as caught:
            getattr(self.client, xform_name(operation))(**params)
        return raw(caught.value.request)


def raw(request):
    parts = urlsplit(request.url)
    headers = [(k.lower().encode(), v if isinstance(v, bytes) else v.encode()) for k, v in request.headers.items()]
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", parts.netloc.encode()))
    scope = next((v.decode() for k, v in headers if k == b"authorization"), "")
    signing_name = scope.split("Credential=")[1].split("/")[3] if "Credential=" in scope else None
    body = request.body.read() if hasattr(request.body, "read") else request.body
    body = body.encode() if isinstance(body, str) else body
    return request.method, parts.path, parts.query.encode(), headers, body, signing_name


def understood(method, path, query, headers, body, signing_name):
    needed = needs_body(method, path, headers, signing_name, query)
    return understand(method, path, query, headers, body if needed else None, signing_name, REGION)


def example(shape, name="", seen=(), number=0):
    """A value for every member of a shape, recursion cut off; ``None`` where none is possible."""
    kind = shape.type_name
    if kind == "structure":
        return _example_structure(shape, seen, number)
    if kind in ("list", "map"):
        values = [example(shape.member if kind == "list" else shape.value, name, seen, i) for i in range(2)]
        if None in values:
            return None
        return values if kind == "list" else {_key(shape.key, i): value for i, value in enumerate(values)}
    if kind in ("string", "character"):
        if shape.enum:
            return shape.enum[number % len(shape.enum)]
        return f"arn:aws:x:::{name}/{number} é" if "arn" in name.lower() else f"{name.lower()[:20]}-{number}"
    scalars = {"boolean": True, "timestamp": WHEN, "blob": b"\x00\xffblob", "float": 1.5, "double": 1.5}
    return scalars.get(kind, 7 + number)


def _key(shape, number):
    return shape.enum[number % len(shape.enum)] if shape.enum else f"k-{number}"


def _example_structure(shape, seen, number):
    if shape.is_document_type:
        return {"a": [1, {"b": "c"}]}
    if shape.name in seen or len(seen) > 7:
        return None
    found = {}
    for name, member in shape.members.items():
        if getattr(member, "is_eventstream", False) or member.serialization.get("eventstream"):
            continue
        value = example(member, name, (*seen, shape.name), number)
        if value is not None:
            found[name] = value
            if shape.is_tagged_union:
                break
    return found or None


# Two operations of one wire form: AWS tells them apart by the host alone, or one is the other's old name.
SAME_ON_THE_WIRE = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
}
# Members that botocore itself consumes or rewrites, by name.
CONSUMED = {"SourceRegion", "UserData"}


@pytest.mark.parametrize("service", CORE)
def test_every_operation_is_understood_as_botocore_was_told(service):
    wire = Wire(service)
    model = wire.client.meta.service_model
    for operation in model.operation_names:
        shape = model.operation_model(operation).input_shape
        params = (example(shape) if shape else None) or {}
        for name, member in shape.members.items() if shape else ():
            if member.serialization.get("hostLabel") or (service == "s3control" and name == "AccountId"):
                params[name] = "123456789012"
        if service in ("s3", "s3control") and "Bucket" in params:
            params["Bucket"] = "my-bucket"
        if "EndpointId" in params and service in ("events", "sesv2"):
            del params["EndpointId"]  # global endpoints want botocore[crt]
        request = wire.send(operation, params)
        call = understood(*request)
        assert (call.service, call.region) == (service, REGION), operation
        if operation in SAME_ON_THE_WIRE:
            assert call.operation == SAME_ON_THE_WIRE[operation]
            continue
        assert call.operation == operation
        expected = wire.sent
        if call.protocol.startswith("rest-") and bindings(service, operation).streams:
            expected.pop(bindings(service, operation).payload[0], None)
        for name in CONSUMED & set(expected):
            if service in ("ec2", "rds", "autoscaling"):
                expected[name] = call.params.get(name, expected[name])
                call.params.setdefault(name, expected[name])
        assert call.params == expected, operation


CALLS = [
    ("s3", "GetObject", {"Bucket": "b-1", "Key": "a/b c+d%2F é", "VersionId": "v", "Range": "bytes=0-1"}),
    ("s3", "PutObject", {"Bucket": "b-1", "Key": "/lead//ing/", "Metadata": {"a": "1", "b-c": "2"}, "Tagging": "x=y"}),
    ("s3", "ListObjectsV2", {"Bucket": "b-1", "Prefix": "x/y", "Delimiter": "/", "MaxKeys": 5}),
    ("s3", "ListObjects", {"Bucket": "b-1"}),
    ("s3", "ListBuckets", {}),
    ("s3", "ListParts", {"Bucket": "b-1", "Key": "k", "UploadId": "u=="}),
    ("s3", "UploadPart", {"Bucket": "b-1", "Key": "k", "UploadId": "u", "PartNumber": 3}),
    ("s3", "UploadPartCopy", {"Bucket": "b-1", "Key": "k", "UploadId": "u", "PartNumber": 3, "CopySource": "o/k"}),
    ("s3", "CompleteMultipartUpload", {"Bucket": "b-1", "Key": "k", "UploadId": "u",
                                       "MultipartUpload": {"Parts": [{"ETag": '"e"', "PartNumber": 1}]}}),
    ("s3", "DeleteObjects", {"Bucket": "b-1", "Delete": {"Objects": [{"Key": "a<&>"}, {"Key": "b", "VersionId": "1"}],
                                                         "Quiet": True}}),
    ("s3", "PutBucketPolicy", {"Bucket": "b-1", "Policy": '{"Version": "2012-10-17"}'}),
    ("s3", "PutBucketAcl", {"Bucket": "b-1", "AccessControlPolicy": {"Grants": [
        {"Grantee": {"ID": "x", "Type": "CanonicalUser"}, "Permission": "READ"}]}}),
    ("s3", "PutBucketVersioning", {"Bucket": "b-1", "VersioningConfiguration": {"Status": "Enabled"}}),
    ("s3", "GetBucketLocation", {"Bucket": "b-1"}),
    ("s3", "GetObjectAttributes", {"Bucket": "b-1", "Key": "k", "ObjectAttributes": ["ETag", "ObjectSize"]}),
    ("s3", "HeadObject", {"Bucket": "b-1", "Key": "acl"}),
    ("ec2", "DescribeInstances", {"Filters": [{"Name": "tag:a", "Values": ["1", "2"]}], "InstanceIds": ["i-1", "i-2"]}),
    ("ec2", "RunInstances", {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 2, "IamInstanceProfile": {"Name": "p"},
                             "ClientToken": "t", "TagSpecifications": [
                                 {"ResourceType": "instance", "Tags": [{"Key": "k", "Value": ""}]}]}),
    ("ec2", "AuthorizeSecurityGroupIngress", {"GroupId": "sg-1", "IpPermissions": [
        {"IpProtocol": "tcp", "FromPort": -1, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]}),
    ("iam", "CreateRole", {"RoleName": "r", "AssumeRolePolicyDocument": '{"a": "b&c=d+e"}',
                           "Tags": [{"Key": "k", "Value": "v"}]}),
    ("sts", "AssumeRole", {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "s",
                           "DurationSeconds": 900, "PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
                           "TransitiveTagKeys": ["a", "b"]}),
    ("sns", "Publish", {"TopicArn": "arn", "Message": "é\n", "MessageAttributes": {
        "a": {"DataType": "String", "StringValue": "v"}, "b": {"DataType": "Binary", "BinaryValue": b"\xff"}}}),
    ("sqs", "SendMessage", {"QueueUrl": "http://localhost:4566/123456789012/q", "MessageBody": "{}",
                            "MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": b"\x00"}}}),
    ("dynamodb", "PutItem", {"TableName": "t", "Item": {
        "a": {"M": {"b": {"L": [{"N": "1"}, {"B": b"\xfe"}, {"NULL": True}]}}}, "c": {"SS": ["x"]}}}),
    ("lambda", "GetFunction", {"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:f/x", "Qualifier": "1"}),
    ("lambda", "TagResource", {"Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "Tags": {"a": "b"}}),
    ("apigateway", "UpdateRestApi", {"restApiId": "a", "patchOperations": [{"op": "add", "path": "/x", "value": "y"}]}),
    ("route53", "ChangeResourceRecordSets", {"HostedZoneId": "Z1", "ChangeBatch": {"Changes": [
        {"Action": "UPSERT", "ResourceRecordSet": {
            "Name": "a.", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "1"}]}}]}}),
    ("cloudtrail", "LookupEvents", {"StartTime": WHEN, "LookupAttributes": [
        {"AttributeKey": "EventName", "AttributeValue": "x"}]}),
    ("elbv2", "DescribeLoadBalancers", {"Names": ["a", "b"]}),
    ("elb", "DescribeLoadBalancers", {"LoadBalancerNames": ["a"]}),
    ("s3control", "GetPublicAccessBlock", {"AccountId": "123456789012"}),
]  # fmt: skip
# What botocore adds on its own account.
ADDED = {"ChecksumAlgorithm", "ChecksumCRC32", "ChecksumMode", "EncodingType", "ContentMD5", "ContentLength"}


@pytest.mark.parametrize(("service", "operation", "params"), CALLS, ids=[f"{s}.{o}" for s, o, _ in CALLS])
def test_a_call_keeps_its_parameters(service, operation, params):
    body = {"Body": b"content"} if operation in ("PutObject", "UploadPart") else {}
    call = understood(*Wire(service).send(operation, {**params, **body}))
    assert (call.service, call.operation) == (service, operation)
    assert {key: value for key, value in call.params.items() if key not in ADDED} == params


HOSTS = [
    ("my.bucket.localhost:4566", "/k", "my.bucket"),
    ("b-1.s3.localhost.localstack.cloud:4566", "/k", "b-1"),
    ("b-1.s3.eu-west-1.localhost.localstack.cloud:4566", "/k", "b-1"),
    ("b-1.s3.amazonaws.com", "/k", "b-1"),
    ("b-1.s3.eu-west-1.amazonaws.com", "/k", "b-1"),
    ("b-1.s3-eu-west-1.amazonaws.com", "/k", "b-1"),
    ("b-1.s3.dualstack.eu-west-1.amazonaws.com", "/k", "b-1"),
    ("s3.amazonaws.com", "/b-1/k", "b-1"),
    ("s3.eu-west-1.amazonaws.com", "/b-1/k", "b-1"),
    ("s3.localhost.localstack.cloud:4566", "/b-1/k", "b-1"),
    ("s3.localhost:4566", "/b-1/k", "b-1"),
    ("localhost:4566", "/b-1/k", "b-1"),
    ("127.0.0.1:4566", "/b-1/k", "b-1"),
    ("ap-123456789012.s3-accesspoint.eu-west-1.amazonaws.com", "/k", f"arn:aws:s3:{REGION}:{ACCOUNT}:accesspoint/ap"),
]


@pytest.mark.parametrize("signing_name", ["s3", None])
@pytest.mark.parametrize(("host", "path", "bucket"), HOSTS)
def test_buckets_are_found_in_host_and_path(host, path, bucket, signing_name):
    call = understood("GET", path, b"x-id=GetObject", [(b"host", host.encode())], b"", signing_name)
    assert (call.operation, call.params) == ("GetObject", {"Bucket": bucket, "Key": "k"})


def test_virtual_host_client_and_bucket_root():
    wire = Wire("s3", endpoint="http://s3.localhost.localstack.cloud:4566", s3={"addressing_style": "virtual"})
    call = understood(*wire.send("ListObjectsV2", {"Bucket": "b-1"}))
    assert (call.operation, call.params["Bucket"]) == ("ListObjectsV2", "b-1")


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("get_object", {"Bucket": "b-1", "Key": "k/é", "ResponseContentType": "text/plain"}),
        ("put_object", {"Bucket": "b-1", "Key": "k"}),
        ("upload_part", {"Bucket": "b-1", "Key": "k", "UploadId": "u", "PartNumber": 2}),
    ],
)
def test_presigned_urls(method, params):
    client = Wire("s3", signature_version="s3v4").client
    url = urlsplit(client.generate_presigned_url(method, Params=params))
    verb = "GET" if method == "get_object" else "PUT"
    headers = [(b"host", url.netloc.encode())]
    assert needs_body(verb, url.path, headers, "s3", url.query.encode()) is (verb == "GET")
    call = understood(verb, url.path, url.query.encode(), headers, b"", "s3")
    assert xform_name(call.operation) == method
    assert {name: call.params.get(name) for name in params} == params


def test_presigned_urls_of_other_sdks_carry_headers_in_the_query():
    query = b"X-Amz-Signature=0&X-Amz-Date=20260102T030405Z&x-amz-acl=public-read&x-amz-meta-a=b&x-id=PutObject"
    call = understood("PUT", "/b-1/k", query, [(b"host", b"localhost")], None, "s3")
    assert call.operation == "PutObject"
    assert call.params == {"Bucket": "b-1", "Key": "k", "ACL": "public-read", "Metadata": {"a": "b"}}
    copied = understood("PUT", "/b-1/k", query + b"&x-amz-copy-source=o%2Fk", [(b"host", b"localhost")], None, "s3")
    assert (copied.operation, copied.params["CopySource"]) == ("CopyObject", "o/k")


def test_presigned_caller_identity_of_eks_tokens():
    client = Wire("sts").client
    url = urlsplit(client.generate_presigned_url("get_caller_identity", HttpMethod="GET"))
    call = understood("GET", url.path, url.query.encode(), [(b"host", b"localhost")], b"", "sts")
    assert (call.service, call.operation, call.params, call.protocol) == ("sts", "GetCallerIdentity", {}, "query")


@pytest.mark.parametrize(
    ("method", "path", "query", "needed"),
    [
        ("PUT", "/b/k", b"", False),
        ("PUT", "/b/k", b"uploadId=u&partNumber=1", False),
        ("PUT", "/b/k", b"tagging", True),
        ("PUT", "/b/k?acl", b"", True),
        ("POST", "/b", b"delete", True),
        ("POST", "/b/k", b"uploadId=u", True),
    ],
)
def test_only_objects_stream(method, path, query, needed):
    assert needs_body(method, path, [(b"host", b"localhost")], "s3", query) is needed


def test_bodies_outside_s3_stream_only_when_their_hash_is_declared():
    headers = [(b"host", b"localhost")]
    declared = [*headers, (b"x-amz-content-sha256", b"0" * 64)]
    assert needs_body("POST", "/-/vaults/v/archives", headers, "glacier") is True
    assert needs_body("POST", "/-/vaults/v/archives", declared, "glacier") is False
    assert needs_body("POST", "/2015-03-31/functions/f/invocations", declared, "lambda") is True
    assert needs_body("POST", "/2015-03-31/functions", headers, "lambda") is True
    assert needs_body("POST", "/", [(b"x-amz-target", b"DynamoDB_20120810.PutItem")], "dynamodb") is True
    assert needs_body("POST", "/", headers, None) is True


FORM = [(b"host", b"localhost:4566"), (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")]


def test_unsigned_query_call_is_known_by_its_version():
    wire = Wire("sts", unsigned=True)
    params = {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "s", "WebIdentityToken": "a.b.c"}
    call = understood(*wire.send("AssumeRoleWithWebIdentity", params))
    assert (call.service, call.operation, call.params) == ("sts", "AssumeRoleWithWebIdentity", params)


def test_unsigned_json_call_is_known_by_its_target():
    call = understood(*Wire("cognito-idp", unsigned=True).send("ForgotPassword", {"ClientId": "c", "Username": "u"}))
    assert (call.service, call.operation) == ("cognito-idp", "ForgotPassword")


def test_unsigned_host_names_the_service():
    headers = [(b"host", b"lambda.us-east-1.amazonaws.com")]
    call = understood("GET", "/2015-03-31/functions/f", b"", headers, b"", None)
    assert (call.service, call.operation) == ("lambda", "GetFunction")
    assert understood("GET", "/2015-03-31/functions/f", b"", FORM[:1], b"", None).service == "s3"


def test_rds_stands_for_its_siblings():
    for service in ("docdb", "neptune"):
        call = understood(*Wire(service).send("DescribeDBClusters", {"DBClusterIdentifier": "c"}))
        assert (call.service, call.operation) == ("rds", "DescribeDBClusters")


OLD_SQS = [
    ("ReceiveMessage", {"AttributeNames": ["All"], "MessageAttributeNames": ["a", "b"], "MaxNumberOfMessages": 3},
     "AttributeName.1=All&MessageAttributeName.1=a&MessageAttributeName.2=b&MaxNumberOfMessages=3"),
    ("SetQueueAttributes", {"Attributes": {"DelaySeconds": "1", "Policy": "{}"}},
     "Attribute.1.Name=DelaySeconds&Attribute.1.Value=1&Attribute.2.Name=Policy&Attribute.2.Value=%7B%7D"),
    ("TagQueue", {"Tags": {"k": "v"}}, "Tag.1.Key=k&Tag.1.Value=v"),
    ("SendMessageBatch", {"Entries": [{"Id": "1", "MessageBody": "m", "MessageAttributes": {
        "n": {"DataType": "String", "StringValue": "s"}}}]},
     "SendMessageBatchRequestEntry.1.Id=1&SendMessageBatchRequestEntry.1.MessageBody=m"
     "&SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n"
     "&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String"
     "&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=s"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "params", "form"), OLD_SQS, ids=[row[0] for row in OLD_SQS])
def test_query_protocol_of_sqs_at_the_queue_url(operation, params, form):
    body = f"Action={operation}&Version=2012-11-05&{form}".encode()
    call = understood("POST", "/123456789012/q.fifo", b"", FORM, body, "sqs")
    url = {"QueueUrl": "http://localhost:4566/123456789012/q.fifo"}
    assert (call.operation, call.params, call.protocol) == (operation, {**url, **params}, "query")


def test_query_protocol_of_sqs_answers_in_its_own_names():
    message = {"MessageId": "1", "Body": "<b>", "Attributes": {"SenderId": "x"}}
    _, _, body = render_result(ServiceCall("sqs", "ReceiveMessage", {}, "query"), {"Messages": [message]}, "r")
    assert (
        "<ReceiveMessageResult><Message><MessageId>1</MessageId><Body>&lt;b&gt;</Body>"
        "<Attribute><Name>SenderId</Name><Value>x</Value></Attribute></Message></ReceiveMessageResult>"
    ) in body.decode()


METRICS = {
    "Namespace": "n",
    "MetricData": [{"MetricName": "m", "Timestamp": WHEN, "Value": 1.5, "Dimensions": [{"Name": "a", "Value": "b"}]}],
}


@pytest.mark.parametrize("protocol", ["smithy-rpc-v2-cbor", "json", "query"])
def test_cloudwatch_speaks_three_protocols(protocol):
    model = service_model("cloudwatch").operation_model("PutMetricData")
    request = serialize.create_serializer(protocol, False).serialize_to_request(METRICS, model)
    headers = [(k.lower().encode(), v.encode()) for k, v in request["headers"].items()]
    body = request["body"]
    if protocol == "query":
        headers, body = FORM, "&".join(f"{k}={v}" for k, v in body.items()).encode()
    call = understood("POST", request["url_path"], b"", headers, body, "monitoring")
    assert call == ServiceCall("cloudwatch", "PutMetricData", METRICS, protocol, REGION)


def test_compressed_requests_are_inflated():
    body = gzip.compress(json.dumps({"Namespace": "n"}).encode())
    headers = [(b"x-amz-target", b"GraniteServiceVersion20100801.PutMetricData"), (b"content-encoding", b"gzip")]
    assert understood("POST", "/", b"", headers, body, "monitoring").params == {"Namespace": "n"}


JSON = [(b"content-type", b"application/x-amz-json-1.0")]
TARGET = [*JSON, (b"x-amz-target", b"DynamoDB_20120810.GetItem")]
DEEP = b'{"Key":' + b'{"M":{"a":' * 60000 + b"1" + b"}}" * 60000 + b"}"
RPC = [(b"smithy-protocol", b"rpc-v2-cbor")]
RPC_PATH = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
REFUSED = [
    ("unknown service", ("POST", "/", b"", JSON, b"{}", "nosuch"), "SignatureDoesNotMatch", 403),
    ("no target", ("POST", "/", b"", JSON, b"{}", "dynamodb"), "UnknownOperationException", 400),
    ("unknown target", ("POST", "/", b"", [(b"x-amz-target", b"DynamoDB_20120810.X")], b"{}", "dynamodb"),
     "UnknownOperationException", 400),
    ("target of another service", ("POST", "/", b"", TARGET, b"{}", "kms"), "UnknownOperationException", 400),
    ("target at a REST service", ("GET", "/b/k", b"", TARGET, b"", "s3"), "UnknownOperationException", 400),
    ("two targets", ("POST", "/", b"", [*TARGET, *TARGET], b"{}", "dynamodb"), "InvalidRequest", 400),
    ("target and action", ("POST", "/", b"Action=ListTables", TARGET, b"{}", "dynamodb"),
     "InvalidRequest", 400),
    ("bad JSON", ("POST", "/", b"", TARGET, b"{", "dynamodb"), "SerializationException", 400),
    ("JSON no object", ("POST", "/", b"", TARGET, b"[]", "dynamodb"), "SerializationException", 400),
    ("JSON wrong type", ("POST", "/", b"", TARGET, b'{"TableName": 5}', "dynamodb"), "SerializationException", 400),
    ("no UTF-8", ("POST", "/", b"", TARGET, b'{"TableName":"\xff"}', "dynamodb"), "SerializationException", 400),
    ("JSON deep", ("POST", "/", b"", TARGET, DEEP, "dynamodb"), "SerializationException", 400),
    ("no base64", ("POST", "/", b"", TARGET, b'{"Key":{"a":{"B":"*"}}}', "dynamodb"), "SerializationException", 400),
    ("CBOR cut short", ("POST", RPC_PATH, b"", RPC, b"\xa1\x61", "monitoring"), "SerializationException", 400),
    ("CBOR deep", ("POST", RPC_PATH, b"", RPC, b"\x81" * 100000, "monitoring"), "SerializationException", 400),
    ("CBOR unknown", ("POST", RPC_PATH + "x", b"", RPC, b"", "monitoring"), "UnknownOperationException", 404),
    ("no action", ("POST", "/", b"", FORM, b"", "iam"), "MissingAction", 400),
    ("no action ec2", ("POST", "/", b"", FORM, b"", "ec2"), "MissingParameter", 400),
    ("bad action", ("POST", "/", b"", FORM, b"Action=__class__&Version=2010-05-08", "iam"), "InvalidAction", 400),
    ("bad action ec2", ("POST", "/", b"", FORM, b"Action=Nope", "ec2"), "InvalidAction", 400),
    ("two actions", ("POST", "/", b"Action=ListUsers", FORM, b"Action=DeleteUser", "iam"), "MalformedQueryString", 400),
    ("form not UTF-8", ("POST", "/", b"", FORM, b"Action=GetUser&UserName=%ff", "iam"), "MalformedQueryString", 400),
    ("form number", ("POST", "/", b"", FORM, b"Action=ListUsers&MaxItems=x", "iam"), "MalformedInput", 400),
    ("form twice", ("POST", "/", b"", FORM, b"Action=GetUser&UserName=a&UserName=b", "iam"), "MalformedInput", 400),
    ("form deep", ("POST", "/", b"", FORM, b"Action=GetUser&" + b"a." * 9999 + b"=1", "iam"), "MalformedInput", 400),
    ("form number ec2", ("POST", "/", b"", FORM, b"Action=DescribeInstances&MaxResults=x", "ec2"),
     "InvalidParameterValue", 400),
    ("no route", ("GET", "/nope", b"", [], b"", "lambda"), "UnknownOperationException", 404),
    ("bad XML", ("PUT", "/b", b"tagging", [], b"<Tagging>", "s3"), "MalformedXML", 400),
    ("XML entities", ("PUT", "/b", b"tagging", [], b'<!DOCTYPE a [<!ENTITY b "c">]><Tagging>&b;</Tagging>', "s3"),
     "MalformedXML", 400),
    ("XML boolean", ("POST", "/b", b"delete", [], b"<Delete><Quiet>7</Quiet></Delete>", "s3"), "InvalidArgument", 400),
    ("S3 header", ("PUT", "/b/k", b"", [(b"x-amz-object-lock-retain-until-date", b"soon")], None, "s3"),
     "InvalidArgument", 400),
    ("S3 key not UTF-8", ("GET", "/b/%ff", b"", [], b"", "s3"), "InvalidURI", 400),
    ("S3 two sub-resources", ("GET", "/b", b"acl&policy", [], b"", "s3"), "InvalidArgument", 400),
    ("S3 lost sub-resource", ("DELETE", "/b/k", b"acl", [], b"", "s3"), "MethodNotAllowed", 405),
    ("S3 no operation", ("POST", "/b", b"", [], b"", "s3"), "MethodNotAllowed", 405),
    ("S3 form upload", ("POST", "/b", b"", [(b"content-type", b"multipart/form-data; boundary=x")], b"", None),
     "NotImplemented", 501),
    ("gzip that is none", ("POST", "/", b"", [*TARGET, (b"content-encoding", b"gzip")], b"{}", "dynamodb"),
     "SerializationException", 400),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "code", "status"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_bad_requests_get_the_codes_of_aws(request_, code, status):
    with pytest.raises(AwsError) as caught:
        understood(*request_)
    assert (caught.value.code, caught.value.status) == (code, status)


NAMES = st.sampled_from(
    [None, "s3", "iam", "ec2", "sqs", "dynamodb", "lambda", "monitoring", "route53", "sts", "ses", "nosuch"]
)
PATHS = st.one_of(
    st.sampled_from(["/", "/b", "/b/k", RPC_PATH, "/2013-04-01/hostedzone/Z/rrset", "/2015-03-31/functions/f"]),
    st.text(alphabet=st.characters(max_codepoint=255), max_size=20).map(lambda text: f"/{text}"),
)
PIECES = st.sampled_from(
    [b"Action=", b"GetUser", b"ListUsers", b"&", b"=", b".1", b"UserName", b"Filter", b"%", b"%e9", b"acl", b"tagging",
     b"{", b"}", b'"TableName"', b":", b"null", b"NaN", b"1e999", b"<a>", b"</a>", b"<Tag>", b"\xa1", b"\xff", b"\xbf",
     b"\x9f", b"\xc1", b"uploadId=1", b"Version=2010-05-08", b"MaxItems=9" + b"9" * 40, b"[", b"]", b",", b"\x00"]
)  # fmt: skip
BODIES = st.one_of(st.none(), st.binary(max_size=60), st.lists(PIECES, max_size=12).map(b"".join))
KNOWN_HEADERS = [
    *FORM, *TARGET, *RPC, (b"content-encoding", b"gzip"), (b"x-amz-copy-source", b"\xff"), (b"x-amz-mfa", b"a"),
    (b"x-amz-target", b"AmazonSQS.SendMessage"), (b"host", b"\xff..s3.amazonaws.com"),
]  # fmt: skip
HEADER_NAMES = st.sampled_from([b"host", b"x-amz-target", b"content-type", b"x-amz-expires"])
HEADERS = st.lists(st.sampled_from(KNOWN_HEADERS) | st.tuples(HEADER_NAMES, st.binary(max_size=20)), max_size=4)


@settings(max_examples=1000, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", ""]), PATHS, BODIES, HEADERS, BODIES, NAMES)
def test_no_request_breaks_the_reader(method, path, query, headers, body, signing_name):
    try:
        call = understand(method, path, query or b"", headers, body, signing_name, REGION)
    except AwsError as error:
        assert error.code
        assert 400 <= error.status < 600
    else:
        assert call.operation in service_model(call.service).operation_names
    assert isinstance(needs_body(method, path, headers, signing_name, query or b""), bool)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(JSON_VALUES.filter(lambda value: "nan" not in repr(value)))
def test_cbor_reads_what_it_writes(value):
    try:
        data = cbor.dumps(value)
    except ValueError:  # integers of more than 64 bits
        assert any(len(digits) > 18 for digits in repr(value).replace("-", " ").split())
        return
    assert cbor.loads(data) == value


def test_cbor_indefinite_lengths_and_small_floats():
    assert cbor.loads(b"\xbf\x61a\x9f\x01\xf9\x3c\x00\xff\x61b\x5f\x41x\x41y\xff\xff") == {"a": [1, 1.0], "b": b"xy"}
    assert cbor.loads(b"\xfa" + struct.pack(">f", 0.5)) == 0.5
    assert math.isnan(cbor.loads(b"\xf9\x7e\x00"))


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05Z", "1767323045", "Fri, 02 Jan 2026 03:04:05 GMT", 1767323045])
def test_times_in_all_forms(text):
    assert read_time(text) == WHEN


def answered(service, operation, protocol, answer):
    """What botocore makes of an answer."""
    status, headers, body = answer
    model = query_model(service) if protocol == "query" else service_model(service)
    shape = model.operation_model(operation).output_shape
    response = {
        "status_code": status,
        "headers": HeadersDict({name.decode(): value.decode("utf-8") for name, value in headers}),
        "body": body,
        "context": {"operation_name": operation},
    }
    return create_parser(protocol).parse(response, shape)


PROTOCOLS = [
    *((service, "") for service in CORE),
    ("sqs", "query"),
    ("cloudwatch", "query"),
    ("cloudwatch", "smithy-rpc-v2-cbor"),
]


@pytest.mark.parametrize(("service", "protocol"), PROTOCOLS)
def test_every_result_is_read_back_by_botocore(service, protocol):
    model = service_model(service)
    protocol = protocol or model.resolved_protocol
    for operation in model.operation_names:
        what = model.operation_model(operation)
        shape = what.output_shape
        if shape is None or what.has_event_stream_output or operation in SAME_ON_THE_WIRE:
            continue
        result = example(shape) or {}
        for name, member in shape.members.items():
            if member.serialization.get("location") == "statusCode":
                result[name] = 202
        stream = shape.serialization.get("payload") if what.has_streaming_output else None
        answer = render_result(ServiceCall(service, operation, {}, protocol), result, "request-1")
        if stream:
            assert answer[2] == result.pop(stream)
            answer = (*answer[:2], b"")
        parsed = answered(service, operation, protocol, answer)
        assert parsed.pop("ResponseMetadata")["RequestId"] == "request-1"
        if operation == "GetBucketLocation":  # botocore's client reads this document by a handler of its own
            assert b">%s</LocationConstraint>" % result["LocationConstraint"].encode() in answer[2]
            continue
        parsed.pop(stream, None)
        assert parsed == result, operation


def test_results_without_body_or_with_odd_text():
    status, headers, body = render_result(ServiceCall("s3", "HeadObject", {}, "rest-xml"), {"ETag": '"a\r\nb"'}, "r")
    assert (status, body) == (200, b"")
    assert dict(headers)[b"etag"] == b'"a  b"'
    listing = {"Contents": [{"Key": "a\x00\r&<"}], "IsTruncated": False, "KeyCount": 0, "Name": None}
    answer = render_result(ServiceCall("s3", "ListObjectsV2", {}, "rest-xml"), listing, "r")
    parsed = answered("s3", "ListObjectsV2", "rest-xml", answer)
    assert parsed["Contents"] == [{"Key": "a\ufffd\r&<"}]
    assert "Name" not in parsed
    assert render_result(ServiceCall("iam", "DeleteUser", {}, "query"), {}, "r")[0] == 200


ERRORS = [
    ("iam", "GetUser", "query", "NoSuchEntity", 404),
    ("sts", "GetCallerIdentity", "query", "ExpiredToken", 403),
    ("ec2", "DescribeInstances", "ec2", "UnauthorizedOperation", 403),
    ("dynamodb", "GetItem", "json", "ResourceNotFoundException", 400),
    ("kms", "Decrypt", "json", "AccessDeniedException", 400),
    ("lambda", "GetFunction", "rest-json", "ResourceNotFoundException", 404),
    ("eks", "DescribeCluster", "rest-json", "AccessDeniedException", 403),
    ("route53", "GetHostedZone", "rest-xml", "NoSuchHostedZone", 404),
    ("s3", "GetObject", "s3", "NoSuchKey", 404),
    ("s3", "PutObject", "rest-xml", "AccessDenied", 403),
    ("sqs", "SendMessage", "json", "AWS.SimpleQueueService.NonExistentQueue", 400),
    ("sqs", "SendMessage", "query", "AWS.SimpleQueueService.NonExistentQueue", 400),
    ("cloudwatch", "DescribeAlarms", "smithy-rpc-v2-cbor", "AccessDenied", 403),
    ("cloudwatch", "DescribeAlarms", "json", "InvalidNextToken", 400),
    ("cloudwatch", "DescribeAlarms", "query", "InvalidNextToken", 400),
    ("nosuch", "", "json", "UnknownOperationException", 400),
]


@pytest.mark.parametrize(("service", "operation", "protocol", "code", "status"), ERRORS)
def test_errors_are_read_back_by_botocore(service, operation, protocol, code, status):
    message = "User: <a> & \"b\" is not authorized: é"
    answer = render_error(AwsError(code, message, status), protocol, service, operation, "request-1")
    if not operation:
        assert json.loads(answer[2]) == {"__type": code, "message": message}
        return
    parsed = answered(service, operation, {"s3": "rest-xml"}.get(protocol, protocol), answer)
    assert (parsed["Error"]["Code"], parsed["Error"]["Message"]) == (code, message)
    assert parsed["ResponseMetadata"]["HTTPStatusCode"] == status
    assert parsed["ResponseMetadata"]["RequestId"] == "request-1"


def test_a_client_raises_the_modelled_exception():
    """Through a whole botocore client, SQS's exception arrives by its JSON name and code of old."""
    wire = Wire("sqs")
    error = AwsError("QueueDoesNotExist", "The specified queue does not exist.", 400)
    status, headers, body = render_error(error, "json", "sqs", "GetQueueUrl", "request-1")

    class Answer:
        status_code, content = status, body

    answer = Answer()
    answer.headers = HeadersDict({name.decode(): value.decode() for name, value in headers})
    wire.client.meta.events.unregister("before-send.*.*", wire._stop)
    wire.client.meta.events.register("before-send.*.*", lambda **_: answer)
    with pytest.raises(wire.client.exceptions.QueueDoesNotExist) as caught:
        wire.client.get_queue_url(QueueName="q")
    assert isinstance(caught.value, ClientError)
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert caught.value.response["Error"]["Message"] == "The specified queue does not exist."


def test_errors_carry_what_s3_adds_and_head_has_no_body():
    error = AwsError("NoSuchBucket", "The specified bucket does not exist", 404, {"BucketName": "b"})
    parsed = answered("s3", "GetObject", "rest-xml", render_error(error, "s3", "s3", "GetObject", "r"))
    assert parsed["Error"]["BucketName"] == "b"
    status, headers, body = render_error(error, "s3", "s3", "HeadObject", "r")
    assert (status, body, dict(headers)[b"x-amz-request-id"]) == (404, b"", b"r")


def test_the_directory_agrees_with_the_installed_botocore():
    assert directory.FILE.read_text() == directory.text(directory.build())


def test_models_load_only_when_they_are_called():
    script = (
        "from labs.aws.gateway.calls import understand\n"
        "from labs.aws.models import service_model\n"
        "assert service_model.cache_info().currsize == 0\n"
        "understand('POST', '/', b'Action=GetCallerIdentity&Version=2011-06-15', [], b'', 'sts', 'us-east-1')\n"
        "understand('GET', '/b/k', b'', [], b'', None, 'us-east-1')\n"
        "assert service_model.cache_info().currsize == 2\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("service", "operation", "params"), [
    ("s3", "GetObject", {"Bucket": "b-1", "Key": "k"}),
    ("sts", "GetCallerIdentity", {}),
    ("dynamodb", "GetItem", {"TableName": "t", "Key": {"id": {"S": "1"}}}),
])  # fmt: skip
def test_understanding_is_quick(service, operation, params):
    request = Wire(service).send(operation, params)
    best = math.inf
    for _ in range(300):
        start = time.perf_counter()
        understand(*request, REGION)
        best = min(best, time.perf_counter() - start)
    assert best < 0.0003
