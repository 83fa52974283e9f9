"""What real resolvers answer when a story is played to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from graders.exercise import Finding
from labs.scenarios.h_networking.resolvers import Resolvers
from labs.scenarios.h_networking.timelines import play

HINTS = [
    "The resolver keeps the answer of second 0 for its TTL. Is that over when the second client asks?",
    "The resolver also keeps that there was no such name. Which field of the zone's SOA record says for how long?",
    "Which TTL did the answer have that the resolver keeps at the end? The TTL of a record that it never saw counts "
    "for nothing.",
    "Two records make this answer, and each is kept for its own TTL: which of them is asked for again?",
    "A wildcard stands for names that do not exist. Does this one exist?",
    "Which zones cover the name for this client, and which of them decides?",
]


def compare(part: slice, answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    """A finding of half a point for each of these cases."""
    cases, hints = live.values["cases"][part], HINTS[part]
    said = {each["id"]: answer["answers"].get(each["id"], "").strip() for each in cases}
    truth: dict[str, str] = {}
    if any(said.values()):
        aws, values = account_of(live)
        with Resolvers(aws, values) as resolvers:
            truth = play([each for each in cases if said[each["id"]]], resolvers, aws, values)
    for case, hint in zip(cases, hints, strict=True):
        yield _predicted(case, said[case["id"]], truth.get(case["id"], ""), hint)


def _predicted(case: dict[str, Any], said: str, truth: str, hint: str) -> Finding:
    right = bool(said) and said.upper() == truth.upper()
    told = f"you predicted {said}" if said else "no prediction"
    if said and not right:
        told += "; the resolver said something else"
    return Finding(f"{case['id']}: {case['lines'][-1].split('   ')[0].strip()}", 0.5, right, told,
                   "what the resolver answers, predicted", hint)
