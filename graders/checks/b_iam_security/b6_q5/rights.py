"""The shop with the learner's Roles and accounts."""

from __future__ import annotations

from typing import Any

from graders import manifests
from graders.checks.b_iam_security.cluster_doors import shown, start
from graders.checks.b_iam_security.doors import Tried

KINDS = frozenset({"Role", "RoleBinding", "ServiceAccount"})
WORK_HINT = (
    "The page says what the API server refused, or that a token is missing. The app uses its token: it reads one "
    "ConfigMap and one Secret, each by a get. What its Role does not allow is denied."
)
SECRET_HINT = "Which Secrets may this account read? A rule without resourceNames is about all of them."
WIDE_HINT = "Some rule allows more verbs or resources than the app's two gets: what it allows, code in the pod can do."
POD_HINT = (
    "Whoever may create pods can run them as any service account of the namespace. The app starts no pods: leave that "
    "out of its Role."
)
TOKEN_HINT = "This workload never calls the Kubernetes API. Which field of its ServiceAccount keeps the token away?"


def begun(answer: dict[str, Any], live: Any, points: float) -> Tried:
    """Apply the answer, start the pods, ask for a page.

    :raises graders.manifests.Unusable: the API server refuses an object
    """
    manifests.apply(live.space, *manifests.objects(answer["access"], KINDS))
    start(live.space, live.values)
    return shown(live.space, live.values, points, WORK_HINT)
