"""Many years, slow repair, and more nines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.checks.a_production_mindset.a2_q2.judged import judge_copies, judge_lost
from graders.exercise import Finding

LOST = [
    ("ten years", 0.5, [2, 0.5, 20, 10], "A rate is of a year. What is the share of those still there after several?"),
    ("repair takes a day", 0.5, [2, 0.5, 1, 1], "Repair ten times as fast, and a tenth of the objects is lost."),
]
COPIES = [
    ("eleven nines", 0.5, [0.04, 1, 11], "Eleven nines are a share of 10 to the power of −11 in a year."),
    ("the same disks, repaired after a month", 0.5, [0.04, 30, 11], "Slow repair is paid for with copies."),
]


def calls(values: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """The inputs of both functions."""
    return {"lost": [each[2] for each in LOST], "copies": [each[2] for each in COPIES]}


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judge_lost(answer["lost"], LOST)
    yield from judge_copies(answer["copies"], COPIES)
