"""A night, two of a thief's calls, and the budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b3_jobs import FOLDER_HINT, Job
from graders.checks.b_iam_security.b3_q3 import budget
from graders.checks.b_iam_security.b3_q3.calls import CHECKOUT_HINT
from graders.checks.b_iam_security.probes import judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        job = Job({"deploy": answer["policy"]}, live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 3)
        return
    work = list(judge(job.work({}, 0.1), []))
    yield from work
    working = all(one.passed for one in work)
    attacks = [
        job.on_checkout("a thief changes the checkout", "update_function_configuration", 0.7, CHECKOUT_HINT,
                        MemorySize=128),
        job.reads("a thief reads the signing key", "bucket", "keys/signing.pem", 0.4, FOLDER_HINT),
    ]  # fmt: skip
    yield from judge([], attacks) if working else _uncounted(attacks)
    yield budget.finding(answer["policy"], 1.0, working)


def _uncounted(attacks: Any) -> Iterator[Finding]:
    for probe in attacks:
        yield Finding(
            probe.name,
            probe.points,
            False,
            "not counted yet: the work above is still refused",
            "AWS denies this call",
            "First make the work above succeed; then see that this stays denied.",
        )
