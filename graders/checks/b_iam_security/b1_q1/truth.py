"""What the endpoint really answers to a case, and how a prediction compares with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from graders.exercise import Finding
from labs.aws.account import AwsAccount
from labs.errors import TemporaryError
from labs.scenarios import Outcome, attempt
from labs.scenarios.b_iam_security.cases import stage
from labs.scenarios.creation import access_key

HINTS = {
    ("allow", "identity-based policy"): (
        "Which document says yes to this caller? Look whether every limit around it (boundary, session policy) says "
        "yes too."
    ),
    ("allow", "resource-based policy"): (
        "Read the bucket policy's Principal. A user ARN and a session ARN are answered at that gate, and later limits "
        "that merely stay silent are not asked."
    ),
    ("implicit deny", "identity-based policy"): (
        "Does any statement say yes to exactly this caller, action, resource and condition? A bucket policy that names "
        "the account passes the question on to the identity policies."
    ),
    ("implicit deny", "permissions boundary"): (
        "A boundary speaks for all that identity policies and a role ARN in a bucket policy give. Is the action in it?"
    ),
    (
        "implicit deny",
        "session policy",
    ): "A session gets what the role and the session policy both give. Look at the action.",
    ("implicit deny", "resource-based policy"): (
        "Two kinds of resource policy must say yes by themselves, whatever the identity policy says. Is "
        "this one of them?"
    ),
}
DENY_HINT = "Look for a Deny that matches, in any of the documents: one is enough, and it ends the evaluation."


def compare(cases: slice, points: float, answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    """A finding for each of these cases, ``points`` each."""
    aws, values = account_of(live)
    operator = access_key(aws, values["operator"])
    for case in values["cases"][cases]:
        predicted = answer["predictions"].get(case["id"])
        name = f"{case['id']}: {case['title']}"
        if predicted is None:
            yield Finding(
                name, points, False, "no prediction", "a verdict and a policy type", "Read the case, then decide."
            )
            continue
        truth = _truth(live, aws, case, operator, values)
        yield _finding(name, points, predicted, truth)


def _truth(
    live: Any, aws: AwsAccount, case: dict[str, Any], operator: dict[str, str], values: dict[str, Any]
) -> tuple[str, str]:
    call = stage(aws, values, case, operator)
    outcome = attempt(call)
    if outcome.allowed:
        return "allow", _who_allowed(aws, case, call)
    if outcome.verdict == "deny":  # AWS left the reason out of this message; the gateway's trace has it
        decision = live.decision(outcome.request_id)["decision"]
        return ("explicit deny" if decision["explicit"] else "implicit deny"), decision["denied_by"]
    if not outcome.denied:
        raise TemporaryError(f"the case {case['title']!r} could not be tried: {outcome}")
    return outcome.verdict, outcome.by


def _who_allowed(aws: AwsAccount, case: dict[str, Any], call: Any) -> str:
    """Take the bucket policy away and call again: what then fails had been allowed by it."""
    if not case.get("bucket_policy"):
        return "identity-based policy"
    aws.client("s3").delete_bucket_policy(Bucket=case["bucket"])
    again: Outcome = attempt(call)
    return "identity-based policy" if again.allowed else "resource-based policy"


def _finding(name: str, points: float, predicted: dict[str, str], truth: tuple[str, str]) -> Finding:
    verdict, by = truth
    if (predicted["verdict"], predicted["by"]) == truth:
        return Finding(name, points, True, f"{verdict}, {by}", "your prediction", "Well read.")
    hint = DENY_HINT if verdict == "explicit deny" else HINTS.get(truth, "Walk through the gates from the top.")
    if (predicted["verdict"] == "allow") != (verdict == "allow"):
        did = "allowed" if verdict == "allow" else "denied"
        observed = f"you predicted {predicted['verdict']}; the endpoint {did} the call"
    elif predicted["verdict"] != verdict:
        observed = f"denied, as you said, but not by an {predicted['verdict']}"
    else:
        observed = f"{verdict}, as you said, but not because of the {predicted['by']}"
    return Finding(name, points, False, observed, "the endpoint's answer, predicted", hint)
