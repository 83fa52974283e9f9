"""One submission, one verdict: ``python -m graders.judge NOTEBOOK --released NOTEBOOK --student ID --out FILE``.

The same work as in a batch, as a command that needs nothing but its files, so that any dispatcher can run it: a local
pool of processes, or a Kubernetes Job for each submission.  FILE is JSON: ``{"student", "repairs": […], "exercises":
{id: {"sources", "answer", "weaker", "seconds", "verdict"}}}``.  Exit status 0 when every exercise was judged; 75 when
something was not to be had just now, and trying again may help; 2 for anything else.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from labs.errors import LabError, TemporaryError


def judge(submitted: Path, released: Path, student: str) -> dict[str, Any]:
    """The verdicts on a submitted notebook.

    Raises PermanentError or TemporaryError as ``Grader.grade``.
    """
    from graders.batch import judged_cells
    from graders.nbgrader_plugins.restored import restored
    from graders.notebook import cells_of
    from graders.runner import Grader

    notebook, repairs = restored(submitted, released)
    grader = Grader()
    try:
        judged = judged_cells(grader, cells_of(notebook), student, {})
    finally:
        grader.close()
    return {
        "student": student,
        "repairs": repairs,
        "exercises": {name: one.to_json() for name, one in judged.items()},
    }


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m graders.judge", description="judge one submitted notebook")
    parser.add_argument("notebook", type=Path, help="what was submitted")
    parser.add_argument("--released", type=Path, required=True, help="the released notebook it began as")
    parser.add_argument("--student", required=True, help="nbgrader student id")
    parser.add_argument("--out", type=Path, help="where the verdicts go; otherwise standard output")
    options = parser.parse_args(arguments)
    try:
        told = json.dumps(judge(options.notebook, options.released, options.student), indent=1, ensure_ascii=False)
    except LabError as error:
        print(error, file=sys.stderr)
        return 75 if isinstance(error, TemporaryError) else 2
    if options.out:
        fresh = options.out.with_name(f"{options.out.name}.new")
        fresh.write_text(told, encoding="utf-8")
        fresh.replace(options.out)
    else:
        print(told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
