"""The question one call asks, and the pieces that every service's rules are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from labs.aws.gateway.calls import AwsError, ServiceCall

Context = dict[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Check:
    """One thing that must be allowed.  ``resource_account`` owns the resource ("" = unknown, the caller's).

    A call such as S3's DeleteObjects is carried out in parts: ``part`` is the index of the one that this check is
    about, and a denial then fails that part alone.  ``None``: a denial fails the call.  ``guarded_by`` is the ARN of
    another resource whose policy speaks about this one (a recovery point's vault).
    """

    action: str
    resource: str
    resource_account: str = ""
    context: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    part: int | None = None
    guarded_by: str = ""


class Lookup(Protocol):
    """What may be asked about existing resources."""

    async def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """One read through the engine as the resource's owner (``account=`` names another).

        :raises AwsError: the engine's refusal
        """

    async def bucket_owner(self, bucket: str) -> str | None:
        """The account that owns a bucket, or ``None`` when there is none."""

    def wants(self, prefix: str) -> bool:
        """Whether an applicable policy uses a condition key with this lower-case prefix."""


class Asked:
    """A call together with who asks, where, and what can be looked up."""

    def __init__(self, call: ServiceCall, account: str, region: str, lookup: Lookup) -> None:
        self.call, self.account, self.region, self.lookup = call, account, region, lookup
        self.params: Mapping[str, Any] = call.params
        self.operation = call.operation

    def get(self, *names: str) -> Any:
        """The first of these parameters that is given, or ``None``."""
        for name in names:
            value = self.params.get(name)
            if value not in (None, "", [], {}):
                return value
        return None

    def text(self, *names: str) -> str:
        """The first of these parameters that is given, as text; "" when none is."""
        value = self.get(*names)
        return "" if value is None else str(value)

    def arn(self, service: str, rest: str, account: str | None = None, region: str | None = None) -> str:
        """An ARN in the caller's account and region, unless others are given."""
        place = self.region if region is None else region
        return f"arn:aws:{service}:{place}:{self.account if account is None else account}:{rest}"

    async def ask(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """A lookup whose failure means that there is nothing to know."""
        try:
            return await self.lookup.call(service, operation, **params)
        except AwsError:
            return {}

    def wants_tags(self, prefix: str) -> bool:
        """Whether some policy asks for the resource's tags."""
        return self.lookup.wants("aws:resourcetag/") or self.lookup.wants(f"{prefix}:resourcetag/")


def request_tags(tags: Any) -> Context:
    """``aws:RequestTag/…`` and ``aws:TagKeys`` of tags in any of AWS's shapes: a mapping, or a list of pairs."""
    pairs = dict(tag_pairs(tags))
    if not pairs:
        return {}
    context: Context = {f"aws:RequestTag/{key}": value for key, value in pairs.items()}
    context["aws:TagKeys"] = tuple(pairs)
    return context


def tag_keys(keys: Any) -> Context:
    """``aws:TagKeys`` of a call that removes tags."""
    return {"aws:TagKeys": tuple(str(key) for key in keys)} if keys else {}


def resource_tags(tags: Any, prefix: str) -> Context:
    """``aws:ResourceTag/…`` and the service's own form of the tags on a resource."""
    context: Context = {}
    for key, value in tag_pairs(tags):
        context[f"aws:ResourceTag/{key}"] = value
        context[f"{prefix}:ResourceTag/{key}"] = value
    return context


def tag_pairs(tags: Any) -> Iterable[tuple[str, str]]:
    """Key and value of each tag."""
    if isinstance(tags, Mapping):
        yield from ((str(key), str(value)) for key, value in tags.items())
        return
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, Mapping):
            lowered = {str(name).lower(): value for name, value in tag.items()}
            key = lowered.get("key", lowered.get("tagkey"))
            if key is not None:
                yield str(key), str(lowered.get("value", lowered.get("tagvalue")) or "")


def pass_role(asked: Asked, role: Any, service: str, associated: str = "") -> list[Check]:
    """``iam:PassRole`` on a role handed to a service (IAM User Guide, "Grant a user permissions to pass a role")."""
    if not isinstance(role, str) or not role.startswith("arn:"):
        return []
    context: Context = {"iam:PassedToService": service}
    if associated:
        context["iam:AssociatedResourceArn"] = associated
    return [Check("iam:PassRole", role, account_in(role), context)]


def account_in(arn: str) -> str:
    """The account number in an ARN, "" where it has none."""
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 and re.fullmatch(r"[0-9]{12}", parts[4]) else ""
