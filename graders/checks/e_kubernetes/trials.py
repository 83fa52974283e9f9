"""Workloads that are tried with a learner's probes, and the times that their pods' statuses tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from graders import manifests
from graders.exercise import Finding
from labs.cluster.observation import Observation
from labs.cluster.space import Object, crowded, patient, ready, restarts
from labs.errors import TemporaryError
from labs.scenarios.e_kubernetes.e4 import environment, workload
from labs.scenarios.e_kubernetes.web import PORT

PROBE = {"type": "object", "minProperties": 1, "description": "a probe as a Python dict"}
NOT_COUNTED = "not counted yet: see the finding before"
SLACK = 3.0
"""Seconds that a busy machine may add to what was asked for."""


def try_out(live: Any, name: str, probes: Object, *, replicas: int = 1, **told: Any) -> None:
    """Apply a workload with the learner's probes; ``told`` as in ``e4.environment``.

    :raises graders.manifests.Unusable: the API server does not take it
    """
    space = live.space
    made = workload(name, environment(live.values, **told), replicas=replicas, probes=probes)
    manifests.apply(space, *made)


@contextmanager
def observed(live: Any, app: str, path: str = "") -> Iterator[Observation]:
    """Observe a workload of the attempt.

    :raises TemporaryError: this machine was too busy for what was seen to count
    """
    with Observation(live.space, app, path) as seen:
        try:
            yield seen
        except manifests.Unusable:  # the answer's fault only where the machine had time for it
            not_busy(app, seen.starved())
            raise
    not_busy(app, seen.starved())


def not_busy(what: str, why: str = "") -> None:
    """Raise TemporaryError if this machine is too busy for what was seen of ``what`` to count.

    :param why: what an observation says of that
    """
    if why := why or crowded():
        raise TemporaryError(f"this machine was too busy to judge {what}: {why}")


def allowed(seconds: float, more: float) -> float:
    """``seconds``, on a busy machine up to ``more`` above that: never so many that a wrong answer passes."""
    return min(patient(seconds), seconds + more)


def all_ready(seen: Observation, replicas: int) -> bool:
    """Are so many pods Ready now?"""
    return seen.now.ready >= replicas


def seconds_to_ready(pod: Object) -> float | None:
    """From the start of the container that runs now to the pod's Ready; None while it is not."""
    status = pod["status"]["containerStatuses"][0]
    if not ready(pod) or "running" not in status["state"]:
        return None
    condition = next(each for each in pod["status"]["conditions"] if each["type"] == "Ready")
    return _between(status["state"]["running"]["startedAt"], condition["lastTransitionTime"])


def lived(pod: Object) -> float | None:
    """Seconds that the container before the one that runs now lived; None where there was none."""
    status = (pod["status"].get("containerStatuses") or [{}])[0]
    ended = status.get("lastState", {}).get("terminated") or status.get("state", {}).get("terminated")
    return _between(ended["startedAt"], ended["finishedAt"]) if ended else None


def running_for(pod: Object) -> float:
    """Seconds since the container that runs now started; 0 where none runs."""
    status = (pod["status"].get("containerStatuses") or [{}])[0]
    began = status.get("state", {}).get("running", {}).get("startedAt")
    return (datetime.now(UTC) - datetime.fromisoformat(began)).total_seconds() if began else 0.0


def _between(first: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def get(path: str, **more: int) -> Object:
    """A probe by HTTP on the program's port."""
    return {"httpGet": {"path": path, "port": PORT}, "periodSeconds": 1, **more}


def what_restarted(pods: list[Object]) -> str:
    """``cart-x: 2 restarts``, or ``no restart``."""
    told = [f"{each['metadata']['name']}: {restarts(each)} restarts" for each in pods if restarts(each)]
    return ", ".join(told) or "no restart"


def predicted(name: str, said: int | None, truth: int | None, wrong: str, what: str, hint: str) -> Finding:
    """Half a point for a prediction that came true.

    :param said: None where nothing was predicted; then ``truth`` need not be known
    :param wrong: what happened instead; ``what`` was to be predicted
    """
    right = said is not None and said == truth
    told = "no prediction" if said is None else f"you predicted {said}" + ("" if right else f"; {wrong}")
    return Finding(name, 0.5, right, told, f"{what}, predicted", hint)


def killed_by(live: Any, app: str) -> str:
    """What the node said last about a failed probe of a workload, "" for nothing."""
    told = [each["message"] for each in live.space.events(app) if each.get("reason") == "Unhealthy"]
    return f"; last event: {told[-1]}"[:300] if told else ""
