"""One pod on each rack; then all of them are asked to leave at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e3_q2.moved import on_racks, started
from graders.checks.e_kubernetes.trials import not_busy
from graders.exercise import Finding
from labs.scenarios.e_kubernetes.e3 import maintain, placed

ONE_EACH = "Which field makes the scheduler refuse a rack, and how far may two racks differ?"
ENDS = "Evictions were refused until the end. How many of the pods may be missing with your numbers?"
BELOW = "Evictions were granted while too few pods were Ready. Is the budget's selector right, and its number?"


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    app, needed, within = (live.values[name] for name in ("app", "needed", "drained_within"))
    with on_racks(live, answer):
        if failed := started(live):
            yield failed
            return
        stand = placed(live.space, app)
        made = maintain(live.space, app, within)
    leaving, seen = made.leaving, made.seen
    not_busy(app, seen.starved())
    counts = sorted(stand.values())
    yield Finding("every rack has one pod", 1, counts == [1, 1, 1], f"pods by rack: {counts}",
                  "pods by rack: [1, 1, 1]", ONE_EACH)
    fewest = seen.fewest_ready()
    kept = fewest >= needed
    refused = sum(leaving.refused.values())
    yield Finding(
        f"maintenance of all pods ends within {within} s, with {needed} of them Ready all the time",
        2,
        leaving.done and kept,
        f"{'ended' if leaving.done else 'not ended'}; fewest Ready: {fewest}; {refused} evictions refused",
        f"ended; fewest Ready: {needed}",
        BELOW if not kept else ENDS,
    )
    served = not seen.failed()
    yield Finding("customers do not notice the maintenance", 0.5, served and leaving.done and kept, seen.answers(),
                  "every request answered", "First let the maintenance end with enough pods Ready.")
