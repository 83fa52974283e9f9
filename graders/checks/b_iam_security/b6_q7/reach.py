"""The shop under the learner's network policies."""

from __future__ import annotations

from typing import Any

from graders import manifests
from graders.checks.b_iam_security.cluster_doors import shown, start
from graders.checks.b_iam_security.doors import Tried

WORK_HINT = (
    "The page names the link that fails. A connection needs an egress rule at its source and an ingress rule at its "
    "target; a name needs egress to the cluster's DNS, by UDP and TCP, port 53."
)
INSIDE_HINT = (
    "Some rule lets more pods, or more ports, than the next link of the chain: compare each rule's podSelector and "
    "ports."
)
EGRESS_HINT = (
    "Nothing limits what this pod may connect to outside of the shop: are its policies of the type Egress, too?"
)
EVERY_HINT = "A pod that no policy selects may do everything. Which podSelector selects all pods of a namespace?"


def begun(answer: dict[str, Any], live: Any, points: float) -> Tried:
    """Apply the policies, start the pods, ask for a page.

    :raises graders.manifests.Unusable: the API server refuses a policy
    """
    manifests.apply(live.space, *manifests.objects(answer["policies"], {"NetworkPolicy"}))
    start(live.space, live.values)
    return shown(live.space, live.values, points, WORK_HINT)
