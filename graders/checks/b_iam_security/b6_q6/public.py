"""The page works; the intruder starts no pod on the node's network, and none with the node's files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.b6_q6.levels import ENFORCE_HINT, STARTED, begun
from graders.checks.b_iam_security.cluster_doors import Attempt, replay
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from replay(live.space, live.values, begun(answer, live, 1), [
        Attempt("hostNetwork", "an intruder starts a pod with hostNetwork", 1, STARTED, ENFORCE_HINT),
        Attempt("hostPath", "the intruder starts a pod that mounts the node's files", 1, STARTED, ENFORCE_HINT),
    ])
