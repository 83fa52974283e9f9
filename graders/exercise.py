"""What an exercise is, where exercises are found, and what is refused when one is registered.

An exercise is a package ``graders/checks/<section>/<id with _>/``:

    __init__.py   ``EXERCISE = Exercise(id="b1-q1", points=3, answers={"policy": {…JSON Schema…}}, …)``
    public.py     ``check(answer, live) -> Iterator[Finding]``: what the learner may see
    hidden.py     the same, for the instructor only; absent from the released tree
    mutants/*.py  answer cells one plausible mistake away from the solution

Mistakes in an exercise are errors here, when it is loaded, and not in the middle of grading somebody.
"""

from __future__ import annotations

import ast
import functools
import importlib
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.errors import PermanentError

EXERCISE_ID = re.compile(r"[a-z]{1,3}\d{1,2}-q\d{1,2}")
MUTANTS_WANTED = 3
SOLUTION = "### SOLUTION"


class RegistrationError(PermanentError):
    """An exercise is not well formed; the message says where and what to write."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: worth ``points``, seen as ``observed`` where ``expected`` was wanted.

    All texts are plain text for the learner, at least one line; a ``hint`` says what to look at next, not the answer.
    """

    name: str
    points: float
    passed: bool
    observed: str
    expected: str
    hint: str

    def __post_init__(self) -> None:
        for field in ("name", "observed", "expected", "hint"):
            text = getattr(self, field)
            if not isinstance(text, str) or not text.strip():
                raise RegistrationError(f"finding {self.name!r}: {field} must be a text that says something")
        if isinstance(self.points, bool) or not isinstance(self.points, (int, float)):
            raise RegistrationError(f"finding {self.name!r}: points must be a number, not {self.points!r}")
        if not math.isfinite(self.points) or self.points < 0:
            raise RegistrationError(f"finding {self.name!r}: points must be zero or more, not {self.points!r}")
        if not isinstance(self.passed, bool):
            raise RegistrationError(f"finding {self.name!r}: passed must be True or False, not {self.passed!r}")


Check = Callable[[dict[str, Any], Any], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Returns:
    """In ``answers``: the variable must be a function, and each value it returns is of this JSON Schema.

    It is called in the worker with the inputs that ``calls(values)`` of ``public.py`` and of ``hidden.py`` give:
    ``{"name": [[argument, …], …]}``, JSON values.  Each check then finds under that name what became of its own calls,
    in order: ``{"arguments": […], "returned": value}``, or ``"raised"``, or ``"refused"`` (not of the schema) with a
    text.
    """

    schema: Mapping[str, Any]


Calls = Callable[[Mapping[str, Any]], Mapping[str, list[list[Any]]]]


@dataclass(frozen=True, slots=True)
class Exercise:
    """What is asked.

    ``answers`` maps each variable the answer cells must define to the JSON Schema (2020-12) of its value, or to
    :class:`Returns` for a function.
    ``lab`` is the scenario the checks run against, empty for an exercise that needs nothing live.
    ``cells`` are the grade ids of the answer cells, in order; ``("<id>-answer",)`` when left out.
    ``seconds`` is about how long the public check takes; the learner is told when it is more than two.
    """

    id: str
    points: float
    answers: Mapping[str, Mapping[str, Any] | Returns]
    summary: str
    lab: str = ""
    cells: tuple[str, ...] = ()
    seconds: float = 2

    def __post_init__(self) -> None:
        if not EXERCISE_ID.fullmatch(self.id):
            raise RegistrationError(f"exercise id {self.id!r} must look like b1-q2 (nbgrader refuses dots)")
        if isinstance(self.points, bool) or not isinstance(self.points, (int, float)) or not self.points > 0:
            raise RegistrationError(f"{self.id}: points must be a positive number, not {self.points!r}")
        if not self.summary.strip():
            raise RegistrationError(f"{self.id}: summary is empty; say in one sentence what is asked")
        if not self.answers:
            raise RegistrationError(f"{self.id}: answers names no variable")
        for name in self.answers:
            if not name.isidentifier() or name.startswith("_"):
                raise RegistrationError(f"{self.id}: answer {name!r} is not the name of a public Python variable")
        if not self.cells:
            object.__setattr__(self, "cells", (f"{self.id}-answer",))


@dataclass(frozen=True, slots=True)
class Mutant:
    """A wrong answer in place of the first answer cell; the verdict's text must match ``pattern``."""

    name: str
    source: str
    pattern: re.Pattern[str]

    def answer(self, solution: str) -> str:
        """What replaces the cell whose solution this is: ``### SOLUTION`` in the source stands for that."""
        return self.source.replace(SOLUTION, solution)


@dataclass(frozen=True, slots=True)
class Registered:
    """An exercise with its checks; ``hidden`` is None in a released tree."""

    exercise: Exercise
    section: str
    folder: Path
    public: Check
    hidden: Check | None
    public_calls: Calls | None = None
    hidden_calls: Calls | None = None

    def mutants(self) -> list[Mutant]:
        """Its mutants by name; raises RegistrationError for one without a pattern."""
        return [
            _mutant(self.exercise.id, path)
            for path in sorted((self.folder / "mutants").glob("*.py"))
            if path.name != "__init__.py"
        ]


def discover() -> Iterator[tuple[str, str, Path]]:
    """(exercise id, section, folder) of every exercise folder, without importing any of them."""
    import graders.checks

    for root in graders.checks.__path__:
        for init in sorted(Path(root).glob("*/*/__init__.py")):
            folder = init.parent
            if folder.name != "mutants" and not folder.name.startswith("_") and (folder / "public.py").is_file():
                yield folder.name.replace("_", "-"), folder.parent.name, folder


@functools.cache
def find(exercise_id: str) -> Registered:
    """The exercise of this id; raises PermanentError naming those there are."""
    known = {}
    for found, section, folder in discover():
        if found == exercise_id:
            return _load(section, folder)
        known[found] = section
    names = ", ".join(sorted(known)) or "none at all"
    raise PermanentError(f"There is no exercise {exercise_id!r}.", f"The exercises here are: {names}.")


def exercises(section: str | None = None) -> list[Registered]:
    """Every exercise (of one section), sorted by id; raises RegistrationError at the first broken one."""
    names = sorted({found for found, where, _ in discover() if section in (None, where)})
    return [find(name) for name in names]


def _load(section: str, folder: Path) -> Registered:
    package = f"graders.checks.{section}.{folder.name}"
    exercise = getattr(importlib.import_module(package), "EXERCISE", None)
    if not isinstance(exercise, Exercise):
        raise RegistrationError(f"{folder}/__init__.py: EXERCISE = Exercise(...) is missing")
    if exercise.id.replace("-", "_") != folder.name:
        raise RegistrationError(f"{folder}: the folder of {exercise.id} must be {exercise.id.replace('-', '_')}")
    _check_schemas(exercise)
    public = _check_function(package, folder, "public")
    hidden = _check_function(package, folder, "hidden") if (folder / "hidden.py").is_file() else None
    calls = [_calls(package, which) if check else None for which, check in (("public", public), ("hidden", hidden))]
    if any(isinstance(wanted, Returns) for wanted in exercise.answers.values()) and calls[0] is None:
        raise RegistrationError(f"{folder}/public.py: def calls(values) -> {{name: [[argument, …], …]}} is missing")
    return Registered(exercise, section, folder, public, hidden, *calls)


def _check_schemas(exercise: Exercise) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    for name, wanted in exercise.answers.items():
        try:
            Draft202012Validator.check_schema(wanted.schema if isinstance(wanted, Returns) else wanted)
        except SchemaError as error:
            raise RegistrationError(
                f"{exercise.id}: the schema of {name!r} is not JSON Schema: {error.message}"
            ) from None


def _check_function(package: str, folder: Path, which: str) -> Check:
    check = getattr(importlib.import_module(f"{package}.{which}"), "check", None)
    if not callable(check):
        raise RegistrationError(f"{folder}/{which}.py: def check(answer, live) -> Iterator[Finding] is missing")
    return check


def _calls(package: str, which: str) -> Calls | None:
    found = getattr(importlib.import_module(f"{package}.{which}"), "calls", None)
    return found if callable(found) else None


def _mutant(exercise_id: str, path: Path) -> Mutant:
    source = path.read_text(encoding="utf-8")
    try:
        with warnings.catch_warnings(action="ignore"):  # a pattern may say \[ without an r
            docstring = ast.get_docstring(ast.parse(source)) or ""
        pattern = re.compile(docstring.splitlines()[0])
    except SyntaxError as error:
        raise RegistrationError(f"{exercise_id}: mutant {path.name} is not Python: {error}") from None
    except (re.error, IndexError):
        raise RegistrationError(
            f"{exercise_id}: mutant {path.name} must open with a docstring whose first line is a "
            "regular expression the verdict's text matches"
        ) from None
    return Mutant(path.stem, source, pattern)
