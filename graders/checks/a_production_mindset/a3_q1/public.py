"""Two pods that live through the whole run; a restart; a budget half spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.checks.a_production_mindset.a3_q1.truth import Case, judge, scraped, shares
from graders.exercise import Finding

DIFFERENCE = "A counter says what happened since the process began. What happened between first and last scrape?"
RESTART = "A counter only falls when its process began anew: then all it shows was counted since."
BUDGET = "Allowed are (1 - objective) × requests. What is left is a share of that, and may be below 0."


def calls(values: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """The inputs of both functions."""
    return {"indicators": [each[2] for each in _scrapes()], "budget": [each[2] for each in _budgets()]}


def _scrapes() -> list[Case]:
    steady = scraped({"a": (1000, 50, 900), "b": (400, 0, 400)}, {"a": (1100, 60, 985), "b": (520, 4, 505)},
                     {"a": (1240, 68, 1105), "b": (640, 4, 622)})
    restarted = scraped({"a": (900, 10, 880), "b": (100, 0, 99)}, {"a": (960, 16, 930), "b": (160, 0, 158)},
                        {"a": (30, 0, 28), "b": (230, 2, 225)}, {"a": (90, 3, 85), "b": (290, 2, 284)})
    return [("two pods", 1.5, [steady], shares(480, 22, 427), DIFFERENCE),
            ("a pod's process began anew", 1.5, [restarted], shares(340, 11, 320), RESTART)]


def _budgets() -> list[Case]:
    return [("a budget of which a quarter is spent", 1, [40_000, 50, 0.995], {"allowed": 200.0, "left": 0.75}, BUDGET)]


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judge(answer["indicators"], _scrapes())
    yield from judge(answer["budget"], _budgets())
