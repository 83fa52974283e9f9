"""What an author's exercise still lacks, each line with what to do about it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from graders.exercise import MUTANTS_WANTED, Registered, RegistrationError, discover, find
from graders.notebook import Cell, read
from labs.errors import LabError

EMPTY = frozenset({"None", "''", "[]", "{}", "()", "0", "..."})


def lint(notebooks: Path, only: str | None = None) -> list[str]:
    """One line for each thing that is missing or wrong; empty when every exercise is whole."""
    problems: list[str] = []
    for exercise_id in sorted({found for found, _, _ in discover()} if only is None else {only}):
        try:
            registered = find(exercise_id)
            problems += _folder(registered)
            problems += _cells(registered, notebooks / registered.section)
        except (LabError, ImportError, SyntaxError, OSError) as error:
            problems.append(f"{exercise_id}: {error}")
    if only is None:
        problems += _unregistered(notebooks)
    return problems


def _folder(registered: Registered) -> Iterator[str]:
    name = registered.exercise.id
    if registered.hidden is None:
        yield f"{name}: no hidden.py; write a check that learners do not see, with other values than the public one"
    try:
        mutants = registered.mutants()
    except RegistrationError as error:
        yield str(error)
        return
    if len(mutants) < MUTANTS_WANTED:
        yield f"{name}: {len(mutants)} mutants; write {MUTANTS_WANTED} wrong answers, each one plausible mistake away"
    for mutant in mutants:
        if mutant.pattern.search(""):
            yield f"{name}: the pattern of mutant {mutant.name} matches everything; write words of its own message"
        if _empty(mutant.source):
            yield f"{name}: mutant {mutant.name} defines nothing; an empty answer is not a mistake, write one that is"
    if len({mutant.source for mutant in mutants}) < len(mutants):
        yield f"{name}: two mutants are the same"


def _empty(source: str) -> bool:
    """Whether a mutant says nothing: no statements but its docstring, ``pass``, and names set to an empty value."""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Pass) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        ):
            continue
        if isinstance(statement, ast.Assign) and ast.unparse(statement.value) in EMPTY:
            continue
        return False
    return True


def _cells(registered: Registered, folder: Path) -> Iterator[str]:
    exercise = registered.exercise
    cells = [cell for path in sorted(folder.glob("*.ipynb")) for cell in read(path)]
    named = {cell.grade_id: cell for cell in cells if cell.grade_id}
    cell = named.get(exercise.id)
    if cell is None or not cell.is_check:
        yield f"{exercise.id}: no check cell with this grade_id in {folder.name}/; add one below the answer cell"
        return
    yield from _check_cell(registered, cell)
    for answer in exercise.cells:
        source = named[answer].source if answer in named else ""
        if not ("### BEGIN SOLUTION" in source and "### END SOLUTION" in source):
            yield f"{exercise.id}: answer cell {answer} needs ### BEGIN SOLUTION … ### END SOLUTION"


def _check_cell(registered: Registered, cell: Cell) -> Iterator[str]:
    exercise = registered.exercise
    if cell.nbgrader.get("points") != exercise.points:
        yield f"{exercise.id}: the check cell says {cell.nbgrader.get('points')} points, the exercise {exercise.points}"
    if tuple(cell.course.get("answers") or ()) != exercise.cells:
        yield f"{exercise.id}: metadata.course.answers must be {list(exercise.cells)}"
    if not cell.course.get("lines"):
        yield f"{exercise.id}: metadata.course.lines names no curriculum line"
    if not cell.course.get("minutes"):
        yield f"{exercise.id}: metadata.course.minutes is missing"
    if not cell.nbgrader.get("locked"):
        yield f"{exercise.id}: the check cell must be locked"


def _unregistered(notebooks: Path) -> Iterator[str]:
    known = {found for found, _, _ in discover()}
    for path in sorted(notebooks.glob("*/*.ipynb")):
        for cell in read(path):
            if cell.is_check and cell.grade_id not in known:
                yield f"{cell.grade_id}: {path.parent.name}/{path.name} checks it, graders/checks has no such exercise"
