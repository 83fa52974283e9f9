"""``lab check``, ``lab grade`` and ``lab exercise``: the terminal's side of grading."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from labs.errors import LabError, PermanentError, TemporaryError

exercise = typer.Typer(help="Write and examine exercises.", no_args_is_help=True)


def check(
    exercise_id: Annotated[str, typer.Argument(help="Such as b1-q2.")],
    notebook: Annotated[
        Path | None, typer.Option(help="The saved notebook; otherwise looked for here and below.")
    ] = None,
) -> None:
    """Check the saved answer to an exercise; exit status 0 only on full marks."""
    try:
        verdict = _verdict(exercise_id, notebook)
    except LabError as error:
        _fail(error)
    typer.echo(verdict["text"], nl=False)
    raise typer.Exit(0 if verdict["full"] else 1)


def grade(
    section: Annotated[str | None, typer.Argument(help="Such as b_iam_security; or `report`.")] = None,
    reported: Annotated[str | None, typer.Argument(metavar="[SECTION]", help="With `report`: which section.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Submissions graded at a time.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")] = False,
    course: Annotated[Path | None, typer.Option(help="Folder of nbgrader_config.py; otherwise here or above.")] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Judge everything again, whatever an earlier run did.")] = False,
    image: Annotated[
        str | None, typer.Option(help="Judge in Kubernetes Jobs of this image, in KUBECONFIG's current context.")
    ] = None,
    namespace: Annotated[str, typer.Option(help="Where those Jobs run.")] = "default",
    replay: Annotated[Path | None, typer.Option(metavar="RECEIPT", help="Score a receipt's evidence again.")] = None,
    rerun: Annotated[
        Path | None, typer.Option(metavar="RECEIPT", help="Judge a receipt's answers anew, and say what differs.")
    ] = None,
) -> None:
    """Autograde every submission of a section into the gradebook; exit status 1 when one could not be graded.

    A run that ended early is taken up where it was.  With --replay or --rerun: exit status 1 when anything differs.

    `lab grade report SECTION` writes what went wrong most, for whom, and what to look at, as HTML and CSV.
    """
    from graders.batch import grade as grade_section
    from graders.dispatch import jobs_of
    from graders.judging import Judges

    try:
        if section == "report" and reported:
            _report(reported, course or _course())
            raise typer.Exit(0)
        if replay or rerun:
            raise typer.Exit(0 if _again(replay, rerun, course or _course()) else 1)
        if section is None or section == "report" or reported:
            raise PermanentError(
                "Which section?", "lab grade b_iam_security --jobs 2, or: lab grade report b_iam_security"
            )
        dispatch = jobs_of(image, namespace) if image else Judges
        with _progress(quiet=as_json) as told:
            outcomes = grade_section(section, course or _course(), jobs, told, anew=anew, dispatch=dispatch)
    except LabError as error:
        _fail(error)
    except KeyboardInterrupt:
        typer.echo("stopped; what was graded is kept: run the same command to go on", err=True)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    elif not outcomes:
        typer.echo(f"nobody has submitted {section}")
    raise typer.Exit(1 if any(outcome.problem for outcome in outcomes) else 0)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Any]:
    """A bar on a terminal, and a line for each submission; only problems with ``--json``."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=quiet, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as bar:
        task = bar.add_task("grading", total=None)

        def told(outcome: Any, done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)
            if not quiet:
                for line in _said(outcome):
                    console.print(line, markup=False)

        yield told


def _said(outcome: Any) -> Iterator[str]:
    if outcome.problem:
        yield f"{outcome.student}: not graded: {outcome.problem.splitlines()[0]}"
        return
    before = "" if outcome.again else " (graded before)"
    yield f"{outcome.student}: {outcome.points:g} of {outcome.max:g}{before}"
    if outcome.repairs:
        yield f"    put right: {outcome.repairs[0]}" + (
            f" and {len(outcome.repairs) - 1} more" if outcome.repairs[1:] else ""
        )
    yield from (f"    look at this: {line}" for line in outcome.foreign)


def _report(section: str, root: Path) -> None:
    from graders import report

    for path in report.write(section, root):
        typer.echo(os.path.relpath(path))


def _again(replay: Path | None, rerun: Path | None, root: Path) -> bool:
    """Replay or rerun a receipt, print a line for each exercise; whether everything is as it was."""
    from graders import receipts

    if replay:
        lines = receipts.replay(replay, root)
        for name, recorded, scored in lines:
            typer.echo(f"{name}: {scored:g} points" + ("" if scored == recorded else f", recorded as {recorded:g}"))
        return all(scored == recorded for _, recorded, scored in lines)
    assert rerun is not None
    return _rerun(receipts.read(rerun, root))


def _rerun(said: dict[str, Any]) -> bool:
    from graders.exercise import find
    from graders.receipts import Judged
    from graders.runner import Grader

    same, grader = True, Grader()
    try:
        for name, each in said["exercises"].items():
            before = Judged.from_json(each)
            sources = {cell: source for cell, source in before.sources.items() if source is not None}
            now = grader.judge_once(find(name), sources, said["student"]).verdict
            differs = list(_differences(before.verdict, now))
            same = same and not differs
            typer.echo(
                f"{name}: {now.points:g} points, "
                + ("as before" if not differs else f"before {before.verdict.points:g}")
            )
            for line in differs:
                typer.echo(f"    {line}")
    finally:
        grader.close()
    return same


def _differences(before: Any, now: Any) -> Iterator[str]:
    """What another run found otherwise: marks, and whether a finding passed; wording alone is no difference."""
    if before.points != now.points or before.max != now.max:
        yield f"points: {before.points:g} of {before.max:g} before, {now.points:g} of {now.max:g} now"
    was = {finding.name: finding for finding in before.findings}
    found = {finding.name: finding for finding in now.findings}
    for name in dict.fromkeys([*was, *found]):
        if name not in found or name not in was:
            yield f"{name}: {'no longer looked at' if name in was else 'looked at now'}"
        elif was[name].passed != found[name].passed:
            yield f"{name}: before {was[name].observed}; now {found[name].observed}"


@exercise.command("lint")
def lint_command(
    exercise_id: Annotated[str | None, typer.Argument(help="One exercise; otherwise all.")] = None,
) -> None:
    """Say what an exercise lacks; exit status 1 when anything does."""
    from graders.lint import lint
    from graders.release import root

    try:
        problems = lint(root() / "notebooks", exercise_id)
    except LabError as error:
        _fail(error)
    for problem in problems:
        typer.echo(problem)
    if not problems:
        typer.echo("every exercise is whole")
    raise typer.Exit(1 if problems else 0)


@exercise.command("new")
def new_command(
    exercise_id: Annotated[str, typer.Argument(help="Such as b1-q4.")],
    points: Annotated[float, typer.Option(help="What it is worth.")] = 3,
) -> None:
    """Write the skeleton of an exercise beside its neighbours, and print the notebook cells it needs."""
    from graders.authoring import write
    from graders.release import root

    try:
        typer.echo(write(root(), exercise_id, points))
    except LabError as error:
        _fail(error)


def _verdict(exercise_id: str, notebook: Path | None) -> dict[str, Any]:
    """The public verdict, from the running grader or, when none runs, from one of this process."""
    from graders.exercise import find
    from graders.notebook import answers, read
    from labs.client import ask
    from labs.services import home

    registered = find(exercise_id)
    sources = answers(read(notebook or _notebook(exercise_id)), registered.exercise.cells)
    try:
        return ask(home(), "POST", "/check", {"exercise": exercise_id, "answers": sources})
    except TemporaryError:
        if (home() / "grader.sock").exists() and _serves(home()):
            raise
    return _judged_here(registered, sources)


def _serves(home: Path) -> bool:
    from labs.client import ask

    try:
        ask(home, "GET", "/health", timeout=2)
    except LabError:
        return False
    return True


def _judged_here(registered: Any, sources: dict[str, str]) -> dict[str, object]:
    from graders.runner import Grader
    from graders.service import student_of
    from labs.services import home

    typer.echo(
        "The grader service is not running (`lab up grader` starts it); one is started for this check.", err=True
    )
    grader = Grader()
    try:
        verdict = grader.grade(registered, sources, student_of(home()), hidden=False)
    finally:
        grader.close()
    return {**verdict.to_json(), "full": verdict.full, "text": verdict.text()}


def _notebook(exercise_id: str) -> Path:
    """The notebook with an exercise: here, else in the learner's workspace, else below here."""
    from graders.notebook import notebooks_with
    from labs.services import workspace

    here, own = Path.cwd(), workspace()
    nearest = ([here], [own, *sorted(own.glob("*/"))], [*sorted(here.glob("*/")), *sorted(here.glob("*/*/"))])
    found = next(filter(None, (notebooks_with(exercise_id, folders) for folders in nearest)), [])
    if len(found) == 1:
        return found[0]
    seen = ", ".join(os.path.relpath(path) for path in found) or "none"
    raise PermanentError(
        f"Which notebook holds {exercise_id}? Found here, in {own} and below: {seen}.",
        f"Say it: lab check {exercise_id} --notebook PATH",
    )


def _course() -> Path:
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "nbgrader_config.py").is_file():
            return folder
    raise PermanentError("No nbgrader_config.py here or above.", "Run this in the course folder, or say --course DIR.")


def _fail(error: LabError) -> None:
    typer.echo(str(error), err=True)
    sys.exit(75 if isinstance(error, TemporaryError) else 2)
