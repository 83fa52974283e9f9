"""The learner's changes in the colleague's zones, asked from three places."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from graders.checks.h_networking.names import NOT_COUNTED
from graders.exercise import Finding
from labs.scenarios.h_networking import zones
from labs.scenarios.h_networking.resolvers import Resolvers
from labs.scenarios.h_networking.timelines import short


class Places:
    """Who is answered what, after the changes."""

    def __init__(self, resolvers: Resolvers, values: dict[str, Any]) -> None:
        self.values = values
        self._resolvers = resolvers
        self._required = {row["name"]: row for row in values["required"]}

    def seen(self, label: str, place: str) -> tuple[str, str]:
        """What a name is answered there, and what is required."""
        row = self._required[zones.full(self.values, label)]
        return short(self._resolvers.dig(place, row["name"], row["type"])), row[place]

    def right(self, label: str, place: str) -> bool:
        """Is that as required?"""
        seen, wanted = self.seen(label, place)
        return seen == wanted

    def finding(self, label: str, place: str, points: float, hint: str, counted: bool = True) -> Finding:
        """Whether it is, which counts only while the work gets done."""
        row = self._required[zones.full(self.values, label)]
        where = "the internet" if place == "internet" else f"the {place}'s VPC"
        seen, wanted = self.seen(label, place)
        return Finding(f"{row['name']} {row['type']} asked from {where}", points, counted and seen == wanted,
                       seen if counted else NOT_COUNTED, wanted, hint)


@contextmanager
def repaired(answer: dict[str, Any], live: Any) -> Iterator[Places]:
    """The attempt's zones with the learner's changes.

    :raises botocore.exceptions.ClientError: AWS refuses a change
    :raises botocore.exceptions.ParamValidationError: a change is not what the API takes
    """
    aws, values = account_of(live)
    zones.apply(aws, values, answer)
    with Resolvers(aws, values) as resolvers:
        yield Places(resolvers, values)
