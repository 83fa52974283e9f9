"""The service ``load-balancer-controller``."""

from __future__ import annotations

import sys

from labs.cluster.controlplane.services import READY_WITHIN
from labs.cluster.drivers import base
from labs.errors import PermanentError
from labs.services import state
from labs.services.catalog import Context, Service, accepts_connections


def _prepare() -> list[str] | None:
    driver = base.chosen().name
    if driver != "embedded":
        raise PermanentError(f"The service load-balancer-controller is for the embedded cluster, and {base.VARIABLE} is"
                             f" {driver}.")
    return None


def _command(context: Context) -> list[str]:
    return [sys.executable, "-m", "labs.cluster.alb", "--home", str(context.home), "--endpoint",
            state.endpoint("aws"), "--socket", str(context.socket)]


CONTROLLER = Service("load-balancer-controller", _command, accepts_connections, socket="alb.sock",
                     needs=("kubernetes", "load-balancers"), start=False, stop=8, deadline=READY_WITHIN,
                     prepare=_prepare)
