"""The CI role with the learner's trust policy, and the jobs that want it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from labs.scenarios.b_iam_security.b2 import ci_identity

NAME_HINT = (
    "The trust policy does not match the job's token. Compare with the token's claims: the provider in Principal, the "
    "action, and the whole subject behind token.actions.githubusercontent.com:sub."
)
FORK_HINT = "GitHub signs for everybody: the subject has to name your owner and your repository, with their numbers."
CONTEXT_HINT = (
    "The subject's last part says what started the job. Name the branch: a star there lets pull requests, other "
    "branches and tags in."
)


class Publish:
    """The CI role with the learner's trust policy.

    :raises botocore.exceptions.ClientError: AWS refuses the document
    """

    def __init__(self, trust: dict[str, Any], live: Any) -> None:
        self.aws, self.values = account_of(live)
        self.repository = self.values["repository"]
        self.aws.client("iam").update_assume_role_policy(
            RoleName=self.values["ci_role"], PolicyDocument=json.dumps(trust)
        )

    def job(self, repository: str = "", **more: Any) -> Any:
        """A call by which a job of a repository takes the role."""
        return partial(ci_identity, self.aws, self.values, repository, **more)
