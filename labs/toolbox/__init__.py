"""Programs the labs need that do not come with the Python environment of the course.

Kept in a cache outside the clone (:func:`cache`), made once, used by every clone.  What was interrupted or failed
never counts as there.  May depend on ``labs.errors``, ``labs.locks``, httpx and the standard library only.

    python_environments.py   Python programs whose packages cannot live beside the course's own
    programs.py              programs in other languages (tools.toml): PATH, cache, release, build
    releases.py              downloading a vendor's release, checked against its published SHA-256
    go.py                    building with Go from the pinned modules in build/
"""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """``LABS_CACHE``, else ``production-labs`` in the user's cache folder.  Absolute; not created by asking."""
    chosen = os.environ.get("LABS_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "production-labs"
