"""Somebody else's AWS emulator at a URL (LocalStack, a MiniStack in Docker): a streaming HTTP reverse proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from labs.aws.engines import Receive, Scope, Send
from labs.errors import PermanentError, TemporaryError

# Headers that belong to one connection (RFC 9110, section 7.6.1).
_HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade", b"trailer"}
_OF_A_SERVER = _HOP_BY_HOP | {b"date", b"server"}  # the gateway's own server sends these, too


class RemoteEngine:
    """Passes requests on to ``url``."""

    shared = True

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self._url = httpx.URL(url)
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise PermanentError(f"{url!r} is not the URL of a server", "Give one such as http://127.0.0.1:4510.")
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=20)
        timeout = httpx.Timeout(60.0, connect=5.0)
        self._client = httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False)

    async def start(self) -> None:
        """:raises TemporaryError: nobody answers at the URL"""
        try:
            await self._client.get(self._url)
        except httpx.HTTPError as error:
            raise TemporaryError(f"no AWS emulator answers at {self._url}: {error}") from error

    async def stop(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def reset(self) -> None:
        """:raises PermanentError: always; the server is somebody else's, and so may be what is in it"""
        raise PermanentError(
            f"the server at {self._url} is not the labs' own, and is never wiped",
            "`lab reset LAB_ID` deletes what a lab made there.",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw_path = (scope.get("raw_path") or b"/") + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        url = self._url.copy_with(raw_path=raw_path)
        headers = [(name, value) for name, value in scope["headers"] if name not in _HOP_BY_HOP]
        body = _body(receive) if scope["method"] not in ("GET", "HEAD", "DELETE") or _has_body(headers) else None
        request = self._client.build_request(scope["method"], url, headers=headers, content=body)
        answer = await self._client.send(request, stream=True)
        try:
            kept = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in _OF_A_SERVER]
            await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
            async for chunk in answer.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await answer.aclose()


class _Abandoned(httpx.HTTPError):
    """The client's body ended early: the connection to the server is broken off, so that nothing is stored."""


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Abandoned("the request's body did not arrive whole")
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body", False):
            return


def _has_body(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-length" and value not in (b"", b"0") for name, value in headers)
