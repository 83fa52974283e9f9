"""The workload with the learner's startup probe beside the liveness probe that its team had."""

from __future__ import annotations

from typing import Any

from graders import manifests
from graders.checks.e_kubernetes.trials import try_out
from labs.scenarios.e_kubernetes.e4 import team_liveness

PATIENCE = "It may fail failureThreshold times, once every periodSeconds: the product must be longer than the start."


def start(live: Any, answer: dict[str, Any], name: str, seconds: float) -> None:
    """One pod whose program needs ``seconds`` until it listens; -1: it never does."""
    probes = {
        "startupProbe": manifests.probe(answer["startup_probe"], "startup_probe"),
        "livenessProbe": team_liveness(),
    }
    try_out(live, name, probes, START_SECONDS=seconds, WARM_SECONDS=0)
