"""The service ``kubernetes`` of the chosen driver: the entry point that `lab up kubernetes` loads."""

from __future__ import annotations

from typing import Any

from labs.cluster.drivers import base


def __getattr__(name: str) -> Any:
    """``KUBERNETES``, decided when it is asked for: the variable may change in a process that lives long."""
    if name == "KUBERNETES":
        return base.chosen().service()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
