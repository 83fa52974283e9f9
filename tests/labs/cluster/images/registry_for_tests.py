"""A registry for tests: the pull and push of the OCI distribution API, without authentication, or with either kind."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER, PASSWORD, TOKEN = "puller", "secret", "a-token"


class RegistryForTests:
    """Serves until closed; ``asked`` is what it was asked for, ``cut`` how many bytes of a blob it sends at most."""

    def __init__(self, authentication: str = "") -> None:
        self.authentication = authentication
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.asked: list[str] = []
        self.cut: int | None = None
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def refuse(self, status: int, code: str, message: str, **headers: str) -> None:
                self.answer(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode(), **headers)

            def do_any(self) -> None:
                given = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                registry.asked.append(f"{self.command} {self.path}")
                place = urllib.parse.urlsplit(self.path)
                said = self.headers.get("Authorization", "")
                if place.path == "/token":
                    pair = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                    return self.answer(200, json.dumps({"token": TOKEN}).encode()) if said == pair else self.refuse(
                        401, "UNAUTHORIZED", "incorrect username or password")
                wanted = {"": "", "bearer": f"Bearer {TOKEN}",
                          "basic": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
                if said != wanted[registry.authentication]:
                    asks = 'Basic realm="here"' if registry.authentication == "basic" else \
                        f'Bearer realm="{registry.url}/token",service="here"'
                    return self.refuse(401, "UNAUTHORIZED", "authentication required", WWW_Authenticate=asks)
                name, kind, rest = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/(.*)", place.path).groups()
                return self.manifest(name, rest, given) if kind == "manifests" else self.blob(name, rest, given, place)

            def manifest(self, name: str, reference: str, given: bytes) -> None:
                if self.command == "PUT":
                    digest = "sha256:" + hashlib.sha256(given).hexdigest()
                    for each in (reference, digest):
                        registry.manifests[name, each] = self.headers["Content-Type"], given
                    return self.answer(201, Docker_Content_Digest=digest)
                if (name, reference) not in registry.manifests:
                    return self.refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")
                kind, content = registry.manifests[name, reference]
                return self.answer(200, content, Content_Type=kind,
                                   Docker_Content_Digest="sha256:" + hashlib.sha256(content).hexdigest())

            def blob(self, name: str, rest: str, given: bytes, place: urllib.parse.SplitResult) -> None:
                if self.command == "POST":
                    return self.answer(202, Location=f"/v2/{name}/blobs/uploads/1?state=x")
                if self.command == "PUT":
                    registry.blobs[dict(urllib.parse.parse_qsl(place.query))["digest"]] = given
                    return self.answer(201)
                if rest not in registry.blobs:
                    return self.refuse(404, "BLOB_UNKNOWN", "blob unknown")
                content = registry.blobs[rest]
                if self.command == "HEAD" or registry.cut is None or len(content) <= registry.cut:
                    return self.answer(200, content)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[:registry.cut])
                self.close_connection = True

            do_GET = do_HEAD = do_PUT = do_POST = do_any

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self) -> RegistryForTests:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
