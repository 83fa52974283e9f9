"""``python -m labs.shop``: the shop as a plain process.  SIGTERM ends it within ``SHOP_DRAIN_SECONDS``."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys

import uvicorn

from labs.shop import logs
from labs.shop.app import create_app
from labs.shop.config import ConfigError, Settings, from_environment
from labs.shop.database import Pool, open_connection
from labs.shop.logins import Logins, connect, secret_reader
from labs.shop.store import Store

log = logging.getLogger("shop")


def main() -> int:
    """Serve until SIGTERM; 0 after an orderly end, 2 for settings that make no sense."""
    logs.configure()
    try:
        settings = from_environment(os.environ)
    except ConfigError as error:
        log.error("cannot start", extra={"reason": str(error)})
        return 2
    try:
        listening = listen(settings.port)
    except OSError as error:
        log.error("cannot start", extra={"reason": f"port {settings.port}: {error.strerror}"})
        return 2
    serve(settings, listening)
    return 0


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(2048)
    return listening


def serve(settings: Settings, listening: socket.socket, connecting: object = connect) -> None:
    """Serve on a socket until a signal comes.

    :param connecting: how a connection is made; see :func:`labs.shop.logins.connect`
    """
    login = settings.login
    read = (lambda: login) if login is not None else secret_reader(settings.secret_id)
    logins = Logins(open_connection, read, connecting)  # type: ignore[arg-type]
    pool = Pool(logins.connection, settings.connections, settings.max_age)
    app = create_app(Store(pool), on_stop=pool.close)
    # uvicorn hands a signal on to whoever handled it before; it must not end the process before the last log line
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
    )
    log.info("serving", extra={"port": listening.getsockname()[1]})
    uvicorn.Server(config).run(sockets=[listening])
    log.info("stopped")


if __name__ == "__main__":
    sys.exit(main())
