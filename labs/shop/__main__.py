"""``python -m labs.shop [backend|frontend|migrate|settings]``: the shop's programs.

``backend`` (the default) and ``frontend`` serve until SIGTERM; ``migrate`` brings the data's shape up to date and ends;
``settings`` prints the table of settings.  Exit status: 0 after an orderly end, 1 when a migration failed, 2 for
settings that make no sense.
"""

from __future__ import annotations

import logging
import os
import socket
import sys

from labs.shop import logs
from labs.shop.config import BACKEND, FRONTEND, MIGRATE, ROLES, ConfigError, Settings, from_environment, table
from labs.shop.logins import connect

log = logging.getLogger("shop")


def main(arguments: list[str] | None = None) -> int:
    """Run one of the programs."""
    words = sys.argv[1:] if arguments is None else arguments
    role = words[0] if words else BACKEND
    if role == "settings":
        print(table(), end="")
        return 0
    if role not in ROLES or len(words) > 1:
        print(f"usage: python -m labs.shop [{'|'.join(ROLES)}|settings]", file=sys.stderr)
        return 2
    logs.configure()
    try:
        settings = from_environment(os.environ, role)
    except ConfigError as error:
        return _cannot_start(str(error))
    logging.getLogger().setLevel(settings.log_level.upper())
    if role == MIGRATE:
        from labs.shop.migrate import main as migrate

        return migrate(settings)
    from labs.shop.life import listen

    try:
        listening = listen(settings.host, settings.port)
    except OSError as error:
        return _cannot_start(f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}")
    if role == FRONTEND:
        from labs.shop.frontend import serve as serve_frontend

        serve_frontend(settings, listening)
    else:
        serve(settings, listening)
    return 0


def _cannot_start(reason: str) -> int:
    log.error("cannot start", extra={"reason": reason})
    return 2


def serve(settings: Settings, listening: socket.socket, connecting: object = connect) -> None:
    """Serve the backend on a socket until a signal comes.

    :param connecting: how a connection is made; see :func:`labs.shop.logins.connect`
    """
    from labs.shop.app import create_app
    from labs.shop.aws import Aws
    from labs.shop.life import Program
    from labs.shop.store import Store

    aws = Aws() if settings.images_bucket or settings.store == "dynamodb" else None
    store: Store
    if settings.store == "postgres":
        from labs.shop.database import Pool, opener
        from labs.shop.logins import Logins, secret_reader
        from labs.shop.store import PostgresStore

        login = settings.login
        read = (lambda: login) if login is not None else secret_reader(settings.secret_id)
        logins = Logins(read, connecting)  # type: ignore[arg-type]
        store = PostgresStore(Pool(opener(logins, settings.tls), settings.connections, settings.max_age))
    elif settings.store == "dynamodb":
        from labs.shop.dynamo import DynamoStore

        assert aws is not None
        store = DynamoStore(aws, settings.table)
    else:
        from labs.shop.memory import MemoryStore

        log.warning("data lives in this process only and ends with it", extra={"store": settings.store})
        store = MemoryStore()
    program = Program(settings)
    program.serve(create_app(program, store, aws), listening)


if __name__ == "__main__":
    sys.exit(main())
