"""One situation for each action."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.checks.a_production_mindset.a4_q2.situations import NEW, OLD, Case, judge, known, pod
from graders.exercise import Finding

CHANGED = "What changed last? Every pod of the new version fails."
ONE = "One pod of two fails, and nothing was rolled out: what is wrong with the version, if the other pod is fine?"
NOBODY = "Who would answer? Compare declared with wanted."
OVER = "Less than a tenth of each pod's requests failed, and hardly any customer noticed. What would an action improve?"


def calls(values: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """The inputs of ``first_action``."""
    return {"first_action": [[evidence] for _, _, evidence, _, _ in _cases()]}


def _cases() -> list[Case]:
    return [
        ("both pods of a version that is 20 seconds old", 0.75,
         known((36, 21), pod(NEW, 18, 11), pod(NEW, 18, 10), changed=20.0), "rollback", CHANGED),
        ("one pod of two, nothing changed", 0.75, known((36, 18), pod(OLD, 18, 0), pod(OLD, 18, 18)), "restart", ONE),
        ("no pod at all", 0.5, known((36, 36), declared=0), "scale", NOBODY),
        ("one failed request", 0.5, known((36, 1), pod(OLD, 18, 1), pod(OLD, 18, 0)), "wait", OVER),
    ]


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judge(answer["first_action"], _cases())
