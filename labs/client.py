"""``check("b1-q1")`` in a notebook: ask the grader, show its verdict.  Decides nothing itself.

What is sent is the source of the exercise's answer cells *as last executed*.  It is found in this order:

1. Jupyter tells the kernel the id of each cell it runs; a hook keeps the last source of each (from the moment
   ``labs`` was first asked for ``check``), and the saved notebook says which id is which answer cell.
2. IPython's history: the last cell that assigns the exercise's variables at top level.
3. The saved notebook.

The grader executes that source again, in a process of its own.  Not seen here: cells the kernel ran before a restart.
"""

from __future__ import annotations

import ast
import html
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from labs.errors import PermanentError, TemporaryError

CHECK_SECONDS = 120.0
PROGRESS = ".progress.json"
_COLUMNS = ("result", "what was looked at", "points", "observed, expected, hint")
# JupyterLab aligns tables to the right unless each cell says otherwise.
_HEADING = '<th scope="col" style="text-align:left">{}</th>'
_CELL = '<td style="text-align:left;vertical-align:top">{}</td>'
_executed: dict[str, str] = {}  # notebook cell id → source, as last executed


@contextmanager
def grader_address(home: Path) -> Iterator[str]:
    """The grader socket's path, short enough for ``sun_path`` (108 bytes) however deep the folder is."""
    path = home / "grader.sock"
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/grader.sock"
    finally:
        os.close(folder)


class _Connection(http.client.HTTPConnection):
    """HTTP over the grader's Unix socket."""

    def __init__(self, home: Path, timeout: float) -> None:
        super().__init__("grader", timeout=timeout)
        self._home = home

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with grader_address(self._home) as address:
            self.sock.connect(address)


def ask(home: Path, method: str, path: str, body: Any = None, timeout: float = CHECK_SECONDS) -> dict[str, Any]:
    """The grader's JSON answer.

    Raises TemporaryError when it is not up or says to come back, PermanentError when it refuses the request.
    """
    connection = _Connection(home, timeout)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except TimeoutError:
        raise TemporaryError(f"The grader did not answer within {timeout:.0f} s; see `lab logs grader`.") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise TemporaryError(f"The grader is not running ({error}).  Start it: run `lab up grader`.") from None
    finally:
        connection.close()
    if response.status == 200:
        return answer
    raise (TemporaryError if answer.get("temporary") else PermanentError)(answer.get("error", "the grader failed"))


class Report:
    """A verdict as Jupyter shows it: a table, and the same as text."""

    def __init__(self, verdict: dict[str, Any]) -> None:
        self.verdict = verdict

    @property
    def full(self) -> bool:
        """Everything that was looked at is right."""
        return bool(self.verdict["full"])

    def __repr__(self) -> str:
        return self.verdict["text"].rstrip("\n")

    def _repr_html_(self) -> str:
        verdict = self.verdict
        first = html.escape(verdict["text"].split("\n", 1)[0])
        rows = "".join(map(_row, verdict["findings"]))
        return (
            f'<table style="text-align:left"><caption style="text-align:left;font-weight:bold">{first}</caption>'
            f"<thead><tr>{''.join(_HEADING.format(name) for name in _COLUMNS)}</tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )


def _row(finding: dict[str, Any]) -> str:
    word = "✓ ok" if finding["passed"] else "✗ failed"
    told = [("observed", finding["observed"])]
    if not finding["passed"]:
        told += [("expected", finding["expected"]), ("hint", finding["hint"])]
    said = "".join(
        f"<div><b>{label}</b> <span style='white-space:pre-wrap'>{html.escape(text)}</span></div>"
        for label, text in told
    )
    cells = "".join(_CELL.format(part) for part in (word, html.escape(finding["name"]), f"{finding['points']:g}", said))
    return f"<tr>{cells}</tr>"


def check(exercise_id: str) -> Report:
    """The public verdict on your answer to an exercise, e.g. ``check("b1-q1")``.

    Raises TemporaryError when the grader is not up, PermanentError when there is no such exercise or answer.
    """
    from labs.services import home

    place = home()
    exercise = ask(place, "GET", f"/exercises/{exercise_id}") if _is_id(exercise_id) else _no_such(exercise_id)
    notebook = _notebook(exercise_id)
    answers = _answers(notebook, exercise["cells"], exercise["names"])
    with _patience(exercise_id, exercise.get("seconds", 0)):
        report = Report(ask(place, "POST", "/check", {"exercise": exercise_id, "answers": answers}))
    _note_progress((notebook.parent if notebook else Path.cwd()), exercise_id, report)
    return report


@contextmanager
def _patience(exercise_id: str, seconds: float) -> Iterator[None]:
    """Say how long a check takes that watches something, and print a dot for every second of it."""
    if seconds <= 2:
        yield
        return
    print(f"{exercise_id} watches what happens: about {seconds:.0f} s ", end="", flush=True)
    done = threading.Event()

    def tell() -> None:
        while not done.wait(1.0):
            print(".", end="", flush=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
        print(flush=True)


def _is_id(text: Any) -> bool:
    return isinstance(text, str) and text.replace("-", "").isalnum()


def _no_such(exercise_id: Any) -> Any:
    raise PermanentError(f"There is no exercise {exercise_id!r}.", 'An exercise id looks like "b1-q1".')


def _answers(notebook: Path | None, wanted: list[str], names: list[str]) -> dict[str, str]:
    """Source by grade id: as executed where that is known, else as saved."""
    saved = _cells(notebook) if notebook else []
    answers: dict[str, str] = {}
    ran = [source for source in _history() if set(names) & _assigned(source)]
    for cell_id, grade_id, source in saved:
        if grade_id in wanted:
            answers[grade_id] = _executed.get(cell_id, source)
            if cell_id not in _executed and len(wanted) == 1 and ran:
                answers[grade_id] = ran[-1]
    if not saved and len(wanted) == 1 and ran:
        answers[wanted[0]] = ran[-1]
    if not answers:
        raise PermanentError(
            f"No answer cell {', '.join(wanted)} was found.",
            "Save the notebook, run the answer cell, then check again.",
        )
    return answers


def _assigned(source: str) -> set[str]:
    """Names a cell assigns at top level; none when it is not Python."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return set()
    targets = [
        node
        for statement in body
        if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.FunctionDef))
        for node in (
            [statement]
            if isinstance(statement, ast.FunctionDef)
            else [statement.target]
            if isinstance(statement, ast.AnnAssign)
            else statement.targets
        )
    ]
    return {
        target.name if isinstance(target, ast.FunctionDef) else target.id
        for target in targets
        if isinstance(target, (ast.FunctionDef, ast.Name))
    }


def _history() -> list[str]:
    """Sources this kernel executed, oldest first."""
    shell = _shell()
    return [source for source in shell.user_ns.get("In", []) if isinstance(source, str)] if shell else []


def _shell() -> Any:
    import sys

    interactive = sys.modules.get("IPython")
    return interactive.get_ipython() if interactive else None


def _remember(info: Any) -> None:
    if getattr(info, "cell_id", None):
        _executed[info.cell_id] = info.raw_cell


def watch() -> None:
    """Keep the source of each cell this kernel executes from now on; once is enough."""
    shell = _shell()
    if shell is not None and _remember not in shell.events.callbacks["pre_run_cell"]:
        shell.events.register("pre_run_cell", _remember)


def _cells(notebook: Path) -> list[tuple[str, str, str]]:
    """(cell id, grade id, source) of the saved notebook's graded cells."""
    found = []
    for cell in json.loads(notebook.read_text(encoding="utf-8")).get("cells", []):
        source = cell.get("source", "")
        grade_id = cell.get("metadata", {}).get("nbgrader", {}).get("grade_id", "")
        if grade_id:
            found.append((cell.get("id", ""), grade_id, "".join(source) if isinstance(source, list) else source))
    return found


def _notebook(exercise_id: str) -> Path | None:
    """The saved notebook this kernel serves, as Jupyter or VS Code say; else the one here with the exercise."""
    shell = _shell()
    said = os.environ.get("JPY_SESSION_NAME") or (shell.user_ns.get("__vsc_ipynb_file__") if shell else None)
    candidates = [Path(said)] if said else []
    candidates += sorted(Path.cwd().glob("*.ipynb"))
    for path in candidates:
        with suppress(OSError, ValueError, AttributeError):
            if any(grade_id == exercise_id for _, grade_id, _ in _cells(path)):
                return path
    return None


def _note_progress(folder: Path, exercise_id: str, report: Report) -> None:
    """Keep the best verdict in ``.progress.json`` beside the notebook; a read-only folder keeps none."""
    done = read_progress(folder)
    verdict = report.verdict
    best = done.get(exercise_id, {})
    if verdict["points"] < best.get("points", -1) and not report.full:
        return
    done[exercise_id] = {
        "points": verdict["points"],
        "max": verdict["max"],
        "full": report.full or best.get("full", False),
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    temporary = folder / f"{PROGRESS}.{os.getpid()}"
    with suppress(OSError):
        temporary.write_text(json.dumps(done, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(folder / PROGRESS)


def read_progress(folder: Path) -> dict[str, Any]:
    """What ``check`` noted in a folder: ``points``, ``max``, ``full``, ``when`` by exercise; {} where there is none."""
    try:
        done = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return done if isinstance(done, dict) else {}


class Progress:
    """The exercises of a workspace and what was reached so far: (exercise id, points, max, passed)."""

    def __init__(self, rows: list[tuple[str, float, float, bool]]) -> None:
        self.rows = rows

    def __repr__(self) -> str:
        if not self.rows:
            return "No exercise here yet."
        lines = [
            f"{'✓ passed' if full else '– open  '}  {name:<8} {points:g} of {most:g} points"
            for name, points, most, full in self.rows
        ]
        passed = sum(full for *_, full in self.rows)
        return "\n".join([*lines, f"{passed} of {len(self.rows)} exercises passed"])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def progress() -> Progress:
    """What ``check`` has seen in this folder, the folders below it and the ones beside it."""
    said = os.environ.get("JPY_SESSION_NAME")
    here = Path(said).parent if said else Path.cwd()
    folders = {folder.resolve() for folder in [here, *here.glob("*/"), *here.parent.glob("*/")] if folder.is_dir()}
    rows: dict[str, tuple[str, float, float, bool]] = {}
    for folder in sorted(folders):
        done = read_progress(folder)
        for name, most in _exercises_in(folder):
            seen = done.get(name, {})
            rows[name] = (name, seen.get("points", 0), most, bool(seen.get("full")))
    return Progress(sorted(rows.values()))


def _exercises_in(folder: Path) -> Iterator[tuple[str, float]]:
    for path in sorted(folder.glob("*.ipynb")):
        with suppress(OSError, ValueError, AttributeError, TypeError):
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
                told = cell.get("metadata", {}).get("nbgrader", {})
                if cell.get("cell_type") == "code" and told.get("grade") and not told.get("solution"):
                    yield told["grade_id"], float(told["points"])


watch()
