"""The workload with the learner's autoscaler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graders import manifests
from graders.checks.e_kubernetes.trials import not_busy
from graders.exercise import Finding
from labs.cluster.observation import Observation
from labs.cluster.space import until
from labs.scenarios.e_kubernetes.e2 import READY_WITHIN, busy, condition, manifest, settled
from labs.scenarios.e_kubernetes.e4 import service

RISEN_AFTER = 10.0
"""Seconds of load before anybody looks at the use: it is an average over six."""
STANDING = 15.0
START = "Before anybody comes, who says how many pods there are at least?"


@contextmanager
def scaled(live: Any, answer: dict[str, Any]) -> Iterator[Finding]:
    """Whether the workload starts with as many pods as it should, and then as long as the block lasts.

    :raises graders.manifests.Unusable: the API server refuses the answer, or it is more than one autoscaler
    """
    space, app, least = live.space, live.values["app"], live.values["least"]
    found = manifests.objects(answer["autoscaler"], {"HorizontalPodAutoscaler"})
    if len(found) != 1:
        raise manifests.Unusable(f"{len(found)} objects", "one HorizontalPodAutoscaler", manifests.LEAVE_OUT)
    space.apply(manifest(live.values), service(app))
    until(lambda: settled(space, app, 1), READY_WITHIN)
    manifests.apply(space, *found)
    name = found[0]["metadata"]["name"]
    stands = bool(until(lambda: settled(space, app, least), STANDING))
    told = f"pods: {len(space.pods(app))}"
    if not stands:
        not_busy(app)
        told += says(space, name)
    yield Finding(f"{least} pods stand before the load comes", 0.5, stands, told, f"pods: {least}", START)


def says(space: Any, name: str) -> str:
    """What an autoscaler says that cannot do its work, "" for one that can."""
    for kind in ("AbleToScale", "ScalingActive"):
        found = condition(space, name, kind)
        if found and found["status"] != "True":
            return f"; {found.get('reason')}: {found.get('message')}"[:300]
    return ""


def follow(live: Any, seen: Observation) -> int | None:
    """Watch under load until the pods' use is as low as it should be, or its time is over; the use, and None for never.

    The use must hold for three looks, two seconds apart: new pods are measured later than old ones.
    """
    low: list[float] = []
    last: list[int | None] = [None]

    def calm(now: Observation) -> bool:
        if now.seconds < RISEN_AFTER or (low and now.seconds - low[-1] < 2.0):
            return False
        use = busy(live.space, live.values["app"])
        last[0] = use if use is not None else last[0]
        if use is None or use > live.values["busy_at_most"]:
            low.clear()
        else:
            low.append(now.seconds)
        return len(low) >= 3

    seen.watch(live.values["up_within"], calm)
    return last[0]
