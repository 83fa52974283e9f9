"""``python -m labs.shop migrate``: brings the data's shape up to date.

Run it as often as you like, even twice at once.

PostgreSQL: pending migrations, one transaction each, and the shop's user if its password is given.  DynamoDB: the table
with its first products.  S3: the bucket's product pictures, where a bucket is set; the bucket itself must exist.
"""

from __future__ import annotations

import asyncio
import logging
import re
from importlib.resources import files

import asyncpg

from labs.shop.aws import Aws
from labs.shop.config import Settings
from labs.shop.database import open_connection
from labs.shop.errors import AwsError, Unavailable
from labs.shop.logins import Login, LoginRejected
from labs.shop.migrations import APPLIED, LOCK, TABLE, pending

log = logging.getLogger("shop.migrate")

PICTURES = files("labs.shop") / "images"
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
WAIT_SECONDS = 30.0  # for a server that is just starting


def main(settings: Settings) -> int:
    """Exit status 0 when everything is up to date, 1 when not; the log says why."""
    try:
        asyncio.run(migrate(settings))
    except (Unavailable, LoginRejected, AwsError, asyncpg.PostgresError) as error:
        log.error("migration failed", extra={"reason": f"{type(error).__name__}: {error}"})
        return 1
    return 0


async def migrate(settings: Settings) -> None:
    """Everything the settings ask for; may raise what ``main`` catches."""
    if settings.admin is not None:
        applied = await migrate_postgres(settings.admin, settings.login, settings.tls)
        log.info("schema is up to date", extra={"migrations": applied})
    if settings.store != "dynamodb" and not settings.images_bucket:
        return
    aws = Aws()
    try:
        if settings.store == "dynamodb":
            from labs.shop.dynamo import make_table

            await make_table(aws, settings.table)
            log.info("table is there")
        if settings.images_bucket:
            for picture in PICTURES.iterdir():
                named = {"Content-Type": "image/svg+xml"}
                await aws.s3("PUT", settings.images_bucket, f"products/{picture.name}", picture.read_bytes(), named)
            log.info("pictures are there")
    finally:
        await aws.close()


async def migrate_postgres(admin: Login, user: Login | None, tls: str) -> list[str]:
    """Apply what is pending, make or update the shop's user; returns the names of what was applied.

    :raises Unavailable: the server did not answer in 30 s
    """
    connection = await _patiently(admin, tls)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=WAIT_SECONDS)
        await connection.execute(TABLE)
        waiting = pending({row["name"] for row in await connection.fetch(APPLIED)})
        for _, sql in waiting:
            await connection.execute(sql)
        if user is not None:
            await _ensure_user(connection, user)
        return [name for name, _ in waiting]
    finally:
        await connection.close()  # gives the lock back


async def _ensure_user(connection: asyncpg.Connection, user: Login) -> None:
    name = user["username"]
    if not NAME.fullmatch(name):
        raise Unavailable(f"{name!r} is no user name for the shop: lower-case letters, digits and underscores")
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        await connection.execute(f"CREATE ROLE {name} LOGIN IN ROLE shop_app")
    quoted = user["password"].replace("'", "''")
    await connection.execute(f"SET standard_conforming_strings = on; ALTER ROLE {name} PASSWORD '{quoted}'")


async def _patiently(admin: Login, tls: str) -> asyncpg.Connection:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WAIT_SECONDS
    while True:
        try:
            return await open_connection(admin, tls)
        except Unavailable:
            if loop.time() > deadline:
                raise
            log.info("waiting for the database")
            await asyncio.sleep(0.5)
