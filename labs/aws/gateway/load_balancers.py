"""What the data plane of load balancers (``labs.aws.balancing``) is told by the gateway, and what it tells.

Neither is an AWS API: on AWS a load balancer's nodes get their settings inside the service, too.  ``GET
/_lab/load-balancers?seen=VERSION`` answers the present version, and everything of every account where that is another
one; ``POST /_lab/load-balancers/health`` brings the targets' health, which ``DescribeTargetHealth`` then tells.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from labs.aws.engines.client import EngineClient, EngineError

Place = tuple[str, str]
"""(account, region)."""
Answer = dict[str, Any]
_WATCHED = ("elbv2", "acm", "ec2", "cloudformation")
"""A write to one of these may change what a load balancer does."""
_READS = ("Describe", "Get", "List")
REGISTERING = {
    "State": "initial",
    "Reason": "Elb.RegistrationInProgress",
    "Description": "Target registration is in progress",
}
_EVERY = {"PageSize": 400}


def dns_name(balancer: Answer) -> str:
    """A load balancer's name in DNS, its own in all accounts: ``NAME-NUMBER.REGION.elb.amazonaws.com``."""
    arn, name = str(balancer["LoadBalancerArn"]), balancer["LoadBalancerName"]
    number = int.from_bytes(hashlib.sha256(arn.encode()).digest()[:8], "big") % 10**10
    internal = "internal-" if balancer.get("Scheme") == "internal" else ""
    zone = f"elb.{arn.split(':')[3]}" if "/net/" in arn else f"{arn.split(':')[3]}.elb"
    return f"{internal}{name}-{number:010d}.{zone}.amazonaws.com"


class LoadBalancers:
    """Which accounts have load balancers, whether anything of them changed, and how their targets are."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._places: set[Place] = set()
        self._version = 0
        self._life = secrets.token_hex(4)  # another one after a restart, whose count begins anew
        self.health: dict[str, list[Answer]] = {}
        """Target group's ARN → its TargetHealthDescriptions, as the data plane saw them last."""

    @property
    def version(self) -> str:
        """Changes whenever a load balancer may have."""
        return f"{self._life}-{self._version}"

    def note(self, service: str, operation: str, account: str, region: str) -> None:
        """A call was answered."""
        if service in _WATCHED and not operation.startswith(_READS):
            if service in ("elbv2", "cloudformation"):
                self._places.add((account, region))
            self._version += 1

    def clear(self) -> None:
        """Everything is gone."""
        self._places.clear()
        self.health.clear()
        self._version += 1

    def described(self, arn: str, registered: list[Answer], chosen: bool) -> list[Answer]:
        """A target group's TargetHealthDescriptions; ``registered`` as the engine has them where no data plane runs.

        :param chosen: the caller named the targets
        """
        if not self.health:
            return registered
        seen = {(each["Target"]["Id"], int(each["Target"]["Port"])): each for each in self.health.get(arn, [])}
        told = []
        for each in registered:
            target = each["Target"]
            unknown = each if each["TargetHealth"]["State"] == "unused" else {**each, "TargetHealth": REGISTERING}
            told.append(seen.pop((target["Id"], int(target["Port"])), unknown))
        draining = [each for each in seen.values() if each["TargetHealth"]["State"] == "draining"]
        return told + ([] if chosen else draining)

    async def told(self, seen: str) -> Answer:
        """``{"version": …}``, and ``"places"`` with everything unless ``seen`` is that version."""
        version = self.version
        if seen == version:
            return {"version": version}
        places = [await self._place(account, region) for account, region in sorted(self._places)]
        return {"version": version, "places": [each for each in places if each["balancers"]]}

    async def _place(self, account: str, region: str) -> Answer:
        async def ask(operation: str, service: str = "elbv2", **params: Any) -> Answer:
            return await self._client.call(service, operation, account=account, region=region, **params)

        balancers = [await self._balancer(ask, each) for each in await _all(ask, "LoadBalancers")]
        wanted = {each for one in balancers for each in one["SecurityGroups"] or []}
        groups = [await self._target_group(ask, each) for each in await _all(ask, "TargetGroups")]
        instances = [each["Id"] for group in groups for each in group["Targets"] if each["Id"].startswith("i-")]
        where = await _instances(ask, instances)
        wanted |= {each for one in where.values() for each in one["groups"]}
        return {
            "account": account,
            "region": region,
            "balancers": balancers,
            "groups": groups,
            "instances": where,
            "security": await _security(ask, sorted(wanted)),
        }

    async def _balancer(self, ask: Any, balancer: Answer) -> Answer:
        arn = balancer["LoadBalancerArn"]
        described = await ask("DescribeLoadBalancerAttributes", LoadBalancerArn=arn)
        listeners = (await ask("DescribeListeners", LoadBalancerArn=arn)).get("Listeners") or []
        return {
            **balancer,
            "DNSName": dns_name(balancer),
            "SecurityGroups": balancer.get("SecurityGroups") or [],
            "Attributes": _attributes(described),
            "Listeners": [await self._listener(ask, each) for each in listeners],
        }

    async def _listener(self, ask: Any, listener: Answer) -> Answer:
        arn = listener["ListenerArn"]
        rules = (await ask("DescribeRules", ListenerArn=arn)).get("Rules") or []
        certificates = listener.get("Certificates") or []
        if listener.get("Protocol") == "HTTPS":
            more = (await ask("DescribeListenerCertificates", ListenerArn=arn)).get("Certificates") or []
            certificates = [*certificates, *(each for each in more if not each.get("IsDefault"))]
        arns = dict.fromkeys(str(each["CertificateArn"]) for each in certificates)
        return {**listener, "Rules": rules, "Keys": [await _certificate(ask, each) for each in arns]}

    async def _target_group(self, ask: Any, group: Answer) -> Answer:
        arn = group["TargetGroupArn"]
        health = (await ask("DescribeTargetHealth", TargetGroupArn=arn)).get("TargetHealthDescriptions") or []
        described = await ask("DescribeTargetGroupAttributes", TargetGroupArn=arn)
        tags = (await ask("DescribeTags", ResourceArns=[arn])).get("TagDescriptions") or [{}]
        return {
            **group,
            "Targets": [each["Target"] for each in health],
            "Attributes": _attributes(described),
            "Tags": {each["Key"]: each.get("Value", "") for each in tags[0].get("Tags") or []},
        }


async def _all(ask: Any, what: str) -> list[Answer]:
    found: list[Answer] = []
    more: dict[str, Any] = {}
    while True:
        answer = await ask(f"Describe{what}", **_EVERY, **more)
        found += answer.get(what) or []
        if not answer.get("NextMarker"):
            return found
        more = {"Marker": answer["NextMarker"]}


def _attributes(described: Answer) -> dict[str, str]:
    return {each["Key"]: str(each.get("Value", "")) for each in described.get("Attributes") or []}


async def _certificate(ask: Any, arn: str) -> Answer:
    """``{"arn", "certificate", "chain", "key"}``; without the last three where ACM has none (yet)."""
    try:
        found = await ask("GetCertificate", "acm", CertificateArn=arn)
    except EngineError:
        return {"arn": arn}
    from labs.aws.engines.own.acm import private_key  # ACM is loaded where it was used

    key = private_key(arn)
    if key is None:
        return {"arn": arn}
    return {"arn": arn, "certificate": found["Certificate"], "chain": found.get("CertificateChain", ""), "key": key}


async def _instances(ask: Any, ids: list[str]) -> dict[str, Answer]:
    """Instance → ``{"address", "groups", "tags", "state"}``."""
    if not ids:
        return {}
    filters = [{"Name": "instance-id", "Values": sorted(set(ids))}]
    described = await ask("DescribeInstances", "ec2", Filters=filters)
    found = [each for one in described.get("Reservations") or [] for each in one["Instances"]]
    return {
        each["InstanceId"]: {
            "address": each.get("PrivateIpAddress", ""),
            "groups": [group["GroupId"] for group in each.get("SecurityGroups") or []],
            "tags": {tag["Key"]: tag["Value"] for tag in each.get("Tags") or []},
            "state": each["State"]["Name"],
        }
        for each in found
    }


async def _security(ask: Any, ids: list[str]) -> list[Answer]:
    """Those security groups, and every one that says to belong to a cluster's nodes."""
    found = (await ask("DescribeSecurityGroups", "ec2", GroupIds=ids)).get("SecurityGroups") or [] if ids else []
    filters = [{"Name": "tag-value", "Values": ["owned"]}]
    owned = (await ask("DescribeSecurityGroups", "ec2", Filters=filters)).get("SecurityGroups") or [] if ids else []
    return list({each["GroupId"]: each for each in [*found, *owned]}.values())
