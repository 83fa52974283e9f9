"""A history with one bad week, and a histogram."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.checks.a_production_mindset.a3_q2.truth import CANDIDATES, Case, judge, strictest, threshold, week
from graders.exercise import Finding

WINDOW = "The objective is agreed for four weeks: a bad week counts together with its neighbours, in every window."
SMALLEST = "The buckets are cumulative: each counts everything up to its bound. Which is the first that has enough?"


def calls(values: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """The inputs of both functions."""
    return {"strictest": [each[2] for each in _histories()], "threshold": [each[2] for each in _histograms()]}


def _histories() -> list[Case]:
    fair = [week(100_000, failed) for failed in (40, 30, 55, 20, 1700, 35, 30, 45, 25, 60)]
    return [("ten weeks, one of them bad", 1, [fair, CANDIDATES], WINDOW)]


def _histograms() -> list[Case]:
    buckets = {"0.05": 61_000, "0.1": 88_000, "0.25": 97_000, "0.5": 99_200, "1": 99_900, "2.5": 99_990,
               "+Inf": 100_000}
    return [("99 % of a hundred thousand requests", 1, [buckets, 0.99], SMALLEST)]


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judge(answer["strictest"], _histories(), strictest)
    yield from judge(answer["threshold"], _histograms(), threshold)
