"""Live calls with an expectation, and the findings they make.

An attack counts as stopped only while the work still gets done: a policy that forbids everything earns nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.exercise import Finding
from labs.aws.account import AwsAccount
from labs.scenarios import Outcome, attempt, settle

POLICY = {"type": "object", "minProperties": 1, "description": "a policy document as a Python dict"}

WHY_REFUSED = {
    ("implicit deny", "identity-based policy"): (
        "No Allow matched the action, the resource ARN and the condition together. Compare each of the three with "
        "AWS's message, letter by letter."
    ),
    ("implicit deny", "permissions boundary"): (
        "The boundary does not allow this action. A boundary limits what identity policies give; it is never a source "
        "of permission."
    ),
    ("implicit deny", "resource-based policy"): (
        "The resource's own policy has to allow this caller by itself here. Compare its Principal and Condition "
        "with the call."
    ),
    ("implicit deny", "session policy"): "The session policy does not allow this action: it narrows the role.",
}


@dataclass(frozen=True, slots=True)
class Probe:
    """One call: who does what (``name``), how, and what must become of it.

    ``hints`` maps ``"<verdict>"`` or ``"<verdict> by <policy type>"`` to a hint of its own; ``hint`` is for all else.
    """

    name: str
    call: Callable[[], Any]
    points: float
    hint: str = ""
    hints: Mapping[str, str] = field(default_factory=dict)

    def advice(self, outcome: Outcome) -> str:
        """The hint for this way of failing."""
        if outcome.verdict == "explicit deny" and outcome.verdict not in self.hints:
            return f"A Deny in the {outcome.by} matches this call. No Allow outweighs it: narrow the Deny."
        for key in (f"{outcome.verdict} by {outcome.by}", outcome.verdict):
            if key in self.hints:
                return self.hints[key]
        known = WHY_REFUSED.get((outcome.verdict, outcome.by), "")
        return self.hint or known or "Read AWS's message: it names the caller, the action and the resource."


def account_of(live: Any) -> tuple[AwsAccount, dict[str, Any]]:
    """The attempt's account and the learner's settled values."""
    return AwsAccount(live.endpoint, live.account), settle(live.values, live.account)


def judge(work: Iterable[Probe], attacks: Iterable[Probe]) -> Iterator[Finding]:
    """Try what must work, then what must not; the second earns points only when all of the first succeeded."""
    working = True
    for probe in work:
        outcome = attempt(probe.call)
        working = working and outcome.allowed
        yield Finding(
            probe.name,
            probe.points,
            outcome.allowed,
            _seen(outcome),
            "AWS allows this call",
            probe.advice(outcome),
        )
    for probe in attacks:
        yield _attack(probe, working)


def refused(error: ClientError | ParamValidationError, points: float) -> Finding:
    """AWS does not take the document itself."""
    said = error.response.get("Error", {}) if isinstance(error, ClientError) else {}
    code = str(said.get("Code", type(error).__name__))
    return Finding(
        "AWS accepts the policy",
        points,
        False,
        f"{code}: {said.get('Message', error)}",
        "a document that AWS stores",
        GRAMMAR.get(code, "Read AWS's message, then compare the document with one of the policies shown in the lab."),
    )


GRAMMAR = {
    "MalformedPolicyDocument": (
        "Check the grammar: Version, a list of Statements, Effect Allow or Deny, actions as service:Operation, "
        "a Principal only in resource and trust policies."
    ),
    "MalformedPolicy": (
        "Check the grammar of a bucket policy: every statement needs a Principal that exists (no * inside an ARN) "
        "and a Resource of this bucket."
    ),
    "LimitExceeded": "The document is too long for this kind of policy. Name fewer things, or group them.",
}


def _attack(probe: Probe, working: bool) -> Finding:
    expected = "AWS denies this call"
    if not working:
        return Finding(
            probe.name,
            probe.points,
            False,
            "not counted yet: the work above is still refused",
            expected,
            "First make the work above succeed; then see that this stays denied.",
        )
    outcome = attempt(probe.call)
    return Finding(
        probe.name,
        probe.points,
        outcome.denied,
        _seen(outcome),
        expected,
        probe.hint
        or "Some Allow reaches further than the work needs: narrow its Action, its Resource or its Condition.",
    )


def _seen(outcome: Outcome) -> str:
    if outcome.allowed:
        return "allowed"
    return f"{outcome.code}: {outcome.message}" if outcome.message else outcome.code
