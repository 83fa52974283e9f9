"""The few calls whose request or answer the gateway changes on its way to or from the engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import botocore.parsers

from labs.aws.gateway import multidelete
from labs.aws.gateway.calls import QUEUE_PATH, S3_SIGNATURE, AwsError, ServiceCall, render_result
from labs.aws.gateway.events import is_data_event, is_read_only
from labs.aws.gateway.ownership import KeyRecord
from labs.aws.gateway.protocols import bindings, read_form
from labs.aws.iam import PrincipalType
from labs.aws.models import operation_model

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

RawHeaders = list[tuple[bytes, bytes]]

ROOT_USER = "GetUser (root)"  # GetUser without a name, asked by a root user: no engine has such a user

# "If you do not specify a user name, IAM determines the user name implicitly based on the Amazon Web Services access
# key ID signing the request" (IAM API Reference, e.g. CreateAccessKey).
_OF_CALLER = frozenset(
    [
        "GetUser",
        "CreateAccessKey",
        "DeleteAccessKey",
        "UpdateAccessKey",
        "ListAccessKeys",
        "ListMFADevices",
        "ListSigningCertificates",
        "ListSSHPublicKeys",
        "ListServiceSpecificCredentials",
        "CreateLoginProfile",
        "GetLoginProfile",
        "DeleteLoginProfile",
        "UpdateLoginProfile",
    ]
)


def fill_in_caller(call: ServiceCall, exchange: Exchange) -> ServiceCall:
    """Name the caller's own user in IAM calls that leave ``UserName`` out.

    :raises AwsError: a role session has no user of its own
    """
    if call.service != "iam" or call.operation not in _OF_CALLER or call.params.get("UserName"):
        return call
    assert exchange.credential is not None
    principal = exchange.credential.principal
    if principal.type is PrincipalType.USER:
        return replace(call, params={**call.params, "UserName": principal.arn.rpartition("/")[2]})
    if principal.type is PrincipalType.ROOT:
        return call
    raise AwsError("ValidationError", "Must specify userName when calling with non-User credentials", 400)


def root_user(exchange: Exchange) -> dict[str, Any]:
    """``GetUser`` of a root user."""
    account = exchange.caller_account
    return {"User": {"Path": "/", "UserName": "", "UserId": account, "Arn": f"arn:aws:iam::{account}:root"}}


def for_engine(exchange: Exchange) -> tuple[bytes, bytes, RawHeaders, bytes | None]:
    """Path, query, headers and body for the engine; the body is ``None`` where it streams.

    Engines also look at hosts and paths that the gateway does not; both are made anew from what was understood, so that
    an engine cannot understand anything else.
    """
    call, content = exchange.call, exchange.content
    assert call is not None
    _check_domain_names(call)
    headers = _plain_host(exchange.headers)
    path = _path(call, exchange.path)
    if call.service == "s3":
        if exchange.refused:
            content, headers = multidelete.allowed_part(call.params, exchange.refused, headers)
        return path, exchange.query, [*headers, *_lifted(exchange.query, headers)], content
    named = call.service == "iam" and call.operation in _OF_CALLER and call.params.get("UserName")
    if named and content is not None and b"UserName=" not in content:
        content += b"&UserName=" + quote(str(named), safe="").encode()
        headers = [(n, str(len(content)).encode() if n == b"content-length" else v) for n, v in headers]
    return path, exchange.query, headers, content


_PLAIN_HOST = re.compile(rb"(?:localhost|[0-9.]+|\[[0-9a-fA-F:]+\]|[a-zA-Z0-9-]+)(:[0-9]+)?")


def _plain_host(headers: RawHeaders) -> RawHeaders:
    """A name such as ``bucket.s3.localhost`` makes engines forget which service a request is for."""

    def plain(host: bytes) -> bytes:
        if _PLAIN_HOST.fullmatch(host):
            return host
        port = re.search(rb":[0-9]+$", host)
        return b"127.0.0.1" + (port[0] if port else b"")

    return [(name, plain(value) if name == b"host" else value) for name, value in headers]


def _check_domain_names(call: ServiceCall) -> None:
    """A domain of one's own must not be the name of this endpoint: the engine would give it everybody's requests.

    :raises AwsError: it has no dot, or is an address
    """
    names: list[Any] = []
    if call.operation == "CreateDomainName" and call.service in ("apigateway", "apigatewayv2"):
        names = [call.params.get("domainName") or call.params.get("DomainName")]
    if call.service == "cloudfront" and call.operation in ("CreateDistribution", "UpdateDistribution"):
        names = list(((call.params.get("DistributionConfig") or {}).get("Aliases") or {}).get("Items") or ())
    for name in names:
        if _PLAIN_HOST.fullmatch(str(name).strip().encode()):
            code = "InvalidArgument" if call.service == "cloudfront" else "BadRequestException"
            raise AwsError(code, f"The domain name is not valid: {name}", 400)


def _path(call: ServiceCall, path: bytes) -> bytes:
    """S3's path from bucket and key, ``/`` where the operation is not in the path, else the path itself."""
    if call.service == "s3" and call.params.get("Bucket") is not None:
        key = call.params.get("Key")
        tail = "" if key is None else "/" + quote(str(key), safe="/~-._")
        return f"/{quote(str(call.params['Bucket']), safe='')}{tail}".encode()
    if call.protocol in ("rest-json", "rest-xml"):
        _check_slashes(call)
    if call.protocol in ("json", "query", "ec2"):
        return path if call.service == "sqs" and QUEUE_PATH.fullmatch(path.decode("latin-1")) else b"/"
    return path


_SLASHES_IN_LABELS = ("iot-data", "amplify")  # topics and branches


def _check_slashes(call: ServiceCall) -> None:
    """A slash inside a label of the path (``%2F``) belongs to an ARN: engines decode it and would read another path.

    :raises AwsError: it is somewhere else
    """
    bound = bindings(call.service, call.operation)
    for label, name, shape in bound.labels:
        text = call.params.get(name)
        if not isinstance(text, str) or "/" not in text or label in bound.greedy or call.service in _SLASHES_IN_LABELS:
            continue
        pattern = shape.metadata.get("pattern")
        if not text.startswith("arn:") or (pattern and re.fullmatch(pattern, text) is None):
            raise AwsError("ValidationException", f"The value at '{name}' is not valid: {text[:64]}", 400)


def _lifted(query: bytes, headers: RawHeaders) -> RawHeaders:
    """The headers that a presigned URL carries in its query string, as headers."""
    form = read_form(query)
    if "X-Amz-Signature" not in form:
        return []
    given = {name for name, _ in headers}
    return [
        (name.lower().encode(), values[0].encode())
        for name, values in form.items()
        if name.lower().startswith("x-amz-")
        and not name.lower().startswith("x-amz-checksum-")  # of the empty body that was presigned
        and name.lower() not in S3_SIGNATURE
        and name.lower().encode() not in given
    ]


def from_engine(
    exchange: Exchange, status: int, headers: RawHeaders, body: bytes
) -> tuple[Mapping[str, Any] | None, bytes]:
    """The parsed answer where somebody needs it, and the body to send on.

    A new access key gets the secret that the gateway will verify against; keys and buckets are noted down.
    """
    call = exchange.call
    assert call is not None
    gateway = exchange.gateway
    if call.service == "s3":
        if call.operation == "CreateBucket":
            gateway.ownership.add_bucket(call.params["Bucket"], exchange.account)
        elif call.operation == "DeleteBucket":
            gateway.ownership.drop_bucket(call.params["Bucket"])
        elif exchange.refused:
            result = multidelete.result(call.params, exchange.refused, parse(call, status, headers, body))
            return result, render_result(call, result, exchange.request_id)[2]
    if call.service == "ec2" and call.operation in _ENDPOINT_CALLS:
        result = _with_endpoint_policies(exchange, parse(call, status, headers, body))
        return result, render_result(call, result, exchange.request_id)[2]
    if call.service == "iam":
        if call.operation == "CreateAccessKey":
            result = parse(call, status, headers, body)
            key = result["AccessKey"]
            secret = gateway.credentials.secret_for(key["AccessKeyId"])
            gateway.ownership.add_key(key["AccessKeyId"], KeyRecord(exchange.account, key["UserName"]))
            result = {"AccessKey": {**key, "SecretAccessKey": secret}}
            return result, render_result(call, result, exchange.request_id)[2]
        if call.operation == "DeleteAccessKey":
            gateway.ownership.drop_key(call.params["AccessKeyId"])
        elif call.operation == "UpdateAccessKey":
            record = gateway.ownership.key(call.params["AccessKeyId"])
            if record:
                updated = KeyRecord(record.account, record.user, call.params.get("Status", record.status))
                gateway.ownership.add_key(call.params["AccessKeyId"], updated)
    if is_read_only(call.service, call.operation) or is_data_event(call.service, call.operation) or len(body) > 65_536:
        return None, body
    return parse(call, status, headers, body), body


_ENDPOINT_CALLS = ("CreateVpcEndpoint", "ModifyVpcEndpoint", "DeleteVpcEndpoints", "DescribeVpcEndpoints")
FULL_ENDPOINT_POLICY = (
    '{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}'
)


def _with_endpoint_policies(exchange: Exchange, result: dict[str, Any]) -> dict[str, Any]:
    """Keep the policies of VPC endpoints, which engines take and forget, and show them ("Control access to VPC
    endpoints using endpoint policies")."""
    call, ownership = exchange.call, exchange.gateway.ownership
    assert call is not None
    document = "" if call.params.get("ResetPolicy") else str(call.params.get("PolicyDocument") or "")
    if call.operation == "CreateVpcEndpoint" and document:
        ownership.set_endpoint_policy(result["VpcEndpoint"]["VpcEndpointId"], document)
    if call.operation == "ModifyVpcEndpoint" and (document or call.params.get("ResetPolicy")):
        ownership.set_endpoint_policy(call.params["VpcEndpointId"], document)
    if call.operation == "DeleteVpcEndpoints":
        for identifier in call.params.get("VpcEndpointIds") or ():
            ownership.set_endpoint_policy(identifier, "")
    shown = [*(result.get("VpcEndpoints") or ()), result.get("VpcEndpoint")]
    for endpoint in filter(None, shown):
        endpoint["PolicyDocument"] = ownership.endpoint_policy(endpoint["VpcEndpointId"]) or FULL_ENDPOINT_POLICY
    return result


def parse(call: ServiceCall, status: int, headers: RawHeaders, body: bytes) -> dict[str, Any]:
    """The engine's answer as botocore would return it; empty if it cannot be read."""
    response = {"status_code": status, "headers": _headers(headers), "body": body}
    try:
        parsed = _parser(_wire_protocol(call)).parse(
            response, operation_model(call.service, call.operation).output_shape
        )
    except (botocore.parsers.ResponseParserError, ValueError, KeyError, TypeError):
        return {}
    parsed.pop("ResponseMetadata", None)
    return dict(parsed)


def error_of(exchange: Exchange, status: int, headers: RawHeaders, body: bytes) -> tuple[str, str]:
    """Code and message of the engine's error."""
    call = exchange.call
    assert call is not None
    error = parse(call, status, headers, body).get("Error", {})
    return str(error.get("Code") or status), str(error.get("Message") or "")


def _wire_protocol(call: ServiceCall) -> str:
    return "rest-xml" if call.protocol == "s3" else call.protocol


@cache
def _parser(protocol: str) -> Any:
    return botocore.parsers.create_parser(protocol)


def _headers(headers: RawHeaders) -> Any:
    from botocore.compat import HTTPHeaders

    return HTTPHeaders.from_pairs([(n.decode("latin-1"), v.decode("latin-1")) for n, v in headers])


VPC_ENDPOINT_PREFIX = re.compile(rb"^/_vpce/(vpce-[0-9a-f]+)(?=/|$)")
