"""Lab b6-cluster's namespace with a learner's answer in it: a customer's page, and an intruder's attempts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graders import manifests
from graders.checks.b_iam_security.doors import Tried, judge
from graders.checks.e_kubernetes.trials import not_busy
from graders.exercise import Finding
from labs.cluster.space import Object, Space, until
from labs.scenarios.b_iam_security.b6_cluster import chain, chosen, deployment, intrude, page, serving, told

Values = dict[str, Any]
STARTED_WITHIN, SHOWN_WITHIN = 25.0, 6.0
SETTLED_WITHIN = 3.0
"""Seconds until the API server and the nodes know of a Role or a policy, at most."""
LOST = ("BackOff", "Failed", "FailedCreate", "FailedMount")
REFUSED, SILENT = "403 of the API server", "no answer"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A door that must be closed.

    :param step: as :func:`labs.scenarios.b_iam_security.b6_cluster.chosen` knows it
    :param who: the workload whose pod the intruder is in, the app when ""
    """

    step: str
    name: str
    points: float
    wanted: str
    hint: str
    who: str = ""


def start(space: Space, values: Values, pod: Object | None = None, container: Object | None = None) -> None:
    """Start all Deployments, with these security contexts; returns when they serve, or when they cannot.

    :raises graders.manifests.Unusable: the API server refuses a Deployment
    """
    manifests.apply(space, *(deployment(values, each, pod, container) for each in chain(values)))
    if not until(lambda: serving(space, values) or _lost(space) != "", STARTED_WITHIN):
        not_busy(", ".join(chain(values)))


def _lost(space: Space) -> str:
    """What was said last of a pod that cannot be made or started, "" for nothing."""
    said = [each["message"] for each in space.events() if each.get("reason") in LOST and each.get("type") == "Warning"]
    return str(said[-1]) if said else ""


def shown(space: Space, values: Values, points: float, hint: str) -> Tried:
    """A customer asks the front for a page, which needs every link of the chain."""
    seen = [page(space, values)]

    def good() -> bool:
        seen[0] = page(space, values)
        return seen[0][0] == 200

    works = good() or (serving(space, values) and bool(until(good, SHOWN_WITHIN)))
    lost = _lost(space)
    if not works and not lost and "forbidden" not in seen[0][1]:
        not_busy("a page")  # a link that is only late looks the same
    last = told(seen[0]) if seen[0][0] else f"{seen[0][1]}; {lost or 'no pod answers'}"
    return Tried("a customer gets the page, through all four workloads", points, last[:600], works,
                 "200, and a part of each", hint)


def replay(space: Space, values: Values, work: Tried, attempts: Sequence[Attempt]) -> Iterator[Finding]:
    """The page, then what became of each attempt; nothing is tried while the page does not work."""
    seen = _tried(space, values, attempts) if work.succeeded else {}
    nothing = {"got": "not tried", "succeeded": True}
    attacks = [Tried(each.name, each.points, (found := seen.get(each, nothing))["got"], found["succeeded"], each.wanted,
                     each.hint) for each in attempts]
    yield from judge([work], attacks)


def _tried(space: Space, values: Values, attempts: Sequence[Attempt]) -> dict[Attempt, dict[str, Any]]:
    """What came of each; one that succeeds is repeated while its door may still be closing."""
    end, seen = time.monotonic() + SETTLED_WITHIN, dict[Attempt, dict[str, Any]]()
    left = list(attempts)
    while left:
        for who in dict.fromkeys(each.who for each in left):
            there = [each for each in left if each.who == who]
            found = intrude(space, values, chosen(space, values, [each.step for each in there]), who)
            seen |= {each: found[each.step] for each in there}
        left = [each for each in left if seen[each]["succeeded"]] if time.monotonic() < end else []
    if any(each["got"] == SILENT for each in seen.values()):
        not_busy("connections")  # an answer that is only late looks the same
    return seen


def unpaid(work: Tried) -> Tried:
    """The same, worth nothing: another check pays it."""
    return replace(work, points=0)
