"""IAM and STS ("Actions, resources, and condition keys for AWS Identity and Access Management" and "… for AWS Security
Token Service").
"""

from __future__ import annotations

from typing import Any

from labs.aws.gateway.actions import generic
from labs.aws.gateway.actions.asked import (
    Asked,
    Check,
    Context,
    account_in,
    pass_role,
    request_tags,
    resource_tags,
    tag_keys,
)

_KIND = {"UserName": "User", "RoleName": "Role", "GroupName": "Group", "InstanceProfileName": "InstanceProfile"}
_ARN_KIND = {"User": "user", "Role": "role", "Group": "group", "InstanceProfile": "instance-profile"}
_OTHER = {
    "ServerCertificateName": "server-certificate",
    "VirtualMFADeviceName": "mfa",
    "SAMLProviderArn": "",
    "OpenIDConnectProviderArn": "",
    "SerialNumber": "",
}
# Calls that act on a list as a whole, or on the account.
_WHOLE = ("ListUsers", "ListRoles", "ListGroups", "ListPolicies", "GetAccountSummary", "GetAccountAuthorizationDetails")


async def iam(asked: Asked) -> list[Check]:
    """The entity that the call is about, with its path."""
    operation = asked.operation
    action, _ = generic.action_of("iam", operation)
    context = _iam_context(asked)
    resource, tags, boundary = await _entity(asked)
    if boundary and "iam:PermissionsBoundary" not in context and _on_principal(operation):
        context["iam:PermissionsBoundary"] = boundary
    if tags:
        context.update(resource_tags(tags, "iam"))
    found = [Check(action, resource, asked.account, context)]
    if operation.startswith("Create") and asked.get("Tags"):
        kind = operation.removeprefix("Create")
        tag_action, entry = generic.action_of("iam", f"Tag{kind}")
        if entry:
            found.append(Check(tag_action, resource, asked.account, context))
    if operation == "AddRoleToInstanceProfile":
        role, _, _ = await _read(asked, "Role", asked.text("RoleName"))
        found += pass_role(asked, role, "ec2.amazonaws.com", resource)
    return found


def _on_principal(operation: str) -> bool:
    """Operations for which IAM offers ``iam:PermissionsBoundary`` of the entity that they change."""
    return operation.startswith(("Attach", "Detach", "Put", "Delete")) and operation.endswith(
        ("UserPolicy", "RolePolicy", "PermissionsBoundary", "DeleteRole", "DeleteUser")
    )


def _iam_context(asked: Asked) -> Context:
    context: Context = {}
    if asked.get("PermissionsBoundary"):
        context["iam:PermissionsBoundary"] = asked.text("PermissionsBoundary")
    if asked.get("PolicyArn") and asked.operation.startswith(("Attach", "Detach")):
        context["iam:PolicyARN"] = asked.text("PolicyArn")
    if asked.get("AWSServiceName"):
        context["iam:AWSServiceName"] = asked.text("AWSServiceName")
    if asked.operation.startswith("Untag"):
        context.update(tag_keys(asked.get("TagKeys")))
    else:
        context.update(request_tags(asked.get("Tags")))
    return context


async def _entity(asked: Asked) -> tuple[str, Any, str]:
    """ARN, tags (if somebody asks for them) and boundary ARN of the entity that a call is about."""
    operation = asked.operation
    if operation in _WHOLE:
        return "*", None, ""
    if operation == "CreateServiceLinkedRole":
        return f"arn:aws:iam::{asked.account}:role/aws-service-role/{asked.text('AWSServiceName')}/*", None, ""
    if operation in ("CreateUser", "CreateRole", "CreateGroup", "CreateInstanceProfile", "CreatePolicy"):
        kind = operation.removeprefix("Create")
        name = asked.text(f"{kind}Name")
        path = asked.text("Path") or "/"
        return f"arn:aws:iam::{asked.account}:{_ARN_KIND.get(kind, 'policy')}{path}{name}", None, ""
    if operation == "CreateOpenIDConnectProvider":
        host = asked.text("Url").removeprefix("https://")
        return f"arn:aws:iam::{asked.account}:oidc-provider/{host}", None, ""
    for parameter, kind in _order(operation):
        if asked.get(parameter):
            return await _read(asked, kind, asked.text(parameter))
    if asked.get("PolicyArn"):
        arn = asked.text("PolicyArn")
        tags = (
            (await asked.ask("iam", "ListPolicyTags", PolicyArn=arn)).get("Tags") if asked.wants_tags("iam") else None
        )
        return arn, tags, ""
    for parameter, kind in _OTHER.items():
        if asked.get(parameter):
            text = asked.text(parameter)
            return (text if text.startswith("arn:") else f"arn:aws:iam::{asked.account}:{kind}/{text}"), None, ""
    if asked.get("PolicySourceArn", "Arn"):
        return asked.text("PolicySourceArn", "Arn"), None, ""
    return "*", None, ""


def _order(operation: str) -> list[tuple[str, str]]:
    """Which name decides when a call has two: the group of AddUserToGroup, the profile of AddRoleToInstanceProfile."""
    names = list(_KIND.items())
    if "Group" in operation and operation != "ListGroupsForUser":
        names.sort(key=lambda item: item[0] != "GroupName")
    if "InstanceProfile" in operation and operation != "ListInstanceProfilesForRole":
        names.sort(key=lambda item: item[0] != "InstanceProfileName")
    return names


async def _read(asked: Asked, kind: str, name: str) -> tuple[str, Any, str]:
    answer = (await asked.ask("iam", f"Get{kind}", **{f"{kind}Name": name})).get(kind, {})
    fallback = f"arn:aws:iam::{asked.account}:{_ARN_KIND[kind]}/{name}"
    boundary = (answer.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn", "")
    tags = None
    if asked.wants_tags("iam") and kind in ("User", "Role", "InstanceProfile"):
        tags = answer.get("Tags") or (await asked.ask("iam", f"List{kind}Tags", **{f"{kind}Name": name})).get("Tags")
    return answer.get("Arn") or fallback, tags, boundary


async def sts(asked: Asked) -> list[Check]:
    """AssumeRole and its companions; calls that need no permission give no check."""
    operation = asked.operation
    if operation in ("GetCallerIdentity", "GetSessionToken"):
        return []
    if operation == "GetFederationToken":
        arn = f"arn:aws:sts::{asked.account}:federated-user/{asked.text('Name')}"
        return [Check("sts:GetFederationToken", arn, asked.account, request_tags(asked.get("Tags")))]
    if operation not in ("AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"):
        return [Check(f"sts:{operation}", "*", asked.account)]
    role = asked.text("RoleArn")
    owner = account_in(role) or asked.account
    context = _session_context(asked)
    if asked.wants_tags("iam") or asked.lookup.wants("sts:resourcetag/"):
        tags = await asked.ask("iam", "ListRoleTags", account=owner, RoleName=role.rpartition("/")[2])
        context.update(resource_tags(tags.get("Tags"), "iam"))
    found = [Check(f"sts:{operation}", role, owner, context)]
    if asked.get("Tags", "TransitiveTagKeys"):
        found.append(Check("sts:TagSession", role, owner, context))
    if asked.get("SourceIdentity"):
        found.append(Check("sts:SetSourceIdentity", role, owner, context))
    return found


def _session_context(asked: Asked) -> Context:
    context: Context = dict(request_tags(asked.get("Tags")))
    for parameter, key in (
        ("ExternalId", "sts:ExternalId"),
        ("RoleSessionName", "sts:RoleSessionName"),
        ("SourceIdentity", "sts:SourceIdentity"),
        ("DurationSeconds", "sts:DurationSeconds"),
    ):
        if asked.get(parameter):
            context[key] = asked.text(parameter)
    if asked.get("TransitiveTagKeys"):
        context["sts:TransitiveTagKeys"] = tuple(asked.get("TransitiveTagKeys"))
    return context
