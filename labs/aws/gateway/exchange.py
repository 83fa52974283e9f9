"""One HTTP exchange: the body on its way in (checked as it streams), the engine's answer on its way out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from labs.aws.engines import Engine, Message, Receive, Send
from labs.aws.engines.client import authorization
from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.chunked import BodyCheck

MAX_HEADERS = 64 * 1024  # bytes of all header names and values
MAX_BUFFERED = 80 * 1024 * 1024  # bytes; above Lambda's 50 MB zip in base64, the largest body that is not streamed
MAX_DRAINED = 8 * 1024 * 1024  # bytes read and thrown away after a refusal
DRAIN_PATIENCE = 2.0  # seconds for that
BODY_PATIENCE = 30.0  # seconds without a byte before a body counts as abandoned

RawHeaders = list[tuple[bytes, bytes]]


class Disconnected(Exception):
    """The client went away in the middle of its request."""


class Body:
    """The request's body: read whole, or handed to the engine as it comes."""

    def __init__(self, receive: Receive, headers: RawHeaders) -> None:
        self._receive = receive
        self.length = _content_length(headers)
        self.failure: AwsError | None = None
        self._seen = 0
        self._ended = False

    async def _next(self) -> Message:
        try:
            message = await asyncio.wait_for(self._receive(), BODY_PATIENCE)
        except TimeoutError:
            raise AwsError(
                "RequestTimeout",
                "Your socket connection to the server was not read from or written to within the timeout period."
                " Idle connections will be closed.",
                400,
            ) from None
        if message["type"] == "http.disconnect":
            raise Disconnected
        self._seen += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        return message

    async def read(self) -> bytes:
        """The whole body.

        :raises AwsError: too large, or nothing came for ``BODY_PATIENCE`` seconds
        :raises Disconnected: the client closed the connection first
        """
        if self.length is not None and self.length > MAX_BUFFERED:
            raise AwsError("RequestEntityTooLarge", f"Request body is larger than {MAX_BUFFERED} bytes", 413)
        parts: list[bytes] = []
        while True:
            message = await self._next()
            parts.append(message.get("body", b""))
            if self._seen > MAX_BUFFERED:
                raise AwsError("RequestEntityTooLarge", f"Request body is larger than {MAX_BUFFERED} bytes", 413)
            if not message.get("more_body", False):
                return b"".join(parts)

    async def drain(self, headers: RawHeaders) -> bool:
        """Read what is left of the body of a refused request, so that the connection can serve the next one.

        :returns: false when there is more than is worth reading, or when the client waits for "100 Continue" and will
            not send its body at all
        """
        if self._ended or self.length == 0 or (self.length is None and not _chunked(headers)):
            return True
        if self.failure or (self._seen == 0 and any(name == b"expect" for name, _ in headers)):
            return False
        try:
            async with asyncio.timeout(DRAIN_PATIENCE):
                while self._seen <= MAX_DRAINED:
                    if not (await self._next()).get("more_body", False):
                        return True
        except (TimeoutError, Disconnected, AwsError):
            return False
        return False

    def stream(self, check: BodyCheck) -> Receive:
        """An ASGI ``receive`` for the engine that lets through only what ``check`` has seen.

        When the check fails or the body ends early the engine is told that the client went away, so that it stores
        nothing; the reason is then in ``failure``.
        """
        done = False

        async def receive() -> Message:
            nonlocal done
            if done or self.failure:
                return {"type": "http.disconnect"}
            try:
                message = await self._next()
                check.feed(message.get("body", b""))
                if not message.get("more_body", False):
                    done = True
                    check.finish()
            except Disconnected:
                self.failure = AwsError(
                    "IncompleteBody",
                    "You did not provide the number of bytes specified by the Content-Length HTTP header",
                    400,
                )
                return {"type": "http.disconnect"}
            except AwsError as error:
                self.failure = error
                return {"type": "http.disconnect"}
            return message

        return receive


def whole(body: bytes) -> Receive:
    """An ASGI ``receive`` that delivers ``body`` at once."""
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()  # no disconnect: the engine watches for one while it streams an answer
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


class Answer:
    """The engine's response: collected (``status``, ``headers``, ``body``) or passed on while it comes."""

    def __init__(self, send: Send | None, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0
        self.headers: RawHeaders = []
        self._parts: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = stamped(message.get("headers", ()), self._request_id)
            if self._send:
                await self._send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        elif message["type"] == "http.response.body":
            if self._send:
                await self._send(message)
            else:
                self._parts.append(message.get("body", b""))

    @property
    def body(self) -> bytes:
        """What was collected."""
        return b"".join(self._parts)


def stamped(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> RawHeaders:
    """Response headers with the gateway's request id instead of the engine's."""
    ids = (b"x-amzn-requestid", b"x-amz-request-id")
    kept = [(bytes(n).lower(), bytes(v)) for n, v in headers]
    kept = [(n, v) for n, v in kept if n not in ids and n != b"server" and not n.startswith(b"access-control-")]
    return [*kept, *((name, request_id.encode()) for name in ids)]


def forwarded_scope(
    scope: dict[str, Any], path: bytes, query: bytes, headers: RawHeaders, account: str, region: str, signing_name: str
) -> dict[str, Any]:
    """The request as the engine sees it: made by the account's root, without the caller's signature.

    :param path: percent-encoded path, without a VPC endpoint's prefix
    """
    kept = [(name, value) for name, value in headers if name not in _NOT_FOR_ENGINES]
    kept.append((b"authorization", authorization(account, region, signing_name).encode()))
    query = b"&".join(part for part in query.split(b"&") if part and not _about_the_signer(part))
    return {**scope, "path": unquote(path.decode("latin-1")), "raw_path": path, "query_string": query, "headers": kept}


# What says on whose behalf an engine acts, and what an engine might take from a client as the word of a proxy.
_NOT_FOR_ENGINES = frozenset(
    [
        b"authorization",
        b"x-amz-security-token",
        b"x-moto-account-id",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
    ]
)
_SIGNATURE_V2 = ("awsaccesskeyid", "signature", "expires")


def _about_the_signer(part: bytes) -> bool:
    """Whether a piece of a query string names a signer, or hides a header in the query, however it is spelled.

    A presigned URL's headers have become headers by now.
    """
    name = unquote(part.partition(b"=")[0].decode("latin-1").replace("+", " ")).strip().lower()
    return name.startswith("x-amz-") or name in _SIGNATURE_V2


async def ask(engine: Engine, scope: dict[str, Any], receive: Receive, answer: Answer) -> None:
    """Let the engine answer."""
    await engine(scope, receive, answer)


def _chunked(headers: RawHeaders) -> bool:
    return any(name == b"transfer-encoding" for name, _ in headers)


def _content_length(headers: RawHeaders) -> int | None:
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None
