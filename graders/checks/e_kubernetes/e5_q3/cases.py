"""Lists of incidents, and what follows from each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.exercise import Finding

Incident = dict[str, Any]


def one(opened: int, detected: int | None, resolved: int | None) -> Incident:
    """Times in seconds."""
    return {"opened": opened, "detected": detected, "resolved": resolved}


def expected(incidents: list[Incident]) -> dict[str, Any]:
    """Means over what is known; None where nothing is."""
    detected = [each["detected"] - each["opened"] for each in incidents if each["detected"] is not None]
    resolved = [each["resolved"] - each["opened"] for each in incidents if each["resolved"] is not None]
    mean = lambda found: sum(found) / len(found) if found else None  # noqa: E731
    return {"mttd": mean(detected), "mttr": mean(resolved), "open": len(incidents) - len(resolved)}


def judge(outcomes: list[Mapping[str, Any]], cases: list[tuple[str, float, list[Incident], str]]) -> Iterator[Finding]:
    """One finding for each case (name, points, incidents, hint)."""
    for outcome, (name, points, incidents, hint) in zip(outcomes, cases, strict=True):
        wanted = expected(incidents)
        got = outcome.get("returned")
        right = isinstance(got, dict) and all(_same(got[key], wanted[key]) for key in wanted)
        observed = str(got if got is not None else outcome.get("raised") or outcome.get("refused"))
        yield Finding(name, points, right, observed[:500], str(wanted), hint)


def _same(got: Any, wanted: Any) -> bool:
    if wanted is None or got is None:
        return got is None and wanted is None
    return abs(got - wanted) < 0.01
