"""A lock on a file that is waited for, with an end to the waiting.  Imports nothing of ours."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from typing import IO

LOOKED_EVERY = 0.05


def taken(file: int | IO[str], within: float, waiting: Callable[[], object] = lambda: None) -> bool:
    """Hold the file's exclusive lock (flock(2)); False when somebody else still has it after so many seconds.

    It is held until every copy of the file descriptor is closed, those of child processes too.

    :param waiting: called after each look at a lock that somebody else has
    """
    end = time.monotonic() + within
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > end:
                return False
        waiting()
        time.sleep(LOOKED_EVERY)
