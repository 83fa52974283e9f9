"""What the disruption controller writes into the status of a budget whose pods are really there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.trials import not_busy, predicted
from graders.exercise import Finding
from labs.cluster.space import APP, ready, until
from labs.errors import TemporaryError
from labs.scenarios.e_kubernetes.e3 import pods_of_case

WITHIN = 30.0
HINTS = [
    "All pods are Ready. How many may be missing until just minAvailable are left?",
    "If every pod has to be available, which one may go?",
    "A percentage is of the declared pods, and what is not a whole number is rounded up.",
    "A pod that is not Ready is unavailable already, whoever caused that.",
    "A percentage of maxUnavailable is rounded up as well: here that makes the budget more generous.",
    "Only Ready pods are counted against minAvailable.",
]


def compare(part: slice, answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    """A finding of half a point for each of these cases."""
    cases, hints = live.values["cases"][part], HINTS[part]
    asked = [case for case in cases if case["id"] in answer["allowed"]]
    for case in asked:
        live.space.apply(*pods_of_case(case))
    for case, hint in zip(cases, hints, strict=True):
        yield predicted(f"{case['id']}: {case['ready']} of {case['pods']} pods Ready, {rule(case)}",
                        answer["allowed"].get(case["id"]), granted(live.space, case) if case in asked else None,
                        "the budget's status says another number", "the number in the budget's status", hint)


def rule(case: dict[str, Any]) -> str:
    """The budget in a word: ``minAvailable 2``."""
    ((name, amount),) = case["budget"].items()
    return f"{name} {amount}"


def granted(space: Any, case: dict[str, Any]) -> int:
    """``disruptionsAllowed`` once the controller has seen all pods of a case.

    :raises TemporaryError: it has not in WITHIN seconds
    """

    def seen() -> Any:
        found = space.get("PodDisruptionBudget", case["id"]) or {}
        status = found.get("status", {})
        up = sum(ready(each) for each in space.list("Pod", f"{APP}={case['id']}"))
        counted = (status.get("expectedPods"), status.get("currentHealthy"), up)
        return status if counted == (case["pods"], case["ready"], case["ready"]) else None

    status = until(seen, WITHIN)
    if not status:
        not_busy(case["id"])
        raise TemporaryError(f"the pods of {case['id']} were not there after {WITHIN:.0f} s")
    return int(status.get("disruptionsAllowed", 0))
