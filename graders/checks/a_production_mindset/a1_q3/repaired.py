"""The broken manifest with the learner's patch, beside a database that it may use."""

from __future__ import annotations

from typing import Any

from graders import manifests
from graders.checks.e_kubernetes.trials import not_busy
from graders.exercise import Finding
from labs.cluster.nodes.api import Refused
from labs.cluster.space import Object, ready, until
from labs.scenarios.a_production_mindset.a1 import install
from labs.scenarios.a_production_mindset.trial import settled

APP = "api"
MOST = 4
READY_WITHIN = 30.0


def apply(live: Any, answer: dict[str, Any]) -> Object:
    """Apply patch and budget; the Deployment as the API server has it then.

    :raises graders.manifests.Unusable: the API server refuses one, or they are not what was asked for
    """
    found = manifests.objects(answer["budget"], {"PodDisruptionBudget"})
    install(live.space, live.values)
    try:
        made = live.space.patch("Deployment", APP, answer["repair"])
    except Refused as error:
        raise manifests.Unusable(str(error)[:400], "a patch that the API server takes",
                                 manifests.REFUSED_HINT) from None
    if made["spec"]["replicas"] > MOST:
        live.space.scale(APP, 0)
        raise manifests.Unusable(f"{made['spec']['replicas']} replicas", f"at most {MOST}",
                                 "More pods of a broken kind are no repair.")
    manifests.apply(live.space, *found)
    return dict(made)


def started(live: Any) -> Finding | None:
    """None, or that the pods did not become Ready."""
    if until(lambda: settled(live.space, APP), READY_WITHIN):
        return None
    not_busy(APP)
    pods = live.space.pods(APP)
    logs = [live.space.logs(each["metadata"]["name"]).strip() for each in pods[-1:] if not ready(each)
            and each["status"].get("phase") == "Running"]
    told = f"{sum(map(ready, pods))} of {len(pods)} pods Ready"
    told += f"; the newest says: {logs[0][-300:]}" if logs else ""
    return Finding("the repaired pods become Ready", 0, False, told, "all Ready",
                   "A pod with its data in the database needs its address and a password; the log says more.")
