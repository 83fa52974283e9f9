"""What a policy did in a week, in words, and whether that is what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graders.exercise import Finding
from labs.scenarios.a_production_mindset.a3 import clock
from labs.scenarios.a_production_mindset.objectives import PERIOD, Alert, Rule, Series, Week, fired, first, spent, weeks

LATE = "At which burn rate does the trouble show, and how long does the long window need until it is as bad as that?"
NOISE = "What wakes people here ends by itself within minutes. Which long window hardly notices so short a trouble?"
LINGERS = "The trouble is over, and the long window remembers it. Which window says that it is still going on?"
SLOW = "Burning at this rate is not urgent, and it does not stop. Which window is long enough to see it?"
URGENT = "At this rate the budget lasts for weeks: is anybody to be woken for it?"
BETWEEN = "Too slow for a rule that looks at an hour, too fast to wait for a ticket: which rule lies between?"


class Looked:
    """A policy in a week of the learner's; ``since`` is the minute at which the trouble begins."""

    def __init__(self, values: dict[str, Any], policy: Sequence[Rule], name: str, seed: str = "") -> None:
        known = seed or values["weeks"]
        self.week: Week = weeks(known)[name]
        self.objective: float = values["objective"]
        self.series: Series = self.week.series(known, self.objective)
        self.alerts = [each for each in fired(policy, self.series, self.objective) if each.ended >= 0]
        self.since = float(self.week.troubles[0].begins) if self.week.troubles else 0.0
        self.until = self.since + (self.week.troubles[0].lasts if self.week.troubles else 0)

    def first(self, severity: str, since: float | None = None) -> float | None:
        """When it fired first, from the trouble's begin on."""
        return first(self.alerts, severity, self.since if since is None else since)

    def spent(self, minute: float) -> float:
        """Share of the period's budget that the trouble took until then."""
        return spent(self.series, self.objective, minute, self.since)

    def lingers(self, policy: Sequence[Rule]) -> float:
        """Minutes from the end of the trouble to that of the fastest page; below 0 for one that did not last so long.
        """
        return max((each.ended for each in self.alerts if each.rule == fastest(policy)), default=0.0) - self.until

    def in_time(self, name: str, points: float, severity: str, budget: float, hint: str) -> Finding:
        """Did it fire before so much of the budget was spent?"""
        at = self.first(severity)
        right = at is not None and at <= self.until and self.spent(at) <= budget
        seen = f"no {severity}" if at is None else (
            f"a {severity} after {at - self.since:.0f} minutes, {100 * self.spent(at):.1f} % of {PERIOD // 1440} days' "
            "budget spent")
        return Finding(name, points, right, seen, f"a {severity} before {100 * budget:.0f} % is spent", hint)


def fastest(policy: Sequence[Rule]) -> int:
    """The number of the page rule with the shortest long window; -1 for none."""
    pages = [number for number, rule in enumerate(policy) if rule["severity"] == "page"]
    return min(pages, key=lambda number: float(policy[number]["long"]), default=-1)


def told(alerts: Sequence[Alert]) -> str:
    """The first of them, and how many there are."""
    if not alerts:
        return "silent"
    one = alerts[0]
    return f"{len(alerts)} alerts, the first a {one.severity} at {clock(max(0.0, one.began))}"
