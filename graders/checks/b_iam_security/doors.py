"""Attacks from a pod, and the findings they make.

A closed door counts only while the work still gets done, as in ``probes``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graders.exercise import Finding
from labs.scenarios.outcome import DENIALS


@dataclass(frozen=True, slots=True)
class Tried:
    """Something that was tried from a pod: what came of it (``seen``), and whether it succeeded.

    ``wanted`` is what the finding expects; ``hint`` is for the other outcome.
    """

    name: str
    points: float
    seen: str
    succeeded: bool
    wanted: str
    hint: str


def call(name: str, points: float, answer: str, wanted: str, hint: str) -> Tried:
    """One of the intruder's AWS calls: it failed only if AWS denied it, not because a thing was missing."""
    return Tried(name, points, answer, answer.partition(":")[0] not in DENIALS, wanted, hint)


def judge(work: Sequence[Tried], attacks: Sequence[Tried]) -> Iterator[Finding]:
    """What must work, then what must not."""
    working = all(each.succeeded for each in work)
    for each in work:
        yield Finding(each.name, each.points, each.succeeded, each.seen, each.wanted, each.hint)
    for each in attacks:
        if working:
            yield Finding(each.name, each.points, not each.succeeded, each.seen, each.wanted, each.hint)
        else:
            seen = "not counted yet: the work above does not get done"
            yield Finding(each.name, each.points, False, seen, each.wanted,
                          "First make the work above succeed; then see that this stays closed.")
