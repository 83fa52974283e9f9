"""Calls to an engine from inside the gateway: botocore's serializer and parser around an ASGI call, no socket."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import botocore.parsers
import botocore.serialize

from labs.aws.engines import SERVICE, Engine, Message
from labs.aws.models import service_model


class EngineError(Exception):
    """The engine refused a call.  ``code`` and ``message`` are AWS's, ``status`` is the HTTP status."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def authorization(account: str, region: str, signing_name: str, date: str | None = None) -> str:
    """An ``Authorization`` header by which an engine knows the account (engines do not verify the signature)."""
    day = (date or datetime.datetime.now(datetime.UTC).strftime("%Y%m%d"))[:8]
    return (
        f"AWS4-HMAC-SHA256 Credential={account}/{day}/{region}/{signing_name}/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
    )


class EngineClient:
    """``await client.call("iam", "GetUser", account="123456789012", UserName="alice")`` → botocore's result dict."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def call(
        self, service: str, operation: str, *, account: str, region: str = "us-east-1", **params: Any
    ) -> dict[str, Any]:
        """Make one call as the root user of ``account``.

        :raises EngineError: the engine answered with an error
        """
        model = service_model(service)
        operation_model = model.operation_model(operation)
        request = _serializer(service).serialize_to_request(params, operation_model)
        scope, body = _scope(request, account, region, model.signing_name)
        scope[SERVICE] = service
        status, headers, answer = await _exchange(self.engine, scope, body)
        response = {"status_code": status, "headers": headers, "body": answer}
        if operation_model.has_streaming_output and status < 300:
            return {**_streaming(operation_model), "Body": answer}
        if status == 501:
            raise EngineError("NotImplemented", f"{self.engine.name} has no {service}:{operation}", status)
        parsed = _parser(service).parse(response, operation_model.output_shape)
        if status >= 300:
            error = parsed.get("Error", {})
            raise EngineError(error.get("Code") or str(status), error.get("Message") or "", status)
        return parsed

    async def fetch(self, url: str) -> bytes:
        """The body behind a presigned URL of the engine, such as a function's code, whatever host it names.

        :raises EngineError: the engine answers otherwise than with 200
        """
        parts = urlsplit(url)
        path = unquote(parts.path)
        request = {"method": "GET", "url_path": path, "query_string": parts.query, "headers": {}, "body": b""}
        scope, body = _scope(request, "000000000000", "us-east-1", "s3")
        status, _, answer = await _exchange(self.engine, scope, body)
        if status != 200:
            raise EngineError("ServiceException", f"the engine answered {status} to {parts.path}", 500)
        return answer


def _streaming(operation_model: Any) -> dict[str, Any]:
    return {}


@cache
def _serializer(service: str) -> Any:
    protocol = _protocol(service)
    return botocore.serialize.create_serializer(protocol, include_validation=False)


@cache
def _parser(service: str) -> Any:
    return botocore.parsers.create_parser(_protocol(service))


def _protocol(service: str) -> str:
    # The oldest protocol that both botocore and every engine speak is the safest choice for our own calls.
    metadata = service_model(service).metadata
    offered = metadata.get("protocols") or [metadata["protocol"]]
    for protocol in ("json", "rest-json", "rest-xml", "query", "ec2"):
        if protocol in offered:
            return protocol
    return metadata["protocol"]


def _scope(request: Mapping[str, Any], account: str, region: str, signing_name: str) -> tuple[dict[str, Any], bytes]:
    body = request["body"]
    if isinstance(body, dict):
        body = urlencode(body, doseq=True)
    if isinstance(body, str):
        body = body.encode()
    query = request["query_string"]
    if isinstance(query, Mapping):
        query = urlencode(query, doseq=True)
    path, _, path_query = request["url_path"].partition("?")
    query = "&".join(part for part in (path_query, query) if part)
    headers = {name.lower(): str(value) for name, value in request["headers"].items()}
    headers.setdefault("host", "127.0.0.1")
    headers["content-length"] = str(len(body or b""))
    headers["authorization"] = authorization(account, region, signing_name)
    if signing_name not in ("s3",) and request["method"] == "POST":
        headers.setdefault("content-type", "application/x-www-form-urlencoded; charset=utf-8")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request["method"],
        "scheme": "http",
        "path": unquote(path),
        "raw_path": quote(path, safe="/%~:@!$&'()*+,;=").encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
    }
    return scope, body or b""


async def _exchange(engine: Engine, scope: dict[str, Any], body: bytes) -> tuple[int, dict[str, str], bytes]:
    status = 500
    headers: dict[str, str] = {}
    parts: list[bytes] = []
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            headers.update((n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in message.get("headers", ()))
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    await engine(scope, receive, send)
    return status, _CaseInsensitive(headers), b"".join(parts)


class _CaseInsensitive(dict[str, str]):
    """Response headers as botocore's parsers ask for them, in any case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())
