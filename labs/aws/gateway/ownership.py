"""What no AWS API of an engine can tell the gateway: who owns an access key, which account owns a bucket, and the
policy of a VPC endpoint."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS access_keys (
 id TEXT PRIMARY KEY, account TEXT NOT NULL, user TEXT NOT NULL, status TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, account TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS endpoint_policies (id TEXT PRIMARY KEY, document TEXT NOT NULL);
"""


@dataclass(frozen=True)
class KeyRecord:
    """A long-term access key: its account, IAM user name and status (``Active`` or ``Inactive``)."""

    account: str
    user: str
    status: str = "Active"


class Ownership:
    """Kept in memory and written through to SQLite, so that a restart before an engine that remembers loses nothing.

    :param fresh: the engine starts empty, so forget what an earlier run wrote
    """

    def __init__(self, path: Path, fresh: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.open()
        if fresh:
            self.clear()
        self._keys = {row[0]: KeyRecord(*row[1:]) for row in self._database.execute("SELECT * FROM access_keys")}
        self._buckets: dict[str, str] = dict(self._database.execute("SELECT name, account FROM buckets"))
        self._endpoints: dict[str, str] = dict(self._database.execute("SELECT id, document FROM endpoint_policies"))

    def open(self) -> None:
        """Open the file, at first and after ``close``."""
        self._database = sqlite3.connect(self._path)
        self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + _SCHEMA)

    def key(self, access_key_id: str) -> KeyRecord | None:
        """The owner of a long-term key, or ``None`` for a key that does not exist."""
        return self._keys.get(access_key_id)

    def add_key(self, access_key_id: str, record: KeyRecord) -> None:
        """A key was created, or its status changed."""
        self._keys[access_key_id] = record
        with self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO access_keys VALUES (?,?,?,?)",
                (access_key_id, record.account, record.user, record.status),
            )

    def drop_key(self, access_key_id: str) -> None:
        """A key was deleted."""
        self._keys.pop(access_key_id, None)
        with self._database:
            self._database.execute("DELETE FROM access_keys WHERE id=?", (access_key_id,))

    def bucket(self, name: str) -> str | None:
        """The account that owns a bucket, as far as the gateway has seen."""
        return self._buckets.get(name)

    def add_bucket(self, name: str, account: str) -> None:
        """A bucket was created, or found in an account."""
        if self._buckets.get(name) != account:
            self._buckets[name] = account
            with self._database:
                self._database.execute("INSERT OR REPLACE INTO buckets VALUES (?,?)", (name, account))

    def drop_bucket(self, name: str) -> None:
        """A bucket was deleted."""
        self._buckets.pop(name, None)
        with self._database:
            self._database.execute("DELETE FROM buckets WHERE name=?", (name,))

    def endpoint_policy(self, identifier: str) -> str:
        """The policy document of a VPC endpoint, "" for the default one, which allows everything."""
        return self._endpoints.get(identifier, "")

    def set_endpoint_policy(self, identifier: str, document: str) -> None:
        """A VPC endpoint got a policy; "" takes it away."""
        self._endpoints.pop(identifier, None)
        with self._database:
            self._database.execute("DELETE FROM endpoint_policies WHERE id=?", (identifier,))
            if document:
                self._endpoints[identifier] = document
                self._database.execute("INSERT INTO endpoint_policies VALUES (?,?)", (identifier, document))

    def clear(self) -> None:
        """The engine was reset."""
        self._keys: dict[str, KeyRecord] = {}
        self._buckets = {}
        self._endpoints = {}
        with self._database:
            self._database.execute("DELETE FROM endpoint_policies")
            self._database.execute("DELETE FROM access_keys")
            self._database.execute("DELETE FROM buckets")

    def close(self) -> None:
        """Close the file."""
        self._database.close()
