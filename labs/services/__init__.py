"""Services of the labs: which there are, where they listen, who keeps them running.

``supervisor`` (the kept process supervisor, not ours) runs them; this package writes its configuration, chooses
ports, probes readiness and leaves nothing behind.  May import ``labs.errors`` only: a service is a command line, so
starting AWS imports nothing of ``labs.aws``.  Linux only (it reads ``/proc``).

    state.py        the state folder, and the files in it that other packages read
    catalog.py      what a service is; the built-in ones and those other packages register
    ports.py        choosing a port, and proving whose it is
    supervisor.py   the daemon: configuration, calls, sweeping up after a kill
    launch.py       the first instruction of every service process
    control.py      up, down, status
"""

from __future__ import annotations

from labs.services.state import endpoint, endpoints, home, learner, log_file, short_path, workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labs.services.control import Status, down, keep, status, up

__all__ = [
    "Status",
    "down",
    "endpoint",
    "endpoints",
    "home",
    "keep",
    "learner",
    "log_file",
    "short_path",
    "status",
    "up",
    "workspace",
]


def __getattr__(name: str) -> Any:
    """What talks to the supervisor is loaded on first use: services know where they listen, and need no more."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from labs.services import control

    return getattr(control, name)
