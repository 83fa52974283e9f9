"""An outage under the learner's alert and runbook, and what it was worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.trials import NOT_COUNTED, allowed, not_busy
from graders.exercise import Finding
from labs.scenarios.a_production_mindset.incident import RIGHT, Drill, healthy, play, times
from labs.scenarios.shop_on_cluster import Shop

SAID = {"release": "a bad release", "pod": "one bad pod", "empty": "no pods", "blip": "trouble that ends by itself"}
SEES = {
    "release": "Over how many seconds does the alert look, and from which share of failed requests on does it fire?",
    "pod": "Over how many seconds does the alert look, and from which share of failed requests on does it fire?",
    "empty": "Where nobody answers no pod counts anything. Who notices all the same?",
}
FIRST = {
    "release": "The first step whose condition holds is taken. What holds after a rollout, and which step asks for it?",
    "pod": "Nothing was rolled out, and the other pod is fine. Which of the conditions tells this from a bad release?",
    "empty": "No pod fails requests where there is none. Which condition sees that?",
}
ENDS = "The action was right. What came after it, or how late was it?"
MORE = 30.0
"""Seconds that a busy machine may add to the recovery."""


def outage(live: Any, answer: dict[str, Any], kind: str, points: tuple[float, float, float]) -> Iterator[Finding]:
    """Three findings: the alert, the first action, the recovery."""
    drill = played(live, answer, kind)
    within, recover = allowed(live.values["alert_within"], 6.0), allowed(live.values["recover_within"], MORE)
    told, action = times(drill.timeline), drill.happened("action")
    detect = told["detect"]
    seen = detect is not None and detect <= within
    yield Finding(f"{SAID[kind]}: an alert within {within:.0f} s of the first failed request", points[0], seen,
                  "no alert" if detect is None else f"an alert after {detect:.1f} s", f"at most {within:.0f} s",
                  SEES[kind])
    right = seen and action is not None and action["said"] == RIGHT[kind]
    yield Finding(f"{SAID[kind]}: the first action is the right one", points[1], right,
                  NOT_COUNTED if not seen else str(action["said"]) if action else "no step's condition held",
                  RIGHT[kind], FIRST[kind] if seen else SEES[kind])
    over = right and told["recover"] is not None and told["recover"] <= recover
    observed = "not over" if told["recover"] is None else f"over after {told['recover']:.1f} s"
    yield Finding(f"{SAID[kind]}: customers are served again within {recover:.0f} s", points[2], over,
                  observed if right else NOT_COUNTED, f"at most {recover:.0f} s", ENDS if right else FIRST[kind])


def played(live: Any, answer: dict[str, Any], kind: str) -> Drill:
    """The outage, in a shop that was healthy before.

    :raises TemporaryError: this machine was too busy for what was seen to count
    """
    shop, values = Shop(live.space), live.values
    healthy(shop)
    recover = 4.0 if kind == "blip" else 6.0 + allowed(values["recover_within"], MORE)
    drill = play(shop, kind, answer["alert"], answer["runbook"], values["patience"], recover,
                 allowed(values["alert_within"], 6.0))
    not_busy("the outage", drill.starved())
    return drill
