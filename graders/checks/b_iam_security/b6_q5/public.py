"""The page works; the intruder does not read the payments' Secret, nor become the deployer by a pod."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.b6_q5.rights import POD_HINT, SECRET_HINT, begun
from graders.checks.b_iam_security.cluster_doors import REFUSED, Attempt, replay
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    work, values = begun(answer, live, 1), live.values
    yield from replay(live.space, values, work, [
        Attempt("payments", f"an intruder in {values['app']} reads the Secret {values['payments']}", 1, REFUSED,
                SECRET_HINT),
        Attempt("pod as deployer", f"the intruder starts a pod as the account {values['deployer']}", 1, REFUSED,
                POD_HINT),
    ])
