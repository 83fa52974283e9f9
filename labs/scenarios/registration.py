"""Finding the labs: every module below this package that defines a :class:`~labs.scenarios.base.Lab`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from typing import Any

import labs.scenarios
from labs.errors import PermanentError
from labs.scenarios import cluster_lab
from labs.scenarios.base import Lab, Session
from labs.scenarios.cluster_lab import ClusterLab

BASES = (Lab, ClusterLab)


@cache
def registry() -> dict[str, Lab]:
    """All labs by id.

    :raises PermanentError: two labs share an id, or a lab has no id, title or services
    """
    found: dict[str, Lab] = {}
    for module in pkgutil.walk_packages(labs.scenarios.__path__, "labs.scenarios."):
        for kind in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(kind) and issubclass(kind, Lab) and kind.__module__ == module.name and kind not in BASES:
                _register(found, kind())
    return dict(sorted(found.items()))


def lab(lab_id: str) -> Any:
    """The learner's own session of a lab, on the running endpoint or cluster; nothing is created until ``prepare()``.

    :raises PermanentError: no such lab, or no learner is enrolled here
    :raises TemporaryError: a service that the lab needs is not up
    """
    from labs import services
    from labs.aws.account import learner_account

    known = registry()
    if lab_id not in known:
        raise PermanentError(f"there is no lab {lab_id!r}", f"The labs are: {', '.join(known)}.")
    if isinstance(known[lab_id], ClusterLab):
        return cluster_lab.session(known[lab_id], services.learner())
    return Session(known[lab_id], learner_account(), bytes.fromhex(services.learner()["seed"]))


def _register(found: dict[str, Lab], one: Lab) -> None:
    if not (one.id and one.title and one.needs):
        raise PermanentError(f"{type(one).__module__}.{type(one).__name__} must set id, title and needs")
    if one.id in found:
        raise PermanentError(
            f"two labs are called {one.id!r}: {type(found[one.id]).__module__}, {type(one).__module__}"
        )
    found[one.id] = one
