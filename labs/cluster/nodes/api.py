"""The API server's JSON over HTTP: plain dictionaries, watches as async iterators.

Plain JSON and not the ``kubernetes`` client's models: the models cost 60 MB, and a kubelet passes most fields through.
"Efficient detection of changes" (Kubernetes API concepts) says how lists and watches fit together.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from labs.errors import LabError, TemporaryError

Object = dict[str, Any]
ANSWERED_WITHIN = 10.0
WATCHED_FOR = 300
"""Seconds: one request, and one watch before it is begun anew."""
MERGE = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Refused(LabError):
    """The API server answered with an error.

    :param status: HTTP's number
    :param reason: the Status object's, such as ``NotFound``
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class Client:
    """Calls one API server as the bearer of a certificate of ``pki``."""

    def __init__(self, server: str, pki: Path, identity: str) -> None:
        trust = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        trust.load_cert_chain(pki / f"{identity}.crt", pki / f"{identity}.key")
        self._http = httpx.AsyncClient(
            base_url=server, verify=trust, timeout=ANSWERED_WITHIN, trust_env=False,
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=5))

    async def close(self) -> None:
        """End its connections."""
        await self._http.aclose()

    async def get(self, path: str, **query: str) -> Object:
        """One object, or a list."""
        return await self._call("GET", path, query=query)

    async def secret(self, namespace: str, name: str) -> Object | None:
        """A Secret, None when there is none of that name."""
        try:
            return await self.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        except Refused as error:
            if error.status == 404:
                return None
            raise

    async def create(self, path: str, body: Object) -> Object:
        """POST to a collection (or a subresource such as ``token``)."""
        return await self._call("POST", path, body)

    async def patch(self, path: str, body: Object) -> Object:
        """A strategic merge patch, which leaves other conditions alone ("Update API Objects in Place")."""
        return await self._call("PATCH", path, body, MERGE)

    async def merge(self, path: str, body: Object) -> Object:
        """A JSON merge patch (RFC 7396): all that custom resources know; null removes."""
        return await self._call("PATCH", path, body, "application/merge-patch+json")

    async def apply(self, path: str, body: Object) -> Object:
        """Server-side apply: makes the object, or takes over these fields."""
        return await self._call("PATCH", path, body, APPLY, {"fieldManager": "labs-nodes", "force": "true"})

    async def apply_yaml(self, path: str, text: str) -> Object:
        """``apply`` for an object that is written as YAML."""
        return await self._call("PATCH", path, text, APPLY, {"fieldManager": "labs-nodes", "force": "true"})

    async def delete(self, path: str, body: Object) -> Object:
        """DELETE with DeleteOptions."""
        return await self._call("DELETE", path, body)

    async def _call(self, method: str, path: str, body: Object | str | None = None, kind: str = "application/json",
                    query: Mapping[str, str] | None = None) -> Object:
        """The answered object; raises Refused, or TemporaryError when the server does not answer."""
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        content = None if text is None else text.encode()
        try:
            answer = await self._http.request(method, path, content=content, params=query,
                                              headers={"Content-Type": kind} if content else {})
        except httpx.TransportError as error:
            raise TemporaryError(f"{method} {path}: {error or type(error).__name__}", 1.0) from error
        return _checked(answer.status_code, answer.content, f"{method} {path}")

    async def watch(self, path: str, **query: str) -> AsyncIterator[tuple[str, Object]]:
        """Everything that is there, then every change, without end: ``("ADDED" | "MODIFIED" | "DELETED", object)``.

        After each list comes ``("SYNCED", list)``: what is in no item of it is gone.
        """
        while True:
            try:
                listed = await self.get(path, **query)
                for item in listed.get("items") or []:
                    yield "ADDED", item
                yield "SYNCED", listed
                version = listed["metadata"]["resourceVersion"]
                while True:
                    async for change, item in self._changes(path, version, query):
                        version = item["metadata"]["resourceVersion"]
                        if change != "BOOKMARK":
                            yield change, item
            except (TemporaryError, Refused):
                await asyncio.sleep(0.5)        # the server is away, or has forgotten this version: list again

    async def _changes(self, path: str, version: str, query: Mapping[str, str]) -> AsyncIterator[tuple[str, Object]]:
        """The changes after a version, as long as the server keeps the connection."""
        more = {**query, "watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true",
                "timeoutSeconds": str(WATCHED_FOR)}
        limits = httpx.Timeout(ANSWERED_WITHIN, read=WATCHED_FOR + ANSWERED_WITHIN)
        try:
            async with self._http.stream("GET", path, params=more, timeout=limits) as answer:
                if answer.status_code != 200:
                    _checked(answer.status_code, await answer.aread(), f"watch {path}")
                async for line in answer.aiter_lines():
                    said = json.loads(line)
                    if said["type"] == "ERROR":
                        raise TemporaryError(f"watch {path}: {said['object'].get('message')}")
                    yield said["type"], said["object"]
        except httpx.TransportError as error:
            raise TemporaryError(f"watch {path}: {error or type(error).__name__}") from error


def _checked(status: int, content: bytes, what: str) -> Object:
    """The object in a good answer; raises as the others do."""
    try:
        said: Object = json.loads(content)
    except ValueError:
        said = {"message": content[:300].decode(errors="replace")}
    if status < 300:
        return said
    message = said.get("message", "")
    if status in (429, 500, 503, 504):
        raise TemporaryError(f"{what} answers {status}: {message}", 1.0)
    raise Refused(status, said.get("reason", ""), message or f"{what} answers {status}")
