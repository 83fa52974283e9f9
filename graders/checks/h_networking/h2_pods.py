"""The pods behind what is judged: an answer is not wrong when they were not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from graders.exercise import Finding
from labs.cluster.space import complete, crowded, restarts
from labs.errors import TemporaryError


def judged(live: Any, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings; one that says no counts only while every pod of the lab has been well.

    :raises TemporaryError: some pod was not
    """
    for each in findings:
        if not each.passed:
            _all_well(live)
        yield each


def _all_well(live: Any) -> None:
    apps = live.values["apps"]
    for name in (apps["web"], apps["next"], apps["api"]):
        deployment, pods = live.space.get("Deployment", name), live.space.pods(name)
        if not complete(deployment) or any(map(restarts, pods)):
            raise TemporaryError(f"pods of {name} were not there all the time; {crowded() or 'look at the nodes'}")
