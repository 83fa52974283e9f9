"""The shop under the learner's level of Pod Security; the app's Role is still the wide one.

The level of an attempt's namespace makes way for the answer's: all pods here are ours, those of the intruder, too.
"""

from __future__ import annotations

from typing import Any

from graders import manifests
from graders.checks.b_iam_security.cluster_doors import shown, start
from graders.checks.b_iam_security.doors import Tried
from labs.cluster.nodes.api import Refused
from labs.scenarios.b_iam_security.b6_cluster import relabel

WORK_HINT = (
    "The shop's own pods are judged as well, one by one. The message names each field that the level misses; a field "
    "goes where the message says, into the pod's context or the container's."
)
ENFORCE_HINT = "Pods are refused by the mode that enforces; the other modes only tell somebody."
LEVEL_HINT = "The level baseline lets this pod in. Which level asks every pod to give up root and new privileges?"
STARTED = "refused: violates PodSecurity"


def begun(answer: dict[str, Any], live: Any, points: float) -> Tried:
    """Label the namespace, start the pods, ask for a page.

    :raises graders.manifests.Unusable: the API server refuses a label or a security context
    """
    try:
        relabel(live.space, answer["namespace_labels"])
    except Refused as error:
        raise manifests.Unusable(f"Namespace: {error}", "labels that the API server takes", manifests.REFUSED_HINT
                                 ) from None
    start(live.space, live.values, answer["pod_security"], answer["container_security"])
    return shown(live.space, live.values, points, WORK_HINT)
