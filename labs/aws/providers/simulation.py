"""``SimulatePrincipalPolicy`` and ``SimulateCustomPolicy`` on the evaluator.

Pages: the two operations (IAM API Reference); "IAM policy testing with the IAM policy simulator" (IAM User Guide).

Left out: ``ResourceHandlingOption`` scenarios of EC2 and policy positions (``StartPosition``/``EndPosition``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.gateway.policies import Policies
from labs.aws.iam import (
    Decision,
    MalformedPolicy,
    Policy,
    PolicySet,
    PolicyType,
    Principal,
    PrincipalType,
    Request,
    condition_keys_in,
    evaluate,
    validate_policy,
)
from labs.aws.providers.organizations import Organizations


async def simulate(call: ServiceCall, account: str, policies: Policies, organizations: Organizations) -> dict[str, Any]:
    """Answer either operation.

    :raises AwsError: ``InvalidInput`` for a malformed policy or ARN, ``NoSuchEntity`` for an unknown principal
    """
    params = call.params
    boundary: Policy | None = None
    source = ""
    if call.operation == "SimulatePrincipalPolicy":
        source = _arn(params.get("PolicySourceArn", ""), "PolicySourceArn")
        identity, boundary = await _of(policies, source)
        identity += tuple(_policies(params.get("PolicyInputList"), "PolicyInputList", "identity"))
    else:
        identity = tuple(_policies(params.get("PolicyInputList"), "PolicyInputList", "identity"))
    limits = _policies(
        params.get("PermissionsBoundaryPolicyInputList"), "PermissionsBoundaryPolicyInputList", "boundary"
    )
    boundary = limits[0] if limits else boundary
    caller = params.get("CallerArn") or (source if ":group/" not in source and ":policy/" not in source else "")
    principal = _principal(caller or f"arn:aws:iam::{account}:user/simulated", account)
    scps = organizations.levels(principal.account, "SERVICE_CONTROL_POLICY") if caller else None
    resource_policy = None
    if params.get("ResourcePolicy"):
        resource_policy = _policies([params["ResourcePolicy"]], "ResourcePolicy", "resource")[0]
    context = _context(params.get("ContextEntries") or [])
    results = []
    for action in params.get("ActionNames") or []:
        for resource in params.get("ResourceArns") or ["*"]:
            applied = PolicySet(identity=identity, boundary=boundary, scps=scps, resource=resource_policy)
            owner = (params.get("ResourceOwner") or "").split(":")[4:5]
            request = Request(principal, action, resource, owner[0] if owner else "", context)
            results.append(_result(evaluate(request, applied), applied))
    return _page(results, params)


async def _of(policies: Policies, arn: str) -> tuple[tuple[Policy, ...], Policy | None]:
    account, rest = arn.split(":")[4], arn.split(":", 5)[5]
    kind, name = rest.partition("/")[0], rest.rpartition("/")[2]
    if kind == "user" and await policies.user(account, name):
        return await policies.of_user(account, name)
    if kind == "role" and await policies.role(account, name):
        return await policies.of_role(account, name)
    raise AwsError("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)


def _policies(texts: Any, parameter: str, kind: str) -> list[Policy]:
    found = []
    for number, text in enumerate(texts or [], 1):
        try:
            found.append(Policy(validate_policy(text, kind), name=f"{parameter}.{number}"))
        except MalformedPolicy as problem:
            raise AwsError(
                "InvalidInput", f"Invalid policy at {parameter}.{number}: {problem.message}", 400
            ) from problem
    return found


def _arn(text: str, parameter: str) -> str:
    if len(text.split(":", 5)) != 6 or not text.startswith("arn:"):
        raise AwsError("InvalidInput", f"Invalid Entity Arn: {text} in {parameter}", 400)
    return text


def _principal(arn: str, account: str) -> Principal:
    parts = _arn(arn, "CallerArn").split(":", 5)
    owner, rest = parts[4] or account, parts[5]
    if rest == "root":
        return Principal(arn, owner, PrincipalType.ROOT, owner)
    if rest.startswith("role/"):
        name = rest.rpartition("/")[2]
        session = f"arn:aws:sts::{owner}:assumed-role/{name}/simulated"
        return Principal(session, owner, PrincipalType.ROLE, "AROASIMULATED:simulated", role_arn=arn)
    return Principal(arn, owner, PrincipalType.USER, "AIDASIMULATED")


def _context(entries: list[Mapping[str, Any]]) -> dict[str, str | tuple[str, ...]]:
    context: dict[str, str | tuple[str, ...]] = {}
    for entry in entries:
        values = tuple(str(value) for value in entry.get("ContextKeyValues") or ())
        many = str(entry.get("ContextKeyType", "")).endswith("List")
        context[entry["ContextKeyName"]] = values if many or len(values) != 1 else values[0]
    return context


def _result(decision: Decision, applied: PolicySet) -> dict[str, Any]:
    verdict = "allowed" if decision.allowed else "explicitDeny" if decision.explicit else "implicitDeny"
    given = {key.lower() for key in decision.request.context}
    every = [*applied.identity, *(p for p in (applied.boundary, applied.resource) if p)]
    missing = sorted({key for policy in every for key in condition_keys_in(policy.document) if key not in given})
    result: dict[str, Any] = {
        "EvalActionName": decision.request.action,
        "EvalResourceName": decision.request.resource,
        "EvalDecision": verdict,
        "MatchedStatements": _matched(decision),
        "MissingContextValues": missing,
    }
    gates = {
        gate.type: gate.verdict in ("allow", "final-allow") for gate in decision.gates if gate.verdict != "skipped"
    }
    if PolicyType.BOUNDARY in gates:
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": gates[PolicyType.BOUNDARY]}
    if PolicyType.SCP in gates:
        result["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": gates[PolicyType.SCP]}
    return result


def _matched(decision: Decision) -> list[dict[str, Any]]:
    kinds = {PolicyType.IDENTITY: "IAM Policy", PolicyType.RESOURCE: "Resource Policy"}
    wanted = "Allow" if decision.allowed else "Deny"
    return [
        {
            "SourcePolicyId": statement.policy,
            "SourcePolicyType": kinds.get(gate.type, "IAM Policy"),
        }
        for gate in decision.gates
        for statement in gate.statements
        if statement.matched and statement.effect == wanted
    ]


def _page(results: list[dict[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
    size = params.get("MaxItems") or 100
    start = int(params.get("Marker") or 0) if str(params.get("Marker") or 0).isdigit() else 0
    page = results[start : start + size]
    more = start + size < len(results)
    answer: dict[str, Any] = {"EvaluationResults": page, "IsTruncated": more}
    if more:
        answer["Marker"] = str(start + size)
    return answer
