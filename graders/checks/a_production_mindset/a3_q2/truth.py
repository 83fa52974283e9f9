"""Histories and histograms with what follows from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graders.exercise import Finding

CANDIDATES = [0.9, 0.95, 0.99, 0.995, 0.999, 0.9999]
Case = tuple[str, float, list[Any], str]


def strictest(weeks: Sequence[Mapping[str, int]], candidates: Sequence[float]) -> float | None:
    """The largest candidate that every four weeks in a row met."""
    spans = [weeks[index:index + 4] for index in range(max(1, len(weeks) - 3))]
    met = [1 - sum(each["failed"] for each in span) / sum(each["requests"] for each in span) for span in spans]
    return max((each for each in candidates if min(met) >= each), default=None)


def threshold(buckets: Mapping[str, int], objective: float) -> float | None:
    """The smallest bound within which the objective's share of requests was answered."""
    enough = [float(bound) for bound, count in buckets.items()
              if bound != "+Inf" and count >= objective * buckets["+Inf"]]
    return min(enough, default=None)


def week(requests: int, failed: int) -> dict[str, int]:
    """One week's requests."""
    return {"requests": requests, "failed": failed}


def judge(outcomes: Sequence[Mapping[str, Any]], cases: Sequence[Case], truth: Any) -> Iterator[Finding]:
    """A finding for each case; that the answer is None counts only for who found a number before."""
    found = False
    for outcome, (name, points, arguments, hint) in zip(outcomes, cases, strict=True):
        wanted, got = truth(*arguments), outcome.get("returned")
        said = outcome.get("raised") or outcome.get("refused") or str(got)
        right = "returned" in outcome and got == wanted
        yield Finding(name, points, right and (wanted is not None or found), str(said)[:500], str(wanted), hint)
        found = found or right
