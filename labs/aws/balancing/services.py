"""The service ``load-balancers``."""

from __future__ import annotations

import sys

from labs.services import state
from labs.services.catalog import Context, Service, accepts_connections


def _command(context: Context) -> list[str]:
    return [sys.executable, "-m", "labs.aws.balancing", "--home", str(context.home), "--endpoint",
            state.endpoint("aws"), "--socket", str(context.socket)]


LOAD_BALANCERS = Service("load-balancers", _command, accepts_connections, socket="load-balancers.sock",
                         needs=("aws",), start=False, stop=8)
