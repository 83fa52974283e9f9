"""What real autoscalers do first about pods that really use what a case says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.trials import not_busy, predicted
from graders.exercise import Finding
from labs.errors import TemporaryError
from labs.scenarios.e_kubernetes.e2 import decide

HINTS = [
    "Current pods × use / target, and what is not a whole number is rounded up.",
    "The autoscaler leaves things alone while use is within a tenth of the target.",
    "Use in per cent of the requests: what are the requests of the container beside the app?",
    "Fewer pods would do. How long does the autoscaler look back before it takes one away?",
    "So many are wanted; how many may come within one period of the policy?",
    "Each metric asks for a number of pods. Which of the numbers counts?",
]


def compare(part: slice, answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    """A finding of half a point for each of these cases."""
    cases, hints = live.values["cases"][part], HINTS[part]
    asked = [case for case in cases if case["id"] in answer["replicas"]]
    try:
        truth = decide(live.space, asked)
    except TemporaryError:
        not_busy("the autoscalers")
        raise
    for case, hint in zip(cases, hints, strict=True):
        uses = ", ".join(f"{amount} {what}" for what, amount in case["uses"].items())
        yield predicted(f"{case['id']}: pods: {case['pods']}, each uses {uses}", answer["replicas"].get(case["id"]),
                        truth.get(case["id"]), "the autoscaler set another number, or left the one there was",
                        "what the autoscaler did", hint)
