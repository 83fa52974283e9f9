"""CloudFormation acts with what its caller may do, or with a role that the caller passes.

The engine makes a stack's resources by itself; before each, it asks what is noted here.  Page: "AWS CloudFormation
service role", "Control access with AWS Identity and Access Management" (AWS CloudFormation User Guide).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.aws.engines.additions.reach import REACH
from labs.aws.gateway.corrections import Corrections, Params

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange


async def _remember(exchange: Exchange, params: Params) -> None:
    """Note how to decide for the stack; a stack keeps the role that it was given once."""
    assert exchange.call is not None
    name = str(params.get("StackName", ""))
    name = name.split("/")[1] if name.startswith("arn:") else name
    place = (exchange.account, exchange.call.region, name)
    roles = exchange.gateway.notes.setdefault(("cloudformation", "roles"), {})
    role = params.get("RoleARN") or roles.get(place)
    if role:
        roles[place] = role
    authorizer, credential, account = exchange.gateway.authorizer, exchange.credential, exchange.account
    assert credential is not None

    async def refusal(action: str, resource: str) -> str:
        if role:
            allowed, who = await authorizer.role_may(account, str(role), action, resource), str(role)
        else:
            allowed, who = await authorizer.caller_may(credential, account, action, resource), credential.principal.arn
        return "" if allowed else f"User: {who} is not authorized to perform: {action} on resource: {resource}"

    if len(REACH.deciders) > _STACKS:
        REACH.deciders.clear()
    REACH.deciders[place] = refusal


_STACKS = 1_000  # that are remembered
CORRECTIONS = Corrections(
    before=dict.fromkeys(("CreateStack", "UpdateStack", "CreateChangeSet", "ExecuteChangeSet"), _remember)
)
