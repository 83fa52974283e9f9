"""A report, then a leak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.sizes import counted, leak, reports, start, unstarted
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    pods = start(live, answer["memory"])
    if not pods:
        yield unstarted(live)
        return
    done = reports(live, pods, 1.5)
    pods = start(live, answer["memory"])
    if not pods:
        yield unstarted(live)
        return
    found = leak(live, pods[0], 1.5)
    yield found
    yield counted(done, found.passed)
