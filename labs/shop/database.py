"""Connections to PostgreSQL: opened with a login, kept in a pool, replaced when they are old or dead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg

from labs.shop.errors import Unavailable
from labs.shop.logins import Login, LoginRejected, Logins, SecretUnavailable

CONNECT_SECONDS = 8.0
QUERY_SECONDS = 8.0
WAIT_SECONDS = 8.0  # for a free connection
REJECTED = {"28P01", "28000"}  # invalid_password, invalid_authorization_specification (PostgreSQL, "Error Codes")
CUT = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.OperatorInterventionError, OSError)
Answer = TypeVar("Answer")


async def open_connection(login: Login, tls: str = "prefer") -> asyncpg.Connection:
    """One connection.

    :raises LoginRejected: the server refused user or password
    :raises Unavailable: the server cannot be reached or takes no connection
    """
    try:
        return await asyncpg.connect(
            user=login["username"],
            password=login["password"],
            host=login["host"],
            port=int(login["port"]),
            database=login["dbname"],
            ssl=tls,
            timeout=CONNECT_SECONDS,
            command_timeout=QUERY_SECONDS,
            server_settings={"application_name": "shop", "jit": "off"},
        )
    except asyncpg.PostgresError as error:
        if error.sqlstate in REJECTED:
            raise LoginRejected(f"user {login['username']} was rejected") from None
        raise Unavailable(f"no connection: {error.sqlstate}") from error
    except (asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise Unavailable(f"no connection to {login['host']}:{login['port']}") from error


def opener(logins: Logins, tls: str) -> Callable[[], Awaitable[asyncpg.Connection]]:
    """Opens connections with the login that ``logins`` chooses.

    Choosing is ordinary blocking code (it reads secrets), so it runs in a thread and opens on the loop from there.
    """

    async def connect() -> asyncpg.Connection:
        loop = asyncio.get_running_loop()

        def on_the_loop(login: Login) -> asyncpg.Connection:
            return asyncio.run_coroutine_threadsafe(open_connection(login, tls), loop).result(CONNECT_SECONDS + 1)

        return await asyncio.to_thread(logins.connection, on_the_loop)

    return connect


class Pool:
    """At most ``size`` connections; each is replaced after ``max_age`` seconds."""

    def __init__(self, connect: Callable[[], Awaitable[Any]], size: int, max_age: float) -> None:
        self._connect, self._max_age = connect, max_age
        self._free = asyncio.Semaphore(size)
        self._idle: list[tuple[Any, float]] = []

    async def run(self, work: Callable[[Any], Awaitable[Answer]]) -> Answer:
        """What ``work`` returns for a connection.

        Where a kept connection turns out to be cut, the work is done once more on a new one.  It must bear that; every
        query of the shop does.

        :raises Unavailable: no connection became free in time, the server cannot be reached, or no login works
        """
        try:
            await asyncio.wait_for(self._free.acquire(), WAIT_SECONDS)
        except TimeoutError:
            raise Unavailable(f"no connection became free in {WAIT_SECONDS:.0f} s") from None
        try:
            connection, opened = self._kept() or (await self._open(), 0.0)
            try:
                return await self._work(work, connection, opened or time.monotonic())
            except CUT:
                if not opened:
                    raise
            return await self._work(work, await self._open(), time.monotonic())
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise Unavailable(f"query failed ({type(error).__name__})") from error
        finally:
            self._free.release()

    async def _work(self, work: Callable[[Any], Awaitable[Answer]], connection: Any, opened: float) -> Answer:
        try:
            answer = await work(connection)
        except BaseException:
            connection.terminate()  # it may be in the middle of a transaction
            raise
        self._idle.append((connection, opened))
        return answer

    def _kept(self) -> tuple[Any, float] | None:
        while self._idle:
            connection, opened = self._idle.pop()
            if time.monotonic() - opened < self._max_age and not connection.is_closed():
                return connection, opened
            connection.terminate()
        return None

    async def _open(self) -> Any:
        try:
            return await self._connect()
        except (LoginRejected, SecretUnavailable) as error:
            raise Unavailable(str(error)) from error

    async def close(self) -> None:
        """Close the idle connections."""
        idle, self._idle = self._idle, []
        for connection, _ in idle:
            try:
                await connection.close(timeout=1)
            except (*CUT, TimeoutError):
                connection.terminate()
