"""The values that the evaluator takes and returns.  Frozen, JSON-friendly, no behaviour beyond their shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

EMPTY: Mapping[str, Any] = MappingProxyType({})


class PrincipalType(StrEnum):
    """Value of ``aws:PrincipalType`` (IAM User Guide, "AWS global condition context keys")."""

    ROOT = "Account"
    USER = "User"
    ROLE = "AssumedRole"
    FEDERATED = "FederatedUser"
    ANONYMOUS = "Anonymous"
    SERVICE = "Service"  # an AWS service principal, e.g. s3.amazonaws.com


class PolicyType(StrEnum):
    """The policy types of "Policy evaluation logic" (IAM User Guide), in the words AWS uses in a denial."""

    RCP = "resource control policy"
    SCP = "service control policy"
    VPC_ENDPOINT = "VPC endpoint policy"
    RESOURCE = "resource-based policy"
    IDENTITY = "identity-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"


class Effect(StrEnum):
    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking.

    ``arn`` is the ARN of the caller as ``GetCallerIdentity`` shows it: a user ARN, an
    assumed-role *session* ARN, a federated-user ARN, ``arn:aws:iam::ACCOUNT:root``, a service
    name for a service, or ``"*"`` for an anonymous caller.  ``role_arn`` is the IAM role ARN behind a
    session (with its path), else empty.  ``issuer_arn`` is the user who asked for a
    federated user's token.  ``tags`` are user/role tags overlaid with session tags.
    """

    arn: str
    account: str
    type: PrincipalType
    user_id: str = ""
    role_arn: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    is_service_linked_role: bool = False
    federated_provider: str = ""  # OIDC/SAML provider (ARN or name) of a web-identity caller
    issuer_arn: str = ""
    canonical_user_id: str = ""  # S3 canonical user id of the caller's account, where known


@dataclass(frozen=True, slots=True)
class Request:
    """One authorization check: may ``principal`` perform ``action`` on ``resource``?

    ``action`` is ``service:Operation`` in AWS's spelling.  ``resource`` is an ARN, or ``"*"`` where the action has no
    resource type.  ``resource_account`` is the owning account ("" = the caller's).  ``context`` maps
    condition keys (AWS's spelling; compared case-insensitively) to a string or, for a multivalued key, to a tuple of
    strings.  A key that AWS leaves out for this call is absent.
    """

    principal: Principal
    action: str
    resource: str
    resource_account: str = ""
    context: Mapping[str, str | tuple[str, ...]] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy document with the name and ARN a reader knows it by.  ``document`` is the parsed JSON object."""

    document: Mapping[str, Any]
    name: str = ""
    arn: str = ""


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All policies that apply to one request.

    ``None`` means that no policy of this type applies (its gate is skipped); an empty tuple under a type that
    *limits* (``boundary``, ``session``) means a limit that allows nothing.  ``scps`` and ``rcps`` hold one tuple per
    level of the organisation, from the root down to the account: each level must allow.  They are ``None`` for the
    management account.
    ``resource_must_allow`` is true for role trust policies and KMS key policies, which must allow by themselves.
    ``grant`` says that a KMS grant covers this call.
    """

    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    session: tuple[Policy, ...] | None = None
    resource: Policy | None = None
    scps: tuple[tuple[Policy, ...], ...] | None = None
    rcps: tuple[tuple[Policy, ...], ...] | None = None
    vpc_endpoint: Policy | None = None
    resource_must_allow: bool = False
    grant: bool = False


@dataclass(frozen=True, slots=True)
class StatementTrace:
    """One statement and why it did or did not apply.

    ``matched`` is the conjunction of the parts; a part is ``None`` when an earlier one already failed.
    ``why`` is one sentence for the learner, e.g. ``aws:SourceIp is 127.0.0.1, expected in 203.0.113.0/24``.
    """

    policy: str  # name or ARN of the policy
    sid: str
    index: int  # position in the document's Statement list
    effect: Effect
    matched: bool
    principal: bool | None = None
    action: bool | None = None
    resource: bool | None = None
    condition: bool | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """One step of the evaluation, in AWS's documented order.

    ``verdict``: ``"allow"`` (passes), ``"explicit-deny"``, ``"implicit-deny"`` (nothing allows), ``"skipped"`` (no
    policy of this type applies, or its silence does not matter; ``note`` says which) or ``"final-allow"`` (a
    resource-based policy that decides by itself).
    ``decided_by`` is the index into ``statements`` of the deciding statement, or ``None``.
    """

    type: PolicyType
    verdict: str
    statements: tuple[StatementTrace, ...] = ()
    decided_by: int | None = None
    note: str = ""
    documents: tuple[Policy, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and how it came about.

    ``denied_by`` names the policy type to blame when ``allowed`` is false; ``explicit`` tells an explicit from an
    implicit deny; ``policy_arn`` is the denying policy's ARN where AWS names it.  ``gates`` is the trace.
    """

    request: Request
    allowed: bool
    explicit: bool = False
    denied_by: PolicyType | None = None
    policy_arn: str = ""
    gates: tuple[Gate, ...] = field(default=())
