"""The restore, and a stranger's session of the same role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b1_q3.calls import HINTS, Vault
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        vault = Vault(answer["bucket_policy"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    restore = vault.values["restore"]
    yield from judge(
        work=[Probe(f"session {restore} reads nightly/orders.json", vault.read(vault.restore), 1, hints=HINTS)],
        attacks=[
            Probe(
                "session curious of the same role reads it",
                vault.read(vault.session("curious")),
                1,
                "The Principal covers every session of the role: name one session.",
            )
        ],
    )
