"""Waiting for the cluster, with a deadline."""

import time
from collections.abc import Callable
from typing import Any


def until(happened: Callable[[], Any], what: str, within: float) -> Any:
    """The first true answer of ``happened``; fails with ``what`` after ``within`` seconds."""
    end = time.monotonic() + within
    while True:
        found = happened()
        if found:
            return found
        assert time.monotonic() < end, f"not in {within:.0f} s: {what}"
        time.sleep(0.1)
