"""Connections to PostgreSQL: opened with a login, kept in a pool, replaced when they are old or dead."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pg8000.native
from pg8000.exceptions import DatabaseError, InterfaceError

from labs.shop.logins import Login, LoginRejected, SecretUnavailable

CONNECT_SECONDS = 8
WAIT_SECONDS = 8.0  # for a free connection
REJECTED = {"28P01", "28000"}  # invalid_password, invalid_authorization_specification (PostgreSQL, "Error Codes")


class Unavailable(Exception):
    """The database cannot serve now; nothing is known to be wrong with the request."""


def open_connection(login: Login) -> pg8000.native.Connection:
    """One connection.

    :raises LoginRejected: the server refused user or password
    :raises Unavailable: the server cannot be reached or takes no connection
    """
    try:
        return pg8000.native.Connection(
            login["username"],
            password=login["password"],
            host=login["host"],
            port=int(login["port"]),
            database=login["dbname"],
            timeout=CONNECT_SECONDS,
            application_name="shop",
        )
    except DatabaseError as error:
        if sqlstate(error) in REJECTED:
            raise LoginRejected(f"user {login['username']} was rejected") from None
        raise Unavailable(f"no connection: {sqlstate(error)}") from error
    except (InterfaceError, OSError) as error:
        raise Unavailable(f"no connection to {login['host']}:{login['port']}") from error


def sqlstate(error: DatabaseError) -> str:
    """PostgreSQL's five-character code of an error."""
    said = error.args[0] if error.args else {}
    return str(said.get("C", "")) if isinstance(said, dict) else ""


class Pool:
    """At most ``size`` connections; each is checked before use and replaced after ``max_age`` seconds."""

    def __init__(self, connect: Callable[[], Any], size: int, max_age: float) -> None:
        self._connect, self._max_age = connect, max_age
        self._free = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[tuple[Any, float]] = []

    @contextlib.contextmanager
    def connection(self) -> Iterator[Any]:
        """A connection that answers.

        :raises Unavailable: none became free in time, the server cannot be reached, or no login works
        """
        if not self._free.acquire(timeout=WAIT_SECONDS):
            raise Unavailable(f"no connection became free in {WAIT_SECONDS:.0f} s")
        try:
            connection, opened = self._take()
            try:
                yield connection
            except BaseException:
                _close(connection)  # it may be in the middle of a transaction
                raise
            with self._lock:
                self._idle.append((connection, opened))
        finally:
            self._free.release()

    def _take(self) -> tuple[Any, float]:
        while True:
            with self._lock:
                kept = self._idle.pop() if self._idle else None
            if kept is None:
                return self._open(), time.monotonic()
            connection, opened = kept
            if time.monotonic() - opened < self._max_age and _answers(connection):
                return kept
            _close(connection)

    def _open(self) -> Any:
        try:
            return self._connect()
        except (LoginRejected, SecretUnavailable) as error:
            raise Unavailable(str(error)) from error

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            _close(connection)


def _answers(connection: Any) -> bool:
    try:
        connection.run("SELECT 1")
    except (DatabaseError, InterfaceError, OSError):
        return False
    return True


def _close(connection: Any) -> None:
    with contextlib.suppress(DatabaseError, InterfaceError, OSError):
        connection.close()
