"""Grading a section's submissions: answers in parallel, the gradebook by one nbgrader in this process.

A run that was killed is taken up again: what it judged lies in signed receipts, what reached the gradebook in a
journal, and neither is done a second time unless the submission or the grader changed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from graders import quarantine, receipts
from graders.dispatch import Dispatcher
from graders.judging import Judges
from graders.notebook import cells_of
from graders.receipts import Judged
from labs.errors import LabError

AHEAD = 4  # submissions judged but not yet recorded, per job
TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{7,}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one submission: points by exercise as the gradebook has them, or why it could not be graded.

    ``foreign`` names values of other students' labs that its answers carry; it costs nothing and is for the instructor
    to look at.  ``again`` is False where an earlier run had recorded it already.
    """

    student: str
    points: float
    max: float
    exercises: dict[str, float | None]
    problem: str = ""
    repairs: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    again: bool = True


Told = Callable[[Outcome, int, int], None]


@dataclass
class Ahead:
    """A submission that was judged: by notebook the exercises, what was put right, and what went wrong."""

    digest: str = ""
    judged: dict[str, dict[str, Judged]] = field(default_factory=dict)
    repairs: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)


def grade(
    section: str,
    root: Path,
    jobs: int = 1,
    told: Told = lambda outcome, done, of: None,
    *,
    anew: bool = False,
    dispatch: Callable[[Any], Dispatcher] = Judges,
) -> list[Outcome]:
    """Autograde every submission of ``section`` below ``root`` (the folder of nbgrader_config.py).

    :param told: called after each submission with its outcome, how many are done, and how many there are
    :param anew: judge and record everything again, whatever an earlier run did
    :param dispatch: makes what judges, from the :class:`graders.runner.Grader` that nbgrader will ask

    Raises PermanentError when the assignment cannot be generated.
    """
    from graders.live import Pool
    from graders.mould import without_grammars
    from graders.runner import Grader

    without_grammars()
    outcomes = []
    grader = Grader(Pool(size=jobs))
    with closing(grader), closing(dispatch(grader)) as dispatcher:
        from nbgrader.apps import NbGraderAPI  # takes two seconds, in which the judges' mould starts, too

        from graders.nbgrader_plugins import grade_answers

        api = NbGraderAPI(config=configuration(root))
        api.log.setLevel(logging.ERROR)
        students = sorted(api.get_submitted_students(section))
        _generated(api, section)
        journal = Journal(root, section)
        owners = foreign_values(students, section)
        with one_gradebook(), grader_of(grade_answers, grader):
            for student, ahead in _in_turn(students, jobs, lambda who: _ahead(dispatcher, api, section, who, anew)):
                outcome = None if anew or ahead.trouble else journal.outcome(student, ahead.digest)
                if ahead.trouble and not dispatcher.local:  # nbgrader would judge it here, against the user's word
                    outcome = Outcome(student, 0.0, 0.0, {}, "\n".join(ahead.trouble), tuple(ahead.repairs))
                if outcome is None:
                    outcome = _recorded(api, section, student, ahead, owners)
                    if not outcome.problem:
                        journal.note(outcome, ahead.digest)
                outcomes.append(outcome)
                told(outcome, len(outcomes), len(students))
    return outcomes


def _in_turn(students: list[str], jobs: int, judge: Callable[[str], Ahead]) -> Iterator[tuple[str, Ahead]]:
    """Each student's judged submission in order, ``jobs`` at a time, and never many more than can be recorded."""
    waiting: list[tuple[str, Future[Ahead]]] = []
    rest = iter(students)
    with ThreadPoolExecutor(jobs, thread_name_prefix="judge") as workers:
        try:
            while True:
                while len(waiting) < jobs * AHEAD and (student := next(rest, None)) is not None:
                    waiting.append((student, workers.submit(judge, student)))
                if not waiting:
                    return
                student, future = waiting.pop(0)
                yield student, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _generated(api: Any, section: str) -> None:
    with api.gradebook as known:
        if section in {assignment.name for assignment in known.assignments}:
            return
    assigned = api.generate_assignment(section)
    if not assigned["success"]:
        raise _failed(f"nbgrader could not generate {section}", assigned)


class Journal:
    """Which submissions are in the gradebook: a line of JSON for each, in ``receipts/SECTION.journal``."""

    def __init__(self, root: Path, section: str) -> None:
        self._path = root / "receipts" / f"{section}.journal"
        self._known: dict[tuple[str, str], dict[str, Any]] = {}
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    self._known[entry["outcome"]["student"], entry["digest"]] = entry["outcome"]
                except (ValueError, KeyError, TypeError):
                    continue  # the line that was being written when a run was killed

    def outcome(self, student: str, digest: str) -> Outcome | None:
        """What was recorded of this very submission, None when it was not."""
        known = self._known.get((student, digest))
        if known is None:
            return None
        lists = {name: tuple(known[name]) for name in ("repairs", "foreign")}
        return Outcome(**{**known, **lists, "again": False})

    def note(self, outcome: Outcome, digest: str) -> None:
        """Say that it is recorded; on disk before this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"digest": digest, "outcome": asdict(outcome)}) + "\n")
            file.flush()
            os.fsync(file.fileno())


def foreign_values(students: list[str], section: str) -> dict[str, str]:
    """The names and numbers that only one student's labs have, with that student: ``{"orders-1f2e3d4c": "ada"}``."""
    from graders.runner import seeded
    from labs.scenarios import registry

    here = [lab for name, lab in registry().items() if name.startswith(section[:1])]
    owners: dict[str, str | None] = {}
    for student in students:
        for lab in here:
            values, _ = seeded(lab, student)
            for token in set(TOKEN.findall(json.dumps(values))):
                if owners.setdefault(token, student) != student:
                    owners[token] = None
    return {token: owner for token, owner in owners.items() if owner is not None}


def carried(student: str, judged: Mapping[str, Judged], owners: Mapping[str, str]) -> list[str]:
    """Lines on values of other students that these answers carry."""
    found: dict[str, set[str]] = {}
    for one in judged.values():
        text = " ".join([*(source or "" for source in one.sources.values()), json.dumps(dict(one.answer))])
        for token in TOKEN.findall(text):
            if owners.get(token, student) != student:
                found.setdefault(owners[token], set()).add(token)
    return [f"carries values of {owner}: {', '.join(sorted(tokens))}" for owner, tokens in sorted(found.items())]


@contextmanager
def one_gradebook() -> Iterator[None]:
    """For a while, one SQLAlchemy engine for each gradebook, which is looked over once.

    nbgrader opens the gradebook ten times for a submission, each time with an engine of its own, a look at every table
    and every statement compiled anew: that is two thirds of what recording costs.  Sessions are still one each.
    """
    from nbgrader.api import Gradebook
    from sqlalchemy.orm import scoped_session, sessionmaker

    plain_open, plain_close = Gradebook.__init__, Gradebook.close
    opened: dict[tuple[str, str], Any] = {}

    def open_(self: Any, db_url: str, course_id: str = "default_course", authenticator: Any = None) -> None:
        if (db_url, course_id) not in opened:
            plain_open(self, db_url, course_id, authenticator)
            self.db.remove()
            opened[db_url, course_id] = self.engine
        self.engine, self.course_id, self.authenticator = opened[db_url, course_id], course_id, authenticator
        self.db = scoped_session(sessionmaker(autoflush=True, bind=self.engine, future=True))

    Gradebook.__init__, Gradebook.close = open_, lambda self: self.db.remove()
    try:
        yield
    finally:
        Gradebook.__init__, Gradebook.close = plain_open, plain_close
        for engine in opened.values():
            engine.dispose()


class grader_of:
    """For a while, the grader that GradeAnswers uses in this process."""

    def __init__(self, module: Any, grader: Any) -> None:
        self._module, self._grader, self._before = module, grader, module.grader

    def __enter__(self) -> None:
        self._module.grader = lambda: self._grader

    def __exit__(self, *_: object) -> None:
        self._module.grader = self._before


def configuration(root: Path) -> Any:
    """The traitlets configuration of ``root/nbgrader_config.py``."""
    from traitlets.config.loader import PyFileConfigLoader

    return PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()


def _ahead(dispatcher: Dispatcher, api: Any, section: str, student: str, anew: bool) -> Ahead:
    """Judge what this submission answers, so that nbgrader finds the verdicts ready."""
    from graders.nbgrader_plugins.restored import released_notebook, restored

    root = Path(api.coursedir.root)
    folder = Path(api.coursedir.format_path(api.coursedir.submitted_directory, student, section))
    released = Path(api.coursedir.format_path(api.coursedir.release_directory, ".", section))
    names = sorted(path.stem for path in released.glob("*.ipynb"))
    done = Ahead()
    quarantine.clean(folder, names)
    found = hashlib.sha256(receipts.grader_version().encode())
    for name in names:
        if not (folder / f"{name}.ipynb").exists():
            continue
        try:
            notebook, repairs = restored(folder / f"{name}.ipynb", released_notebook(api.coursedir, section, name))
            repairs = [*quarantine.noted(folder), *repairs]
            done.repairs += repairs
            cells = cells_of(notebook)
            found.update(json.dumps([name, [cell.source for cell in cells], repairs]).encode())
            kept = {} if anew else receipts.kept(root, section, student, name)
            done.judged[name] = dispatcher.judged(notebook, released / f"{name}.ipynb", student, kept)
            receipts.write(root, section, student, name, done.judged[name], repairs)
        except LabError as error:  # nbgrader meets the same trouble again and decides what it costs
            done.trouble.append(str(error))
    done.digest = found.hexdigest()
    return done


def _recorded(api: Any, section: str, student: str, ahead: Ahead, owners: Mapping[str, str]) -> Outcome:
    result = api.autograde(section, student)
    repairs = tuple(dict.fromkeys(ahead.repairs))
    if not result["success"]:
        problem = "\n".join(ahead.trouble) or str(_failed("not graded", result))
        return Outcome(student, 0.0, 0.0, {}, problem, repairs)
    with api.gradebook as gradebook:
        submission = gradebook.find_submission(section, student)
        scores = {grade.name: grade.auto_score for notebook in submission.notebooks for grade in notebook.grades}
        points, most = submission.score, submission.max_score
    every = {name: one for notebook in ahead.judged.values() for name, one in notebook.items()}
    foreign = tuple(carried(student, every, owners))
    return Outcome(student, points, most, dict(sorted(scores.items())), "", repairs, foreign)


def _failed(what: str, result: dict[str, Any]) -> LabError:
    from labs.errors import PermanentError

    said = result.get("error") or result.get("log") or ""
    return PermanentError(f"{what}: {said.strip().splitlines()[-1] if said.strip() else 'no reason given'}", said)
