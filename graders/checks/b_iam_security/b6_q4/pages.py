"""The learner's role, associated with pods on a hardened node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graders.checks.b_iam_security.doors import Tried
from graders.checks.b_iam_security.probes import account_of
from labs.aws.account import AwsAccount
from labs.aws.iam import Policy, PolicySet, Principal, PrincipalType, Request, evaluate
from labs.scenarios.b_iam_security.b6 import HARDENED, NODE_WORK, Site, site, trust
from labs.scenarios.b_iam_security.cases import allow, document
from labs.scenarios.creation import ensure_role

CREDENTIALS_HINT = "A condition must fit the pods' own namespace and service account, letter by letter."
READ_HINT = "The role's policy must allow reading an object of the pages' folder: compare the action and the ARN."
WIDE_HINT = "The role can do more than read one folder: narrow its Action and its Resource."
NEEDED = "the object is read"


@contextmanager
def hardened(answer: dict[str, Any], live: Any) -> Iterator[tuple[AwsAccount, Site]]:
    """The account and a hardened node in it; the learner's role is there, and the node role does the node's work.

    :raises botocore.exceptions.ClientError: AWS refuses a document
    """
    aws, values = account_of(live)
    ensure_role(aws, values["node_role"], trust("ec2.amazonaws.com", ["sts:AssumeRole"]),
                {"node": document(allow(NODE_WORK))})
    ensure_role(aws, values["pod_role"], answer["trust_policy"], {"pages": answer["role_policy"]})
    with site(aws, values, **HARDENED) as there:
        yield aws, there


def why_refused(trust_policy: dict[str, Any]) -> str:
    """A hint by what the trust policy says to EKS's service for each action, any condition on tags left aside."""
    asking = Principal(arn="pods.eks.amazonaws.com", account="1", type=PrincipalType.SERVICE)
    bare = [{name: part for name, part in statement.items() if name != "Condition"}
            for statement in trust_policy.get("Statement", []) if isinstance(statement, dict)]
    policies = PolicySet(resource=Policy({"Version": "2012-10-17", "Statement": bare}))
    for action in ("sts:AssumeRole", "sts:TagSession"):
        if not evaluate(Request(asking, action, "arn:aws:iam::1:role/pages", "1"), policies).allowed:
            return f"The trust policy does not let EKS's service for pods perform {action}: see Principal and Action."
    return CREDENTIALS_HINT


def reading(name: str, points: float, seen: dict[str, Any], key: str, trust_policy: dict[str, Any]) -> Tried:
    """The pages' pod reads a file of theirs: first credentials, then S3's answer."""
    if seen["got"] != "credentials":
        return Tried(name, points, seen["got"], False, NEEDED, why_refused(trust_policy))
    answer = seen["reads"][key]
    return Tried(name, points, answer, answer == "allowed", NEEDED, READ_HINT)
