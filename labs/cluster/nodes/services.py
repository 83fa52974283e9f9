"""The service ``nodes``: a part of ``kubernetes``, so it starts and stops with the control plane."""

from __future__ import annotations

import os
import sys

from labs.cluster.controlplane.services import READY_WITHIN, connect, get, number
from labs.errors import PermanentError
from labs.services import state
from labs.services.catalog import Context, Service

NODES_BY_DEFAULT = 3
SOCKET = "nodes.sock"
"""Where orders are taken; see orders.py."""


def _count() -> int:
    chosen = os.environ.get("LABS_KUBERNETES_NODES", str(NODES_BY_DEFAULT))
    if not chosen.isdigit() or int(chosen) > 26:
        raise PermanentError(f"LABS_KUBERNETES_NODES is {chosen!r}.", "Set it to a number from 0 to 26.")
    return int(chosen)


def _backoff() -> list[str]:
    chosen = os.environ.get("LABS_KUBERNETES_BACKOFF", "10,300")
    first, comma, most = chosen.partition(",")
    try:
        if not comma or not 0 < float(first) <= float(most):
            raise ValueError
    except ValueError:
        raise PermanentError(f"LABS_KUBERNETES_BACKOFF is {chosen!r}.",
                             "Set it to two numbers of seconds, the first wait and the longest: 10,300.") from None
    return [first, most]


def _command(context: Context) -> list[str]:
    return [sys.executable, "-m", "labs.cluster.nodes", "--home", str(context.home), "--port", str(context.port),
            "--server", state.endpoint("kubernetes"), "--nodes", str(_count()), "--orders",
            str(state.short_path(SOCKET)), "--egress", str(state.short_path("egress.sock")), "--number", str(number()),
            "--backoff", *_backoff()]


def _ready(context: Context) -> None:
    """Every node is registered and has said that it is ready."""
    get(connect(context.home, context.port or 0, "apiserver-kubelet-client"), "/healthz")


NODES = Service("nodes", _command, _ready, port=10250, scheme="https", needs=("kubernetes",),
                deadline=READY_WITHIN, start=False)
