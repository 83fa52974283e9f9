"""How ``nbgrader autograde`` reads a submission: through :mod:`graders.submission`, and not as it stands.

nbgrader's own sanitising comes after nbformat has read the file, so that one that is not a notebook costs all its
points, and one of another schema version stops the whole batch.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat.v4 import new_markdown_cell

from graders.quarantine import noted
from graders.submission import Submitted, load, restore
from labs.errors import PermanentError

NOTICE = "submission-repairs"
MOST_REPAIRS = 40  # told; the rest is counted


class RestoringExporter(NotebookExporter):
    """An exporter whose input is a submission: the released notebook with the answers found in the file."""

    def from_filename(self, filename: str, resources: Any = None, **kw: Any) -> tuple[Any, Any]:
        """nbconvert's entry point for a file; the second pass, over the autograded copy, reads it as it is."""
        converter: Any = self.parent
        if not getattr(converter, "_sanitizing", False):
            return super().from_filename(filename, resources=resources, **kw)
        about = resources["nbgrader"]
        released = released_notebook(converter.coursedir, about["assignment"], about["notebook"])
        notebook, repairs = restored(Path(filename), released)
        repairs = [*noted(Path(filename).parent), *repairs]
        for line in repairs[:MOST_REPAIRS]:
            converter.log.warning("%s: %s", filename, line)
        if repairs:
            notebook.cells.insert(0, _notice(repairs))
        return self.from_notebook_node(notebook, resources=resources, **kw)


def released_notebook(coursedir: Any, assignment: str, name: str) -> Path:
    """The released notebook of this name.

    :raises PermanentError: it was never generated
    """
    found = Path(coursedir.format_path(coursedir.release_directory, ".", assignment), f"{name}.ipynb")
    if not found.is_file():
        raise PermanentError(f"{found} is missing.", f"Run `nbgrader generate_assignment {assignment} --force`.")
    return found


def restored(submitted: Path, released: Path) -> tuple[Any, list[str]]:
    """(the released notebook with the answers of this file as a NotebookNode, what had to be put right)."""
    try:
        found = load(submitted)
    except PermanentError as error:
        found = Submitted((), (str(error),))
    document, repairs = restore(json.loads(released.read_text(encoding="utf-8")), found)
    return nbformat.reads(json.dumps(document), as_version=4), repairs


def _notice(repairs: list[str]) -> Any:
    """A cell for the feedback, as text: what it quotes is the submission's."""
    told = repairs[:MOST_REPAIRS]
    if len(repairs) > len(told):
        told = [*told, f"{len(repairs) - len(told)} more."]
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in told)
    cell = new_markdown_cell(f"**Your submission was put right before it was graded:**\n\n<ul>{lines}</ul>")
    cell["id"] = NOTICE
    cell.metadata["course"] = {"repairs": told}
    return cell


def told_repairs(notebook: Any) -> list[str]:
    """The repairs that the notice cell of a restored notebook tells; none where nothing was put right."""
    for cell in notebook.cells[:1]:
        if cell.get("id") == NOTICE:
            return [str(line) for line in cell.metadata.get("course", {}).get("repairs", [])]
    return []
