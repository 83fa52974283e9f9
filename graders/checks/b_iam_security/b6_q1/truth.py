"""What the metadata service really answers to a case, asked from a pod in that place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from graders.exercise import Finding
from labs.errors import TemporaryError
from labs.scenarios.b_iam_security.b6 import Site, site

HINTS = {
    "1 optional": "Version 1 is one plain GET. The hop limit counts for the answer to a PUT only.",
    "1 required": "Without a token every GET is refused, wherever it comes from.",
    "2 pod 1": "Count the hops of a pod in the pod network: how far does the answer to its PUT travel?",
    "2 host 1": "A pod with hostNetwork stands where the node stands: one hop.",
    "2 pod 2": "The PUT is answered as far as the limit reaches, and who holds a token may ask.",
}


def compare(cases: slice, points: float, answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    """A finding for each of these cases, ``points`` each."""
    aws, values = account_of(live)
    with site(aws, values) as there:
        for case in values["cases"][cases]:
            yield _compared(case, points, answer["predictions"].get(case["id"]), there)


def _compared(case: Mapping[str, Any], points: float, predicted: str | None, there: Site) -> Finding:
    name = f"{case['id']}: {told(case)}"
    if predicted is None:
        return Finding(name, points, False, "no prediction", "one of the three outcomes", "Read the case, then decide.")
    there.node.modify(HttpTokens=case["tokens"], HttpPutResponseHopLimit=case["hop_limit"])
    seen = there.intrude(f"v{case['version']}", use=False, host_network=case["network"] == "host")
    truth = outcome(seen[f"v{case['version']}"]["got"])
    kind = case["tokens"] if case["version"] == 1 else f"{case['network']} {case['hop_limit']}"
    observed = truth if predicted == truth else f"you predicted {predicted}; the service gave something else"
    hint = HINTS[f"{case['version']} {kind}"]
    return Finding(name, points, predicted == truth, observed, "the service's answer, predicted", hint)


def outcome(got: str) -> str:
    """The exercise's word for what the intruder saw; raises TemporaryError for anything else."""
    if got in ("credentials", "no answer"):
        return got
    if got.startswith("HTTP 401"):
        return "401"
    raise TemporaryError(f"the metadata service answered {got!r}")


def told(case: Mapping[str, Any]) -> str:
    """The case in words."""
    return (f"IMDSv{case['version']} from the {case['network']} network, tokens {case['tokens']}, "
            f"hop limit {case['hop_limit']}")
