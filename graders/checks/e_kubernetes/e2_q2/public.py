"""A load comes and goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e2_q2.scaled import follow, scaled
from graders.checks.e_kubernetes.trials import NOT_COUNTED, not_busy
from graders.exercise import Finding
from labs.cluster.observation import Observation
from labs.scenarios.e_kubernetes.e2 import customers, settled

SETTLING = 4.0
TARGET = (
    "The target is an average over the pods, in per cent of their requests. The autoscaler tolerates a tenth above it."
)
BOUND = "Which field bounds the number of pods, however much the load?"
DOWN = "Unless told otherwise the autoscaler looks back five minutes before it takes pods away: where is that set?"


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    space, app = live.space, live.values["app"]
    least, most, low, within = (live.values[name] for name in ("least", "most", "busy_at_most", "down_within"))
    with scaled(live, answer) as stands:
        yield stands
        if not stands.passed:  # it does nothing, under load neither
            return
        with Observation(space, app) as seen:
            with customers(space, live.values) as asked:
                use = follow(live, asked)
                asked.watch(SETTLING)
            peak = max(len(look.pods) for look in seen.looks)
            down = seen.watch(within, lambda now: settled(space, app, least))
            left = seen.now.pods
            fewest = min(look.ready for look in seen.looks)
    not_busy(app, seen.starved() or asked.starved())
    calm = use is not None and use <= low
    risen = peak > least
    yield Finding(f"under load the pods use at most {low} % of their requests on average", 1.5, calm and risen,
                  f"{'not measured' if use is None else f'{use} %'}, with {peak} pods", f"at most {low} %", TARGET)
    yield Finding(f"there are never more than {most} pods", 0.5, risen and peak <= most, f"at most {peak} pods",
                  f"more than {least} under load, at most {most}", BOUND if peak > most else TARGET)
    observed = f"pods: {len(left)}; fewest Ready: {fewest}" if risen else NOT_COUNTED
    stayed = bool(down) and fewest >= min(least, seen.looks[0].ready)
    yield Finding(f"{within} s after the load there are {least} pods again, and were never fewer", 1.5,
                  risen and stayed, observed, f"pods: {least}", DOWN if risen else TARGET)
