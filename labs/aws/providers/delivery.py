"""Role credentials that AWS services hand out: EC2 to an instance, EKS Pod Identity to a pod.

The service assumes the role, so the role's trust policy must allow the service; nobody signs a call.  Reached by the
host listener's ``POST /_lab/deliver`` only: whoever may ask there is the node.

Pages: "IAM roles for Amazon EC2" and "Use instance metadata" (EC2 User Guide), "Learn how EKS Pod Identity grants pods
access to AWS services" and "Grant Pods access to AWS resources based on tags" (EKS User Guide).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.credentials import Credentials
from labs.aws.gateway.policies import Policies, document
from labs.aws.iam import Policy, PolicySet, Principal, PrincipalType, Request, evaluate

SECONDS = 6 * 3600  # EC2's and EKS Pod Identity's credentials last six hours
ACTIONS = {"ec2.amazonaws.com": ("sts:AssumeRole",), "pods.eks.amazonaws.com": ("sts:AssumeRole", "sts:TagSession")}


async def deliver(
    policies: Policies,
    credentials: Credentials,
    *,
    service: str,
    account: str,
    role: str,
    session: str,
    tags: Mapping[str, str],
    keys: Mapping[str, str],
) -> dict[str, str]:
    """``AccessKeyId``, ``SecretAccessKey``, ``Token``, ``Expiration`` of a session of ``role``.

    :param service: service principal, a key of ACTIONS
    :param tags: session tags; the trust policy sees them as ``aws:RequestTag/…``
    :param keys: condition keys of every call of the session, such as ``ec2:SourceInstanceARN``
    :raises AwsError: NoSuchEntity; AccessDenied where the trust policy does not allow the service
    """
    found = await policies.role(account, role)
    if found is None:
        raise AwsError("NoSuchEntity", f"The role with name {role} cannot be found.", 404)
    context: dict[str, str | tuple[str, ...]] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    context |= {"aws:SourceAccount": account, "aws:PrincipalIsAWSService": "true"}
    if tags:
        context["aws:TagKeys"] = tuple(tags)
    trust = PolicySet(resource=Policy(document(found["AssumeRolePolicyDocument"]), "trust policy"))
    asking = Principal(arn=service, account=account, type=PrincipalType.SERVICE)
    for action in ACTIONS[service]:
        if not evaluate(Request(asking, action, found["Arn"], account, context), trust).allowed:
            raise AwsError("AccessDenied", f"{service} is not authorized to perform: {action} on {found['Arn']}", 403)
    now = datetime.now(UTC)
    name = found["Arn"].rpartition("/")[2]
    principal = Principal(
        arn=f"arn:aws:sts::{account}:assumed-role/{name}/{session}", account=account, type=PrincipalType.ROLE,
        user_id=f"{found['RoleId']}:{session}", role_arn=found["Arn"], tags={**found["Tags"], **tags},
    )
    made = credentials.mint(
        principal, issued=now, expires=now + timedelta(seconds=SECONDS), kind="role", role_session_name=session,
        role_id=found["RoleId"], session_tags=dict(tags), context=dict(keys),
    )
    expires = (now + timedelta(seconds=SECONDS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"AccessKeyId": made.access_key_id, "SecretAccessKey": made.secret, "Token": str(made.session_token),
            "Expiration": expires}


async def answer(
    policies: Policies, credentials: Credentials, query: Mapping[str, list[str]]
) -> tuple[int, dict[str, Any]]:
    """``POST /_lab/deliver?service=&account=&role=&session=&tag=KEY=VALUE&key=KEY=VALUE``: (status, JSON)."""
    wanted = {name: query.get(name, [""])[0] for name in ("service", "account", "role", "session")}
    if not all(wanted.values()) or wanted["service"] not in ACTIONS:
        return 400, {"error": f"service (one of {', '.join(ACTIONS)}), account, role and session are needed"}
    pairs = {name: dict(each.split("=", 1) for each in query.get(name, []) if "=" in each) for name in ("tag", "key")}
    try:
        return 200, await deliver(policies, credentials, **wanted, tags=pairs["tag"], keys=pairs["key"])
    except AwsError as error:
        return error.status, {"code": error.code, "error": error.message}
