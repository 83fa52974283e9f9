"""Checks that source notebooks are stripped and in canonical form; ``--fix`` makes them so.

    python scripts/notebooks.py [--fix] NOTEBOOK…

Canonical: no outputs, no execution counts, no metadata that editors leave behind, keys sorted, one space of indent,
one newline at the end.  So that a diff shows what somebody wrote.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

CELL_METADATA = frozenset({"course", "nbgrader", "tags", "jupyter"})
NOTEBOOK_METADATA = frozenset({"course", "kernelspec", "language_info", "title"})
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python"}


def canonical(text: str) -> str:
    """The canonical form of a notebook's text; raises ValueError when it is not JSON."""
    notebook = json.loads(text)
    notebook["metadata"] = _kept(notebook["metadata"], NOTEBOOK_METADATA)
    notebook["metadata"] |= {"kernelspec": KERNEL, "language_info": LANGUAGE}
    for cell in notebook["cells"]:
        cell["metadata"] = _kept(cell["metadata"], CELL_METADATA)
        if isinstance(cell["source"], str):
            cell["source"] = cell["source"].splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _kept(metadata: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if name in names}


def main(arguments: list[str]) -> int:
    """Exit status 1 when a notebook was not canonical."""
    fix = "--fix" in arguments
    found = 0
    for path in (Path(argument) for argument in arguments if argument != "--fix"):
        text = path.read_text(encoding="utf-8")
        wanted = canonical(text)
        if wanted != text:
            found = 1
            print(f"{path}: {'made canonical' if fix else 'not canonical; scripts/notebooks.py --fix'}")
            if fix:
                path.write_text(wanted, encoding="utf-8")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
