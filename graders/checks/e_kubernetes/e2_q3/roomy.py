"""The workload on nodes that the learner's pool makes."""

from __future__ import annotations

from typing import Any

from graders.checks.e_kubernetes.trials import not_busy
from graders.manifests import Unusable
from labs.errors import PermanentError, TemporaryError
from labs.scenarios.e_kubernetes.e2 import Room, room
from labs.scenarios.e_kubernetes.provisioner import NodePool

FIELDS = "The message names the field. The pool in the notebook's experiment is one that works."


def made(live: Any, pool: Any, *pods: int) -> Room:
    """What became of these numbers of pods.

    :raises graders.manifests.Unusable: it is no NodePool, as far as the lab knows one
    """
    try:
        NodePool.read(pool)
    except PermanentError as error:
        raise Unusable(str(error), "a NodePool of karpenter.sh/v1 with the fields of the notebook", FIELDS) from None
    try:
        found = room(live.space, live.values, pool, pods, live.values["room_within"])
    except TemporaryError:
        not_busy("nodes")
        raise
    not_busy("nodes")
    return found
