"""Pods that differ from the level "restricted" in one field each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.b6_q6.levels import ENFORCE_HINT, LEVEL_HINT, STARTED, begun
from graders.checks.b_iam_security.cluster_doors import Attempt, replay, unpaid
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from replay(live.space, live.values, unpaid(begun(answer, live, 0)), [
        Attempt("privileged", "an intruder starts a privileged pod", 1, STARTED, ENFORCE_HINT),
        Attempt("root", "the intruder starts a pod that runs as root", 1, STARTED, LEVEL_HINT),
        Attempt("escalation", "the intruder starts a pod that may gain privileges", 1, STARTED, LEVEL_HINT),
    ])
