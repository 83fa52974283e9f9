"""What customers really notice of each case, beside the prediction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.trials import not_busy
from graders.exercise import Finding
from labs.scenarios.a_production_mindset.a1 import make_cases, try_cases
from labs.scenarios.a_production_mindset.trial import Trial

FEW = 0.03
"""Of the requests: so many may fail of a sound workload where customers hear too late who leaves."""
HINTS = {
    "load": "Each request is a connection of its own. In how many pods' memories is a basket, and who is asked for it?",
    "scale out": "The new pod starts with an empty memory. Which customers are sent to it, and which stay?",
    "restart": "Every pod is replaced. What becomes of its memory, and was somebody ready to serve all the time?",
    "drain": "All pods are asked to leave at once. Who may say `not yet`? And what leaves with a pod?",
}


def compare(part: slice, answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    """A finding of half a point for each of these cases."""
    cases, said = live.values["cases"][part], answer["noticed"]
    asked = [case for case in cases if case["id"] in said]
    make_cases(live.space, asked)
    found = try_cases(live.space, asked)
    for case in cases:
        made = found.get(case["id"])
        if made is not None:
            judgeable(case["id"], made)
        right = made is not None and said[case["id"]] == made.outcome
        observed = "no prediction" if made is None else f"you predicted {said[case['id']]!r}"
        if made is not None and not right:
            observed += f"; customers noticed {made.outcome!r} ({made})"
        kept = f" with {', '.join(case['with'])}" if case["with"] else ""
        yield Finding(f"{case['id']}: {case['event']}, {case['replicas']} replicas{kept}", 0.5, right, observed,
                      "what customers noticed, predicted", HINTS[case["event"]])


def judgeable(app: str, made: Trial) -> None:
    """Raise TemporaryError if the machine was too busy for what was seen to count."""
    if not made.over or made.slow or 0 < made.failed < FEW * len(made.seen.requests):
        not_busy(app, made.seen.starved())
