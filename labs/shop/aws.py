"""The few AWS calls the shop makes: Secrets Manager, DynamoDB, S3.

Credentials, their refresh and signatures are botocore's; requests go through httpx.  botocore's own clients would add
their service models, about 15 MB each process.  Endpoint and region come from ``AWS_ENDPOINT_URL`` (or
``AWS_ENDPOINT_URL_DYNAMODB`` and so on), ``AWS_REGION`` or ``AWS_DEFAULT_REGION``, as for every SDK ("AWS SDKs and
Tools Reference Guide", "Service-specific endpoints").
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import botocore.session
import httpx
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

from labs.shop.errors import AwsError

SECONDS = 5.0  # for one call
TARGETS = {
    "secretsmanager": ("secretsmanager", "application/x-amz-json-1.1"),
    "dynamodb": ("DynamoDB_20120810", "application/x-amz-json-1.0"),
}


@lru_cache(maxsize=1)
def _session() -> Any:
    return botocore.session.Session()


def region() -> str:
    """The region of every call."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def endpoint(service: str) -> str:
    """The URL of a service, without a slash at its end."""
    named = os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or os.environ.get("AWS_ENDPOINT_URL")
    return (named or f"https://{service}.{region()}.amazonaws.com").rstrip("/")


def signed(service: str, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of a signed request.  May read credentials over the network: blocks.

    :raises AwsError: there are no credentials
    """
    try:
        credentials = _session().get_credentials()
        if credentials is None:
            raise AwsError("no AWS credentials", "NoCredentials")
        request = AWSRequest(method, url, headers=dict(headers), data=body)
        kind = S3SigV4Auth if service == "s3" else SigV4Auth
        kind(credentials.get_frozen_credentials(), service, region()).add_auth(request)
    except BotoCoreError as error:
        raise AwsError(f"no AWS credentials: {error}", "NoCredentials") from error
    return dict(request.headers.items())


def _tls(url: str) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE")) if url.startswith("https:") else False


def _json(service: str, operation: str, asked: Mapping[str, Any]) -> tuple[str, bytes, dict[str, str]]:
    target, kind = TARGETS[service]
    url, body = endpoint(service) + "/", json.dumps(asked).encode()
    given = {"Content-Type": kind, "X-Amz-Target": f"{target}.{operation}"}
    return url, body, signed(service, "POST", url, body, given)


def _answer(operation: str, response: httpx.Response) -> dict[str, Any]:
    try:
        said = response.json()
    except ValueError:
        said = {}
    if response.status_code == 200:
        return dict(said)
    code = str(said.get("__type", "")).rpartition("#")[2]
    message = said.get("message") or said.get("Message") or ""
    raise AwsError(f"{operation}: {code or response.status_code} {message}".strip(), code, said)


class SecretsManager:
    """Reads secrets.  Blocks."""

    def get_secret_value(self, SecretId: str, VersionStage: str = "AWSCURRENT") -> dict[str, Any]:
        """``GetSecretValue``.

        :raises AwsError: it failed
        """
        asked = {"SecretId": SecretId, "VersionStage": VersionStage}
        url, body, headers = _json("secretsmanager", "GetSecretValue", asked)
        try:
            with httpx.Client(timeout=SECONDS, trust_env=False, verify=_tls(url)) as client:
                return _answer("GetSecretValue", client.post(url, content=body, headers=headers))
        except httpx.HTTPError as error:
            raise AwsError(f"GetSecretValue: {type(error).__name__}") from error


class Aws:
    """DynamoDB and S3, on the event loop.  Signing is quick, except where credentials must be fetched first."""

    def __init__(self) -> None:
        self._clients: dict[str, httpx.AsyncClient] = {}

    def _client(self, service: str) -> httpx.AsyncClient:
        if service not in self._clients:
            limits = httpx.Limits(max_connections=32, max_keepalive_connections=16)
            self._clients[service] = httpx.AsyncClient(
                timeout=SECONDS, trust_env=False, verify=_tls(endpoint(service)), limits=limits
            )
        return self._clients[service]

    async def dynamodb(self, operation: str, **asked: Any) -> dict[str, Any]:
        """A call of DynamoDB.

        :raises AwsError: it failed
        """
        url, body, headers = await _in_thread_when_slow(_json, "dynamodb", operation, asked)
        try:
            return _answer(operation, await self._client("dynamodb").post(url, content=body, headers=headers))
        except httpx.HTTPError as error:
            raise AwsError(f"{operation}: {type(error).__name__}") from error

    async def s3(
        self, method: str, bucket: str, key: str = "", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """A call of S3 on a bucket or an object, by path.

        :raises AwsError: no answer, or a status of 400 and more (``code`` is then the status)
        """
        url = f"{endpoint('s3')}/{bucket}" + (f"/{quote(key)}" if key else "")
        named = await _in_thread_when_slow(signed, "s3", method, url, body, headers or {})
        try:
            response = await self._client("s3").request(method, url, content=body, headers=named)
        except httpx.HTTPError as error:
            raise AwsError(f"s3 {method}: {type(error).__name__}") from error
        if response.is_error:
            raise AwsError(f"s3 {method} {bucket}/{key}: {response.status_code}", str(response.status_code))
        return response

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()


async def _in_thread_when_slow(work: Any, *arguments: Any) -> Any:
    """Temporary credentials may have to be fetched; static ones are signed with at once."""
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return work(*arguments)
    import asyncio

    return await asyncio.to_thread(work, *arguments)
