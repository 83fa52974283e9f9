"""The page works; the intruder in the app reaches neither the database nor the backend's administration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.b6_q7.reach import INSIDE_HINT, begun
from graders.checks.b_iam_security.cluster_doors import SILENT, Attempt, replay
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    work, values = begun(answer, live, 1), live.values
    yield from replay(live.space, values, work, [
        Attempt("database", f"an intruder in {values['app']} connects to {values['database']}", 1, SILENT, INSIDE_HINT),
        Attempt("admin", f"the intruder connects to {values['backend']}, port {values['admin_port']}", 1, SILENT,
                INSIDE_HINT),
    ])
