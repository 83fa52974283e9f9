"""Which IAM actions, on which resources, under which conditions: what one call asks to be allowed.

Several checks for one call where AWS does so (``CopyObject`` reads and writes, ``RunInstances`` uses a subnet and
passes a role). The services' rules are in ``labs.aws.gateway.actions``; a service without rules of its own follows
the Service Authorization Reference.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from labs.aws.gateway.actions import ec2, generic, identity, infrastructure, s3, services
from labs.aws.gateway.actions.asked import Asked, Check, Lookup
from labs.aws.gateway.calls import ServiceCall

__all__ = ["Check", "Lookup", "checks_for"]

_RULES: dict[str, Callable[[Asked], Awaitable[list[Check]]]] = {
    "autoscaling": infrastructure.autoscaling,
    "backup": infrastructure.backup,
    "budgets": infrastructure.budgets,
    "dynamodb": services.dynamodb,
    "ec2": ec2.checks,
    "events": services.events,
    "iam": identity.iam,
    "kms": services.kms,
    "lambda": services.lambda_,
    "logs": services.logs,
    "resourcegroupstaggingapi": services.tagging,
    "rds": infrastructure.rds,
    "route53": infrastructure.route53,
    "s3": s3.checks,
    "secretsmanager": services.secretsmanager,
    "sns": services.sns,
    "sqs": services.sqs,
    "ssm": services.ssm,
    "sts": identity.sts,
}


async def checks_for(call: ServiceCall, account: str, region: str, lookup: Lookup) -> list[Check]:
    """The checks of one call, the decisive one first; empty where AWS asks for no permission.

    :param account: the caller's account, which owns what the call creates
    :raises AwsError: something the call names could not be looked up
    """
    rule = _RULES.get(call.service, generic.checks)
    return await rule(Asked(call, account, region, lookup))
