"""The work on other names, and the ways an Allow reaches too far."""

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
    own, deep = f"{alice.team}/prices.csv", f"{alice.team}/2026/11/photo.jpg"
    yield from judge(
        work=[
            Probe(f"alice writes {deep}", lambda: alice.put(deep), 0.1, OBJECT_ARN),
            Probe(f"alice reads {deep}", lambda: alice.get(deep), 0.1, OBJECT_ARN),
            Probe(f"alice lists {alice.team}/2026/", lambda: alice.list(f"{alice.team}/2026/"), 0.1, BUCKET_ARN),
            Probe("alice sends another order", lambda: alice.send("queue"), 0.1, QUEUE_ARN),
        ],
        attacks=[
            Probe(
                "alice lists the whole bucket",
                lambda: alice.list(""),
                0.4,
                "s3:ListBucket cannot be narrowed by its ARN. Its condition key s3:prefix can narrow it.",
            ),
            Probe(f"alice deletes {own}", lambda: alice.s3.delete_object(Bucket=alice.bucket, Key=own), 0.3, ACTIONS),
            Probe(f"alice writes {alice.other}/prices.csv", lambda: alice.put(f"{alice.other}/prices.csv"), 0.2),
            Probe(f"alice writes {alice.team}-old/x", lambda: alice.put(f"{alice.team}-old/x"), 0.2, SLASH),
            Probe("alice reads the vault", lambda: alice.get("nightly/orders.json", alice.values["vault"]), 0.2),
            Probe("alice sends a refund", lambda: alice.send("other_queue"), 0.2),
            Probe(
                "alice reads the bucket's access list",
                lambda: alice.s3.get_bucket_acl(Bucket=alice.bucket),
                0.1,
                ACTIONS,
            ),
        ],
    )


ACTIONS = "Name the actions the work needs, one by one; a wildcard brings others with it."
SLASH = "A pattern such as team* also matches team-old/: put the slash before the asterisk."
