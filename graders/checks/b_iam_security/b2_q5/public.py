"""No key is left, and no run failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.b2_q5.migration import migrate
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    found = migrate(answer["steps"], live)
    left = found.keys_left()
    steps = f"; not understood: {', '.join(found.unknown)}" if found.unknown else ""
    yield Finding(
        "no access key is left in the account",
        1,
        not left,
        (f"keys left with {', '.join(left)}" if left else "no key") + steps,
        "no access key of a bot or a person who left",
        "A key that nobody uses is still a way in: every user of the list needs a step that deletes the key.",
    )
    yield Finding(
        "both workloads work after every step",
        1,
        not left and not found.trouble,
        found.trouble[0] if found.trouble else "no failed run" if not left else "not counted yet: keys are left",
        "reading and publishing succeed after each step",
        "A workload must have its role before its key goes: switch first.",
    )
