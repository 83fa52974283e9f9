"""The registries behind ECR's repositories: the OCI distribution API under ``/v2/``, with IAM in front of it.

A client signs nothing: it brings the password that ``ecr:GetAuthorizationToken`` gave out (HTTP basic authentication,
user ``AWS``).  That password is the caller's key or session, sealed by the gateway for twelve hours; each request is
then decided as the ECR action that AWS documents for it and answered by the engine.

Sources: OCI Distribution Specification 1.1; "Private registry authentication" and "Identity-based policy examples"
(Amazon ECR User Guide).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from labs.aws.engines import SERVICE
from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.gateway.chunked import body_check
from labs.aws.gateway.denial import denied
from labs.aws.gateway.exchange import Answer, forwarded_scope

if TYPE_CHECKING:
    from labs.aws.engines import Send
    from labs.aws.gateway.app import Exchange
    from labs.aws.gateway.credentials import Credential

LIFETIME = timedelta(hours=12)
_PLACE = re.compile(r"/v2/(?P<name>.+?)/(?P<kind>manifests|blobs|tags)/(?P<rest>.+)")
# Which ECR action a request is: by kind of place and method.
_ACTIONS = {
    ("manifests", "GET"): "BatchGetImage",
    ("manifests", "HEAD"): "BatchGetImage",
    ("manifests", "PUT"): "PutImage",
    ("manifests", "DELETE"): "BatchDeleteImage",
    ("blobs", "GET"): "GetDownloadUrlForLayer",
    ("blobs", "HEAD"): "BatchCheckLayerAvailability",
    ("blobs", "DELETE"): "BatchDeleteImage",
    ("uploads", "POST"): "InitiateLayerUpload",
    ("uploads", "GET"): "UploadLayerPart",
    ("uploads", "PATCH"): "UploadLayerPart",
    ("uploads", "PUT"): "CompleteLayerUpload",
    ("uploads", "DELETE"): "UploadLayerPart",
    ("tags", "GET"): "ListImages",
}


def is_for(exchange: Exchange) -> bool:
    """Whether a request is a registry client's: below ``/v2/`` and not signed (SES's second version is)."""
    path = exchange.path
    signed = dict(exchange.headers).get(b"authorization", b"").startswith(b"AWS4-")
    return (path == b"/v2" or path.startswith(b"/v2/")) and not signed


def password(exchange: Exchange) -> str:
    """The password for the caller of ``GetAuthorizationToken``."""
    credential = exchange.credential
    assert credential is not None
    claims = {
        "key": credential.access_key_id,
        "session": exchange.signature.session_token if exchange.signature else "",
        "region": exchange.region,
        "until": (exchange.now + LIFETIME).timestamp(),
    }
    return exchange.credentials.seal_text(json.dumps(claims), exchange.now)


async def answer(exchange: Exchange, send: Send) -> None:
    """Answer one request of a registry client."""
    try:
        region = await _authenticate(exchange)
        await _authorise(exchange, region)
    except AwsError as error:
        await _refuse(exchange, error, send)
        return
    await _forward(exchange, region, send)


async def _authenticate(exchange: Exchange) -> str:
    """The region that the password was given out for.

    :raises AwsError: UNAUTHORIZED, no or a wrong password
    """
    kind, _, given = dict(exchange.headers).get(b"authorization", b"").decode("latin-1").partition(" ")
    if kind.lower() != "basic":
        raise AwsError("UNAUTHORIZED", "Not Authorized", 401)
    try:
        user, _, sealed = base64.b64decode(given, validate=True).decode("latin-1").partition(":")
    except (binascii.Error, ValueError) as error:
        raise AwsError("UNAUTHORIZED", "Not Authorized", 401) from error
    text = exchange.credentials.open_text(sealed) if user == "AWS" else None
    claims = json.loads(text) if text and text.startswith("{") else {}
    if "key" not in claims:
        raise AwsError("UNAUTHORIZED", "Not Authorized", 401)
    if claims["until"] < exchange.now.timestamp():
        raise AwsError("DENIED", "Your authorization token has expired. Reauthenticate and try again.", 403)
    exchange.credential = await _credential(exchange, claims)
    exchange.account = exchange.caller_account
    return str(claims["region"])


async def _credential(exchange: Exchange, claims: dict[str, Any]) -> Credential:
    """Whoever asked for the password, as they are now: a key that is gone or a session that ended opens nothing."""
    gateway = exchange.gateway
    try:
        known = gateway.credentials.open(
            claims["key"], claims["session"] or None, exchange.now, exchange.shorthands, "ecr", "json"
        )
    except AwsError as error:
        raise AwsError("DENIED", error.message, 403) from error
    if known is not None:
        return known
    owner = await gateway.key_owner(claims["key"])
    if owner is None or owner.status != "Active":
        raise AwsError("DENIED", "The security token included in the request is invalid.", 403)
    return gateway.credentials.long_term(claims["key"], owner)


async def _authorise(exchange: Exchange, region: str) -> None:
    """:raises AwsError: DENIED, with IAM's message"""
    call = _call(exchange, region)
    if call is None:
        return
    exchange.call = call
    decisions, checks = await exchange.gateway.authorizer.decide(
        call, exchange.credential, exchange.arrival, exchange.now, {}
    )
    exchange.decisions = decisions
    final = decisions[-1] if decisions else None
    if final is None:
        return
    about = {"service": call.service, "operation": call.operation, "region": call.region}
    exchange.gateway.decisions.add(exchange.request_id, final, about, exchange.now.timestamp())
    if not final.allowed:
        refusal = denied(call, final, exchange.credential, exchange.credentials, exchange.now)
        raise AwsError("DENIED", refusal.message, 403)
    exchange.account = checks[0].resource_account or exchange.account


def _call(exchange: Exchange, region: str) -> ServiceCall | None:
    """The ECR call that a request is; ``None`` for the check of the version, which any caller may make."""
    path = exchange.path.decode("latin-1").rstrip("/")
    if path == "/v2":
        return None
    if path == "/v2/_catalog":
        return ServiceCall("ecr", "DescribeRepositories", {}, "json", region)
    found = _PLACE.fullmatch(exchange.path.decode("latin-1"))
    kind = "uploads" if found and found["kind"] == "blobs" and found["rest"].startswith("uploads") else ""
    action = _ACTIONS.get((kind or (found["kind"] if found else ""), exchange.method))
    if found is None or action is None:
        raise AwsError("UNSUPPORTED", "The operation is unsupported.", 405)
    return ServiceCall("ecr", action, {"repositoryName": found["name"]}, "json", region)


async def _forward(exchange: Exchange, region: str, send: Send) -> None:
    """Let the engine answer, as the account's root."""
    scope = forwarded_scope(
        exchange.scope, exchange.path, exchange.query, exchange.headers, exchange.account, region, "ecr"
    )
    scope[SERVICE] = "ecr"
    passed = Answer(send, exchange.request_id)
    await exchange.gateway.engine_app(scope, exchange.body.stream(body_check(None, "", exchange.headers)), passed)
    if passed.status >= 400:
        exchange.error = (str(passed.status), "")
    exchange.gateway.record(exchange)


async def _refuse(exchange: Exchange, error: AwsError, send: Send) -> None:
    exchange.error = (error.code, error.message)
    exchange.gateway.record(exchange)
    body = json.dumps({"errors": [{"code": error.code, "message": error.message}]}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"docker-distribution-api-version", b"registry/2.0"),
    ]
    if error.status == 401:
        host = dict(exchange.headers).get(b"host", b"127.0.0.1").decode("latin-1")
        scheme = exchange.scope.get("scheme", "http")
        headers.append((b"www-authenticate", f'Basic realm="{scheme}://{host}/",service="ecr.amazonaws.com"'.encode()))
    if not await exchange.body.drain(exchange.headers):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if exchange.method == "HEAD" else body, "more_body": False})
