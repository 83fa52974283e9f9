"""The learner's notebooks, and the released tree they come from.

How a notebook loses its solutions is known to whoever registered the entry points of group ``labs.course``
(``release(target)`` and ``workspace(target)``); this module decides when that is needed.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import importlib.metadata
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labs.errors import PermanentError
from labs.services import state as places


def course(name: str) -> Callable[..., Any]:
    """The registered function ``name`` of the course; PermanentError when the installation has none."""
    for entry in importlib.metadata.entry_points(group="labs.course", name=name):
        return entry.load()
    raise PermanentError(f"This environment has no {name!r} of the course.", "Install the clone: `pip install -e .`.")


def deliver(folder: Path) -> bool:
    """Bring ``folder`` up to date with the course's notebooks, saying what arrived; returns whether it had to look.

    Nothing is released again (it takes seconds) while sources and delivered files are the ones of last time.
    """
    source = places.clone() / "notebooks"
    if not source.is_dir():
        raise PermanentError(f"There is no {source}.", "Start from a clone of the course.")
    stamp_file = places.home() / "delivered.json"
    stamp = {"workspace": str(folder), "sources": _digest(source), "files": _names(folder)}
    if stamp["files"] and places.read_json(stamp_file) == stamp:
        return False
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as elsewhere:
        elsewhere.submit(course("workspace"), folder).result()     # nbgrader's 90 MB stay there
    places.write_json(stamp_file, {**stamp, "files": _names(folder)})
    return True


def _digest(source: Path) -> str:
    """SHA-256 over names and contents of the source notebooks' folder."""
    total = hashlib.sha256()
    for path in sorted(source.rglob("*")):
        if path.is_file() and not _hidden(path.relative_to(source)):
            total.update(f"{path.relative_to(source)}\0{path.stat().st_size}\0".encode())
            total.update(path.read_bytes())
    return total.hexdigest()


def _names(folder: Path) -> list[str]:
    """Notebooks below the workspace: one that vanished is delivered again."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.ipynb")
                  if not _hidden(path.relative_to(folder)))


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "__pycache__")) for part in path.parts)
