"""The workload with the learner's probes, and customers who ask for its catalogue."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from graders import manifests
from graders.checks.e_kubernetes.trials import all_ready, observed, try_out
from graders.exercise import Finding
from labs.cluster.observation import NO_ANSWER, Observation
from labs.errors import TemporaryError

APP = "web"
STARTED_WITHIN = 30.0
OPEN = "Readiness decides who gets customers. Which endpoint says that this pod can serve the catalogue, and no more?"


def open_shop(live: Any, answer: dict[str, Any], start: float, warm: float) -> AbstractContextManager[Observation]:
    """Two pods that need ``start`` seconds to listen and ``warm`` more to load the catalogue; enter it."""
    probes = {kind: manifests.probe(probe, kind) for kind, probe in answer["probes"].items()}
    try_out(live, APP, probes, replicas=2, START_SECONDS=start, WARM_SECONDS=warm)
    return observed(live, APP, "/")


def opened(seen: Observation) -> bool:
    """Are both pods Ready and have not been restarted?"""
    return bool(seen.watch(STARTED_WITHIN, lambda now: all_ready(now, 2) or now.restarts())) and not seen.restarts()


def closed(seen: Observation) -> Finding:
    """They did not get so far."""
    told = f"{seen.now.ready} of 2 pods Ready, {seen.restarts()} restarts"
    return Finding("two healthy pods become Ready", 0, False, told, "2 pods Ready, no restart",
                   "Begin with the startup probe of exercise 1 and the liveness probe of exercise 2.")


def served(seen: Observation, since: float, name: str, points: float, hint: str, counted: bool = True) -> Finding:
    """Whether every request since a moment was answered.

    :raises TemporaryError: nothing was wrong with the pods that were asked, they only had no time to answer
    """
    failed = seen.failed(since)
    if counted and failed and all(one.said.startswith(NO_ANSWER) for one in failed):
        raise TemporaryError(f"this machine was too busy to judge {APP}: pods that serve had {failed[0].said}")
    asked = [one for one in seen.requests if one.at >= since]
    told = f"{len(asked) - len(failed)} of {len(asked)} requests answered"
    if failed:
        first = failed[0]
        told += f"; the first that was not, after {first.at - since:.1f} s: " + (
            f"status {first.status}" if first.status else first.said)
    if not counted:
        told = "not counted yet: see the finding before"
    passed = counted and bool(asked) and not failed
    return Finding(name, points, passed, told, "every request is answered", hint)
