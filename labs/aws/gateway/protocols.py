"""Reading requests: from the bytes of each AWS protocol to the parameters botocore would have been given.

Timestamps become aware datetimes, blobs bytes, numbers int or float, everything else what JSON has.  Members that the
model does not know are dropped, ``null`` too.  Nothing is validated beyond the types.  Bodies that stream (an S3
object) are left out.  https://smithy.io/2.0/aws/protocols/
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from botocore.utils import is_json_value_header

from labs.aws.gateway import cbor
from labs.aws.models import loader, service_model

MAX_DEPTH = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGER = re.compile(r"[+-]?[0-9]{1,30}")
_INDEX = re.compile(r"[0-9]{1,6}")
_CONSTRAINTS = {"byte", "short", "integer", "long"}


class AwsError(Exception):
    """An error that AWS's own clients understand.

    ``code`` and ``message`` are AWS's, ``status`` the HTTP status, ``extra`` further members of the error document
    (``{"BucketName": "…"}``).
    """

    def __init__(self, code: str, message: str, status: int = 400, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.extra: dict[str, Any] = dict(extra or {})


@dataclass(frozen=True)
class ServiceCall:
    """A request in botocore's terms: ``("s3", "GetObject", {"Bucket": …})``.

    ``protocol`` is the one the request spoke (``query``, ``ec2``, ``json``, ``rest-json``, ``rest-xml``,
    ``smithy-rpc-v2-cbor``), which the answer has to speak too.
    """

    service: str
    operation: str
    params: dict[str, Any] = field(default_factory=dict)
    protocol: str = ""
    region: str = "us-east-1"


class Malformed(ValueError):
    """A request that cannot be read; the text says where."""


# --- scalars ------------------------------------------------------------------------------------------------------


def read_time(value: Any) -> datetime:
    """A timestamp in any of AWS's three forms: epoch seconds, ISO 8601, the date of RFC 7231.

    :raises Malformed: it is none of them
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Malformed("Unexpected field type where a timestamp was expected")
    try:
        if isinstance(value, str):
            if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", value):
                return _EPOCH + timedelta(seconds=float(value))
            found = datetime.fromisoformat(value) if value[:4].isdigit() else parsedate_to_datetime(value)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        return _EPOCH + timedelta(seconds=value)
    except (ValueError, OverflowError, TypeError, IndexError) as error:
        raise Malformed(f"Could not parse timestamp: {str(value)[:64]}") from error


def _blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("Invalid base64 encoding of a blob") from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise Malformed(f"{text[:64]!r} is not a number") from error


def read_text(shape: Shape, text: str) -> Any:
    """A scalar out of a query parameter, header, path label or XML element.

    :raises Malformed: the text does not fit the type
    """
    kind = shape.type_name
    if kind in ("string", "character"):
        return text
    if kind in _CONSTRAINTS:
        if not _INTEGER.fullmatch(text.strip()):
            raise Malformed(f"{text[:64]!r} is not an integer")
        return int(text)
    if kind == "boolean":
        if text.strip().lower() not in ("true", "false", "1", "0"):
            raise Malformed(f"{text[:64]!r} is not a boolean")
        return text.strip().lower() in ("true", "1")
    if kind == "timestamp":
        return read_time(text.strip())
    if kind == "blob":
        return _blob(text.strip())
    if kind in ("float", "double"):
        return _number(text)
    raise Malformed(f"A {kind} where text was found")


# --- JSON and CBOR ------------------------------------------------------------------------------------------------


def read_json(body: bytes) -> dict[str, Any]:
    """The object in a JSON body, ``{}`` for an empty one.

    :raises Malformed: not JSON, not an object, not UTF-8, or nested too deep
    """
    if not body.strip():
        return {}
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed("Unable to parse the request as JSON") from error
    if not isinstance(value, dict):
        raise Malformed("Unexpected token where an object was expected")
    return value


def _refuse_constant(name: str) -> float:
    raise Malformed(f"{name} is not JSON")


def read_cbor(body: bytes) -> dict[str, Any]:
    """The map in a CBOR body, ``{}`` for an empty one.

    :raises Malformed: not CBOR, or not a map
    """
    if not body:
        return {}
    try:
        value = cbor.loads(body)
    except ValueError as error:
        raise Malformed(f"Unable to parse the request as CBOR: {error}") from error
    if not isinstance(value, dict):
        raise Malformed("Unexpected item where a map was expected")
    return value


def read_data(shape: Shape, value: Any, depth: int = 0) -> Any:
    """A JSON or CBOR value, fitted to its shape.

    :raises Malformed: a type that does not fit
    """
    if depth > MAX_DEPTH:
        raise Malformed("The request is nested too deep")
    kind = shape.type_name
    if kind == "structure":
        return _data_structure(shape, value, depth)
    if kind == "list":
        if not isinstance(value, list):
            raise Malformed("Unexpected field type where a list was expected")
        return [None if item is None else read_data(shape.member, item, depth + 1) for item in value]
    if kind == "map":
        if not isinstance(value, dict):
            raise Malformed("Unexpected field type where a map was expected")
        return {key: read_data(shape.value, item, depth + 1) for key, item in value.items() if item is not None}
    return _data_scalar(kind, value)


def _data_structure(shape: StructureShape, value: Any, depth: int) -> Any:
    if shape.is_document_type:
        _check_depth(value)
        return value
    if not isinstance(value, dict):
        raise Malformed("Unexpected field type where a structure was expected")
    found = {}
    for name, member in shape.members.items():
        wire = member.serialization
        item = value.get(wire.get("name", name))
        if item is not None and "location" not in wire and "eventstream" not in wire:
            found[name] = read_data(member, item, depth + 1)
    return found


def _data_scalar(kind: str, value: Any) -> Any:
    if kind in ("string", "character"):
        if not isinstance(value, str):
            raise Malformed(f"{_word(value)} can not be converted to a String")
    elif kind in _CONSTRAINTS:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Malformed(f"{_word(value)} can not be converted to an Integer")
    elif kind == "boolean":
        if not isinstance(value, bool):
            raise Malformed(f"{_word(value)} can not be converted to a Boolean")
    elif kind == "timestamp":
        return read_time(value)
    elif kind == "blob":
        if isinstance(value, str):
            return _blob(value)
        if not isinstance(value, bytes):
            raise Malformed(f"{_word(value)} can not be converted to a Blob")
    elif kind in ("float", "double"):
        if value in ("NaN", "Infinity", "-Infinity"):
            return float(value)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Malformed(f"{_word(value)} can not be converted to a Double")
    return value


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    if isinstance(value, str):
        return "STRING_VALUE"
    return (
        "NUMBER_VALUE" if isinstance(value, int | float) else "Start of structure or map found where not expected: it"
    )


def _check_depth(value: Any) -> None:
    """Documents have no shape that would bound them."""
    layer, depth = [value], 0
    while layer:
        depth += 1
        if depth > MAX_DEPTH:
            raise Malformed("The request is nested too deep")
        below: list[Any] = []
        for item in layer:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        layer = below


# --- query and ec2 ------------------------------------------------------------------------------------------------

# SQS moved to JSON and its model lost the names of the query protocol, which old clients still speak.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-xml.html
_SQS_MEMBERS = {
    "Attributes": "Attribute", "MessageAttributes": "MessageAttribute", "Tags": "Tag", "tags": "Tag",
    "MessageSystemAttributes": "MessageSystemAttribute",
}  # fmt: skip
_SQS_LISTS = {
    "AttributeNameList": "AttributeName", "AWSAccountIdList": "AWSAccountId", "ActionNameList": "ActionName",
    "BinaryList": "BinaryListValue", "MessageAttributeNameList": "MessageAttributeName", "MessageList": "Message",
    "MessageSystemAttributeList": "MessageSystemAttributeName", "QueueUrlList": "QueueUrl", "TagKeyList": "TagKey",
    "StringList": "StringListValue",
}  # fmt: skip


@cache
def query_model(service: str) -> ServiceModel:
    """The model whose names the query protocol uses: the service's own, except for SQS."""
    if service != "sqs":
        return service_model(service)
    source = loader().load_service_model("sqs", "service-2")
    shapes = {name: dict(shape) for name, shape in source["shapes"].items()}
    for name, shape in shapes.items():
        if shape["type"] == "structure":
            shape["members"] = {
                key: {**member, "locationName": _SQS_MEMBERS[key]} if key in _SQS_MEMBERS else dict(member)
                for key, member in shape.get("members", {}).items()
            }
        elif shape["type"] == "list":
            wire = _SQS_LISTS.get(name, name.removesuffix("List"))
            shape.update(member={**shape["member"], "locationName": wire}, flattened=True)
        elif shape["type"] == "map":
            key = "Key" if name == "TagMap" else "Name"
            shape.update(
                key={**shape["key"], "locationName": key},
                value={**shape["value"], "locationName": "Value"},
                flattened=True,
            )
    operations = {name: dict(operation) for name, operation in source["operations"].items()}
    for name, operation in operations.items():
        if "output" in operation:
            operation["output"] = {**operation["output"], "resultWrapper": f"{name}Result"}
    metadata = {**source["metadata"], "protocol": "query", "protocols": ["query"]}
    metadata["xmlNamespace"] = "http://queue.amazonaws.com/doc/2012-11-05/"
    return ServiceModel(
        {**source, "shapes": shapes, "operations": operations, "metadata": metadata}, service_name="sqs"
    )


def read_form(raw: bytes) -> dict[str, list[str]]:
    """Names and values of a query string or form, in order, percent-decoded.

    :raises Malformed: something in it is not UTF-8
    """
    form: dict[str, list[str]] = {}
    try:
        for pair in raw.split(b"&"):
            if pair:
                name, _, value = pair.replace(b"+", b" ").partition(b"=")
                form.setdefault(_unquote(name), []).append(_unquote(value))
    except UnicodeDecodeError as error:
        raise Malformed("The query string is not valid UTF-8") from error
    return form


def _unquote(raw: bytes) -> str:
    return (unquote_to_bytes(raw) if b"%" in raw else raw).decode("utf-8")


def read_query(operation: OperationModel, form: Mapping[str, list[str]], protocol: str) -> dict[str, Any]:
    """The parameters in a form such as ``Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1``.

    :raises Malformed: a name given twice, a value of the wrong type, or names nested too deep
    """
    if operation.input_shape is None:
        return {}
    root: dict[str, Any] = {}
    for name, values in form.items():
        if len(values) > 1:
            raise Malformed(f"Parameter {name[:64]} was given more than once")
        parts = name.split(".")
        if len(parts) > 64:
            raise Malformed("The parameters are nested too deep")
        node = root
        for part in parts:
            node = node.setdefault(part, {})
        node[""] = values[0]
    reader = _read_ec2_member if protocol == "ec2" else _read_query_member
    return _form_structure(operation.input_shape, root, reader)


def _form_structure(shape: StructureShape, node: dict[str, Any], reader: Any) -> dict[str, Any]:
    found = {}
    for name, member in shape.members.items():
        value = reader(name, member, node)
        if value is not None:
            found[name] = value
    return found


def _walk(node: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
    for part in name.split("."):
        node = node.get(part) if node else None
    return node


def _read_ec2_member(name: str, shape: Shape, parent: dict[str, Any]) -> Any:
    wire = shape.serialization
    if "queryName" in wire:
        name = wire["queryName"]
    elif "name" in wire:
        name = wire["name"][0].upper() + wire["name"][1:]
    return _form_value(shape, _walk(parent, name), _read_ec2_member)


def _read_query_member(name: str, shape: Shape, parent: dict[str, Any]) -> Any:
    wire = shape.serialization
    name = wire.get("name", name)
    if shape.type_name == "list" and wire.get("flattened"):
        name = shape.member.serialization.get("name") or name
        return _form_value(shape, _walk(parent, name), _read_query_member)
    node = _walk(parent, name)
    if node is None or wire.get("flattened"):
        return _form_value(shape, node, _read_query_member)
    if shape.type_name == "list":
        # An empty list is written ``Name=``, and some clients leave ``member`` out.
        node = node.get(shape.member.serialization.get("name", "member")) or node.get("member") or node
    elif shape.type_name == "map":
        node = node.get("entry", node)
    return _form_value(shape, node, _read_query_member)


def _form_value(shape: Shape, node: dict[str, Any] | None, reader: Any) -> Any:
    if node is None:
        return None
    kind = shape.type_name
    if kind == "structure":
        return _form_structure(shape, node, reader) or None
    if kind == "list":
        return _form_list(shape, node, reader)
    if kind == "map":
        return _form_map(shape, node, reader)
    return read_text(shape, node[""]) if "" in node else None


def _numbered(node: dict[str, Any]) -> Iterable[dict[str, Any]]:
    return (node[key] for key in sorted((key for key in node if _INDEX.fullmatch(key)), key=int))


def _form_list(shape: ListShape, node: dict[str, Any], reader: Any) -> list[Any] | None:
    items = [_form_value(shape.member, item, reader) for item in _numbered(node)]
    found = [item for item in items if item is not None]
    return found if found or node.get("") == "" else None


def _form_map(shape: MapShape, node: dict[str, Any], reader: Any) -> dict[str, Any] | None:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    found = {}
    for item in _numbered(node):
        key = item.get(key_name, {}).get("")
        if key is not None:
            found[key] = reader(value_name, shape.value, item)
    return {key: value for key, value in found.items() if value is not None} or None


# --- XML ----------------------------------------------------------------------------------------------------------


def read_xml(body: bytes) -> ElementTree.Element | None:
    """The root of an XML body, ``None`` for an empty one.

    :raises Malformed: not well formed, not UTF-8, or with a document type (entities are not read)
    """
    if not body.strip():
        return None
    try:
        text = body.decode("utf-8-sig")
        if "<!DOCTYPE" in text:
            raise Malformed("A document type is not allowed")
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise Malformed("The XML is not well formed") from error


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def read_element(shape: Shape, element: ElementTree.Element, depth: int = 0) -> Any:
    """An element fitted to its shape (of rest-xml).

    :raises Malformed: text that does not fit, or nested too deep
    """
    if depth > MAX_DEPTH:
        raise Malformed("The XML is nested too deep")
    kind = shape.type_name
    if kind == "structure":
        return _xml_structure(shape, element, depth)
    if kind == "list":
        name = shape.member.serialization.get("name", "member")
        return [read_element(shape.member, child, depth + 1) for child in element if _tag(child) == name]
    if kind == "map":
        return _xml_map(shape, (child for child in element if _tag(child) == "entry"), depth)
    return read_text(shape, element.text or "")


def _xml_map(shape: MapShape, entries: Iterable[ElementTree.Element], depth: int) -> dict[str, Any]:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    found = {}
    for entry in entries:
        parts = {_tag(child): child for child in entry}
        if key_name in parts and value_name in parts:
            found[parts[key_name].text or ""] = read_element(shape.value, parts[value_name], depth + 1)
    return found


def _xml_structure(shape: StructureShape, element: ElementTree.Element, depth: int) -> dict[str, Any]:
    children: dict[str, list[ElementTree.Element]] = {}
    for child in element:
        children.setdefault(_tag(child), []).append(child)
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        wire = member.serialization
        if "location" in wire:
            continue
        label = wire.get("name", name)
        if wire.get("xmlAttribute"):
            local = label.rpartition(":")[2]
            values = [value for key, value in element.attrib.items() if key.rpartition("}")[2] == local]
            if values:
                found[name] = values[0]
        elif wire.get("flattened") and member.type_name == "list":
            label = member.member.serialization.get("name", label)
            if label in children:
                found[name] = [read_element(member.member, child, depth + 1) for child in children[label]]
        elif wire.get("flattened") and member.type_name == "map":
            if label in children:
                found[name] = _xml_map(member, children[label], depth)
        elif label in children:
            found[name] = read_element(member, children[label][0], depth + 1)
    return found


# --- REST bindings ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bindings:
    """Where the members of an operation's input are in a request.  ``body``: some have no place of their own;
    ``greedy``: labels that may contain slashes."""

    labels: tuple[tuple[str, str, Shape], ...]
    query: tuple[tuple[str, str, Shape], ...]
    query_maps: tuple[tuple[str, Shape], ...]
    headers: tuple[tuple[str, str, Shape], ...]
    header_maps: tuple[tuple[str, str], ...]
    payload: tuple[str, Shape] | None
    body: bool
    fixed: frozenset[str]
    greedy: frozenset[str]

    @property
    def streams(self) -> bool:
        """Whether the body is a blob or an event stream, to be passed on unread."""
        return self.payload is not None and (
            self.payload[1].type_name == "blob" or bool(self.payload[1].serialization.get("eventstream"))
        )


@cache
def bindings(service: str, operation: str) -> Bindings:
    """The bindings of an operation of a REST service."""
    model = service_model(service).operation_model(operation)
    shape = model.input_shape
    places: dict[str, list[Any]] = {"uri": [], "querystring": [], "header": [], "headers": [], "maps": [], "body": []}
    for name, member in shape.members.items() if shape else ():
        place = member.serialization.get("location", "body")
        label = member.serialization.get("name", name)
        if place == "querystring" and member.type_name == "map":
            places["maps"].append((name, member))
        elif place == "headers":
            places["headers"].append((member.serialization.get("name", "").lower(), name))
        elif place in ("body", "statusCode"):
            places["body"].append(name)
        else:
            places[place].append((label.lower() if place == "header" else label, name, member))
    payload = shape.serialization.get("payload") if shape else None
    if payload is None and shape is not None and shape.event_stream_name:
        payload = shape.event_stream_name
    fixed = model.http["requestUri"].partition("?")[2]
    return Bindings(
        tuple(places["uri"]),
        tuple(places["querystring"]),
        tuple(places["maps"]),
        tuple(places["header"]),
        tuple(places["headers"]),
        (payload, shape.members[payload]) if payload else None,
        bool(places["body"]) and not payload,
        frozenset(pair.partition("=")[0] for pair in fixed.split("&") if pair),
        frozenset(re.findall(r"\{([^{}]+)\+\}", model.http["requestUri"])),
    )


def read_rest(
    service: str,
    operation: str,
    protocol: str,
    labels: Mapping[str, str],
    query: Mapping[str, list[str]],
    headers: Mapping[str, str],
    body: bytes | None,
) -> dict[str, Any]:
    """The parameters of a REST request whose operation is known.

    :raises Malformed: something does not fit its type
    """
    bound = bindings(service, operation)
    found: dict[str, Any] = {}
    try:
        for label, name, shape in bound.labels:
            if label in labels:
                found[name] = read_text(shape, unquote_to_bytes(labels[label]).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Malformed("The path is not valid UTF-8") from error
    for label, name, shape in bound.query:
        if label in query:
            found[name] = _query_values(shape, query[label])
    for name, shape in bound.query_maps:
        known = {label for label, _, _ in bound.query} | bound.fixed
        rest = {key: values for key, values in query.items() if key not in known and not key.startswith("X-Amz-")}
        if rest:
            found[name] = {key: _query_values(shape.value, values) for key, values in rest.items()}
    for label, name, shape in bound.headers:
        if label in headers:
            found[name] = _header_value(shape, headers[label])
    for prefix, name in bound.header_maps:
        rest = {key[len(prefix) :]: value for key, value in headers.items() if prefix and key.startswith(prefix)}
        if rest:
            found[name] = rest
    _read_rest_body(service, operation, bound, protocol, body or b"", found)
    return found


def _read_rest_body(
    service: str, operation: str, bound: Bindings, protocol: str, body: bytes, found: dict[str, Any]
) -> None:
    if bound.payload is not None:
        name, shape = bound.payload
        if bound.streams or not body:
            return
        if shape.type_name == "string":
            found[name] = _utf8(body)
        elif protocol == "rest-xml":
            root = read_xml(body)
            if root is not None:
                found[name] = read_element(shape, root)
        elif shape.is_document_type if isinstance(shape, StructureShape) else False:
            found[name] = _document(body)
        else:
            found[name] = read_data(shape, _json_value(body))
        return
    if not bound.body or not body.strip():
        return
    shape = service_model(service).operation_model(operation).input_shape
    if protocol == "rest-xml":
        root = read_xml(body)
        if root is not None:
            found.update(_xml_structure(shape, root, 0))
    else:
        found.update(_data_structure(shape, read_json(body), 0))


def _json_value(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed("Unable to parse the request as JSON") from error


def _document(body: bytes) -> Any:
    value = _json_value(body)
    _check_depth(value)
    return value


def _utf8(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("The body is not valid UTF-8") from error


def _query_values(shape: Shape, values: list[str]) -> Any:
    if shape.type_name == "list":
        return [read_text(shape.member, value) for value in values]
    if len(values) > 1:
        raise Malformed("A parameter of the query string was given more than once")
    return read_text(shape, values[0])


def _expires(value: str) -> datetime | str:
    """S3 keeps whatever an object's ``Expires`` says."""
    try:
        return read_time(value)
    except Malformed:
        return value


def _header_value(shape: Shape, value: str) -> Any:
    if shape.type_name == "list":
        return [read_text(shape.member, item.strip().strip('"')) for item in value.split(",")]
    if shape.type_name == "timestamp" and shape.name == "Expires":
        return _expires(value)
    if is_json_value_header(shape):
        try:
            return json.loads(_blob(value))
        except (ValueError, RecursionError) as error:
            raise Malformed("A header does not hold base64-encoded JSON") from error
    return read_text(shape, value)
