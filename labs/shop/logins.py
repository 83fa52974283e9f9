"""Where the database login comes from, and what to do when the database rejects it.

A login is what a database secret of Secrets Manager holds: a mapping with ``username``, ``password``, ``host``,
``port`` and ``dbname`` ("JSON structure of AWS Secrets Manager secrets", Secrets Manager User Guide).
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from labs.shop.errors import AwsError

log = logging.getLogger("shop.logins")

Login = Mapping[str, str]
ReadSecret = Callable[[], Login]
OpenConnection = Callable[[Login], Any]


class LoginRejected(Exception):
    """The database refused the user name or the password."""


class SecretUnavailable(Exception):
    """The secret could not be read, or does not hold a login.  The message never holds its value."""


def connect(open_connection: OpenConnection, read_secret: ReadSecret, cache: MutableMapping[str, Any]) -> Any:
    """A new connection with the login in the cache; after a rejection the secret is read again, once.

    :param open_connection: takes a login; raises LoginRejected
    :param read_secret: one ``GetSecretValue`` call, which costs time, money and quota
    :param cache: kept from call to call; empty at first
    :raises LoginRejected: the newest login was rejected as well
    """
    login = cache.get("login")
    if login is not None:
        try:
            return open_connection(login)
        except LoginRejected:
            log.info("login rejected, reading the secret again", extra={"username": login["username"]})
    login = read_secret()
    connection = open_connection(login)
    cache["login"] = login
    return connection


class Logins:
    """``connect`` with its cache, one at a time: many requests that meet a rejection cause one read, not many.

    :param connecting: the function to use; see :func:`connect`
    """

    def __init__(self, read_secret: ReadSecret, connecting: Callable[..., Any] = connect) -> None:
        self._read, self._connecting = read_secret, connecting
        self._cache: dict[str, Any] = {}
        self._lock = threading.Lock()

    def connection(self, open_connection: OpenConnection) -> Any:
        """A new connection.  Blocks; call it from a thread of its own.

        :raises LoginRejected: see :func:`connect`
        :raises SecretUnavailable: the secret cannot be read
        """
        with self._lock:
            return self._connecting(open_connection, self._read, self._cache)


def secret_reader(secret_id: str, client: Any = None) -> ReadSecret:
    """Reads the secret's ``AWSCURRENT`` version, each time it is called.

    :param client: has ``get_secret_value`` as boto3's client; :class:`labs.shop.aws.SecretsManager` by default
    """
    if client is None:
        from labs.shop.aws import SecretsManager

        client = SecretsManager()

    def read() -> Login:
        try:
            text = client.get_secret_value(SecretId=secret_id)["SecretString"]
        except AwsError as error:
            raise SecretUnavailable(f"cannot read the secret {secret_id}: {error}") from error
        try:
            login = json.loads(text)
            found = {name: str(login[name]) for name in ("username", "password", "host", "port", "dbname")}
        except (ValueError, KeyError, TypeError) as error:
            raise SecretUnavailable(f"the secret {secret_id} holds no login ({type(error).__name__})") from None
        log.info("secret read", extra={"username": found["username"]})
        return found

    return read
