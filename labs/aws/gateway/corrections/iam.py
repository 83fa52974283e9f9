"""IAM: unique names, what keeps an entity from being deleted, quotas, last use, lists in pages.

Sources: IAM API Reference (each operation's errors) and IAM User Guide, "IAM and AWS STS quotas".
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask, found
from labs.aws.gateway.corrections.paging import pages
from labs.aws.gateway.policies import document

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

_NAME = re.compile(r"[\w+=,.@-]+", re.ASCII)


async def _new_name(exchange: Exchange, kind: str, name: str, limit: int) -> None:
    """Names are unique whatever their case ("IAM and AWS STS quotas", "IAM name requirements")."""
    if not _NAME.fullmatch(name):
        raise AwsError(
            "ValidationError",
            f"The specified value for {kind[0].lower() + kind[1:]}Name is invalid. It must contain only alphanumeric"
            " characters and/or the following: +=,.@_-",
            400,
        )
    if len(name) > limit:
        raise AwsError(
            "ValidationError",
            f"1 validation error detected: Value at '{kind[0].lower() + kind[1:]}Name' failed to satisfy constraint:"
            f" Member must have length less than or equal to {limit}",
            400,
        )
    listed = await ask(exchange, f"List{kind}s")
    if name.lower() in {entity[f"{kind}Name"].lower() for entity in listed.get(f"{kind}s", [])}:
        raise AwsError("EntityAlreadyExists", f"{kind} with name {name} already exists.", 409)


async def _create_user(exchange: Exchange, params: Params) -> None:
    await _new_name(exchange, "User", str(params.get("UserName", "")), 64)
    await _attach(exchange, params)


async def _create_group(exchange: Exchange, params: Params) -> None:
    await _new_name(exchange, "Group", str(params.get("GroupName", "")), 128)


async def _create_role(exchange: Exchange, params: Params) -> None:
    await _new_name(exchange, "Role", str(params.get("RoleName", "")), 64)
    await _attach(exchange, params)
    _session_duration(params)


async def _update_role(exchange: Exchange, params: Params) -> None:
    _session_duration(params)


def _session_duration(params: Params) -> None:
    seconds = params.get("MaxSessionDuration")
    if seconds is not None and not 3600 <= int(seconds) <= 43200:
        bound = "greater than or equal to 3600" if int(seconds) < 3600 else "less than or equal to 43200"
        raise AwsError(
            "ValidationError",
            f"1 validation error detected: Value '{seconds}' at 'maxSessionDuration' failed to satisfy constraint:"
            f" Member must have value {bound}",
            400,
        )


async def _delete_user(exchange: Exchange, params: Params) -> None:
    name = {"UserName": params.get("UserName", "")}
    if await found(exchange, "GetUser", **name) is None:
        return
    for operation, member, what in (
        ("ListAttachedUserPolicies", "AttachedPolicies", "detach all policies"),
        ("ListUserPolicies", "PolicyNames", "delete policies"),
        ("ListAccessKeys", "AccessKeyMetadata", "delete access keys"),
        ("ListMFADevices", "MFADevices", "deactivate MFA device"),
        ("ListGroupsForUser", "Groups", "remove users from group"),
    ):
        if ((await found(exchange, operation, **name)) or {}).get(member):
            raise AwsError("DeleteConflict", f"Cannot delete entity, must {what} first.", 409)
    if await found(exchange, "GetLoginProfile", **name):
        raise AwsError("DeleteConflict", "Cannot delete entity, must delete login profile first.", 409)


async def _delete_group(exchange: Exchange, params: Params) -> None:
    name = {"GroupName": params.get("GroupName", "")}
    group = await found(exchange, "GetGroup", **name)
    if group is None:
        return
    if group.get("Users"):
        raise AwsError("DeleteConflict", "Cannot delete entity, must remove users from group first.", 409)
    if (await ask(exchange, "ListGroupPolicies", **name)).get("PolicyNames"):
        raise AwsError("DeleteConflict", "Cannot delete entity, must delete policies first.", 409)
    if (await ask(exchange, "ListAttachedGroupPolicies", **name)).get("AttachedPolicies"):
        raise AwsError("DeleteConflict", "Cannot delete entity, must detach all policies first.", 409)


async def _create_access_key(exchange: Exchange, params: Params) -> None:
    listed = await found(exchange, "ListAccessKeys", UserName=params.get("UserName", ""))
    if listed and len(listed.get("AccessKeyMetadata", [])) >= 2:
        raise AwsError("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", 409)


async def _delete_policy(exchange: Exchange, params: Params) -> None:
    _not_aws_managed(params)
    policy = await found(exchange, "GetPolicy", PolicyArn=params.get("PolicyArn", ""))
    if policy is None:
        return
    if policy["Policy"].get("PermissionsBoundaryUsageCount"):
        raise AwsError("DeleteConflict", "Cannot delete a policy attached to entities.", 409)
    versions = await ask(exchange, "ListPolicyVersions", PolicyArn=params["PolicyArn"])
    if len(versions.get("Versions", [])) > 1:
        raise AwsError(
            "DeleteConflict",
            "This policy has more than one version. Before you delete a policy, you must"
            " delete the policy's versions. The default version is deleted with the policy.",
            409,
        )


def _not_aws_managed(params: Params) -> None:
    arn = str(params.get("PolicyArn", ""))
    if arn.startswith("arn:aws:iam::aws:"):
        raise AwsError("AccessDenied", f"Policy {arn} is an AWS managed policy and cannot be changed.", 403)


async def _add_user_to_group(exchange: Exchange, params: Params) -> None:
    user, group = params.get("UserName", ""), params.get("GroupName", "")
    await ask(exchange, "GetUser", UserName=user)
    await ask(exchange, "GetGroup", GroupName=group)


async def _change_login_profile(exchange: Exchange, params: Params) -> None:
    password = params.get("Password")
    if password is None:
        return
    policy = (await found(exchange, "GetAccountPasswordPolicy") or {}).get("PasswordPolicy")
    for broken, text in _broken_rules(str(password), policy):
        if broken:
            raise AwsError("PasswordPolicyViolation", text, 400)


def _broken_rules(password: str, policy: Params | None) -> list[tuple[bool, str]]:
    """The account's password policy, or IAM's default one (IAM User Guide, "Set an account password policy")."""
    if policy is None:
        kinds = sum(bool(re.search(kind, password)) for kind in ("[A-Z]", "[a-z]", "[0-9]", r"[^A-Za-z0-9\s]"))
        return [
            (len(password) < 8, "Password should have a minimum length of 8"),
            (kinds < 3, "Password should have at least three character types"),
        ]
    return [
        (
            len(password) < int(policy.get("MinimumPasswordLength", 6)),
            f"Password should have a minimum length of {policy.get('MinimumPasswordLength', 6)}",
        ),
        (
            bool(policy.get("RequireUppercaseCharacters")) and not re.search("[A-Z]", password),
            "Password should have at least one uppercase letter",
        ),
        (
            bool(policy.get("RequireLowercaseCharacters")) and not re.search("[a-z]", password),
            "Password should have at least one lowercase letter",
        ),
        (
            bool(policy.get("RequireNumbers")) and not re.search("[0-9]", password),
            "Password should have at least one number",
        ),
        (
            bool(policy.get("RequireSymbols")) and not re.search(r"[^A-Za-z0-9\s]", password),
            "Password should have at least one symbol",
        ),
    ]


async def _update_password_policy(exchange: Exchange, params: Params) -> None:
    length = int(params.get("MinimumPasswordLength", 6))
    if not 6 <= length <= 128:
        raise AwsError(
            "ValidationError",
            f"1 validation error detected: Value '{length}' at 'minimumPasswordLength' failed to satisfy constraint:"
            " Member must have value between 6 and 128",
            400,
        )


async def _delete_alias(exchange: Exchange, params: Params) -> None:
    if params.get("AccountAlias") not in (await ask(exchange, "ListAccountAliases")).get("AccountAliases", []):
        raise AwsError("NoSuchEntity", f"The Account Alias {params.get('AccountAlias')} cannot be found.", 404)


async def _create_oidc(exchange: Exchange, params: Params) -> None:
    if not str(params.get("Url", "")).startswith("https://"):
        raise AwsError("ValidationError", "Invalid Open ID Connect Provider URL: it must begin with https://", 400)


async def _get_oidc(exchange: Exchange, params: Params, result: Params) -> Params:
    """ "The URL … that the IAM OIDC provider resource object is associated with", without its scheme."""
    return {**result, "Url": str(result.get("Url", "")).removeprefix("https://")}


async def _create_service_linked_role(exchange: Exchange, params: Params) -> None:
    path = f"/aws-service-role/{params.get('AWSServiceName')}/"
    if not str(params.get("AWSServiceName", "")).endswith(".amazonaws.com"):
        raise AwsError("InvalidInput", f"{params.get('AWSServiceName')} is not a valid service principal.", 400)
    for role in (await ask(exchange, "ListRoles", PathPrefix=path)).get("Roles", []):
        suffix = params.get("CustomSuffix")
        if not suffix or role["RoleName"].endswith(f"_{suffix}"):
            raise AwsError(
                "InvalidInput",
                f"Service role name {role['RoleName']} has been taken in this account, please try a different suffix.",
                400,
            )


async def _last_used(exchange: Exchange, params: Params, result: Params) -> Params | None:
    used = exchange.gateway.notes.get(("access-key-used", str(params.get("AccessKeyId"))))
    if used is None:
        return {**result, "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}
    when, service, region = used
    return {**result, "AccessKeyLastUsed": {"LastUsedDate": when, "ServiceName": service, "Region": region}}


async def _list_policies(exchange: Exchange, params: Params) -> Params | None:
    """The filters that the engine does not know, and the page."""
    if not any(params.get(name) for name in _FILTERS):
        return await _PAGES["ListPolicies"].answer(exchange, params)
    whole = await ask(exchange, "ListPolicies", **({"Scope": params["Scope"]} if params.get("Scope") else {}))
    kept = whole.get("Policies", [])
    if params.get("OnlyAttached"):
        kept = [policy for policy in kept if policy.get("AttachmentCount")]
    if params.get("PolicyUsageFilter") == "PermissionsBoundary":
        kept = [policy for policy in kept if policy.get("PermissionsBoundaryUsageCount")]
    prefix = params.get("PathPrefix") or "/"
    kept = [policy for policy in kept if policy.get("Path", "/").startswith(prefix)]
    return {"Policies": kept, "IsTruncated": False}


_FILTERS = ("OnlyAttached", "PolicyUsageFilter", "PathPrefix")


async def _service_last_accessed(exchange: Exchange, params: Params, result: Params) -> Params:
    """Which services an entity may use and when it did, from what passed through (IAM User Guide, "Refine permissions
    in AWS using last accessed information")."""
    arn = exchange.gateway.notes.get(("last-accessed-job", str(params.get("JobId"))), "")
    allowed = await _allowed_services(exchange, arn)
    used = exchange.gateway.notes.get(("services-used", arn), {})
    services = []
    for name in sorted(allowed | set(used)):
        entry: Params = {"ServiceName": name, "ServiceNamespace": name, "TotalAuthenticatedEntities": 0}
        if name in used:
            when, region = used[name]
            entry |= {"LastAuthenticated": when, "LastAuthenticatedEntity": arn, "LastAuthenticatedRegion": region}
            entry["TotalAuthenticatedEntities"] = 1
        services.append(entry)
    return {**result, "JobType": "SERVICE_LEVEL", "ServicesLastAccessed": services, "IsTruncated": False}


async def _allowed_services(exchange: Exchange, arn: str) -> set[str]:
    """Prefixes of the actions that the entity's policies name; every curriculum service for ``*``."""
    policies = exchange.gateway.policies
    kind, _, name = arn.partition(":")[2].rpartition(":")[2].partition("/")
    name = name.rpartition("/")[2]
    if kind not in ("user", "role"):
        return set()
    of_entity = policies.of_user if kind == "user" else policies.of_role
    services: set[str] = set()
    for policy in (await of_entity(exchange.account, name))[0]:
        for statement in _listed(policy.document.get("Statement")):
            if statement.get("Effect") != "Allow" or "NotAction" in statement:
                continue
            for action in _listed(statement.get("Action")):
                services |= set(_EVERY) if action == "*" else {str(action).partition(":")[0].lower()}
    return services


_EVERY = [
    "acm",
    "autoscaling",
    "backup",
    "budgets",
    "ce",
    "cloudformation",
    "cloudtrail",
    "cloudwatch",
    "dynamodb",
    "ec2",
    "ecr",
    "eks",
    "elasticloadbalancing",
    "events",
    "guardduty",
    "iam",
    "kms",
    "lambda",
    "logs",
    "organizations",
    "rds",
    "route53",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "sts",
]


async def _note_job(exchange: Exchange, params: Params, result: Params) -> None:
    exchange.gateway.notes["last-accessed-job", str(result.get("JobId"))] = params.get("Arn", "")


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


async def _versions(exchange: Exchange, params: Params, result: Params) -> Params:
    """The newest version first, as the console and the CLI show them."""
    order = sorted(result.get("Versions", []), key=lambda version: -int(str(version["VersionId"]).lstrip("v")))
    return {**result, "Versions": order}


async def _attach(exchange: Exchange, params: Params) -> None:
    arn = params.get("PolicyArn") or params.get("PermissionsBoundary")
    if arn and await found(exchange, "GetPolicy", PolicyArn=arn) is None:
        raise AwsError("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.", 404)


async def _delete_role(exchange: Exchange, params: Params) -> None:
    role = await found(exchange, "GetRole", RoleName=params.get("RoleName", ""))
    if role and role["Role"].get("Path", "").startswith("/aws-service-role/"):
        raise AwsError(
            "UnmodifiableEntity",
            f"Cannot perform the operation on the protected role '{params.get('RoleName')}' - this role is only"
            " modifiable by AWS",
            400,
        )


_VARIABLE = re.compile(r"\$\{([A-Za-z][^},]*)")


async def _context_keys(exchange: Exchange, params: Params) -> Params:
    """ "Context keys … referenced in" policies: those of conditions, and policy variables."""
    return {"ContextKeyNames": _keys_in([document(text) for text in params.get("PolicyInputList") or []])}


async def _principals_context_keys(exchange: Exchange, params: Params) -> Params:
    arn = str(params.get("PolicySourceArn", ""))
    kind, _, name = arn.rpartition(":")[2].partition("/")
    policies = exchange.gateway.policies
    name = name.rpartition("/")[2]
    if kind not in ("user", "role"):
        raise AwsError("InvalidInput", f"Invalid Entity Arn: {arn} does not clearly define entity type and name.", 400)
    await ask(exchange, f"Get{kind.title()}", **{f"{kind.title()}Name": name})
    of_entity = policies.of_user if kind == "user" else policies.of_role
    documents = [policy.document for policy in (await of_entity(exchange.account, name))[0]]
    documents += [document(text) for text in params.get("PolicyInputList") or []]
    return {"ContextKeyNames": _keys_in(documents)}


def _keys_in(documents: list[Any]) -> list[str]:
    found: set[str] = set()
    for statement in [each for policy in documents for each in _listed(policy.get("Statement"))]:
        for tests in (statement.get("Condition") or {}).values():
            found |= set(tests)
        found |= {name.strip() for name in _VARIABLE.findall(json.dumps(statement))}
    return sorted(found)


_PAGES = pages("iam", 100, "ValidationError")

CORRECTIONS = Corrections(
    before={
        "CreateUser": _create_user,
        "CreateGroup": _create_group,
        "CreateRole": _create_role,
        "UpdateRole": _update_role,
        "DeleteUser": _delete_user,
        "DeleteRole": _delete_role,
        "UpdateAssumeRolePolicy": _delete_role,
        **dict.fromkeys(("AttachUserPolicy", "AttachGroupPolicy", "AttachRolePolicy"), _attach),
        **dict.fromkeys(("PutUserPermissionsBoundary", "PutRolePermissionsBoundary"), _attach),
        "DeleteGroup": _delete_group,
        "DeletePolicy": _delete_policy,
        "CreateAccessKey": _create_access_key,
        "AddUserToGroup": _add_user_to_group,
        "CreateLoginProfile": _change_login_profile,
        "UpdateLoginProfile": _change_login_profile,
        "UpdateAccountPasswordPolicy": _update_password_policy,
        "DeleteAccountAlias": _delete_alias,
        "CreateOpenIDConnectProvider": _create_oidc,
        "CreateServiceLinkedRole": _create_service_linked_role,
    },
    instead={
        "ListPolicies": _list_policies,
        "GetContextKeysForCustomPolicy": _context_keys,
        "GetContextKeysForPrincipalPolicy": _principals_context_keys,
    },
    after={
        "GetOpenIDConnectProvider": _get_oidc,
        "ListPolicyVersions": _versions,
        "GetAccessKeyLastUsed": _last_used,
        "GenerateServiceLastAccessedDetails": _note_job,
        "GetServiceLastAccessedDetails": _service_last_accessed,
    },
    pages=_PAGES,
)
