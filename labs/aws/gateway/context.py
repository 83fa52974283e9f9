"""The condition keys that AWS puts into every request (IAM User Guide, "AWS global condition context keys")."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from labs.aws.gateway.credentials import Credential
from labs.aws.gateway.signing import Signature
from labs.aws.iam import PrincipalType

# "Some global services, such as IAM, have a single endpoint", so that every call is made to its region
# ("AWS global condition context keys", aws:RequestedRegion).
GLOBAL_SERVICES = frozenset(
    ["iam", "organizations", "cloudfront", "route53", "ce", "budgets", "support", "account", "shield", "waf"]
)
GLOBAL_REGION = "us-east-1"

Context = dict[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Arrival:
    """How a request reached the gateway: who is at the other end, and by what road."""

    source_ip: str
    user_agent: str = ""
    referer: str = ""
    secure: bool = False
    vpc_endpoint: Mapping[str, str] | None = None  # {"id", "vpc", "account", "source_ip"}


def requested_region(service: str, region: str) -> str:
    """``aws:RequestedRegion`` of a call to ``service`` that was signed for ``region``."""
    return GLOBAL_REGION if service in GLOBAL_SERVICES else region


def global_context(credential: Credential | None, arrival: Arrival, region: str, now: datetime.datetime) -> Context:
    """Keys that do not depend on the resource.  A key that AWS leaves out of such a request is absent."""
    context: Context = {
        "aws:CurrentTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:EpochTime": str(int(now.timestamp())),
        "aws:RequestedRegion": region,
        "aws:SecureTransport": "true" if arrival.secure else "false",
        "aws:ViaAWSService": "false",
        "aws:PrincipalIsAWSService": "false",
    }
    if arrival.user_agent:
        context["aws:UserAgent"] = arrival.user_agent
    if arrival.referer:
        context["aws:Referer"] = arrival.referer
    if arrival.vpc_endpoint:
        # A request through a VPC endpoint carries the private address, not aws:SourceIp.
        context["aws:SourceVpce"] = arrival.vpc_endpoint["id"]
        context["aws:SourceVpc"] = arrival.vpc_endpoint["vpc"]
        context["aws:VpcSourceIp"] = arrival.source_ip
        context["aws:VpceAccount"] = arrival.vpc_endpoint["account"]
    else:
        context["aws:SourceIp"] = arrival.source_ip
    if credential is not None:
        context.update(principal_context(credential, now))
    return context


def signature_context(signature: Signature | None, now: datetime.datetime) -> Context:
    """S3's keys about how a request is signed (S3 API Reference, "Amazon S3 Signature Version 4 Authentication Specific
    Policy Keys")."""
    if signature is None:
        return {}
    context: Context = {
        "s3:authType": "REST-QUERY-STRING" if signature.presigned else "REST-HEADER",
        "s3:signatureversion": "AWS" if signature.algorithm.startswith("AWS:") else signature.algorithm,
    }
    if signature.presigned:
        age = now - signature.time
        context["s3:signatureAge"] = str(max(0, int(age.total_seconds() * 1000)))  # milliseconds
    if signature.payload_hash:
        context["s3:x-amz-content-sha256"] = signature.payload_hash
    return context


def principal_context(credential: Credential, now: datetime.datetime) -> Context:
    """Keys about the caller and the caller's session."""
    principal = credential.principal
    context: Context = {
        "aws:PrincipalArn": principal.role_arn or principal.arn,
        "aws:PrincipalAccount": principal.account,
        "aws:PrincipalType": principal.type.value,
        "aws:userid": principal.user_id,
    }
    context.update((f"aws:PrincipalTag/{key}", value) for key, value in principal.tags.items())
    if principal.type is PrincipalType.USER:
        context["aws:username"] = principal.arn.rpartition("/")[2]
    context.update(credential.condition_keys(now))
    return context


def organization_context(prefix: str, organization: tuple[str, str] | None) -> Context:
    """``aws:PrincipalOrgID``/``OrgPaths`` or ``aws:ResourceOrgID``/``OrgPaths``; absent outside an organisation.

    :param prefix: ``aws:Principal`` or ``aws:Resource``
    :param organization: organisation id and path (``o-…/r-…/ou-…/``) of the account
    """
    if organization is None:
        return {}
    identifier, path = organization
    return {f"{prefix}OrgID": identifier, f"{prefix}OrgPaths": (path,)}
