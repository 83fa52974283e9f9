"""Try a check against hand-made evidence, without an engine, a worker or a notebook: for authors, and for tests.

>>> from graders.testing import judge
>>> verdict = judge("t1-q1", {"evens": [0, 2, 4]})
>>> verdict.points
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graders.cluster import ClusterPool
from graders.collect import Evidence
from graders.exercise import RegistrationError, find
from graders.live import Pool
from graders.runner import Grader, seeded
from graders.verdict import Verdict


class NothingLive(Pool):
    """A pool without gateways: a check that asks for AWS fails with words that say so."""

    def __init__(self) -> None:
        super().__init__(size=1, clusters=_NoCluster())

    def lease(self, *_: Any) -> Any:
        """Always raises RegistrationError: hand-made evidence has no account."""
        raise RegistrationError("This check acts on AWS; grade a real answer with graders.runner.Grader instead.")


class _NoCluster(ClusterPool):
    def lease(self) -> Any:
        """Always raises RegistrationError: hand-made evidence has no namespace."""
        raise RegistrationError("This check acts on a cluster; grade a real answer with graders.runner.Grader instead.")


def judge(exercise_id: str, answer: Mapping[str, Any], student: str = "learner", *, hidden: bool = True) -> Verdict:
    """The verdict on an answer given as data: of a function, the outcomes of all its calls (see ``exercise.Returns``).

    Raises RegistrationError for a check that acts on AWS.
    """
    registered = find(exercise_id)
    values, account = seeded(None, student)
    grader = Grader(NothingLive())
    try:
        return grader.judge(registered, Evidence(dict(answer)), values, account, hidden=hidden)
    finally:
        grader.close()
