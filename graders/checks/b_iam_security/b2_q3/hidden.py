"""Everything else that GitHub signs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b2_q3.calls import CONTEXT_HINT, FORK_HINT, NAME_HINT, Publish
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding
from labs.scenarios.b_iam_security.b2 import INTERNAL

AUDIENCE_HINT = "A token that was made for the shop's own API must not open AWS: compare the aud key too."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        publish = Publish(answer["ci_trust_policy"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    repository = publish.repository
    owner = repository.partition("/")[0]
    yield from judge(
        work=[Probe("a push to main by another person takes the role", publish.job(actor="ada"), 0.2, NAME_HINT)],
        attacks=[
            Probe("a pull request takes the role", publish.job(pull_request=7), 0.4, CONTEXT_HINT),
            Probe("another branch takes the role", publish.job(ref="refs/heads/try"), 0.3, CONTEXT_HINT),
            Probe("a tag takes the role", publish.job(ref="refs/tags/v1"), 0.2, CONTEXT_HINT),
            Probe(
                f"the repository {repository}-tools takes the role", publish.job(f"{repository}-tools"), 0.2, FORK_HINT
            ),
            Probe(f"another repository of {owner} takes the role", publish.job(f"{owner}/website"), 0.3, FORK_HINT),
            Probe(
                "a repository that was created under the same name, without the numbers, takes the role",
                publish.job(immutable=False),
                0.2,
                FORK_HINT,
            ),
            Probe("a token for the shop's own API opens the role", publish.job(audience=INTERNAL), 0.2, AUDIENCE_HINT),
        ],
    )
