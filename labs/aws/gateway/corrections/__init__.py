"""Where an engine answers otherwise than AWS documents: one module a service, each a table of small functions.

``before`` refuses what AWS would refuse (by raising :class:`AwsError`) or adds headers for the engine, ``instead``
answers in the engine's place, ``after`` changes what the engine answered, ``codes`` renames its error codes, ``pages``
cuts lists into pages.  All of them see a call that is already authorised.  Answers that stream (``GetObject``) have no
``after``.  What has to be remembered stands in ``gateway.notes``, which a reset empties as it does the engine.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from labs.aws.engines.routed import misread
from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.unsupported import not_an_answer, unsupported

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange
    from labs.aws.gateway.corrections.paging import Page

Params = dict[str, Any]
Before = Callable[["Exchange", Params], Awaitable[None]]
Instead = Callable[["Exchange", Params], Awaitable[Params | None]]
After = Callable[["Exchange", Params, Params], Awaitable[Params | None]]

_MODULES = {
    "budgets": "budgets",
    "cloudformation": "cloudformation",
    "config": "config",
    "s3": "s3",
    "iam": "iam",
    "kms": "kms",
    "secretsmanager": "secretsmanager",
    "sqs": "sqs",
    "sns": "sns",
    "events": "events",
    "dynamodb": "dynamodb",
    "lambda": "functions",
    "cloudwatch": "cloudwatch",
    "logs": "logs",
    "ec2": "ec2",
    "eks": "eks",
    "elbv2": "elbv2",
    "autoscaling": "autoscaling",
    "application-autoscaling": "application_autoscaling",
    "rds": "rds",
    "resourcegroupstaggingapi": "tagging",
    "route53": "route53",
    "ecr": "ecr",
}


@dataclass(frozen=True)
class Corrections:
    """What is put right of one service; keys are operations."""

    before: Mapping[str, Before] = field(default_factory=dict)
    instead: Mapping[str, Instead] = field(default_factory=dict)
    after: Mapping[str, After] = field(default_factory=dict)
    codes: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (operation or "*", engine's code) → AWS's
    pages: Mapping[str, Page] = field(default_factory=dict)


@cache
def of(service: str) -> Corrections | None:
    """The corrections of a botocore service, loaded at its first call."""
    name = _MODULES.get(service)
    if name is None:
        return None
    found: Corrections = importlib.import_module(f"{__name__}.{name}").CORRECTIONS
    return found


async def ask(exchange: Exchange, operation: str, service: str = "", **params: Any) -> Params:
    """One call to the engine, in the account and the region of the call that is being answered.

    :raises AwsError: the engine's own error
    """
    call = exchange.call
    assert call is not None
    return await exchange.engine(
        service or call.service, operation, account=exchange.account, region=call.region, **params
    )


async def found(exchange: Exchange, operation: str, service: str = "", **params: Any) -> Params | None:
    """As :func:`ask`, and ``None`` where the engine refuses."""
    try:
        return await ask(exchange, operation, service, **params)
    except AwsError as error:
        if error.status >= 500:
            raise
        return None


async def prepare(exchange: Exchange) -> Params | None:
    """Refuse the call, answer it here, or return ``None`` for the engine to answer.

    :raises AwsError: AWS would refuse it
    """
    call = exchange.call
    assert call is not None
    table = of(call.service)
    if table is None:
        return None
    check = table.before.get(call.operation)
    if check is None and "*" in table.before:
        check = table.before["*"]
    if check:
        await check(exchange, call.params)
    answer = table.instead.get(call.operation)
    if answer:
        return await answer(exchange, call.params)
    engine = exchange.gateway.engine_of(call.service)
    if call.operation in misread(engine, call.service):
        raise unsupported(call, engine)
    page = table.pages.get(call.operation)
    if page is None:
        return None
    try:
        cut = await page.answer(exchange, call.params)
    except AwsError as error:
        raise not_an_answer(call, engine, error.status, b"", error.code, error.message) or error from error
    change = table.after.get(call.operation)
    return (await change(exchange, call.params, cut) if change else None) or cut


def corrects(exchange: Exchange) -> bool:
    """Whether :func:`finish` has something to say about the engine's answer."""
    call = exchange.call
    assert call is not None
    table = of(call.service)
    return table is not None and call.operation in table.after


async def finish(exchange: Exchange, result: Params) -> Params | None:
    """The corrected answer, or ``None`` where the engine's may stay."""
    call = exchange.call
    assert call is not None
    table = of(call.service)
    assert table is not None
    return await table.after[call.operation](exchange, call.params, result)


def renamed(exchange: Exchange, code: str) -> str | None:
    """AWS's code for an error of the engine that has another one."""
    call = exchange.call
    assert call is not None
    table = of(call.service)
    if table is None:
        return None
    return table.codes.get((call.operation, code)) or table.codes.get(("*", code))
