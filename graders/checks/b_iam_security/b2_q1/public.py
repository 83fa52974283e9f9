"""The app's own pod, and a neighbour in the same namespace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b2_q1.calls import NAME_HINT, SUBJECT_HINT, App
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        app = App(answer["trust_policy"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    name, neighbour = app.values["app"], app.values["neighbour"]
    yield from judge(
        work=[
            Probe(f"a pod of service account {name} takes the role", app.takes(), 0.75, NAME_HINT),
            Probe(f"it reads {app.values['key']} with role credentials only", app.reads, 0.25, NAME_HINT),
        ],
        attacks=[
            Probe(
                f"a pod of service account {neighbour} in the same namespace takes the role",
                app.takes(neighbour),
                1,
                SUBJECT_HINT,
            )
        ],
    )
