"""Lines of JSON about one request, in the access logs of whatever passed it on."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

LOGGED_WITHIN = 3.0
LOOKED_EVERY = 0.05
LOOKED_AT = 1_000_000
"""Bytes at the end of a log."""


def logged(log: Path, request_id: str, within: float = LOGGED_WITHIN) -> dict[str, Any] | None:
    """The last line of a log about a request; None when there is none after some seconds."""
    end = time.monotonic() + within
    while True:
        for line in reversed(_tail(log)):
            if request_id in line and line.startswith("{"):
                return dict(json.loads(line))
        if time.monotonic() >= end:
            return None
        time.sleep(LOOKED_EVERY)


def _tail(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOOKED_AT))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
