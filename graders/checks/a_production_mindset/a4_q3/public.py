"""A bad release, and trouble that ends by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.a_production_mindset.a4_q3.played import SAID, SEES, outage, played
from graders.checks.e_kubernetes.trials import NOT_COUNTED
from graders.exercise import Finding

CALM = "It was over before anybody could have acted. How long must trouble last until it is worth an action?"


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    found = list(outage(live, answer, "release", (0.5, 1, 1)))
    yield from found
    if not found[0].passed:  # who sees nothing does nothing
        yield Finding(f"{SAID['blip']}: no action", 1, False, NOT_COUNTED, "none", SEES["release"])
        return
    drill = played(live, answer, "blip")
    actions = [each["said"] for each in drill.timeline if each["what"] == "action" and each["said"] != "wait"]
    lost = len(drill.failures())
    yield Finding(f"{SAID['blip']}: no action", 1, not actions,
                  f"{lost} failed requests, {', '.join(actions) or 'no action'}", "no action", CALM)
