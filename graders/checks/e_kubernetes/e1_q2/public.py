"""A load, then a loop that never ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.sizes import counted, loop, smooth, start, unstarted
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    pods = start(live, answer["processor"])
    if not pods:
        yield unstarted(live)
        return
    done = smooth(live, 1.5)
    found = loop(live, pods[-1], 1.5)
    yield found
    yield counted(done, found.passed)
