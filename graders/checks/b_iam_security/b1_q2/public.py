"""The work, and the first thing that must not work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b1_q2.calls import BUCKET_ARN, OBJECT_ARN, QUEUE_ARN, Alice
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        alice = Alice(answer["policy"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    own, other = f"{alice.team}/prices.csv", f"{alice.other}/prices.csv"
    yield from judge(
        work=[
            Probe(f"alice reads {own}", lambda: alice.get(own), 0.5, OBJECT_ARN),
            Probe(f"alice writes {own}", lambda: alice.put(own), 0.25, OBJECT_ARN),
            Probe(f"alice lists {alice.team}/", lambda: alice.list(f"{alice.team}/"), 0.5, BUCKET_ARN),
            Probe("alice sends an order", lambda: alice.send("queue"), 0.25, QUEUE_ARN),
        ],
        attacks=[
            Probe(
                f"alice reads {other}",
                lambda: alice.get(other),
                0.5,
                "The Resource of the object statement covers other teams' folders: end it with the team's own prefix.",
            )
        ],
    )
