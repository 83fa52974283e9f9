"""The schema's versions: files ``NNNN_name.sql``, applied in their order, each once and as a whole.

A file that was applied somewhere is never edited; a change is a new file.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
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
    for path in sorted(FOLDER.glob("[0-9]*.sql")):
        if path.stem not in applied:
            record = f"INSERT INTO schema_migrations (name) VALUES ('{path.stem}');"
            found.append((path.stem, f"BEGIN;\n{path.read_text(encoding='utf-8')}\n{record}\nCOMMIT;"))
    return found
