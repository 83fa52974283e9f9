"""Timelines, and what follows from each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graders.exercise import Finding
from labs.scenarios.a_production_mindset.incident import times

Timeline = list[dict[str, Any]]
Case = tuple[str, float, Timeline, str]
WHO = {"fault": "lab", "impact": "customers", "recovered": "customers", "alert": "monitoring"}


def timeline(*told: tuple[float, str]) -> Timeline:
    """Events in the order in which somebody wrote them down."""
    return [{"at": at, "what": what, "who": WHO.get(what, "on call"), "said": ""} for at, what in told]


def judge(outcomes: Sequence[Mapping[str, Any]], cases: Sequence[Case]) -> Iterator[Finding]:
    """A finding for each case."""
    for outcome, (name, points, events, hint) in zip(outcomes, cases, strict=True):
        wanted, got = times(events), outcome.get("returned")
        right = isinstance(got, dict) and all(_same(got[key], wanted[key]) for key in wanted)
        said = str(got if got is not None else outcome.get("raised") or outcome.get("refused"))
        yield Finding(name, points, right, said[:500], str(wanted), hint)


def _same(got: Any, wanted: Any) -> bool:
    if got is None or wanted is None:
        return got is None and wanted is None
    return abs(got - wanted) < 0.05
