"""What happened: CloudTrail events on disk (SQLite, so that memory stays flat) and the latest decisions in memory."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labs.aws.iam import Decision

KEPT_DECISIONS = 400
KEPT_EVENTS = 200_000
RETENTION = 90 * 86_400  # seconds; CloudTrail User Guide, "Working with CloudTrail event history"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
 id TEXT PRIMARY KEY, time REAL NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
 source TEXT NOT NULL, username TEXT NOT NULL, access_key TEXT NOT NULL, read_only INTEGER NOT NULL,
 resources TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_time ON events (account, region, time DESC);
"""


class Trail:
    """CloudTrail's event history.  Writes reach the file with the next read or ``BATCH`` events later."""

    BATCH = 256

    def __init__(self, path: Path, fresh: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if fresh:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        self._path = path
        self.open()
        self._waiting: list[tuple[Any, ...]] = []
        self._written = 0

    def open(self) -> None:
        """Open the file, at first and after ``close``."""
        self._database = sqlite3.connect(self._path)
        # History of a lab is not worth an fsync for each call.
        self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + _SCHEMA)

    def add(self, event: Mapping[str, Any], when: float) -> None:
        """Keep one event, given in the shape of CloudTrail's record contents."""
        identity = event["userIdentity"]
        username = identity.get("userName") or identity.get("arn", "").rpartition("/")[2] or identity.get("type", "")
        if identity.get("type") == "Root":
            username = "root"
        self._waiting.append(
            (
                event["eventID"],
                when,
                event["recipientAccountId"],
                event["awsRegion"],
                event["eventName"],
                event["eventSource"],
                username,
                identity.get("accessKeyId", ""),
                int(event["readOnly"]),
                json.dumps(event.get("resources", [])),
                json.dumps(event, separators=(",", ":")),
            )
        )
        if len(self._waiting) >= self.BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting and drop what is too old or too much."""
        if not self._waiting:
            return
        with self._database:
            self._database.executemany("INSERT OR IGNORE INTO events VALUES (?,?,?,?,?,?,?,?,?,?,?)", self._waiting)
            self._written += len(self._waiting)
            self._waiting.clear()
            if self._written > 10_000:
                self._written = 0
                self._database.execute("DELETE FROM events WHERE time < ?", (time.time() - RETENTION,))
                self._database.execute(
                    "DELETE FROM events WHERE rowid <= (SELECT max(rowid) FROM events) - ?", (KEPT_EVENTS,)
                )

    def events(
        self, account: str, region: str, start: float, end: float
    ) -> Iterator[tuple[float, str, str, dict[str, Any]]]:
        """Newest first: ``(time, username, resources as JSON, event)``, from ``start`` to ``end`` (seconds)."""
        self.flush()
        cursor = self._database.execute(
            "SELECT time, username, resources, body FROM events WHERE account=? AND region=? AND time>=? AND time<=?"
            " ORDER BY time DESC, rowid DESC",
            (account, region, start, end),
        )
        for when, username, resources, body in cursor:
            yield when, username, resources, json.loads(body)

    def accounts(self) -> list[str]:
        """Every account with an event."""
        self.flush()
        return [row[0] for row in self._database.execute("SELECT DISTINCT account FROM events")]

    def regions(self, account: str) -> list[str]:
        """Every Region in which an account has an event."""
        self.flush()
        found = self._database.execute("SELECT DISTINCT region FROM events WHERE account=?", (account,))
        return [row[0] for row in found]

    def clear(self) -> None:
        """Forget every event (the engine was reset)."""
        self._waiting.clear()
        with self._database:
            self._database.execute("DELETE FROM events")

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self.flush()
        self._database.close()


class Decisions:
    """The latest decisions by request id; denials are kept apart, so that a busy program does not push them out."""

    def __init__(self) -> None:
        self._all: OrderedDict[str, tuple[Decision, dict[str, Any], float]] = OrderedDict()
        self._denials: OrderedDict[str, tuple[Decision, dict[str, Any], float]] = OrderedDict()

    def add(self, request_id: str, decision: Decision, call: dict[str, Any], when: float) -> None:
        """Keep a decision; ``call`` is ``{"service", "operation", "region"}``."""
        kept = self._all if decision.allowed else self._denials
        kept[request_id] = (decision, call, when)
        if len(kept) > KEPT_DECISIONS:
            kept.popitem(last=False)

    def get(self, request_id: str) -> tuple[Decision, dict[str, Any], float] | None:
        """The decision about one request, if it is still kept."""
        return self._denials.get(request_id) or self._all.get(request_id)

    def last_denial(self, account: str | None) -> tuple[str, tuple[Decision, dict[str, Any], float]] | None:
        """The newest denial, of callers in ``account`` if one is given."""
        for request_id in reversed(self._denials):
            kept = self._denials[request_id]
            if account in (None, "", kept[0].request.principal.account):
                return request_id, kept
        return None

    def clear(self) -> None:
        """Forget every decision."""
        self._all.clear()
        self._denials.clear()
