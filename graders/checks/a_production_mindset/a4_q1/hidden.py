"""An alert that was about something else, a relapse, an outage that nobody saw, one that is not over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.checks.a_production_mindset.a4_q1.truth import Case, judge, timeline
from graders.exercise import Finding

BEFORE = "What fired before customers failed was about something else. The first alert after the impact detected it."
RELAPSE = "It came back: an incident is over at the last recovery, and only if no impact follows."
NEVER = "What did not happen has no time: None, and the others are still known."


def calls(values: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """The inputs of ``times``."""
    return {"times": [[events] for _, _, events, _ in _cases()]}


def _cases() -> list[Case]:
    early = timeline((5, "alert"), (9, "acknowledged"), (100, "fault"), (101, "impact"), (131, "alert"),
                     (151, "acknowledged"), (301, "recovered"))
    relapse = timeline((0, "fault"), (2, "impact"), (30, "alert"), (35, "acknowledged"), (50, "action"),
                       (60, "recovered"), (80, "impact"), (95, "alert"), (140, "action"), (150, "recovered"))
    unseen = timeline((0, "fault"), (4, "impact"), (900, "recovered"))
    lasting = timeline((0, "fault"), (4, "impact"), (20, "alert"), (60, "recovered"), (75, "impact"))
    return [("an alert before the impact", 0.75, early, BEFORE), ("a relapse", 0.75, relapse, RELAPSE),
            ("nobody saw it", 0.75, unseen, NEVER), ("it is not over", 0.75, lasting, RELAPSE)]


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judge(answer["times"], _cases())
