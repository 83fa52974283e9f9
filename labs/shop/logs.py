"""Logs: one JSON object a line on standard output, each with the id of its request and of its trace.

Fields are named one by one, so that a password can get into a line only if somebody writes it there.
"""

from __future__ import annotations

import contextvars
import json
import logging
import sys
from datetime import UTC, datetime

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
trace_id: contextvars.ContextVar[str] = contextvars.ContextVar("trace_id", default="")  # 32 hexadecimal digits
FIELDS = (
    "method", "path", "route", "status", "ms", "username", "host", "port", "reason", "fault", "seconds", "version",
    "environment", "role", "store", "migrations", "attempt",
)  # fmt: skip


class JsonFormatter(logging.Formatter):
    """``{"time", "level", "logger", "message", "request_id", "trace_id", …}``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": when, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if request_id.get():
            line["request_id"] = request_id.get()
        if trace_id.get():
            line["trace_id"] = trace_id.get()
        line.update((name, getattr(record, name)) for name in FIELDS if hasattr(record, name))
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line)


def configure(level: str = "info") -> None:
    """Send everything to standard output as JSON."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("botocore", "urllib3", "httpx", "httpcore", "uvicorn.access", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
