"""What real clients meet at a real ingress."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graders.exercise import Finding
from labs.scenarios.h_networking.h3 import try_cases
from labs.scenarios.h_networking.handshakes import Handshake

HINTS = {
    "ok": "Go through the client's four questions again: is there one that it cannot answer with yes?",
    "expired": "Compare the last day of the certificate with today.",
    "wrong name": "Which names of a certificate does a client compare with the host? One of the two kinds only.",
    "unknown issuer": "Draw the way from the certificate to a root that the client has. Who sends what is on it?",
    "default certificate": (
        "What does the ingress show when it has no certificate for the name of the SNI, and when is that so?"
    ),
}


def _met(live: Any, cases: list[Any]) -> dict[str, Handshake]:
    assert live.ingress.https       # it runs
    return try_cases(live.space, Path(live.space.cluster.kubeconfig).parent, cases, live.values)


def compare(part: slice, answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    """A finding of half a point for each of these cases."""
    cases = live.values["cases"][part]
    asked = [case for case in cases if case["id"] in answer["outcomes"]]
    met = _met(live, asked) if asked else {}
    for case in cases:
        said, seen = answer["outcomes"].get(case["id"]), met.get(case["id"])
        right = seen is not None and said == seen.outcome
        told = "no prediction" if seen is None else f"you predicted {said}" + ("" if right else "; it ended otherwise")
        hint = HINTS.get(seen.outcome if seen else "ok", HINTS["ok"])
        yield Finding(f"{case['id']}: a client that trusts {case['trusts']} asks for {case['asks']}", 0.5, right, told,
                      "how the handshake ends, predicted", hint)
