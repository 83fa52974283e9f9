"""The primary loses its database under load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.probes import account_of
from graders.checks.h_networking.names import NOT_COUNTED, refused
from graders.exercise import Finding
from labs.scenarios.h_networking.switching import SLACK, Failover, fail_over

STUCK = (
    "Nothing led customers away from blue. Does the path that is checked fail when customers do? Does the primary "
    'record name the health check ("CHECK"), and is blue the primary?'
)
SLOW = (
    "Add up: FailureThreshold checks, RequestInterval apart, until the name servers change, and then the TTL until the "
    "last resolver asks again."
)
NERVOUS = "How many checks in a row must fail before Route 53 believes it?"
ASKED = "Every resolver asks again when the TTL is over: sixty divided by it is how often in a minute."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    aws, values = account_of(live)
    try:
        trial = fail_over(aws, values, answer["health_check"], answer["records"])
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 4)
        return
    budget = values["budget"]
    kept = trial.outage is not None and trial.outage <= budget + SLACK
    yield Finding("customers are served again in time", 2, kept, str(trial), f"within {budget} s of the fault",
                  STUCK if _never(trial) else SLOW)
    yield Finding("one lost check moves nobody", 1, kept and not trial.moved_early,
                  _counted(kept, "customers were led to green" if trial.moved_early else "nobody was led to green"),
                  "green is for when blue fails", NERVOUS)
    few = trial.per_minute <= values["questions"] + 0.5
    yield Finding("the resolver asks seldom", 1, kept and few, _counted(kept, f"{trial.per_minute:.1f} times a minute"),
                  f"at most {values['questions']} times a minute", ASKED)


def _never(trial: Failover) -> bool:
    """Was no failover even on its way at the end?"""
    return trial.outage is None and not trial.on_its_way


def _counted(kept: bool, seen: str) -> str:
    return seen if kept else NOT_COUNTED
