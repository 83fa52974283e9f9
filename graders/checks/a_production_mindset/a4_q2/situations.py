"""Evidence as the lab gives it, and the action that ends the trouble soonest with the least risk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graders.exercise import Finding

Case = tuple[str, float, dict[str, Any], str, str]
"""Name, points, evidence, the right action, hint."""
OLD, NEW = "41d0c7aa", "9be2f613"


def pod(version: str, requests: int, failed: int, ready: bool = True) -> dict[str, Any]:
    """One pod in the evidence."""
    return {"version": version, "ready": ready, "requests": requests, "failed": failed}


def known(customers: tuple[int, int], *pods: dict[str, Any], declared: int = 2, changed: float | None = None) -> Any:
    """Evidence; a version was rolled out where ``changed`` says when."""
    return {
        "customers": {"requests": customers[0], "failed": customers[1]},
        "pods": {f"backend-{number}": each for number, each in enumerate(pods)},
        "wanted": 2, "declared": declared, "version": OLD if changed is None else NEW, "version_before": OLD,
        "changed": changed,
    }


def judge(outcomes: Sequence[Mapping[str, Any]], cases: Sequence[Case]) -> Iterator[Finding]:
    """A finding for each situation."""
    for outcome, (name, points, _, wanted, hint) in zip(outcomes, cases, strict=True):
        said = outcome.get("returned") or outcome.get("raised") or outcome.get("refused")
        yield Finding(name, points, outcome.get("returned") == wanted, str(said)[:500], wanted, hint)
