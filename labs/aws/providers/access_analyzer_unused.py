"""Unused access: roles, access keys, passwords and permissions that nobody used within the tracking period.

"Findings for unused access" (IAM User Guide, "IAM Access Analyzer findings").  What was used comes from the gateway's
own record of allowed actions (``labs.aws.gateway.accesses``), data events included.

Differs from AWS: an entity younger than the tracking period is reported as well, since an account of this course is
minutes old; every action of the Service Authorization Reference is tracked, not only those AWS has tracking for; a
password counts as unused, because nobody signs in to a console here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.aws.gateway.accesses import Accesses
from labs.aws.gateway.actions import reference
from labs.aws.iam import Policy
from labs.aws.iam.matching import action_matcher
from labs.aws.iam.statements import strings
from labs.aws.providers.access_analyzer_resources import Reader
from labs.aws.providers.access_analyzer_space import statements_in

DAY = 86_400  # seconds
WHOLE_SERVICE = ("*",)


@dataclass
class Unused:
    """One finding: its type, the entity, and AWS's details."""

    type: str  # UnusedIAMRole, UnusedIAMUserAccessKey, UnusedIAMUserPassword, UnusedPermission
    resource: str
    resource_type: str
    details: list[dict[str, Any]] = field(default_factory=list)
    about: str = ""  # the access key, where there may be several findings of one type


async def unused_access(reader: Reader, accesses: Accesses, age: int, now: float) -> list[Unused]:
    """Everything unused in one account for ``age`` days before ``now`` (seconds since the epoch)."""
    since = now - age * DAY
    found: list[Unused] = []
    for role in await reader.pages("iam", "ListRoles", "Roles", "Marker:Marker"):
        if role["Path"].startswith(("/aws-service-role/", "/aws-reserved/")):
            continue
        policies, _ = await reader.policies.of_role(reader.account, role["RoleName"])
        found += _role(role["Arn"], policies, accesses, since)
    for user in await reader.pages("iam", "ListUsers", "Users", "Marker:Marker"):
        policies, _ = await reader.policies.of_user(reader.account, user["UserName"])
        found += await _user(reader, user, policies, accesses, since)
    return found


def _role(arn: str, policies: tuple[Policy, ...], accesses: Accesses, since: float) -> list[Unused]:
    used = accesses.of(arn)
    latest = max(used.values(), default=None)
    if latest is None or latest < since:
        return [Unused("UnusedIAMRole", arn, "AWS::IAM::Role", [{"unusedIamRoleDetails": _last(latest)}])]
    return _permissions(arn, "AWS::IAM::Role", policies, used, since)


async def _user(
    reader: Reader, user: Mapping[str, Any], policies: tuple[Policy, ...], accesses: Accesses, since: float
) -> list[Unused]:
    arn, name, kind = user["Arn"], user["UserName"], "AWS::IAM::User"
    found: list[Unused] = []
    for key in (await reader.call("iam", "ListAccessKeys", UserName=name)).get("AccessKeyMetadata") or []:
        last = accesses.key(key["AccessKeyId"])
        if key.get("Status") == "Active" and (last is None or last < since):
            details = {"accessKeyId": key["AccessKeyId"], **_last(last)}
            found.append(
                Unused(
                    "UnusedIAMUserAccessKey",
                    arn,
                    kind,
                    [{"unusedIamUserAccessKeyDetails": details}],
                    key["AccessKeyId"],
                )
            )
    if (await reader.call("iam", "GetLoginProfile", UserName=name)).get("LoginProfile"):
        found.append(Unused("UnusedIAMUserPassword", arn, kind, [{"unusedIamUserPasswordDetails": {}}]))
    return found + _permissions(arn, kind, policies, accesses.of(arn), since)


def _permissions(
    arn: str, kind: str, policies: tuple[Policy, ...], used: Mapping[str, float], since: float
) -> list[Unused]:
    details = []
    recent = {action for action, when in used.items() if when >= since}
    for service, actions in sorted(allowed_actions(policies).items()):
        in_service = [when for action, when in used.items() if action.split(":")[0] == service]
        detail: dict[str, Any] = {"serviceNamespace": service, **_last(max(in_service, default=None))}
        if any(action.split(":")[0] == service for action in recent):
            unused = [action for action in actions if f"{service}:{action}" not in recent]
            if not unused:
                continue
            detail["actions"] = [{"action": name, **_last(used.get(f"{service}:{name}"))} for name in unused]
        details.append({"unusedPermissionDetails": detail})
    return [Unused("UnusedPermission", arn, kind, details)] if details else []


def allowed_actions(policies: tuple[Policy, ...]) -> dict[str, list[str]]:
    """The actions that identity policies allow, by service prefix.  Services that only ``"*"`` covers are left out:
    AWS names a thousand of them, a finding here names those the policy or the entity spoke about."""
    found: dict[str, set[str]] = {}
    for policy in policies:
        for statement in statements_in(policy.document):
            if statement.get("Effect") != "Allow":
                continue
            words = strings(statement.get("Action"))
            test = action_matcher(words)
            for prefix in {
                word.partition(":")[0].lower() for word in words if ":" in word and "*" not in word.split(":")[0]
            }:
                names = {
                    a.name for a in reference.service(prefix).actions.values() if test(f"{prefix}:{a.name.lower()}")
                }
                found.setdefault(prefix, set()).update(names)
    return {prefix: sorted(names) for prefix, names in found.items()}


def _last(when: float | None) -> dict[str, Any]:
    return {} if when is None else {"lastAccessed": when}
