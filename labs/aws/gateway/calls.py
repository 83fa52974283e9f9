"""From a raw HTTP request of any AWS client to botocore's service, operation and parameters, and back.

The service comes from the name the request is signed for; without a signature from the ``X-Amz-Target`` prefix, the
path of Smithy RPC, the query protocol's ``Version``, the host, or, when nothing else fits, it is S3.  Within a service
the protocol comes from the request: one service may speak several (CloudWatch: CBOR, JSON, query).

Requests that two readers could read differently (two actions, two sub-resources) are refused, because what is
authorised here must be what the engine does.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from functools import cache

from botocore.model import OperationNotFoundError

from labs.aws.gateway import directory
from labs.aws.gateway.directory import Entry
from labs.aws.gateway.protocols import (
    AwsError,
    Malformed,
    ServiceCall,
    bindings,
    query_model,
    read_cbor,
    read_data,
    read_form,
    read_json,
    read_query,
    read_rest,
)
from labs.aws.gateway.rendering import render_error, render_result
from labs.aws.gateway.routes import Route, route_table
from labs.aws.models import service_model

__all__ = ["AwsError", "ServiceCall", "needs_body", "render_error", "render_result", "understand"]

RawHeaders = Iterable[tuple[bytes, bytes]]

_MAX_INFLATED = 64 << 20  # bytes of a compressed request, inflated
_SINGLE = {"host", "content-type", "x-amz-target", "smithy-protocol", "x-amz-copy-source", "content-encoding"}
_RPC_PATH = re.compile(r"/service/([^/]+)/operation/([^/]+)/?")
QUEUE_PATH = re.compile(r"/(?:queue/[a-z0-9-]+/)?([0-9]{12})/([A-Za-z0-9_-]{1,80}(?:\.fifo)?)/?")
_OIDC_PATHS = {"/token", "/client/register", "/device_authorization"}

_S3_ACCOUNT_HOST = re.compile(r"(?P<account>[0-9]{12})\.s3-control\.")
_S3_BUCKET_HOST = re.compile(
    r"(?P<bucket>.+?)\.(?:"
    r"s3(?:-accelerate)?(?:\.dualstack)?(?:[.-][a-z]{2}(?:-[a-z]+)+-\d)?\.(?:amazonaws\.com(?:\.cn)?|localhost\.localstack\.cloud|localhost)"
    r"|localhost)"
)
_S3_ACCESS_POINT_HOST = re.compile(
    r"(?P<name>[a-z0-9-]+)-(?P<account>[0-9]{12})\.s3-accesspoint(?:\.dualstack)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com"
)
S3_SIGNATURE = {
    "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-signedheaders", "x-amz-signature",
    "x-amz-security-token", "x-amz-content-sha256", "x-amz-user-agent",
}  # fmt: skip


def understand(
    method: str,
    path: str,
    query_string: bytes,
    headers: RawHeaders,
    body: bytes | None,
    signing_name: str | None,
    region: str,
) -> ServiceCall:
    """The call that a request makes.

    :param path: as it was sent, percent-encoded (ASGI's ``raw_path``)
    :param headers: names in lower case
    :param body: decoded content (no ``aws-chunked``), ``None`` where :func:`needs_body` said that it is not needed
    :param signing_name: the service in the credential scope, ``None`` for an anonymous request
    :raises AwsError: with the code that AWS answers such a request with
    """
    found = _headers(headers)
    try:
        query = read_form(query_string)
    except Malformed as error:
        raise AwsError("MalformedQueryString", str(error), 400) from error
    candidates = directory.by_signing_name(signing_name) if signing_name else ()
    if signing_name and not candidates:
        raise AwsError(
            "SignatureDoesNotMatch", f"Credential should be scoped to a valid service, not '{signing_name}'.", 403
        )
    if (rpc := _RPC_PATH.fullmatch(path)) and found.get("smithy-protocol", "") == "rpc-v2-cbor":
        return _understand_cbor(rpc[1], rpc[2], candidates, found, query, body, region)
    if "x-amz-target" in found:
        return _understand_json(found["x-amz-target"], candidates, found, query, body, region)
    form = _form(method, query, found, body)
    if candidates and any(entry.query for entry in candidates):
        if "Action" in form or path in ("", "/") or not any(entry.rest for entry in candidates):
            return _understand_query(path, candidates, found, form, region)
    elif candidates and not any(entry.rest for entry in candidates):
        raise _unknown_operation("", 400)
    if not candidates and "Action" in form and "Version" in form:
        return _understand_query(path, directory.by_version(form["Version"][0]), found, form, region)
    return _understand_rest(method, path, query, found, body, candidates, region)


def needs_body(
    method: str, path: str, headers: RawHeaders, signing_name: str | None, query_string: bytes = b""
) -> bool:
    """Whether a request has to be read whole before it can be understood; ``False`` when its body streams (S3 objects).

    S3 tells ``PUT key`` from ``PUT key?tagging`` by the query string alone: pass it, or put it in ``path``.
    """
    if "?" in path:
        path, _, tail = path.partition("?")
        query_string = query_string or tail.encode("latin-1", "replace")
    candidates = directory.by_signing_name(signing_name) if signing_name else ()
    if signing_name and not any(entry.rest for entry in candidates):
        return True
    try:
        found = _headers(headers)
        if "x-amz-target" in found or "smithy-protocol" in found:
            return True
        query = read_form(query_string)
        if found.get("content-type", "").startswith("application/x-www-form-urlencoded") and method == "POST":
            return True
        service, route, _, _ = _route(method, path, query, found, candidates)
    except (AwsError, Malformed):
        return True
    if not bindings(service, route.operation).streams or service == "lambda":  # the gateway runs functions itself
        return True
    # Outside S3 most clients sign the hash of the body without declaring it in a header.
    return service != "s3" and "x-amz-content-sha256" not in found


# --- what all protocols share -------------------------------------------------------------------------------------


def _headers(headers: RawHeaders) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1").lower()
        try:
            value = raw_value.decode("utf-8").strip()
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1").strip()
        if name not in found:
            found[name] = value
        elif name in _SINGLE:
            raise AwsError("InvalidRequest", f"The header {name} was sent more than once.", 400)
        else:
            found[name] += f",{value}"
    return found


def _content(headers: Mapping[str, str], body: bytes | None) -> bytes:
    """The body, inflated when the client compressed it (botocore does so to large ``PutMetricData`` requests)."""
    if not body or "gzip" not in headers.get("content-encoding", ""):
        return body or b""
    inflate = zlib.decompressobj(wbits=31)
    try:
        content = inflate.decompress(body, _MAX_INFLATED)
    except zlib.error as error:
        raise Malformed("The body is not gzip") from error
    if inflate.unconsumed_tail or not inflate.eof:
        raise Malformed("The compressed body is too large or cut short")
    return content


def _form(
    method: str, query: Mapping[str, list[str]], headers: Mapping[str, str], body: bytes | None
) -> dict[str, list[str]]:
    """The query protocol's parameters: those of the query string and those of a form body."""
    form = dict(query)
    if body and method == "POST" and headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        try:
            for name, values in read_form(_content(headers, body)).items():
                form[name] = form.get(name, []) + values
        except Malformed as error:
            raise AwsError("MalformedQueryString", str(error), 400) from error
    for name in ("Action", "Version"):
        if len(form.get(name, ())) > 1 and "X-Amz-Signature" not in form:
            raise AwsError("MalformedQueryString", f"The parameter {name} was given more than once.", 400)
    return form


def _unknown_operation(name: str, status: int) -> AwsError:
    return AwsError("UnknownOperationException", f"The operation {name} is not known." if name else "", status)


def _refuse_other_names(query: Mapping[str, list[str]], headers: Mapping[str, str], target: bool) -> None:
    if "Action" in query or (not target and "x-amz-target" in headers):
        raise AwsError("InvalidRequest", "The request names more than one operation.", 400)


@cache
def _has(service: str, operation: str) -> bool:
    try:
        query_model(service).operation_model(operation)
    except OperationNotFoundError:
        return False
    return True


# --- RPC protocols ------------------------------------------------------------------------------------------------


def _named(prefix: str, operation: str, candidates: tuple[Entry, ...], protocol: str) -> str | None:
    """The service of a target prefix, among those that the request may be for."""
    for entry in directory.by_target(prefix):
        speaks = protocol in entry.protocols
        if (
            speaks
            and (not candidates or entry in candidates)
            and operation.isidentifier()
            and _has(entry.name, operation)
        ):
            return entry.name
    return None


def _understand_cbor(
    prefix: str,
    operation: str,
    candidates: tuple[Entry, ...],
    headers: Mapping[str, str],
    query: Mapping[str, list[str]],
    body: bytes | None,
    region: str,
) -> ServiceCall:
    _refuse_other_names(query, headers, target=False)
    service = _named(prefix, operation, candidates, "smithy-rpc-v2-cbor")
    if service is None:
        raise _unknown_operation(operation[:64], 404)
    shape = service_model(service).operation_model(operation).input_shape
    try:
        data = read_cbor(_content(headers, body))
        params = read_data(shape, data) if shape else {}
    except Malformed as error:
        raise AwsError("SerializationException", str(error), 400) from error
    return ServiceCall(service, operation, params, "smithy-rpc-v2-cbor", region)


def _understand_json(
    target: str,
    candidates: tuple[Entry, ...],
    headers: Mapping[str, str],
    query: Mapping[str, list[str]],
    body: bytes | None,
    region: str,
) -> ServiceCall:
    _refuse_other_names(query, headers, target=True)
    prefix, _, operation = target.rpartition(".")
    service = _named(prefix, operation, candidates, "json")
    if service is None:
        raise _unknown_operation(operation[:64], 400)
    shape = service_model(service).operation_model(operation).input_shape
    try:
        data = read_json(_content(headers, body))
        params = read_data(shape, data) if shape else {}
    except Malformed as error:
        raise AwsError("SerializationException", str(error), 400) from error
    return ServiceCall(service, operation, params, "json", region)


def _understand_query(
    path: str, candidates: tuple[Entry, ...], headers: Mapping[str, str], form: dict[str, list[str]], region: str
) -> ServiceCall:
    candidates = tuple(entry for entry in candidates if entry.query)
    ec2 = any(entry.name == "ec2" for entry in candidates)
    operation = form.get("Action", [""])[0]
    version = form.get("Version", [""])[0]
    if not operation:
        if ec2:
            raise AwsError("MissingParameter", "The request must contain the parameter Action", 400)
        raise AwsError("MissingAction", "The request is missing an action or a required parameter.", 400)
    exact = tuple(entry for entry in candidates if entry.version == version) or candidates
    service = next((e.name for e in exact if operation.isidentifier() and _has(e.name, operation)), None)
    if service is None:
        text = f"Could not find operation {operation[:64]} for version {version[:32] or 'NO_VERSION_SPECIFIED'}"
        if ec2:
            text = f"The action {operation[:64]} is not valid for this web service."
        raise AwsError("InvalidAction", text, 400)
    protocol = "ec2" if service == "ec2" else "query"
    # A presigned request (`aws eks get-token`) carries its signature among the parameters.
    form = {name: values for name, values in form.items() if not name.startswith("X-Amz-")}
    try:
        params = read_query(query_model(service).operation_model(operation), form, protocol)
    except Malformed as error:
        code = "InvalidParameterValue" if ec2 else "MalformedInput"
        raise AwsError(code, str(error), 400) from error
    if service == "sqs" and "QueueUrl" not in params and QUEUE_PATH.fullmatch(path):
        params = _with_queue_url(params, operation, path, headers)
    return ServiceCall(service, operation, params, protocol, region)


def _with_queue_url(
    params: dict[str, object], operation: str, path: str, headers: Mapping[str, str]
) -> dict[str, object]:
    """SQS's query protocol is spoken to the queue's own URL."""
    shape = service_model("sqs").operation_model(operation).input_shape
    if shape is None or "QueueUrl" not in shape.members:
        return params
    return {"QueueUrl": f"http://{headers.get('host', 'localhost')}{path.rstrip('/')}", **params}


# --- REST ---------------------------------------------------------------------------------------------------------


def _understand_rest(
    method: str,
    path: str,
    query: Mapping[str, list[str]],
    headers: dict[str, str],
    body: bytes | None,
    candidates: tuple[Entry, ...],
    region: str,
) -> ServiceCall:
    service, route, labels, headers = _route(method, path, query, headers, candidates)
    protocol = directory.entries()[service].protocols[0]
    try:
        content = body if service == "s3" else _content(headers, body)
        params = read_rest(service, route.operation, protocol, labels, query, headers, content)
    except Malformed as error:
        raise _malformed(service, protocol, str(error)) from error
    if service == "s3" and (point := _S3_ACCESS_POINT_HOST.fullmatch(_host(headers))):
        params["Bucket"] = f"arn:aws:s3:{point['region']}:{point['account']}:accesspoint/{point['name']}"
    return ServiceCall(service, route.operation, params, protocol, region)


def _malformed(service: str, protocol: str, text: str) -> AwsError:
    if protocol != "rest-xml":
        return AwsError("SerializationException", text, 400)
    if "XML" in text:
        return AwsError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
            400,
        )
    if "path" in text:
        return AwsError("InvalidURI", "Couldn't parse the specified URI.", 400)
    return AwsError("InvalidArgument" if service == "s3" else "InvalidInput", text, 400)


def _host(headers: Mapping[str, str]) -> str:
    return headers.get("host", "").partition(":")[0].lower()


def _route(
    method: str,
    path: str,
    query: Mapping[str, list[str]],
    headers: dict[str, str],
    candidates: tuple[Entry, ...],
) -> tuple[str, Route, dict[str, str], dict[str, str]]:
    """Service, route and path labels; the headers come back with those that a presigned URL carries in its query."""
    host = headers.get("host", "")
    if not candidates:
        candidates = _unsigned(method, path, headers)
    rest = directory.in_order(candidates, path, host)
    if not rest:
        raise _unknown_operation("", 404)
    if rest[0].signing == "s3":
        owned = "x-amz-account-id" in headers or "x-amz-outpost-id" in headers or "s3-control" in host
        if path.startswith("/v20180820/") and owned:
            rest = [entry for entry in rest if entry.name == "s3control"]
        else:
            return _route_s3(method, path, query, headers)
    for entry in rest:
        match = route_table(entry.name).match(method, path, query, headers)
        if match:
            if entry.name == "s3control" and (owner := _S3_ACCOUNT_HOST.match(_host(headers))):
                headers = {"x-amz-account-id": owner["account"], **headers}
            return entry.name, match[0], match[1], headers
    raise _unknown_operation("", 404)


def _unsigned(method: str, path: str, headers: Mapping[str, str]) -> tuple[Entry, ...]:
    found = directory.by_host(headers.get("host", ""))
    if any(entry.rest for entry in found):
        return found
    if method == "POST" and path in _OIDC_PATHS:
        return (directory.entries()["sso-oidc"],)
    if "x-amz-sso_bearer_token" in headers:
        return (directory.entries()["sso"],)
    return directory.by_signing_name("s3")


def _route_s3(
    method: str, path: str, query: Mapping[str, list[str]], headers: dict[str, str]
) -> tuple[str, Route, dict[str, str], dict[str, str]]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html"""
    host = _host(headers)
    if point := _S3_ACCESS_POINT_HOST.fullmatch(host):
        path = f"/{point['name']}{path}"
    elif (bucket := _S3_BUCKET_HOST.fullmatch(host)) and bucket["bucket"] != "s3" and path != "/WriteGetObjectResponse":
        path = f"/{bucket['bucket']}{path}"
    if twice := sorted(name for name, values in query.items() if len(values) > 1):
        raise AwsError("InvalidArgument", f"The parameter {twice[0][:64]} was given more than once.", 400)
    if "X-Amz-Signature" in query:
        lifted = {name.lower(): values[0] for name, values in query.items() if name.lower().startswith("x-amz-")}
        headers = {**{name: value for name, value in lifted.items() if name not in S3_SIGNATURE}, **headers}
    table = route_table("s3")
    match = table.match(method, path, query, headers)
    if match is None:
        raise _s3_no_route(method, headers)
    route = match[0]
    bound = bindings("s3", route.operation)
    mine = {name for name, _ in route.literals} | {label for label, _, _ in bound.query}
    others = sorted(name for name in query if name in table.subresources and name not in mine)
    if others and route.literals:
        names = ", ".join(sorted([*others, route.literals[0][0]]))
        raise AwsError("InvalidArgument", f"Conflicting query string parameters: {names}", 400)
    if others:
        raise AwsError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
    return "s3", route, match[1], headers


def _s3_no_route(method: str, headers: Mapping[str, str]) -> AwsError:
    if method == "POST" and headers.get("content-type", "").startswith("multipart/form-data"):
        text = "A header you provided implies functionality that is not implemented."
        return AwsError("NotImplemented", text, 501, {"Header": "Content-Type"})
    return AwsError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
