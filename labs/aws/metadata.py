"""The instance metadata service (IMDS) of one EC2 instance: IMDSv1, IMDSv2 with hop limit, the role's credentials.

Hops are modelled by the listener through which a request comes: :meth:`InstanceMetadata.through` makes one listener
for whoever runs on the instance itself or with the host's network (1 hop) and one for pods behind their own network
(2 hops).  A token response that would need more hops than the limit never arrives, as on AWS; a token that was fetched
on the host works from anywhere, as on AWS; so does IMDSv1 where it is still on.

Stock SDKs come here by ``AWS_EC2_METADATA_SERVICE_ENDPOINT``.  Left out: IPv6, the signed forms of the identity
document (pkcs7, rsa2048), network interfaces, spot and maintenance notices, throttling.

Pages: "Use the Instance Metadata Service to access instance metadata", "Instance metadata categories", "Retrieve
security credentials from instance metadata", "Instance identity documents" (Amazon EC2 User Guide).
"""

from __future__ import annotations

import json
import re
import secrets
import time
from asyncio import timeout
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from labs.aws.serving import Application, answer

MAX_TTL = 21_600  # seconds
REFRESH_BEFORE = 900.0  # seconds before their end that credentials are replaced
LOST_SECONDS = 300.0  # how long a response that never arrives keeps the connection
MAX_TOKENS = 1_000
TOKEN, TTL = "x-aws-ec2-metadata-token", "x-aws-ec2-metadata-token-ttl-seconds"
_VERSION = re.compile(r"/(?:latest|1\.0|20\d\d-\d\d-\d\d)(?=/|$)")
_REASONS = {
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    500: "Internal Server Error",
}  # fmt: skip


class InstanceMetadata:
    """What one instance is told.

    :param endpoint: the gateway's host listener
    """

    def __init__(self, endpoint: str, account: str, instance_id: str, region: str = "us-east-1") -> None:
        self._about = f"{endpoint}/_lab/instances/{account}/{region}/{instance_id}"
        self._tokens: dict[str, float] = {}
        self._kept: dict[tuple[str, str], dict[str, Any]] = {}

    def through(self, hops: int) -> Application:
        """The service as it answers somebody ``hops`` network hops away: an ASGI application."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await self._handle(scope, receive, send, hops)

        return application

    async def _handle(self, scope: Any, receive: Any, send: Any, hops: int) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        status, about = await self._ask("GET", self._about)
        if status != 200:
            await _refuse(send, 500)
        elif about["options"]["HttpEndpoint"] == "disabled":
            await _refuse(send, 403)
        elif scope["method"] == "PUT":
            await self._put(scope["path"], headers, about["options"], hops, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            await self._get(scope["path"], headers, about, send)
        else:
            await _refuse(send, 405)

    # -- tokens --------------------------------------------------------------------------------------------------------

    async def _put(
        self, path: str, headers: Mapping[str, str], options: Mapping[str, Any], hops: int, receive: Any, send: Any
    ) -> None:
        if path != "/latest/api/token":
            await _refuse(send, 405)
        elif "x-forwarded-for" in headers:
            await _refuse(send, 403)  # an open proxy forwarded somebody else's request
        elif not re.fullmatch(r"[0-9]{1,5}", headers.get(TTL, "")) or not 1 <= int(headers[TTL]) <= MAX_TTL:
            await _refuse(send, 400)
        elif hops > options["HttpPutResponseHopLimit"]:
            await _lose(receive)
        else:
            token = secrets.token_urlsafe(40) + "=="
            now = time.monotonic()
            self._tokens = {known: end for known, end in self._tokens.items() if end > now}
            while len(self._tokens) >= MAX_TOKENS:
                del self._tokens[next(iter(self._tokens))]
            self._tokens[token] = now + int(headers[TTL])
            await answer(send, 200, token, {TTL: headers[TTL]})

    def _left(self, token: str) -> int:
        """Seconds that a token is still good for; 0 for none."""
        return max(0, round(self._tokens.get(token, 0.0) - time.monotonic()))

    async def _get(self, path: str, headers: Mapping[str, str], about: Mapping[str, Any], send: Any) -> None:
        more = {}
        if TOKEN in headers:
            left = self._left(headers[TOKEN])
            if not left:
                await _refuse(send, 401)
                return
            more[TTL] = str(left)
        elif about["options"]["HttpTokens"] == "required":
            await _refuse(send, 401)
            return
        found = await self._find(path, about, "2.0" if TOKEN in headers else "1.0")
        if found is None:
            await _refuse(send, 404)
        else:
            await answer(send, 200, found, more)

    # -- the tree ------------------------------------------------------------------------------------------------------

    async def _find(self, path: str, about: Mapping[str, Any], delivery: str) -> str | None:
        """The text under a path, ``None`` where there is nothing."""
        if path == "/":
            return "latest"
        version = _VERSION.match(path)
        if version is None:
            return None
        names = [name for name in path[version.end() :].split("/") if name]
        if names == ["user-data"]:
            return about["user_data"] or None
        node: Any = _tree(about)
        for name in names:
            node = node.get(name) if isinstance(node, Mapping) else None
        if callable(node):
            node = await node(self, about, delivery)
        if isinstance(node, Mapping):
            return "\n".join(f"{name}/" if isinstance(child, Mapping) else name for name, child in node.items())
        return node

    async def _role_credentials(self, about: Mapping[str, Any], delivery: str) -> str:
        """The role's credentials as JSON, the same ones until shortly before they expire."""
        key = (about["role"]["arn"], delivery)
        kept = self._kept.get(key)
        if kept is None or _seconds_left(kept["Expiration"]) < REFRESH_BEFORE:
            status, given = await self._ask("POST", f"{self._about}/credentials?delivery={delivery}")
            if status != 200:
                return _text({
                    "Code": "AssumeRoleUnauthorizedAccess",
                    "Message": f"EC2 cannot assume the role {about['role']['name']}.  Please see documentation at "
                    "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html.",
                    "LastUpdated": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                })  # fmt: skip
            kept = self._kept[key] = given
        return _text({"Code": "Success", "Type": "AWS-HMAC", **kept})

    async def _ask(self, method: str, url: str) -> tuple[int, dict[str, Any]]:
        try:
            # No certificates are loaded: the gateway speaks plain HTTP on loopback, and SDKs wait for one second only.
            async with httpx.AsyncClient(timeout=10, trust_env=False, verify=False) as client:
                response = await client.request(method, url)
            return response.status_code, response.json()
        except (httpx.HTTPError, ValueError) as error:
            return 502, {"error": str(error)}


def _tree(about: Mapping[str, Any]) -> dict[str, Any]:
    """Categories by name: a mapping is a folder, a function is asked when somebody looks."""
    instance = about["instance"]
    zone = (instance.get("Placement") or {}).get("AvailabilityZone") or f"{about['region']}a"
    data: dict[str, Any] = {
        "ami-id": instance.get("ImageId", ""),
        "ami-launch-index": str(instance.get("AmiLaunchIndex", 0)),
        "hostname": instance.get("PrivateDnsName", ""),
        "instance-action": "none",
        "instance-id": instance["InstanceId"],
        "instance-life-cycle": "on-demand",
        "instance-type": instance.get("InstanceType", ""),
        "local-hostname": instance.get("PrivateDnsName", ""),
        "local-ipv4": instance.get("PrivateIpAddress", ""),
        "placement": {"availability-zone": zone, "region": about["region"]},
        "security-groups": "\n".join(group.get("GroupName", "") for group in instance.get("SecurityGroups") or ()),
        "services": {"domain": "amazonaws.com", "partition": "aws"},
    }
    if about["role"]:
        data["iam"] = {
            "info": _info,
            "security-credentials": {about["role"]["name"]: InstanceMetadata._role_credentials},
        }
    if about["options"]["InstanceMetadataTags"] == "enabled":
        data["tags"] = {"instance": {tag["Key"]: tag["Value"] for tag in instance.get("Tags") or ()}}
    return {
        "dynamic": {"instance-identity": {"document": _text(_identity(about, zone))}},
        "meta-data": dict(sorted(data.items())),
    }


async def _info(service: InstanceMetadata, about: Mapping[str, Any], delivery: str) -> str:
    return _text({
        "Code": "Success",
        "LastUpdated": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "InstanceProfileArn": about["profile"]["arn"],
        "InstanceProfileId": about["profile"]["id"],
    })  # fmt: skip


def _identity(about: Mapping[str, Any], zone: str) -> dict[str, Any]:
    instance = about["instance"]
    started = str(instance.get("LaunchTime", ""))
    return {
        "accountId": about["account"],
        "architecture": instance.get("Architecture", "x86_64"),
        "availabilityZone": zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "marketplaceProductCodes": None,
        "imageId": instance.get("ImageId", ""),
        "instanceId": instance["InstanceId"],
        "instanceType": instance.get("InstanceType", ""),
        "kernelId": None,
        "pendingTime": started.partition(".")[0].partition("+")[0].replace(" ", "T") + "Z" if started else None,
        "privateIp": instance.get("PrivateIpAddress", ""),
        "ramdiskId": None,
        "region": about["region"],
        "version": "2017-09-30",
    }


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2)


def _seconds_left(moment: str, now: Callable[[], float] = time.time) -> float:
    return datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp() - now()


async def _refuse(send: Any, status: int) -> None:
    """IMDS answers with a small XHTML page."""
    title = f"{status} - {_REASONS[status]}"
    page = f'<?xml version="1.0" encoding="iso-8859-1"?>\n<html><head><title>{title}</title></head>'
    await answer(send, status, f"{page}<body><h1>{title}</h1></body></html>", {"content-type": "text/html"})


async def _lose(receive: Any) -> None:
    """The response dies on its way: the asker hears nothing until it gives up."""
    try:
        async with timeout(LOST_SECONDS):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return
