"""The schema's versions: files ``NNNN_name.sql``, applied in their order, each once and as a whole.

A file that was applied somewhere is never edited; a change is a new file.
"""

from __future__ import annotations

from importlib.resources import files

LOCK = 7_465_001  # of pg_advisory_lock: two migrations at a time take turns
TABLE = (
    "CREATE TABLE IF NOT EXISTS schema_migrations"
    " (name text PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())"
)
APPLIED = "SELECT name FROM schema_migrations"


def pending(applied: set[str]) -> list[tuple[str, str]]:
    """Name and SQL of every migration that is not applied yet, in order.

    The SQL is one transaction, its own record included.
    """
    found = []
    for file in files(__package__).iterdir():
        name, _, kind = file.name.rpartition(".")
        if kind == "sql" and name not in applied:
            record = f"INSERT INTO schema_migrations (name) VALUES ('{name}');"
            found.append((name, f"BEGIN;\n{file.read_text(encoding='utf-8')}\n{record}\nCOMMIT;"))
    return sorted(found)
