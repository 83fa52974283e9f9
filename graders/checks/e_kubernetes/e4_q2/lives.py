"""Two pods with the learner's liveness probe, and what becomes of one that deadlocks."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from graders import manifests
from graders.checks.e_kubernetes.trials import SLACK, all_ready, allowed, get, observed, try_out
from graders.exercise import Finding
from labs.cluster.observation import Observation
from labs.cluster.space import Object
from labs.errors import TemporaryError
from labs.scenarios.e_kubernetes.e4 import press

APP = "web"
STARTED_WITHIN = 25.0
MORE = 3.0  # seconds that a busy machine may add to SLACK
NOTICE = (
    "Which endpoint does what a request does? One that answers from a thread of its own does not notice; and a probe "
    "that may fail too often, too seldom asked, notices too late."
)


def begin(live: Any, answer: dict[str, Any]) -> AbstractContextManager[Observation]:
    """The workload, observed from now on; enter it."""
    probes = {
        "startupProbe": get(live.values["paths"]["ping"], failureThreshold=30),
        "livenessProbe": manifests.probe(answer["liveness_probe"], "liveness_probe"),
    }
    try_out(live, APP, probes, replicas=2, START_SECONDS=0, WARM_SECONDS=0)
    return observed(live, APP)


def started(seen: Observation) -> bool:
    """Do both pods run, none of them restarted?"""
    up = seen.watch(STARTED_WITHIN, lambda now: all_ready(now, 2) or now.restarted())
    return bool(up) and not seen.restarted()


def strike(seen: Observation, live: Any, which: int, name: str, query: str = "") -> str:
    """Press a switch of one of the two pods; its name."""
    pod: Object = seen.space.pods(APP)[which]
    try:
        press(seen.space, pod, name, query)
    except TemporaryError as error:
        raise manifests.Unusable(str(error), "two pods that answer", NOTICE) from None
    return str(pod["metadata"]["name"])


def deadlocked(seen: Observation, live: Any, which: int, points: float) -> Finding:
    """Deadlock a pod and see whether it is restarted in time."""
    limit = live.values["restarted_within"]
    name, began = strike(seen, live, which, "deadlock"), seen.seconds
    before = seen.restarted().get(name, 0)
    end = limit + SLACK + MORE  # whoever is later has not passed, however busy the machine is
    seen.watch(limit + SLACK, lambda now: now.restarted().get(name, 0) > before or now.seconds - began > end)
    after = seen.seconds - began
    again = seen.restarted().get(name, 0) > before
    noticed = again and after <= allowed(limit + SLACK, MORE)
    told = f"restarted after {after:.0f} s" if noticed else f"not restarted after {min(after, limit + SLACK):.0f} s"
    return Finding(
        "a deadlocked pod is restarted", points, noticed, told, f"restarted within {limit} s", NOTICE
    )


def never_started(seen: Observation) -> Finding:
    """The pods do not even run."""
    told = f"{seen.now.ready} of 2 pods Ready, {seen.restarts()} restarts"
    return Finding("two healthy pods keep running", 0, False, told, "2 pods Ready, no restart",
                   "Compare path and port with the table of endpoints: nothing is wrong with these pods.")
