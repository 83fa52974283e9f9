"""AWS's words for a denial, and the JSON form of a decision.

"Troubleshoot access denied error messages" (IAM User Guide); Amazon S3 User Guide, "Troubleshoot access denied (403
Forbidden) errors in Amazon S3".  The denying policy's ARN is shown within the resource's account or organisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.aws.iam.model import (
    Decision,
    Effect,
    Gate,
    Policy,
    PolicyType,
    Principal,
    PrincipalType,
    Request,
    StatementTrace,
)

_STATEMENT_FIELDS = ("policy", "sid", "index", "matched", "principal", "action", "resource", "condition", "why")
_ARTICLE = {PolicyType.IDENTITY: "an"}


def denial_message(decision: Decision) -> str:
    """AWS's message for a denial; ``""`` when the request is allowed."""
    if decision.allowed or decision.denied_by is None:
        return ""
    request = decision.request
    service = request.action.partition(":")[0].lower()
    insider = _insider(request)
    if service == "s3" and not insider:
        return "Access Denied"  # S3 explains itself within the account and the organisation only
    caller, target = _caller(request.principal), _target(service, request)
    message = f"User: {caller} is not authorized to perform: {request.action}{target}"
    if not insider and service == "kms":
        return (
            f"{message} because the resource does not exist in this Region, no resource-based policies allow access, "
            "or a resource-based policy explicitly denies access"
        )
    kind: str = decision.denied_by
    trust = decision.denied_by is PolicyType.RESOURCE and service == "sts" and ":role/" in request.resource
    if decision.explicit:
        where = "the role trust policy" if trust else f"{_ARTICLE.get(decision.denied_by, 'a')} {kind}"
        named = f": {decision.policy_arn}" if decision.policy_arn and insider else ""
        return f"{message} with an explicit deny in {where}{named}"
    return f"{message} because no {'role trust policy' if trust else kind} allows the {request.action} action"


def _caller(principal: Principal) -> str:
    return "anonymous" if principal.type is PrincipalType.ANONYMOUS else principal.arn


def _target(service: str, request: Request) -> str:
    if service != "s3":
        return f" on resource: {request.resource}" if request.resource else ""
    return f' on resource: "{request.resource}"' if request.resource not in ("", "*", "arn:aws:s3:::*") else ""


def _insider(request: Request) -> bool:
    """Whether caller and resource belong to one account or one organisation."""
    if request.principal.type is PrincipalType.ANONYMOUS:
        return False
    if request.resource_account in ("", request.principal.account):
        return True
    context = {key.lower(): value for key, value in request.context.items()}
    organization = context.get("aws:principalorgid")
    return organization is not None and organization == context.get("aws:resourceorgid")


# -- JSON ------------------------------------------------------------------------------------------------------------


def decision_to_dict(decision: Decision) -> dict[str, Any]:
    """A decision as plain JSON values; ``decision_from_dict`` reads it back unchanged."""
    return {
        "allowed": decision.allowed,
        "explicit": decision.explicit,
        "denied_by": decision.denied_by.value if decision.denied_by else None,
        "policy_arn": decision.policy_arn,
        "message": denial_message(decision),
        "request": _request_to_dict(decision.request),
        "gates": [_gate_to_dict(gate) for gate in decision.gates],
    }


def _request_to_dict(request: Request) -> dict[str, Any]:
    principal = request.principal
    return {
        "principal": {
            "arn": principal.arn,
            "account": principal.account,
            "type": principal.type.value,
            "user_id": principal.user_id,
            "role_arn": principal.role_arn,
            "tags": dict(principal.tags),
            "is_service_linked_role": principal.is_service_linked_role,
            "federated_provider": principal.federated_provider,
            "issuer_arn": principal.issuer_arn,
            "canonical_user_id": principal.canonical_user_id,
        },
        "action": request.action,
        "resource": request.resource,
        "resource_account": request.resource_account,
        "context": {key: value if isinstance(value, str) else list(value) for key, value in request.context.items()},
    }


def _gate_to_dict(gate: Gate) -> dict[str, Any]:
    return {
        "type": gate.type.value,
        "verdict": gate.verdict,
        "note": gate.note,
        "decided_by": gate.decided_by,
        "statements": [
            {name: getattr(trace, name) for name in _STATEMENT_FIELDS} | {"effect": trace.effect.value}
            for trace in gate.statements
        ],
        "documents": [
            {"name": policy.name, "arn": policy.arn, "document": _plain(policy.document)} for policy in gate.documents
        ],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def decision_from_dict(data: Mapping[str, Any]) -> Decision:
    """The decision behind ``decision_to_dict``.

    :raises KeyError, ValueError: when ``data`` is not of that form
    """
    request = data["request"]
    principal = dict(request["principal"])
    return Decision(
        request=Request(
            principal=Principal(**principal | {"type": PrincipalType(principal["type"])}),
            action=request["action"],
            resource=request["resource"],
            resource_account=request.get("resource_account", ""),
            context={k: v if isinstance(v, str) else tuple(v) for k, v in request.get("context", {}).items()},
        ),
        allowed=data["allowed"],
        explicit=data["explicit"],
        denied_by=PolicyType(data["denied_by"]) if data["denied_by"] else None,
        policy_arn=data.get("policy_arn", ""),
        gates=tuple(_gate_from_dict(gate) for gate in data["gates"]),
    )


def _gate_from_dict(data: Mapping[str, Any]) -> Gate:
    return Gate(
        type=PolicyType(data["type"]),
        verdict=data["verdict"],
        statements=tuple(
            StatementTrace(**dict(trace) | {"effect": Effect(trace["effect"])}) for trace in data["statements"]
        ),
        decided_by=data["decided_by"],
        note=data["note"],
        documents=tuple(Policy(item["document"], item["name"], item["arn"]) for item in data.get("documents", ())),
    )
