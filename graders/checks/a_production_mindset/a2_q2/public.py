"""One, two and three copies for a year; and how many for four nines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.checks.a_production_mindset.a2_q2.judged import judge_copies, judge_lost
from graders.exercise import Finding

LOST = [
    ("one copy", 0.5, [1, 0.5, 10, 1], "With one copy nothing can be repaired: the first failure is the end."),
    ("two copies", 0.5, [2, 0.5, 10, 1], "A first failure, of either copy; then the other, before the repair is done."),
    ("three copies", 0.5, [3, 1, 7, 1], "Each further copy multiplies the rate by failures a year × repair in years."),
]
COPIES = [("four nines", 0.5, [0.5, 10, 4], "The smallest number of copies that loses at most 10 to the −nines.")]


def calls(values: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """The inputs of both functions."""
    return {"lost": [each[2] for each in LOST], "copies": [each[2] for each in COPIES]}


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judge_lost(answer["lost"], LOST)
    yield from judge_copies(answer["copies"], COPIES)
