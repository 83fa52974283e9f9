"""A node's instance metadata service, versions 1 and 2, and its EKS Pod Identity agent, on loopback ports.

Distance counts as on a network: a process of the node itself, or a pod with ``hostNetwork``, is one hop away; a pod in
the pod network is two.  The answer to a PUT travels at most ``HttpPutResponseHopLimit`` hops: one that does not arrive
is seen here as a connection that closes without an answer (on EC2 the caller waits until its timeout).  Each distance
is a listener of its own, so that a jail's granted port decides it and nobody can claim another.

Credentials come from the gateway, which asks the role's trust policy.  Not here: user data, tags, other categories.

Pages: "Use the Instance Metadata Service to access instance metadata", "Configure the Instance Metadata Service
options" (EC2 User Guide), "Container credential provider" (AWS SDKs and Tools Reference Guide), "Set up the Amazon EKS
Pod Identity Agent" (EKS User Guide).
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from labs.errors import PermanentError, TemporaryError

SECONDS = 10.0
LONGEST_TOKEN = 21_600      # seconds; AWS's limit
CREDENTIALS = "/latest/meta-data/iam/security-credentials/"
OLD = {"HttpTokens": "optional", "HttpPutResponseHopLimit": 2, "HttpEndpoint": "enabled"}
"""How nodes were often set up before IMDSv2 became the default: version 1 answers, and pods are near enough."""


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata options over OLD.

    Raises PermanentError for what ModifyInstanceMetadataOptions refuses (EC2 API Reference).
    """
    known = {"HttpTokens": ("optional", "required"), "HttpEndpoint": ("enabled", "disabled"),
             "HttpPutResponseHopLimit": range(1, 65)}
    for name, value in options.items():
        if name not in known:
            raise PermanentError(f"Unknown parameter in input: {name!r}, must be one of: {', '.join(known)}")
        if isinstance(value, bool) or value not in known[name]:
            raise PermanentError(f"InvalidParameterValue: {value!r} is not a valid value for {name}")
    return OLD | dict(options)


@dataclass(frozen=True, slots=True)
class Association:
    """Which role the agent hands to the holder of a pod's token."""

    role: str
    session: str
    tags: Mapping[str, str] = field(default_factory=dict)


class Metadata:
    """The services of one node; a context manager.

    :param endpoint: URL of the gateway's host listener
    :param role: name of the instance profile's role
    """

    def __init__(self, endpoint: str, account: str, instance: str, role: str, options: Mapping[str, Any] = OLD) -> None:
        self.endpoint, self.account, self.instance, self.role = endpoint, account, instance, role
        self.options = checked(options)
        self.requests: list[tuple[int, str, str, int]] = []
        self._tokens: dict[str, float] = {}
        self._associations: dict[str, Association] = {}
        self._servers = {hops: _serve(self, hops) for hops in (1, 2)}

    def __enter__(self) -> Metadata:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening."""
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def modify(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Change some options; returns all.  Raises PermanentError, and changes nothing, as :func:`checked` does."""
        self.options = {**self.options, **{name: checked(options)[name] for name in options}}
        return dict(self.options)

    def port(self, hops: int) -> int:
        """The loopback port for callers at this distance (1 or 2)."""
        return int(self._servers[hops].server_address[1])

    def associate(self, association: Association) -> str:
        """A new token for a pod, which the agent answers with the association's credentials."""
        token = secrets.token_urlsafe(24)
        self._associations[token] = association
        return token

    def answer(self, hops: int, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """(status, text) for a request from this distance; None where the answer does not arrive."""
        if path == "/v1/credentials":
            return self._pod_identity(method, headers)
        if self.options["HttpEndpoint"] == "disabled":
            return 403, "Forbidden"
        if path == "/latest/api/token":
            return self._token(hops, method, headers)
        if method != "GET":
            return 405, "Method Not Allowed"
        token = headers.get("x-aws-ec2-metadata-token")
        known = token is not None and self._tokens.get(token, 0) > time.monotonic()
        if not known and (token is not None or self.options["HttpTokens"] == "required"):
            return 401, "Unauthorized"
        return self._category(path)

    def _token(self, hops: int, method: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        if method != "PUT":
            return 405, "Method Not Allowed"
        if "x-forwarded-for" in headers:        # a request that some proxy passed on
            return 403, "Forbidden"
        seconds = headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        if not seconds.isdigit() or not 1 <= int(seconds) <= LONGEST_TOKEN:
            return 400, "Bad Request"
        if hops > self.options["HttpPutResponseHopLimit"]:
            return None
        token = secrets.token_urlsafe(40)
        self._tokens[token] = time.monotonic() + int(seconds)
        return 200, token

    def _category(self, path: str) -> tuple[int, str]:
        if path == "/latest/meta-data/instance-id":
            return 200, self.instance
        if path.rstrip("/") + "/" == CREDENTIALS:
            return 200, self.role
        if path == CREDENTIALS + self.role:
            arn = f"arn:aws:ec2:us-east-1:{self.account}:instance/{self.instance}"
            version = "2.0" if self.options["HttpTokens"] == "required" else "1.0"
            made = self._delivered("ec2.amazonaws.com", Association(self.role, self.instance),
                                   {"ec2:SourceInstanceARN": arn, "ec2:RoleDelivery": version})
            if "error" in made:
                return 200, json.dumps({"Code": "AssumeRoleUnauthorizedAccess", "Message": made["error"]})
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            return 200, json.dumps({"Code": "Success", "LastUpdated": now, "Type": "AWS-HMAC"} | made)
        return 404, "Not Found"

    def _pod_identity(self, method: str, headers: Mapping[str, str]) -> tuple[int, str]:
        given = headers.get("authorization", "")
        found = [each for token, each in self._associations.items() if hmac.compare_digest(token, given)]
        if method != "GET" or not found:
            return 401, "Unauthorized"
        made = self._delivered("pods.eks.amazonaws.com", found[0], {})
        return (403, json.dumps({"message": made["error"]})) if "error" in made else (200, json.dumps(made))

    def _delivered(self, service: str, wanted: Association, keys: Mapping[str, str]) -> dict[str, Any]:
        """Credentials from the gateway, or ``{"error": why}``; raises TemporaryError when it does not answer."""
        query = [("service", service), ("account", self.account), ("role", wanted.role), ("session", wanted.session)]
        query += [("tag", f"{key}={value}") for key, value in wanted.tags.items()]
        query += [("key", f"{key}={value}") for key, value in keys.items()]
        url = f"{self.endpoint}/_lab/deliver?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data=b"", method="POST"), timeout=SECONDS) as got:
                return dict(json.loads(got.read()))
        except urllib.error.HTTPError as error:
            with error:
                return {"error": json.loads(error.read()).get("error", str(error))}
        except OSError as error:
            raise TemporaryError(f"the AWS gateway does not hand out credentials: {error}") from error


def _serve(metadata: Metadata, hops: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        """One request; no keep-alive, as little as curl or an SDK needs."""

        timeout = SECONDS

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = self.path.partition("?")[0]
            try:
                answer = metadata.answer(hops, self.command, path, headers)
            except TemporaryError as error:
                answer = 500, str(error)
            metadata.requests.append((hops, self.command, path, answer[0] if answer else 0))
            if answer is None:
                self.close_connection = True
                return
            body = answer[1].encode()
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json" if body.startswith(b"{") else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """``Metadata.requests`` is the log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name=f"imds-{hops}",
                     daemon=True).start()
    return server
