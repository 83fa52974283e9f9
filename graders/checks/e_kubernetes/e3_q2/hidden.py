"""A rack is closed and drained; then another one loses its power."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e3_q2.moved import on_racks, started
from graders.checks.e_kubernetes.trials import not_busy
from graders.exercise import Finding
from labs.cluster.observation import Observation
from labs.cluster.space import until
from labs.scenarios.e_kubernetes import racks
from labs.scenarios.e_kubernetes.e3 import E3, placed, settled

MOVED_WITHIN = 20.0
LOST_WITHIN = 20.0
CLOSED = (
    "A closed rack still counts as a place with no pod in it, and then two on another are too many. Which field of the "
    "constraint leaves out nodes whose taints the pods do not tolerate?"
)
TOGETHER = "No budget stops a power cut. How many pods may stand together, so that enough are left?"


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    app, needed, replicas = (live.values[name] for name in ("app", "needed", "replicas"))
    with on_racks(live, answer) as names:
        if failed := started(live):
            yield failed
            return
        racks.cordon(live.space.cluster, names[0])
        left = racks.evict_all(live.space, racks.on(live.space, names[0]), live.values["drained_within"])
        moved = left.done and bool(until(lambda: settled(live.space, app), MOVED_WITHIN))
        stand = placed(live.space, app)
        racks.cordon(live.space.cluster, names[0], False)
        until(lambda: racks.all_open(live.space), MOVED_WITHIN)
        not_busy(app)
        yield Finding(
            "what stood on a closed rack runs elsewhere", 1.5, moved,
            f"{'drained' if left.done else 'not drained'}; pods Ready: {sum(stand.values())}",
            f"drained; pods Ready: {replicas}", CLOSED)
        live.space.delete_all("Pod")
        again = until(lambda: settled(live.space, app), MOVED_WITHIN)
        stand = placed(live.space, app)
        with Observation(live.space, app) as seen:
            E3.faults["power cut"](live.space, live.values)
            seen.watch(LOST_WITHIN, lambda now: now.now.ready < sum(stand.values()))
            seen.watch(1.0)
        fewest = seen.fewest_ready() if again else 0
    not_busy(app, seen.starved())
    yield Finding(f"a rack loses its power and {needed} pods stay Ready", 1, fewest >= needed,
                  f"fewest Ready: {fewest}", f"fewest Ready: {needed}", TOGETHER)
