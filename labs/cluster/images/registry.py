"""One registry: the OCI distribution API over HTTP, with basic and token authentication.

A thin client of our own on httpx, which the nodes have loaded already.  The library that was tried (oras 0.2.43, alive)
costs every nodes process 30 MB and its start a second, throws a manifest's bytes away, by which it has a digest, checks
no digest of a blob, and reports every refusal as one sentence; a kubelet's words need to know which it was.

"OCI Distribution Specification" 1.1, "Token Authentication Specification" (distribution).  Plain HTTP is spoken to
registries on loopback only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import httpx

from labs.cluster.images.names import HUB, Name, on_loopback
from labs.cluster.images.store import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, Descriptor
from labs.errors import LabError

ACCEPTED = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX))
ANSWERED_WITHIN = 20.0
LONGEST_MANIFEST = 4 * 2**20
LONGEST_REASON = 500
CHUNK = 1 << 18
HUB_SERVER = "registry-1.docker.io"
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class RegistryError(LabError):
    """A registry refused, or could not be reached.

    :param status: HTTP's number, 0 when there was no answer
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Registry:
    """A client of the registry of one name; close it.

    :param credential: user and password, where there are any
    :param server: another base URL than the name's (the AWS endpoint, for a registry of ECR)
    """

    def __init__(self, name: Name, credential: tuple[str, str] | None = None, server: str = "") -> None:
        host = HUB_SERVER if name.registry == HUB else name.registry
        self._base = server or f"{'http' if on_loopback(host) else 'https'}://{host}"
        local = on_loopback(urllib.parse.urlsplit(self._base).netloc)
        self.repository = name.repository
        self._credential = credential
        self._authorization = ""
        self._http = httpx.Client(
            timeout=ANSWERED_WITHIN, follow_redirects=True, trust_env=not local,
            verify=ssl.create_default_context() if self._base.startswith("https") else False,
            headers={"User-Agent": "production-labs"})

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    # --- reading --------------------------------------------------------------------------------------------------

    def manifest(self, reference: str) -> tuple[Descriptor, bytes]:
        """A manifest or index by tag or digest, as it is written."""
        answer = self._call("GET", f"manifests/{reference}", headers={"Accept": ACCEPTED})
        content = answer.content
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        kind = answer.headers.get("content-type", "").partition(";")[0] or json.loads(content).get("mediaType", "")
        return {"mediaType": kind, "digest": digest, "size": len(content)}, content

    def digest(self, reference: str) -> str:
        """What a reference means now, without fetching it; "" where the registry does not say."""
        answer = self._call("HEAD", f"manifests/{reference}", headers={"Accept": ACCEPTED})
        return str(answer.headers.get("docker-content-digest", ""))

    def blob(self, digest: str) -> Iterator[bytes]:
        """A blob in pieces."""
        path = f"blobs/{digest}"
        with self._opened("GET", path, {}) as answer:
            yield from answer.iter_bytes(CHUNK)

    # --- writing --------------------------------------------------------------------------------------------------

    def has(self, digest: str) -> bool:
        """Is a blob there?"""
        try:
            self._call("HEAD", f"blobs/{digest}")
        except RegistryError as error:
            if error.status in (403, 404):      # who may not look is told so, with a reason, when sending
                return False
            raise
        return True

    def upload(self, digest: str, path: Path) -> None:
        """"Pushing a blob monolithically": POST, then PUT."""
        answer = self._call("POST", "blobs/uploads/", headers={"Content-Length": "0"})
        place = urllib.parse.urljoin(str(answer.request.url), answer.headers["location"])
        place += ("&" if "?" in place else "?") + urllib.parse.urlencode({"digest": digest})
        with path.open("rb") as file:
            self._call("PUT", place, content=file, headers={
                "Content-Type": "application/octet-stream", "Content-Length": str(path.stat().st_size)})

    def put_manifest(self, reference: str, kind: str, content: bytes) -> None:
        """Let a tag or digest mean this manifest."""
        self._call("PUT", f"manifests/{reference}", content=content, headers={"Content-Type": kind})

    # --- the exchange ---------------------------------------------------------------------------------------------

    def _url(self, path: str) -> str:
        return path if "://" in path else f"{self._base}/v2/{self.repository}/{path}"

    def _opened(self, method: str, path: str, headers: dict[str, str]) -> Any:
        """A streamed answer, as a context manager; signed in already, or now."""
        self._call("HEAD", path)
        signed = {"Authorization": self._authorization} if self._authorization else {}
        return _Streamed(self._http, method, self._url(path), headers | signed)

    def _call(self, method: str, path: str, content: bytes | IO[bytes] | None = None,
              headers: dict[str, str] | None = None) -> httpx.Response:
        """The answer below 400; signs in when asked to.  Raises RegistryError."""
        url = self._url(path)
        for attempt in (0, 1):
            signed = {"Authorization": self._authorization} if self._authorization else {}
            try:
                answer = self._answered(method, url, content, {**(headers or {}), **signed})
            except httpx.TransportError as error:
                raise RegistryError(0, f'failed to do request: {method.title()} "{url}": {said(error, url)}') from error
            if answer.status_code != 401 or attempt or not self._sign_in(answer, method):
                break
            if hasattr(content, "seek"):
                content.seek(0)
        if answer.status_code >= 400:
            raise refusal(answer)
        return answer

    def _answered(self, method: str, url: str, content: bytes | IO[bytes] | None,
                  headers: dict[str, str]) -> httpx.Response:
        """The whole answer; a registry that says more than a manifest may hold is not listened to."""
        with self._http.stream(method, url, content=content, headers=headers) as answer:
            body = b""
            for chunk in answer.iter_bytes(CHUNK):
                body += chunk
                if len(body) > LONGEST_MANIFEST:
                    raise RegistryError(0, f"{url} answers with more than {LONGEST_MANIFEST} bytes")
        kept = [(name, value) for name, value in answer.headers.items()
                if name.lower() not in ("content-encoding", "transfer-encoding", "content-length")]
        return httpx.Response(answer.status_code, headers=kept, content=body, request=answer.request)

    def _sign_in(self, answer: httpx.Response, method: str) -> bool:
        """Answer a challenge; False when there is nothing to answer it with."""
        kind, _, rest = answer.headers.get("www-authenticate", "").partition(" ")
        if kind.lower() == "basic" and self._credential:
            self._authorization = _basic(self._credential)
            return True
        if kind.lower() != "bearer":
            return False
        asked = dict(_CHALLENGE.findall(rest))
        if "realm" not in asked:
            return False
        if asked["realm"].startswith("http:") and not on_loopback(urllib.parse.urlsplit(asked["realm"]).netloc):
            raise RegistryError(401, f"the registry wants a password in clear text for {asked['realm']}")
        scope = asked.get("scope") or f"repository:{self.repository}:pull" + ("" if method in ("GET", "HEAD") else
                                                                            ",push")
        query = {"scope": scope, **({"service": asked["service"]} if "service" in asked else {})}
        signed = {"Authorization": _basic(self._credential)} if self._credential else {}
        try:
            realm = f"{asked['realm']}{'&' if '?' in asked['realm'] else '?'}{urllib.parse.urlencode(query)}"
            token = self._answered("GET", realm, None, signed)
        except httpx.TransportError as error:
            raise RegistryError(0, f"failed to fetch anonymous token: {said(error, asked['realm'])}") from error
        if token.status_code >= 400:
            raise refusal(token, "failed to authorize: failed to fetch oauth token: ")
        try:
            found = token.json()
            self._authorization = f"Bearer {found.get('token') or found['access_token']}"
        except (ValueError, KeyError, AttributeError) as error:
            raise RegistryError(401, f"failed to authorize: {asked['realm']} gives no token") from error
        return True


class _Streamed:
    """``httpx.Client.stream`` whose errors are RegistryErrors."""

    def __init__(self, http: httpx.Client, method: str, url: str, headers: dict[str, str]) -> None:
        self._made, self._url, self._method = http.stream(method, url, headers=headers), url, method

    def __enter__(self) -> _Streamed:
        try:
            self._answer = self._made.__enter__()
        except httpx.TransportError as error:
            raise RegistryError(0, f'failed to do request: Get "{self._url}": {said(error, self._url)}') from error
        if self._answer.status_code >= 400:
            self._answer.read()
            self._made.__exit__(None, None, None)
            raise refusal(self._answer)
        return self

    def __exit__(self, *error: Any) -> None:
        self._made.__exit__(*error)

    def iter_bytes(self, size: int) -> Iterator[bytes]:
        try:
            yield from self._answer.iter_raw(size)
        except httpx.TransportError as error:
            raise RegistryError(0, f'failed to copy: {said(error, self._url)}') from error


def _basic(credential: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(credential).encode()).decode()


def said(error: Exception, url: str) -> str:
    """A failed connection in the words of Go's net package."""
    place = urllib.parse.urlsplit(url)
    host, port = place.hostname or "", place.port or (443 if place.scheme == "https" else 80)
    text = str(error)
    if isinstance(error, httpx.TimeoutException):
        return f"dial tcp {host}:{port}: i/o timeout" if isinstance(error, httpx.ConnectTimeout) else \
            "net/http: request canceled (Client.Timeout exceeded while awaiting headers)"
    if any(part in text for part in ("Name or service not known", "nodename nor servname", "No address associated",
                                     "Temporary failure in name resolution")):
        return f"dial tcp: lookup {host}: no such host"
    if "refused" in text:
        return f"dial tcp {host}:{port}: connect: connection refused"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"tls: failed to verify certificate: {text}"
    return text or type(error).__name__


def refusal(answer: httpx.Response, before: str = "") -> RegistryError:
    """What a registry said, with its own code where the body has one (a HEAD has none)."""
    told = ""
    try:
        errors = json.loads(answer.content or b"{}").get("errors") or []
        told = "; ".join(f"{each.get('code', '')}: {each.get('message', '')}".strip(": ") for each in errors)
    except (ValueError, AttributeError):
        pass
    words = {401: "unauthorized: authentication required", 403: "denied: requested access to the resource is denied",
             404: "manifest unknown"}
    return RegistryError(answer.status_code, before + (told[:LONGEST_REASON] or words.get(answer.status_code, "")) + (
        "" if answer.status_code in words else
        f" unexpected status from {answer.request.method} request to {answer.request.url}: {answer.status_code} "
        f"{answer.reason_phrase}"))
