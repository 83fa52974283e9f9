"""Weeks with very different traffic, one that nothing suits; a bound that is met exactly, and none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.checks.a_production_mindset.a3_q2.truth import CANDIDATES, Case, judge, strictest, threshold, week
from graders.exercise import Finding

WEIGHT = ("Every request counts the same: add requests and failures of the window before you divide. "
          "And the candidates come in any order.")
NONE = "Where no candidate was met the answer is None, and not the least bad one."
EXACT = "An objective of 99 % is met by 99 % exactly. Bounds are compared as numbers: as a text \"10\" is before \"5\"."
BEYOND = "+Inf is no threshold: who waits for ever is in it too."


def calls(values: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """The inputs of both functions."""
    return {"strictest": [each[2] for each in _histories()], "threshold": [each[2] for each in _histograms()]}


def _histories() -> list[Case]:
    uneven = [week(1_000, 60), week(400_000, 300), week(500_000, 450), week(300_000, 350), week(2_000, 90),
              week(450_000, 300)]
    hopeless = [week(1000, 5), week(1000, 10), week(1000, 300), week(1000, 250), week(1000, 4)]
    return [("weeks of very different size", 0.5, [uneven, CANDIDATES[::-1]], WEIGHT),
            ("a history that met nothing", 0.5, [hopeless, CANDIDATES], NONE)]


def _histograms() -> list[Case]:
    exact = {"1": 960, "2.5": 980, "5": 990, "10": 995, "+Inf": 1000}
    slow = {"0.1": 400, "0.25": 700, "2.5": 980, "+Inf": 1000}
    return [("just enough", 0.5, [exact, 0.99], EXACT), ("never enough", 0.5, [slow, 0.99], BEYOND)]


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judge(answer["strictest"], _histories(), strictest)
    yield from judge(answer["threshold"], _histograms(), threshold)
