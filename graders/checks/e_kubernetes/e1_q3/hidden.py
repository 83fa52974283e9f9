"""Two pods again, and in one of them a load, a loop and a leak, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.sizes import both_run, counted, leak, loop, smooth
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    found, pods = both_run(live, answer["resources"], 0)
    if not found.passed:
        yield found
        return
    done = smooth(live, 1)
    held = loop(live, pods[-1], 1)
    yield held
    yield counted(done, held.passed)
    yield leak(live, pods[-1], 1)
