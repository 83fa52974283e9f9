"""The other ways in which a pod could use the shared role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b2_q2.calls import LIST_HINT, OBJECT_HINT, Pod
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding

READ_HINT = "Reading is GetObject and ListBucket. A star after s3: also writes, deletes and changes the bucket."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        pod = Pod(answer["session_policy"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    yield from judge(
        work=[
            Probe(f"a second read of {pod.app}/today.csv", lambda: pod.get(pod.app), 0.2, OBJECT_HINT),
            Probe(f"the pod lists {pod.app}/2026/", lambda: pod.list(f"{pod.app}/2026/"), 0.2, LIST_HINT),
        ],
        attacks=[
            Probe("the pod lists the whole bucket", lambda: pod.list(""), 0.5, LIST_HINT),
            Probe(f"the pod lists {pod.neighbour}/", lambda: pod.list(f"{pod.neighbour}/"), 0.2, LIST_HINT),
            Probe(f"the pod overwrites {pod.app}/today.csv", pod.put, 0.4, READ_HINT),
            Probe(f"the pod deletes {pod.app}/old.csv", pod.delete, 0.3, READ_HINT),
            Probe("the pod changes the bucket's policy", pod.open_bucket, 0.2, READ_HINT),
        ],
    )
