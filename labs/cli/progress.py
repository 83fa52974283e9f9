"""``lab progress``: what was reached, and one file that takes a learner's answers out of one place and into another.

A Binder session forgets everything when it ends.  The file is JSON: the source of each answer cell by its grade id,
what ``check`` said, and whose values the answers are for.  No notebook travels, so it fits later versions, too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from labs.client import PROGRESS, read_progress
from labs.errors import PermanentError

KIND = "production-labs progress"
VERSION = 1
FILE = "course-progress.json"
LARGEST = 20_000_000
"""Bytes of a file that is read; answers of the whole course are a few hundred thousand."""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["kind", "version", "student", "answers", "reached"],
    "properties": {
        "kind": {"const": KIND},
        "version": {"const": VERSION},
        "student": {"type": "string"},
        "answers": {"type": "object", "additionalProperties": {"type": "string"}},
        "reached": {"type": "object", "additionalProperties": {
            "type": "object",
            "required": ["points", "max", "full", "when"],
            "properties": {"points": {"type": "number"}, "max": {"type": "number"}, "full": {"type": "boolean"},
                           "when": {"type": "string"}}}},
    },
}
Json = dict[str, Any]

app = typer.Typer(add_completion=False, no_args_is_help=False, rich_markup_mode=None, invoke_without_command=True)
Folder = Annotated[Path | None, typer.Option(help="The notebooks' folder; default: what `lab start` uses.")]


@app.callback()
def main(context: typer.Context) -> None:
    """What was reached; `save` and `load` take your answers from one session to another."""
    if context.invoked_subcommand is None:
        _say(_shown(_workspace(None)))


@app.command()
def save(
    file: Annotated[Path, typer.Argument(help="Where to; a file that is there is replaced.")] = Path(FILE),
    workspace: Folder = None,
) -> None:
    """Write answers and progress to one file: download it before a Binder session ends."""
    _say(_saved(file, _workspace(workspace)))


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="What `lab progress save` wrote.")] = Path(FILE),
    workspace: Folder = None,
    other_student: Annotated[bool, typer.Option(
        "--other-student", help="Load answers that were written for another student's values.")] = False,
) -> None:
    """Put the answers of a file into these notebooks; what they held before is kept in a file beside it."""
    _say(_loaded(file, _workspace(workspace), other_student))


def _say(lines: Iterator[str]) -> None:
    for line in lines:
        typer.echo(line)


def _workspace(chosen: Path | None) -> Path:
    from labs.services import state

    return chosen if chosen is not None else state.workspace()


def _shown(workspace: Path) -> Iterator[str]:
    found = gathered(workspace, "")
    if not found["reached"]:
        yield f"No exercise was checked in {workspace} yet."
    for name, each in sorted(found["reached"].items()):
        yield f"{'✓ passed' if each['full'] else '– open  '}  {name:<8} {each['points']:g} of {each['max']:g} points"


def _saved(file: Path, workspace: Path) -> Iterator[str]:
    from labs.services import state

    found = gathered(workspace, state.learner()["student"])
    _write(file, found)
    yield f"{len(found['answers'])} answers and {len(found['reached'])} checked exercises are in {file}."
    yield "Take it along: in JupyterLab's list of files, right-click, Download."


def _loaded(file: Path, workspace: Path, other_student: bool) -> Iterator[str]:
    from labs.services import state

    student = state.learner()["student"]
    saved = read(file)
    if saved["student"] != student and not other_student:
        raise PermanentError(
            f"{file} has answers for the values of student {saved['student']!r}, and {student!r} learns here.",
            f"Start the course with `--student {saved['student']}`, or add --other-student.")
    before = file.with_name(f"{file.stem}-before-{time.strftime('%Y%m%d-%H%M%S')}.json")
    _write(before, gathered(workspace, student))
    put = restored(workspace, saved)
    yield f"{len(put)} answers are in the notebooks of {workspace}; what was there before is in {before}."
    missing = sorted(saved["answers"].keys() - put)
    if missing:
        yield f"Not in these notebooks: {', '.join(missing)}."
    yield "Notebooks that are open: choose File, Reload Notebook from Disk."


def gathered(workspace: Path, student: str) -> Json:
    """Answers and progress of every notebook below a folder."""
    answers = {name: source for path in notebooks(workspace) for name, source in _answers(path)}
    reached: Json = {}
    for path in sorted(workspace.rglob(PROGRESS)):
        reached |= _best(reached, read_progress(path.parent))
    return {"kind": KIND, "version": VERSION, "student": student,
            "saved": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "answers": answers, "reached": reached}


def restored(workspace: Path, saved: Json) -> set[str]:
    """Put saved answers into the notebooks that have their cells; the grade ids of those.

    What was reached is merged with what is known here, the better of both.
    """
    put: set[str] = set()
    for path in notebooks(workspace):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        here = [cell for cell in notebook["cells"] if _grade_id(cell) in saved["answers"] and _is_answer(cell)]
        for cell in here:
            cell["source"] = saved["answers"][_grade_id(cell)]
        if not here:
            continue
        _write(path, notebook)
        ids = {_grade_id(cell) for cell in notebook["cells"]}
        put |= {_grade_id(cell) for cell in here}
        mine = {name: each for name, each in saved["reached"].items() if name in ids}
        place = path.parent / PROGRESS
        _write(place, {**(known := read_progress(path.parent)), **_best(known, mine)})
    return put


def read(file: Path) -> Json:
    """A file of ``lab progress save``; raises PermanentError for one that is none."""
    import jsonschema  # takes 0.1 s

    try:
        if file.stat().st_size > LARGEST:
            raise PermanentError(f"{file} is larger than {LARGEST} bytes.", "Take one that `lab progress save` wrote.")
        found: Json = json.loads(file.read_text(encoding="utf-8"))
        jsonschema.validate(found, SCHEMA)
    except (OSError, ValueError) as error:
        raise PermanentError(f"{file} cannot be read: {error}", "Take one that `lab progress save` wrote.") from error
    except jsonschema.ValidationError as error:
        where = error.json_path.removeprefix("$.")
        raise PermanentError(f"{file} is no progress file: {where}: {error.message[:200]}",
                             "Take one that `lab progress save` wrote.") from error
    return found


def notebooks(workspace: Path) -> list[Path]:
    """The notebooks below a folder, without checkpoints and hidden folders."""
    return [path for path in sorted(workspace.rglob("*.ipynb"))
            if not any(part.startswith(".") for part in path.relative_to(workspace).parts)]


def _answers(path: Path) -> Iterator[tuple[str, str]]:
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PermanentError(f"{path} is no notebook: {error!r}", "Repair or remove it.") from error
    for cell in cells:
        if _is_answer(cell):
            yield _grade_id(cell), "".join(cell["source"])


def _is_answer(cell: Json) -> bool:
    return bool(cell.get("metadata", {}).get("nbgrader", {}).get("solution")) and bool(_grade_id(cell))


def _grade_id(cell: Json) -> str:
    return str(cell.get("metadata", {}).get("nbgrader", {}).get("grade_id", ""))


def _best(known: Json, other: Json) -> Json:
    """By exercise the better of two results."""
    def rank(each: Json) -> tuple[bool, float]:
        return bool(each.get("full")), float(each.get("points", 0))

    return {name: max(known.get(name, each), each, key=rank) for name, each in other.items()}


def _write(path: Path, value: Json) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f"{path.name}.new")
    try:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise PermanentError(f"{path} cannot be written: {error}", "Name another place.") from error
