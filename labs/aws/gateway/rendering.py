"""Writing answers: results and errors in the form of the protocol that the request spoke.

https://smithy.io/2.0/aws/protocols/ and, for S3's errors,
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from botocore.model import MapShape, OperationModel, OperationNotFoundError, Shape, StructureShape
from botocore.utils import is_json_value_header

from labs.aws.gateway import cbor
from labs.aws.gateway.directory import entries
from labs.aws.gateway.protocols import AwsError, Malformed, ServiceCall, query_model, read_time
from labs.aws.models import service_model

Headers = list[tuple[bytes, bytes]]

_S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
# Root elements of S3's documents where they are not the operation's name plus "Result" (S3 API Reference).
_S3_ROOTS = {
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAcl": "AccessControlPolicy",
    "GetObjectAcl": "AccessControlPolicy",
    "GetBucketTagging": "Tagging",
    "GetObjectTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetObjectAttributes": "GetObjectAttributesResponse",
}
# Characters that XML 1.0 has no way to write.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ZEROED = {"s3"}  # services whose ISO 8601 times carry ".000"


# --- errors -------------------------------------------------------------------------------------------------------


def render_error(
    error: AwsError, protocol: str, service: str, operation: str, request_id: str
) -> tuple[int, Headers, bytes]:
    """An error document: status, headers, body.

    ``protocol`` is one of :class:`ServiceCall`'s, or ``s3``.  ``service`` and ``operation`` may be unknown (empty); the
    body is empty for operations of method HEAD, whose clients know an error by its status alone.
    """
    if service == "s3" or protocol == "s3":
        return _s3_error(error, operation, request_id)
    model = _model(service, operation)
    shape = _error_shape(model, service, error.code)
    status = error.status
    headers: Headers = [(b"x-amzn-requestid", request_id.encode())]
    if protocol in ("query", "rest-xml"):
        fault = "Sender" if status < 500 else "Receiver"
        inner = _elements(
            {"Type": fault, "Code": _query_code(error.code, shape), "Message": error.message, **error.extra}
        )
        space = _namespace(service)
        body = f"<ErrorResponse{space}><Error>{inner}</Error><RequestId>{_safe(request_id)}</RequestId></ErrorResponse>"
        return status, [(b"content-type", b"text/xml"), *headers], _document(body)
    if protocol == "ec2":
        inner = _elements({"Code": error.code, "Message": error.message, **error.extra})
        body = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>{_safe(request_id)}</RequestID></Response>"
        return status, [(b"content-type", b"text/xml;charset=UTF-8"), *headers], _document(body)
    if _query_compatible(service):
        fault = "Sender" if status < 500 else "Receiver"
        headers.append((b"x-amzn-query-error", _header(f"{_query_code(error.code, shape)};{fault}")))
    name = shape.name if shape else error.code
    content = {_message_member(shape): error.message, **error.extra}
    if protocol == "smithy-rpc-v2-cbor":
        headers += [(b"content-type", b"application/cbor"), (b"smithy-protocol", b"rpc-v2-cbor")]
        return status, headers, cbor.dumps({"__type": name, **_plain(content)})
    if protocol == "rest-json":
        headers += [(b"content-type", b"application/json"), (b"x-amzn-errortype", _header(name))]
        head = model is not None and model.http.get("method") == "HEAD"
        return status, headers, b"" if head else _json(_plain(content))
    headers.append((b"content-type", _json_type(service)))
    return status, headers, _json({"__type": name, **_plain(content)})


def _s3_error(error: AwsError, operation: str, request_id: str) -> tuple[int, Headers, bytes]:
    host_id = base64.b64encode(f"{request_id}{request_id}".encode()).decode()
    headers: Headers = [(b"x-amz-request-id", request_id.encode()), (b"x-amz-id-2", host_id.encode())]
    if operation.startswith("Head") or error.status == 304:
        return error.status, headers, b""
    content = {"Code": error.code, "Message": error.message, **error.extra, "RequestId": request_id, "HostId": host_id}
    return (
        error.status,
        [(b"content-type", b"application/xml"), *headers],
        _document(f"<Error>{_elements(content)}</Error>"),
    )


def _model(service: str, operation: str) -> OperationModel | None:
    if service not in entries():
        return None
    try:
        return service_model(service).operation_model(operation)
    except OperationNotFoundError:
        return None


def _error_shape(model: OperationModel | None, service: str, code: str) -> StructureShape | None:
    """The modelled exception of a code, which may be its shape's name or (SQS) its name in the query protocol."""
    if model is None:
        return None
    for shape in model.error_shapes:
        if code in (shape.name, shape.metadata.get("error", {}).get("code")):
            return shape
    for shape in service_model(service).error_shapes if _query_compatible(service) else ():
        if code == shape.name or code == _SQS_CODES.get(shape.name):
            return shape
    if code in _SQS_SHAPES and service == "sqs":
        return service_model("sqs").shape_for(_SQS_SHAPES[code])
    return None


# What SQS's clients of the query protocol know its exceptions as; its JSON model lost the names.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-faqs.html
_SQS_CODES = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDeletedRecently": "AWS.SimpleQueueService.QueueDeletedRecently",
    "QueueNameExists": "QueueAlreadyExists",
    "PurgeQueueInProgress": "AWS.SimpleQueueService.PurgeQueueInProgress",
    "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
    "UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation",
    "BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    "BatchRequestTooLong": "AWS.SimpleQueueService.BatchRequestTooLong",
    "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
    "InvalidBatchEntryId": "AWS.SimpleQueueService.InvalidBatchEntryId",
    "TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
}
_SQS_SHAPES = {code: name for name, code in _SQS_CODES.items()}


def _query_code(code: str, shape: StructureShape | None) -> str:
    """The code of the query protocol."""
    if shape is None:
        return code
    return shape.metadata.get("error", {}).get("code") or _SQS_CODES.get(shape.name, code)


def _query_compatible(service: str) -> bool:
    return service in ("sqs", "cloudwatch")


def _message_member(shape: StructureShape | None) -> str:
    for name, member in shape.members.items() if shape else ():
        if name.lower() == "message":
            return str(member.serialization.get("name", name))
    return "message"


def _plain(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, datetime) else value for key, value in content.items()}


def _elements(content: Mapping[str, Any]) -> str:
    parts = []
    for key, value in content.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            inner = _elements(value)
        elif isinstance(value, list | tuple):
            inner = "".join(_elements({"member": item}) for item in value)
        else:
            inner = _safe(_scalar_text(value))
        parts.append(f"<{key}>{inner}</{key}>")
    return "".join(parts)


def _scalar_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# --- results ------------------------------------------------------------------------------------------------------


def render_result(call: ServiceCall, result: Mapping[str, Any], request_id: str) -> tuple[int, Headers, bytes]:
    """A result, shaped as botocore would return it, as status, headers and body.

    Times may be datetimes, epoch seconds or ISO 8601; blobs bytes or text; members that are ``None`` are left out.

    :raises TypeError: the operation answers with an event stream, or a value does not fit its shape
    """
    if call.protocol in ("query", "ec2"):
        return _query_result(call, result, request_id)
    model = service_model(call.service).operation_model(call.operation)
    shape = model.output_shape
    if model.has_event_stream_output:
        raise TypeError(f"{call.service}:{call.operation} answers with an event stream")
    status = int(model.http.get("responseCode", 200))
    if call.protocol in ("rest-json", "rest-xml"):
        return _rest_result(call, model, result, request_id, status)
    headers: Headers = [(b"x-amzn-requestid", request_id.encode())]
    if call.protocol == "smithy-rpc-v2-cbor":
        headers += [(b"content-type", b"application/cbor"), (b"smithy-protocol", b"rpc-v2-cbor")]
        return 200, headers, cbor.dumps(_data(shape, result, "cbor") if shape else {})
    headers.append((b"content-type", _json_type(call.service)))
    return 200, headers, _json(_data(shape, result, "json") if shape else {})


def _query_result(call: ServiceCall, result: Mapping[str, Any], request_id: str) -> tuple[int, Headers, bytes]:
    service = query_model(call.service)
    shape = service.operation_model(call.operation).output_shape
    out: list[str] = []
    if shape is not None:
        _xml_members(out, shape, result, "iso8601")
    inner = "".join(out)
    name, identifier = call.operation, _safe(request_id)
    headers: Headers = [(b"x-amzn-requestid", request_id.encode())]
    if call.protocol == "ec2":
        version = service.api_version
        body = (
            f'<{name}Response xmlns="http://ec2.amazonaws.com/doc/{version}/"><requestId>{identifier}</requestId>'
            f"{inner}</{name}Response>"
        )
        return 200, [(b"content-type", b"text/xml;charset=UTF-8"), *headers], _document(body)
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper")
        if wrapper is None and service.metadata["protocol"] != "query":
            wrapper = f"{name}Result"
        inner = f"<{wrapper}>{inner}</{wrapper}>" if wrapper else inner
    body = (
        f"<{name}Response{_namespace(call.service)}>{inner}"
        f"<ResponseMetadata><RequestId>{identifier}</RequestId></ResponseMetadata></{name}Response>"
    )
    return 200, [(b"content-type", b"text/xml"), *headers], _document(body)


def _rest_result(
    call: ServiceCall, model: OperationModel, result: Mapping[str, Any], request_id: str, status: int
) -> tuple[int, Headers, bytes]:
    shape = model.output_shape
    headers: Headers = [(b"x-amzn-requestid", request_id.encode())]
    if call.service == "s3":
        host_id = base64.b64encode(f"{request_id}{request_id}".encode())
        headers = [(b"x-amz-request-id", request_id.encode()), (b"x-amz-id-2", host_id)]
    in_body: list[str] = []
    for name, member in shape.members.items() if shape else ():
        place, value = member.serialization.get("location"), result.get(name)
        if place is None:
            in_body.append(name)
        elif value is None:
            continue
        elif place == "statusCode":
            status = int(value)
        elif place == "header":
            headers.append(
                (member.serialization.get("name", name).lower().encode(), _header(_header_text(member, value)))
            )
        elif place == "headers":
            prefix = member.serialization.get("name", "")
            headers += [(f"{prefix}{key}".lower().encode(), _header(str(item))) for key, item in value.items()]
    if shape is None or not in_body or model.http.get("method") == "HEAD":
        return status, headers, b""
    payload = shape.serialization.get("payload")
    body, kind = _rest_body(call, model, shape, payload, result)
    if body and not any(key == b"content-type" for key, _ in headers):
        headers.append((b"content-type", kind))
    return status, headers, body


def _rest_body(
    call: ServiceCall, model: OperationModel, shape: StructureShape, payload: str | None, result: Mapping[str, Any]
) -> tuple[bytes, bytes]:
    xml = call.protocol == "rest-xml"
    if payload:
        member, value = shape.members[payload], result.get(payload)
        if value is None:
            return b"", b""
        if member.type_name == "blob":
            raw = value.encode() if isinstance(value, str) else bytes(value)
            return raw, b"binary/octet-stream" if call.service == "s3" else b"application/octet-stream"
        if member.type_name == "string":
            return str(value).encode(), b"application/json" if str(value).lstrip().startswith("{") else b"text/plain"
        if not xml:
            return _json(_data(member, value, "json")), b"application/json"
        root = member.serialization.get("name", member.name if call.service == "s3" else payload)
        out: list[str] = []
        _xml(out, member, root, value, _time_form(call.service), _rest_namespace(call.service, model))
        return _document("".join(out)), b"application/xml"
    if not xml:
        return _json(_data(shape, result, "json")), b"application/json"
    if call.service == "s3" and call.operation == "GetBucketLocation":
        where = _safe(str(result.get("LocationConstraint") or ""))
        return _document(
            f'<LocationConstraint xmlns="{_S3_NAMESPACE}">{where}</LocationConstraint>'
        ), b"application/xml"
    root = shape.serialization.get("name", shape.name)
    if call.service == "s3":
        root = _S3_ROOTS.get(call.operation, f"{call.operation}Result")
    out = []
    _xml(out, shape, root, result, _time_form(call.service), _rest_namespace(call.service, model))
    return _document("".join(out)), b"application/xml"


# --- JSON and CBOR ------------------------------------------------------------------------------------------------


def _data(shape: Shape, value: Any, form: str) -> Any:
    kind = shape.type_name
    if kind == "structure":
        if shape.is_document_type:
            return value
        return {
            member.serialization.get("name", name): _data(member, value[name], form)
            for name, member in shape.members.items()
            if value.get(name) is not None and "location" not in member.serialization
        }
    if kind == "list":
        return [None if item is None else _data(shape.member, item, form) for item in value]
    if kind == "map":
        return {str(key): None if item is None else _data(shape.value, item, form) for key, item in value.items()}
    if kind == "timestamp":
        return _data_time(shape, value, form)
    if kind == "blob":
        raw = value.encode() if isinstance(value, str) else bytes(value)
        return raw if form == "cbor" else base64.b64encode(raw).decode()
    if kind in ("float", "double"):
        number = float(value)
        if form == "json" and not math.isfinite(number):
            return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
        return int(number) if form == "json" and number.is_integer() and abs(number) < 2**53 else number
    if kind in ("integer", "long", "short", "byte"):
        return int(value)
    return value if kind == "boolean" else str(value)


def _data_time(shape: Shape, value: Any, form: str) -> Any:
    time = _when(value)
    if form == "cbor":
        return cbor.EpochTime(_epoch(time))
    style = shape.serialization.get("timestampFormat", "unixTimestamp").lower()
    return _epoch(time) if style == "unixtimestamp" else _time_text(time, style)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str).encode("utf-8", "replace")


def _json_type(service: str) -> bytes:
    version = service_model(service).metadata.get("jsonVersion", "1.1") if service in entries() else "1.1"
    return f"application/x-amz-json-{version}".encode()


# --- XML ----------------------------------------------------------------------------------------------------------


def _document(body: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode("utf-8", "replace")


def _safe(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"})


def _namespace(service: str) -> str:
    space = query_model(service).metadata.get("xmlNamespace") if service in entries() else None
    return f' xmlns="{space}"' if isinstance(space, str) else ""


def _rest_namespace(service: str, model: OperationModel) -> str:
    if service == "s3":
        return _S3_NAMESPACE
    shape = model.input_shape
    space = (shape.serialization.get("xmlNamespace") if shape else None) or model.service_model.metadata.get(
        "xmlNamespace"
    )
    return str(space["uri"] if isinstance(space, Mapping) else space or "")


def _time_form(service: str) -> str:
    return "iso8601zeroed" if service in _ZEROED else "iso8601"


def _xml(out: list[str], shape: Shape, name: str, value: Any, times: str, namespace: str = "") -> None:
    kind = shape.type_name
    attributes = f" xmlns={quoteattr(namespace)}" if namespace else ""
    if kind == "structure":
        attributes += _attributes(shape, value)
        out.append(f"<{name}{attributes}>")
        _xml_members(out, shape, value, times)
        out.append(f"</{name}>")
    elif kind == "list":
        flat = shape.serialization.get("flattened")
        item_name = shape.member.serialization.get("name", name if flat else "member")
        if not flat:
            out.append(f"<{name}{attributes}>")
        for item in value:
            _xml(out, shape.member, item_name, item, times)
        if not flat:
            out.append(f"</{name}>")
    elif kind == "map":
        _xml_map(out, shape, name, value, times)
    else:
        out.append(f"<{name}{attributes}>{_safe(_xml_text(shape, value, times))}</{name}>")


def _xml_map(out: list[str], shape: MapShape, name: str, value: Mapping[str, Any], times: str) -> None:
    flat = shape.serialization.get("flattened")
    entry = name if flat else "entry"
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    if not flat:
        out.append(f"<{name}>")
    for key, item in value.items():
        out.append(f"<{entry}><{key_name}>{_safe(str(key))}</{key_name}>")
        _xml(out, shape.value, value_name, item, times)
        out.append(f"</{entry}>")
    if not flat:
        out.append(f"</{name}>")


def _xml_members(out: list[str], shape: StructureShape, value: Mapping[str, Any], times: str) -> None:
    for name, member in shape.members.items():
        wire = member.serialization
        item = value.get(name)
        if item is not None and "location" not in wire and not wire.get("xmlAttribute"):
            _xml(out, member, wire.get("name", name), item, times)


def _attributes(shape: StructureShape, value: Mapping[str, Any]) -> str:
    space = shape.serialization.get("xmlNamespace")
    text = ""
    if isinstance(space, Mapping) and space.get("prefix"):
        text = f" xmlns:{space['prefix']}={quoteattr(space['uri'])}"
    for name, member in shape.members.items():
        if member.serialization.get("xmlAttribute") and value.get(name) is not None:
            text += f" {member.serialization['name']}={quoteattr(str(value[name]))}"
    return text


def _xml_text(shape: Shape, value: Any, times: str) -> str:
    kind = shape.type_name
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "timestamp":
        return _time_text(_when(value), shape.serialization.get("timestampFormat", times).lower())
    if kind == "blob":
        return base64.b64encode(value.encode() if isinstance(value, str) else bytes(value)).decode()
    return str(value)


# --- scalars ------------------------------------------------------------------------------------------------------


def _when(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    try:
        return read_time(value)
    except Malformed as error:
        raise TypeError(str(error)) from error


def _epoch(time: datetime) -> float:
    seconds = round(time.timestamp(), 3)
    return int(seconds) if seconds.is_integer() else seconds


def _time_text(time: datetime, style: str) -> str:
    if style == "unixtimestamp":
        return str(_epoch(time))
    if style == "rfc822":
        return format_datetime(time, usegmt=True)
    zeroed = style == "iso8601zeroed" or time.microsecond
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}.{time.microsecond // 1000:03d}Z" if zeroed else f"{stamp}Z"


def _header_text(shape: Shape, value: Any) -> str:
    kind = shape.type_name
    if kind == "timestamp":
        return _time_text(_when(value), shape.serialization.get("timestampFormat", "rfc822").lower())
    if kind == "list":
        return ",".join(str(item) for item in value)
    if is_json_value_header(shape):
        return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()
    return _scalar_text(value)


def _header(text: str) -> bytes:
    """A header's bytes: a line break in a value must not become a header of its own."""
    return re.sub(r"[\r\n\0]", " ", text).encode("utf-8", "replace")
