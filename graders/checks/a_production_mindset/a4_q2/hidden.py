"""Situations in which two actions suggest themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.checks.a_production_mindset.a4_q2.situations import NEW, OLD, Case, judge, known, pod
from graders.exercise import Finding

NEXT_DOOR = "The same version works in the pod next door, so the version is not what ails this pod."
HALFWAY = "A restarted pod of the new version would be a pod of the new version: whose pods fail, and whose do not?"
NOBODY = "However new the version is: nobody runs it. Compare declared with wanted."
LONG_AGO = "It rolled out an hour ago and was fine since. Which versions are suspects, by the exercise's text?"
MINUTES = "Ten minutes are 600 seconds, and all pods of the new version fail."
QUIET = "Nobody fails, whatever was rolled out. Acting on a healthy shop is a risk without a gain."


def calls(values: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """The inputs of ``first_action``."""
    return {"first_action": [[evidence] for _, _, evidence, _, _ in _cases()]}


def _cases() -> list[Case]:
    return [
        ("one of two pods of the new version", 0.5,
         known((36, 17), pod(NEW, 18, 17), pod(NEW, 18, 0), changed=90.0), "restart", NEXT_DOOR),
        ("in the middle of a rollout", 0.5,
         known((36, 7), pod(OLD, 12, 0), pod(NEW, 12, 7), pod(OLD, 12, 0), changed=3.0), "rollback", HALFWAY),
        ("no pod, shortly after a rollout", 0.5, known((36, 36), declared=0, changed=40.0), "scale", NOBODY),
        ("both pods of a version that is five minutes old", 0.25,
         known((36, 5), pod(NEW, 18, 3), pod(NEW, 18, 2), changed=300.0), "rollback", MINUTES),
        ("both pods of a version that is an hour old", 0.25,
         known((40, 29), pod(NEW, 20, 20), pod(NEW, 20, 9), changed=3600.0), "restart", LONG_AGO),
        ("a healthy shop, shortly after a rollout", 0.5,
         known((36, 0), pod(NEW, 18, 0), pod(NEW, 18, 0), changed=15.0), "wait", QUIET),
    ]


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judge(answer["first_action"], _cases())
