"""A submission brought back into the released notebook's shape.  JSON in, JSON out; runs nothing.

The released notebook is the truth: every cell, flag, id and point is its own.  From the submission come the sources of
the answer cells and nothing else, so that an edited check, a copied cell or another kernel's name cannot count.  What
had to be put right is said in words.  A file that is no whole JSON gives the cells that can be read.
"""

from __future__ import annotations

import copy
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.errors import PermanentError

LARGEST = 128 * 2**20  # bytes of a notebook file
MOST_CELLS = 20_000
LONGEST = 256 * 1024  # characters of one answer's source
FLAGS = ("grade", "grade_id", "locked", "points", "schema_version", "solution", "task")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)

Json = dict[str, Any]
Cells = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Submitted:
    """The cells found in a file, and what was wrong with the file."""

    cells: Cells
    repairs: tuple[str, ...] = ()


def load(path: Path) -> Submitted:
    """The cells of a submitted file; of a broken one those that can be read.  Never raises for its content.

    :raises PermanentError: it is no ordinary file (a link, a pipe), cannot be read, or is larger than LARGEST bytes
    """
    document = _text(path)
    try:
        return _cells(json.loads(document))
    except (ValueError, RecursionError) as error:
        found = tuple(_salvaged(document))
        why = "nested too deep" if isinstance(error, RecursionError) else str(error)
        said = f"The file is not a whole notebook ({why}); of its cells {len(found)} could be read, and count."
        return Submitted(found, (said,))


def _text(path: Path) -> str:
    try:
        # never waits for a pipe's other end, never follows a link
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise PermanentError(
            f"{path.name} cannot be read: {error.strerror}.", "Submit the notebook file itself."
        ) from None
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise PermanentError(f"{path.name} is not an ordinary file.", "Submit the notebook file itself.")
    with open(descriptor, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise PermanentError(
            f"{path.name} is larger than {LARGEST >> 20} MB.", "Clear its outputs (Edit menu) and submit again."
        )
    return data.removeprefix(b"\xef\xbb\xbf").decode(json.detect_encoding(data), "replace")


def _cells(document: Any) -> Submitted:
    if not isinstance(document, dict):
        return Submitted((), ("The file holds no notebook.",))
    listed, repairs = document.get("cells"), []
    if not isinstance(listed, list) and isinstance(document.get("worksheets"), list):
        sheets = [sheet.get("cells") for sheet in document["worksheets"] if isinstance(sheet, dict)]
        listed = [cell for cells in sheets if isinstance(cells, list) for cell in cells]
        repairs.append("The notebook is of format 3; its cells were read all the same.")
    elif document.get("nbformat") != 4:
        repairs.append("The notebook does not say that it is of format 4; it was read as one.")
    if not isinstance(listed, list):
        return Submitted((), ("The notebook has no list of cells.",))
    return Submitted(tuple(cell for cell in listed[:MOST_CELLS] if isinstance(cell, dict)), tuple(repairs))


def _salvaged(text: str) -> Iterator[Mapping[str, Any]]:
    """The objects in the list ``cells`` of a text that no parser takes, each of them read by itself."""
    for begin, end in _spans(text):
        try:
            cell = json.loads(text[begin:end])
        except (ValueError, RecursionError):
            continue
        if isinstance(cell, dict):
            yield cell


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where each whole object of the list ``cells`` begins and ends; counts brackets, so that no depth matters."""
    depth, last, inside, begin, found = 0, "", False, 0, 0
    for token in _TOKEN.finditer(text):
        word = token.group()
        if word[0] == '"':
            last = word if depth == 1 else last
        elif word in "{[":
            inside = inside or (depth == 1 and word == "[" and last == '"cells"')
            begin = token.start() if depth == 2 else begin
            depth += 1
        else:
            depth -= 1
            if inside and depth == 2 and word == "}":
                yield begin, token.end()
                found += 1
            if (depth <= 1 and inside) or found == MOST_CELLS:
                return


def restore(released: Mapping[str, Any], submitted: Submitted) -> tuple[Json, list[str]]:
    """(the released notebook with the submission's answers in it, what had to be put right).

    An answer is found by its cell's grade id or by the cell's own id; of several the last that was worked on counts.
    """
    notebook: Json = copy.deepcopy(dict(released))
    repairs = list(submitted.repairs)
    known = {str(told["grade_id"]): cell for cell in notebook["cells"] if (told := _told(cell)).get("grade_id")}
    ids = {str(cell["id"]): name for name, cell in known.items() if cell.get("id")}
    for name, cell in known.items():
        found = _candidates(submitted.cells, cell, name, ids)
        if _told(cell).get("solution") or _told(cell).get("task"):
            _fill(cell, name, found, repairs)
        else:
            _compare(cell, name, found, repairs)
    return notebook, repairs


def _candidates(cells: Cells, cell: Json, name: str, ids: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """The submitted cells that stand for this one, those of another released cell's own id left out if there are more.

    A copied cell keeps its grade id and gets a new id of its own; a cell whose metadata went keeps its own id.
    """
    found = [
        other
        for other in cells
        if _told(other).get("grade_id") == name or (bool(cell.get("id")) and other.get("id") == cell["id"])
    ]
    sure = [other for other in found if ids.get(str(other.get("id")), name) == name]
    return sure or found


def _fill(cell: Json, name: str, found: list[Mapping[str, Any]], repairs: list[str]) -> None:
    """Put the submission's answer into a released answer cell."""
    if not found:
        repairs.append(f"The answer cell {name} was missing; it was put back empty.")
        return
    stub = source_of(cell).strip()
    worked = [other for other in found if source_of(other).strip() not in ("", stub)]
    chosen = worked[-1] if worked else found[-1]
    if len(found) > 1:
        repairs.append(f"The answer cell {name} was there {len(found)} times; the last one that was worked on counts.")
    if chosen.get("cell_type") != cell["cell_type"]:
        repairs.append(f"The answer cell {name} had become a {str(chosen.get('cell_type'))[:20]} cell.")
    _flags(chosen, cell, name, repairs)
    source = source_of(chosen)
    if len(source) > LONGEST:
        repairs.append(f"The answer cell {name} was longer than {LONGEST >> 10} kB and does not count.")
        return
    cell["source"] = source.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written to a file


def _compare(cell: Json, name: str, found: list[Mapping[str, Any]], repairs: list[str]) -> None:
    """Say what had happened to a check cell; the released one stays."""
    if not found:
        repairs.append(f"The check cell {name} was missing; it was put back.")
        return
    if len(found) > 1:
        repairs.append(f"The check cell {name} was there {len(found)} times; the released one counts, once.")
    elif source_of(found[0]).strip() != source_of(cell).strip() or found[0].get("cell_type") != cell["cell_type"]:
        repairs.append(f"The check cell {name} was changed; the released one counts.")
    _flags(found[0], cell, name, repairs)


def _flags(other: Mapping[str, Any], cell: Mapping[str, Any], name: str, repairs: list[str]) -> None:
    was, now = _told(cell), _told(other)
    changed = [flag for flag in FLAGS if was.get(flag) != now.get(flag)]
    if changed:
        repairs.append(f"The cell {name} had other nbgrader metadata ({', '.join(changed)}); the released one counts.")


def _told(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = cell.get("metadata")
    found = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def source_of(cell: Mapping[str, Any]) -> str:
    """A cell's source as one string, "" for anything else; format 3 calls it ``input``."""
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""
