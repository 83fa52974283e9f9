"""The way back, the way out, and a pod that belongs to nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.b6_q7.reach import EGRESS_HINT, EVERY_HINT, INSIDE_HINT, begun
from graders.checks.b_iam_security.cluster_doors import SILENT, Attempt, replay, unpaid
from graders.checks.e_kubernetes.trials import not_busy
from graders.exercise import Finding
from labs.cluster.space import ready, until
from labs.errors import TemporaryError
from labs.scenarios.b_iam_security.b6_cluster import METADATA, stranger

STRANGER, READY_WITHIN = "stranger", 20.0


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    live.space.apply(stranger(STRANGER))
    work, values = unpaid(begun(answer, live, 0)), live.values
    if not until(lambda: any(ready(each) for each in live.space.pods(STRANGER)), READY_WITHIN):
        not_busy(STRANGER)
        raise TemporaryError(f"the pod {STRANGER} is not Ready after {READY_WITHIN:.0f} s")
    yield from replay(live.space, values, work, [
        Attempt("front", f"an intruder in {values['app']} connects back to {values['front']}", 0.5, SILENT,
                INSIDE_HINT),
        Attempt("metadata", f"the intruder connects to the node's metadata service, {METADATA}", 0.5, SILENT,
                EGRESS_HINT),
        Attempt("metadata", f"an intruder in {values['database']} connects to {METADATA}", 0.5, SILENT, EGRESS_HINT,
                values["database"]),
        Attempt("app", f"an intruder in {values['database']} connects back to {values['app']}", 0.5, SILENT,
                INSIDE_HINT, values["database"]),
        Attempt("database", f"a new pod of nobody's connects to {values['database']}", 0.5, SILENT, EVERY_HINT,
                STRANGER),
        Attempt("metadata", f"a new pod of nobody's connects to {METADATA}", 0.5, SILENT, EVERY_HINT, STRANGER),
    ])
