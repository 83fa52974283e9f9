"""The learner's functions beside the chain that the notebook simulates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from graders.exercise import Finding
from labs.scenarios.a_production_mindset.a2 import exact_share

NEAR = 0.2
"""Of the value: the notebook's formula leaves out that several repairs may run at a time, a few per cent."""
Case = tuple[str, float, list[float], str]


def judge_lost(called: Sequence[dict[str, Any]], cases: Sequence[Case]) -> Iterator[Finding]:
    """A finding for each call of ``lost(replicas, failures_per_year, repair_days, years)``."""
    for made, (what, points, arguments, hint) in zip(called, cases, strict=True):
        replicas, failures, repair, years = arguments
        truth = exact_share(int(replicas), failures, repair, years)
        value = made.get("returned")
        good = value is not None and abs(value - truth) <= NEAR * truth
        told = f"{value:.3g}" if value is not None else str(made.get("raised") or made.get("refused"))[:200]
        yield Finding(f"{what}: lost({', '.join(f'{each:g}' for each in arguments)})", points, good, told,
                      f"{truth:.3g}, to within {100 * NEAR:.0f} %", hint)


def judge_copies(called: Sequence[dict[str, Any]], cases: Sequence[Case]) -> Iterator[Finding]:
    """A finding for each call of ``copies(failures_per_year, repair_days, nines)``."""
    for made, (what, points, arguments, hint) in zip(called, cases, strict=True):
        failures, repair, nines = arguments
        truth = next(count for count in range(1, 21) if exact_share(count, failures, repair) <= 10**-nines)
        value = made.get("returned")
        told = str(value if value is not None else made.get("raised") or made.get("refused"))[:200]
        yield Finding(f"{what}: copies({', '.join(f'{each:g}' for each in arguments)})", points, value == truth, told,
                      f"{truth}", hint)
