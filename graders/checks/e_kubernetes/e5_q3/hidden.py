"""Nothing resolved, nothing detected, nothing at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.checks.e_kubernetes.e5_q3.cases import judge, one
from graders.exercise import Finding

NOTHING = "With nothing to average the mean is None, not 0: zero would be the best value there is."


def calls(values: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """The inputs of ``repair_times``."""
    return {"repair_times": [[incidents] for _, _, incidents, _ in _cases()]}


def _cases() -> list[tuple[str, float, list[Any], str]]:
    return [
        ("nothing is resolved yet", 0.5, [one(0, 90, None), one(50, None, None)], NOTHING),
        ("no incident", 0.5, [], NOTHING),
    ]


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judge(answer["repair_times"], _cases())
