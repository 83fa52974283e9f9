"""Scrapes and budgets with what follows from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graders.exercise import Finding

Pods = Mapping[str, tuple[int, int, int]]
Case = tuple[str, float, list[Any], dict[str, Any], str]
"""Name, points, arguments, what must be returned, hint."""


def scraped(*looks: Pods) -> list[dict[str, Any]]:
    """Scrapes, a quarter of a minute apart; by pod (answered, failed, fast)."""
    names = ("answered", "failed", "fast")
    return [{"at": 15.0 * number, "pods": {pod: dict(zip(names, counts, strict=True)) for pod, counts in each.items()}}
            for number, each in enumerate(looks)]


def shares(answered: float, failed: float, fast: float) -> dict[str, Any]:
    """What ``indicators`` returns."""
    return {"answered": answered, "failed": failed, "availability": 1 - failed / answered if answered else None,
            "fast": fast / answered if answered else None}


def judge(outcomes: Sequence[Mapping[str, Any]], cases: Sequence[Case]) -> Iterator[Finding]:
    """A finding for each case."""
    for outcome, (name, points, _, wanted, hint) in zip(outcomes, cases, strict=True):
        got = outcome.get("returned")
        right = isinstance(got, dict) and all(same(got[key], wanted[key]) for key in wanted)
        observed = str(got if got is not None else outcome.get("raised") or outcome.get("refused"))
        yield Finding(name, points, right, observed[:500], str(wanted), hint)


def same(got: Any, wanted: Any) -> bool:
    """The same number, or both None."""
    if got is None or wanted is None:
        return got is None and wanted is None
    return abs(got - wanted) <= 1e-6 * max(1.0, abs(wanted))
