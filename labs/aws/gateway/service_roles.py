"""Roles that AWS services assume for somebody: EC2 for an instance, EKS for a pod.

The role's trust policy is evaluated like any other (with the service as principal), the session is a real one, and the
trail says that the service did it.

Pages: "Using an IAM role to grant permissions to applications running on Amazon EC2 instances", "AWS global condition
context keys" (IAM User Guide); "CloudTrail userIdentity element" (CloudTrail User Guide, type ``AWSService``).
"""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labs.aws.engines.client import EngineError
from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.gateway.context import Arrival
from labs.aws.gateway.credentials import Credential
from labs.aws.gateway.events import event
from labs.aws.iam import Principal, PrincipalType
from labs.aws.providers import sts

if TYPE_CHECKING:
    from labs.aws.gateway.app import Gateway


@dataclass(frozen=True)
class Errand:
    """One role that a service assumes.

    ``source_arn`` is the resource that it works for; ``session`` holds condition keys that the session keeps;
    ``duration`` is in seconds.
    """

    service: str
    role_arn: str
    session_name: str
    account: str
    region: str
    source_arn: str
    duration: int
    tags: Mapping[str, str] = field(default_factory=dict)
    policy: str = ""
    session: Mapping[str, str] = field(default_factory=dict)


class ServiceContext:
    """What the STS provider asks of the gateway, outside of any caller's request."""

    def __init__(self, gateway: Gateway, region: str) -> None:
        self._gateway, self._region = gateway, region
        self.credentials = gateway.credentials
        self._now = datetime.datetime.now(datetime.UTC)

    async def call(self, service: str, operation: str, *, account: str, **params: Any) -> dict[str, Any]:
        """Ask the engine as the account's root user.

        :raises AwsError: the engine's own error
        """
        try:
            return await self._gateway.client.call(service, operation, account=account, region=self._region, **params)
        except EngineError as error:
            raise AwsError(error.code, error.message, error.status) from error

    def now(self) -> datetime.datetime:
        """The time at which the errand began."""
        return self._now


async def assume(gateway: Gateway, errand: Errand) -> Credential:
    """The session, or the refusal of the role's trust policy.

    :raises AwsError: AccessDenied, and what STS says of session policy and tags
    """
    ctx = ServiceContext(gateway, errand.region)
    params: dict[str, Any] = {"RoleArn": errand.role_arn, "RoleSessionName": errand.session_name}
    if errand.tags:
        params["Tags"] = [{"Key": key, "Value": value} for key, value in errand.tags.items()]
        params["TransitiveTagKeys"] = list(errand.tags)
    if errand.policy:
        params["Policy"] = errand.policy
    params["DurationSeconds"] = errand.duration
    call = ServiceCall("sts", "AssumeRole", params, "query", errand.region)
    account, name = sts.role_of(errand.role_arn)
    refusal: AwsError | None = None
    minted, limits = None, None
    try:
        await _check_trust(gateway, call, errand, ctx.now())
        role = (await ctx.call("iam", "GetRole", account=account, RoleName=name))["Role"]
        limits = await sts.session_limits(params, account, ctx)
        minted = sts.issue_role_session(
            ctx, role, errand.session_name, errand.duration, limits, dict(errand.tags), tuple(errand.tags),
            context=dict(errand.session),
        )  # fmt: skip
    except AwsError as error:
        refusal = error
    _record(gateway, call, errand, ctx.now(), sts.assumed(minted, limits) if minted and limits else None, refusal)
    if refusal is not None or minted is None:
        raise refusal or AwsError("AccessDenied", "Access Denied", 403)
    return minted


async def _check_trust(gateway: Gateway, call: ServiceCall, errand: Errand, now: datetime.datetime) -> None:
    service = Principal(arn=errand.service, account="", type=PrincipalType.SERVICE, user_id=errand.service)
    extra: dict[str, str | tuple[str, ...]] = {
        "aws:PrincipalIsAWSService": "true",
        "aws:PrincipalServiceName": errand.service,
        "aws:SourceArn": errand.source_arn,
        "aws:SourceAccount": errand.account,
    }
    arrival = Arrival(source_ip=errand.service, user_agent=errand.service, secure=True)
    decisions, _ = await gateway.authorizer.decide(call, None, arrival, now, extra, service)
    final = decisions[-1]
    about = {"service": "sts", "operation": "AssumeRole", "region": errand.region}
    gateway.decisions.add(str(uuid.uuid4()), final, about, now.timestamp())
    if not final.allowed:
        raise AwsError(
            "AccessDenied",
            f"{errand.service} is not authorized to perform: {final.request.action} on resource: {errand.role_arn}",
            403,
        )


def _record(
    gateway: Gateway,
    call: ServiceCall,
    errand: Errand,
    now: datetime.datetime,
    result: Mapping[str, Any] | None,
    refusal: AwsError | None,
) -> None:
    record = event(
        credential=None,
        service="sts",
        operation="AssumeRole",
        params=call.params,
        region=errand.region,
        account=sts.role_of(errand.role_arn)[0],
        source_ip=errand.service,
        user_agent=errand.service,
        request_id=str(uuid.uuid4()),
        now=now,
        result=result,
        error=(refusal.code, refusal.message) if refusal else None,
        identity={"type": "AWSService", "invokedBy": errand.service},
    )
    gateway.trail.add(json.loads(json.dumps(record, default=str)), now.timestamp())
