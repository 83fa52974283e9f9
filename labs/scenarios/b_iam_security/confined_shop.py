"""The shop as a process of its own, with limits, and perhaps with somebody else's way to connect.

    python confined_shop.py SOCKET_FD < source of ``connect``, or nothing

The source runs here and nowhere else: after the limits are set and, where the runtime stays readable, without root.
It may define ``connect(open_connection, read_secret, cache, now)`` and finds ``LoginRejected`` defined.
Left to the jail beneath: the file system and the network.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
import traceback
from typing import Any

from labs.aws.providers.lambda_runtime import confine
from labs.shop import logins, logs
from labs.shop.__main__ import serve
from labs.shop.config import from_environment

SOURCE = "<connect>"
BROKEN = "connect failed"  # the log line of a mistake in the source, as opposed to a login that was rejected
LIMITS = {"timeout": 120, "memory": 512, "uid": 65534}  # seconds of CPU, MB, user


def main(descriptor: int) -> int:
    """Serve until SIGTERM; 3 when the source does not define ``connect``."""
    source = sys.stdin.read()
    listening = socket.socket(fileno=descriptor)
    logs.configure()
    settings = from_environment(os.environ)
    confine(LIMITS)
    connecting: Any = logins.connect
    if source:
        namespace: dict[str, Any] = {"__name__": "answer", "LoginRejected": logins.LoginRejected}
        try:
            exec(compile(source, SOURCE, "exec"), namespace)
        except Exception as error:  # noqa: BLE001 (whatever the source raises)
            logging.getLogger("shop").error("cannot start", extra={"reason": f"{type(error).__name__}: {error}"})
            return 3
        given = namespace.get("connect")
        if not callable(given):
            logging.getLogger("shop").error("cannot start", extra={"reason": "no function connect"})
            return 3

        def connecting(open_connection: Any, read_secret: Any, cache: Any) -> Any:
            try:
                return given(open_connection, read_secret, cache, time.monotonic())
            except (TypeError, NameError, AttributeError, LookupError, ArithmeticError, ValueError) as error:
                line = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == SOURCE]
                reason = f"{type(error).__name__} in line {line[-1] if line else '?'} of connect: {error}"
                logging.getLogger("shop").error(BROKEN, extra={"reason": reason})
                raise

    serve(settings, listening, connecting)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
