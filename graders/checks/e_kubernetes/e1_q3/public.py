"""Two pods in the team's share: their class, and a report of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.sizes import both_run, reports
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    found, pods = both_run(live, answer["resources"], 1)
    yield found
    classes = sorted({each["status"].get("qosClass", "") for each in pods})
    yield Finding("the pods are of the class that is evicted last", 1, found.passed and classes == ["Guaranteed"],
                  ", ".join(classes) or "no pod", "Guaranteed",
                  "Every container needs a limit for both resources, and requests that are equal to them.")
    if found.passed:
        yield reports(live, pods, 1)
