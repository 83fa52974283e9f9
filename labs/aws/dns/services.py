"""The service ``dns``: resolvers on one port (UDP and TCP) of several addresses of loopback, told in ``dns.json``."""

from __future__ import annotations

import sys

from labs.errors import PermanentError, TemporaryError
from labs.services import state
from labs.services.catalog import Context, Service

PORT = 5300


def _command(context: Context) -> list[str]:
    return [sys.executable, "-m", "labs.aws.dns", "--home", str(context.home), "--port", str(context.port),
            "--socket", str(state.short_path("dns.sock", context.home)), "--endpoint", state.endpoint("aws")]


def _ready(context: Context) -> None:
    """It has read the zones, and tells where it listens."""
    from labs.aws.dns.asking import views

    try:
        at = str(views(context.home)["public"])
    except PermanentError as error:
        raise TemporaryError(str(error)) from error
    if at != f"127.0.0.1:{context.port}":
        raise TemporaryError(f"it listens on {at}, not on port {context.port}")


DNS = Service("dns", _command, _ready, port=PORT, scheme="dns", needs=("aws",), start=False)
