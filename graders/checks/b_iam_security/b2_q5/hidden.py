"""Nothing is deleted that could not have been taken back, and both workloads end as role sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.b2_q5.migration import migrate
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    found = migrate(answer["steps"], live)
    left = found.keys_left()
    yield Finding(
        "each key is switched off before it is deleted",
        1,
        not left and not found.rash,
        f"deleted while active: {', '.join(found.rash)}"
        if found.rash
        else "no rash deletion"
        if not left
        else "keys left",
        "an inactive key at each deletion",
        "A deleted key cannot be brought back. Deactivate it first, see that nothing fails, then delete it.",
    )
    plain = found.plain()
    yield Finding(
        "at the end both workloads are role sessions",
        1,
        not left and not plain and not found.trouble,
        "; ".join([*plain, *found.trouble[:1]]) or ("role sessions only" if not left else "keys left"),
        "assumed-role ARNs in both workloads' last run",
        "Switch the app and the CI job to their roles.",
    )
