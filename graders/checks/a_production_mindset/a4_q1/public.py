"""An incident in order, one written down out of order, and the learner's own two drills."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.checks.a_production_mindset.a4_q1.truth import Case, judge, timeline
from graders.exercise import Finding

IMPACT = "Customers do not feel a fault, they feel failed requests: both times count from the first impact."
ORDER = "People write things down when they have time: look at the moments, not at the order of the list."
SHORTER = "The second drill is the one with your alert and your runbook: where is its time longer?"


def calls(values: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """The inputs of ``times``."""
    return {"times": [[events] for _, _, events, _ in _cases()]}


def _cases() -> list[Case]:
    plain = timeline((120, "fault"), (125, "impact"), (185, "alert"), (245, "acknowledged"), (400, "action"),
                     (430, "recovered"))
    mixed = timeline((700, "recovered"), (60, "alert"), (20, "impact"), (90, "acknowledged"), (45, "alert"),
                     (10, "fault"), (500, "action"), (300, "acknowledged"))
    return [("a short incident", 1, plain, IMPACT), ("written down out of order", 1, mixed, ORDER)]


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judge(answer["times"], _cases())
    record = answer["record"]
    left = [name for name in ("by hand", "by runbook") if name not in record]
    seen = "; ".join(f"{name}: detected after {each['detect']:g} s, recovered after {each['recover']:g} s"
                     for name, each in record.items())
    sound = not left and all(each["detect"] < each["recover"] for each in record.values())
    yield Finding("your two drills are recorded", 0.5, sound, seen or "nothing", "seconds of both drills",
                  "Your function gives them from the drills' timelines: detection comes before recovery.")
    shorter = sound and record["by runbook"]["recover"] < record["by hand"]["recover"]
    yield Finding("and the second one was shorter", 0.5, shorter, seen or "nothing",
                  "a smaller time to recover by runbook", SHORTER)
