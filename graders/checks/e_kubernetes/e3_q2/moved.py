"""The workload with the learner's budget and spread, on racks of the attempt's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graders import manifests
from graders.checks.e_kubernetes.trials import not_busy
from graders.exercise import Finding
from labs.cluster.space import until
from labs.scenarios.e_kubernetes import racks
from labs.scenarios.e_kubernetes.e3 import READY_WITHIN, manifest, placed, settled
from labs.scenarios.e_kubernetes.e4 import service


@contextmanager
def on_racks(live: Any, answer: dict[str, Any]) -> Iterator[list[str]]:
    """Three racks with the workload on them, for as long as the block lasts; the racks' names.

    :raises graders.manifests.Unusable: the API server refuses the answer, or it is more than one budget
    """
    found = manifests.objects(answer["budget"], {"PodDisruptionBudget"})
    if len(found) != 1:
        raise manifests.Unusable(f"{len(found)} objects", "one PodDisruptionBudget", manifests.LEAVE_OUT)
    with racks.lent(live.space) as names:
        manifests.apply(live.space, *found, manifest(live.space, live.values, spread=answer["spread"]))
        live.space.apply(service(live.values["app"]))
        if not until(lambda: settled(live.space, live.values["app"]), READY_WITHIN):
            not_busy(live.values["app"])
        yield names


def started(live: Any) -> Finding | None:
    """None, or that the workload's pods did not become Ready."""
    if settled(live.space, live.values["app"]):
        return None
    up, all_ = sum(placed(live.space, live.values["app"]).values()), live.values["replicas"]
    return Finding("the workload becomes Ready", 0, False, f"{up} of {all_} pods Ready", f"{all_} of {all_}",
                   "Constraints that no rack can meet leave pods Pending: look at the scheduler's event.")
