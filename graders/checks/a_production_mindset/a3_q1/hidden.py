"""A pod that comes, one that goes, nobody at all, a budget overspent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.checks.a_production_mindset.a3_q1.public import BUDGET
from graders.checks.a_production_mindset.a3_q1.truth import Case, judge, scraped, shares
from graders.exercise import Finding

COMES = "A pod that was not in the scrape before has counted everything since it came; one that is gone keeps its part."
NOBODY = "Without a request there is no share: None, and neither 1 nor 0."


def calls(values: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """The inputs of both functions."""
    return {"indicators": [each[2] for each in _scrapes()], "budget": [each[2] for each in _budgets()]}


def _scrapes() -> list[Case]:
    moved = scraped({"a": (500, 5, 480), "b": (70, 1, 60)}, {"a": (560, 9, 536)}, {"c": (40, 2, 30)},
                    {"c": (75, 2, 60), "b": (80, 1, 69)})
    quiet = scraped({"a": (500, 5, 480)}, {"a": (500, 5, 480)})
    return [("pods come and go", 1, [moved], shares(60 + 75 + 10, 4 + 2, 56 + 60 + 9), COMES),
            ("nobody asked", 0.5, [quiet], shares(0, 0, 0), NOBODY)]


def _budgets() -> list[Case]:
    return [("more is spent than there was", 0.5, [10_000, 150, 0.99], {"allowed": 100.0, "left": -0.5}, BUDGET)]


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judge(answer["indicators"], _scrapes())
    yield from judge(answer["budget"], _budgets())
