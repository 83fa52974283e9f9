"""Other things that the old Role allowed, and the tokens of the other workloads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.b6_q5.rights import SECRET_HINT, TOKEN_HINT, WIDE_HINT, begun
from graders.checks.b_iam_security.cluster_doors import REFUSED, Attempt, replay, unpaid
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    work, values = unpaid(begun(answer, live, 0)), live.values
    yield from replay(live.space, values, work, [
        Attempt("list", f"an intruder in {values['app']} lists all Secrets", 0.5, REFUSED, SECRET_HINT),
        Attempt("settings", f"the intruder changes the ConfigMap {values['settings']}", 0.5, REFUSED, WIDE_HINT),
        Attempt("deployer", f"the intruder asks for a token of the account {values['deployer']}", 0.5, REFUSED,
                WIDE_HINT),
        *(Attempt("token", f"an intruder in {values[each]} finds a token of the API server", 0.5, "no token",
                  TOKEN_HINT, values[each]) for each in ("front", "backend", "database")),
    ])
