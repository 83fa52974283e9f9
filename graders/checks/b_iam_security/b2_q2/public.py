"""Reading and listing the own folder, and the neighbour's file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b2_q2.calls import LIST_HINT, OBJECT_HINT, WIDE_HINT, Pod
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        pod = Pod(answer["session_policy"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    yield from judge(
        work=[
            Probe(f"the pod reads {pod.app}/today.csv", lambda: pod.get(pod.app), 0.5, OBJECT_HINT),
            Probe(f"the pod lists {pod.app}/", lambda: pod.list(f"{pod.app}/"), 0.5, LIST_HINT),
        ],
        attacks=[
            Probe(f"the pod reads {pod.neighbour}/today.csv", lambda: pod.get(pod.neighbour), 1, WIDE_HINT),
        ],
    )
