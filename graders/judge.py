"""One submission, one verdict: ``python -m graders.judge NOTEBOOK --released NOTEBOOK --student ID --out FILE``.

The same work as in a batch, as a command that needs nothing but its files, so that anything can run it, such as the
Kubernetes Jobs of :mod:`graders.dispatch`.  A NOTEBOOK may be gzipped.  FILE is JSON: ``{"student", "grader": digest of
this code, "repairs": […], "exercises": {id: {"sources", "answer", "weaker", "seconds", "verdict"}}}``; without --out it
is the last line of standard output.  Exit status 0 when every exercise was judged; 75 when something was not to be had
just now, and trying again may help; 2 for anything else.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from labs.errors import LabError, PermanentError, TemporaryError


def judge(submitted: Path, released: Path, student: str) -> dict[str, Any]:
    """The verdicts on a submitted notebook.

    Raises PermanentError or TemporaryError as ``Grader.grade``.
    """
    from graders.dispatch import Here
    from graders.nbgrader_plugins.restored import restored
    from graders.receipts import grader_version
    from graders.runner import Grader

    with tempfile.TemporaryDirectory(prefix="judge-") as folder:
        submitted, released = (_unpacked(path, Path(folder)) for path in (submitted, released))
        notebook, repairs = restored(submitted, released)
        grader = Grader()
        try:
            judged = Here(grader).judged(notebook, released, student, {})
        finally:
            grader.close()
    return {
        "student": student,
        "grader": grader_version(),
        "repairs": repairs,
        "exercises": {name: one.to_json() for name, one in judged.items()},
    }


def _unpacked(path: Path, folder: Path) -> Path:
    if path.suffix != ".gz":
        return path
    plain = folder / path.stem
    try:
        plain.write_bytes(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError) as error:
        raise PermanentError(f"{path.name} is no gzipped notebook: {error}") from None
    return plain


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m graders.judge", description="judge one submitted notebook")
    parser.add_argument("notebook", type=Path, help="what was submitted")
    parser.add_argument("--released", type=Path, required=True, help="the released notebook it began as")
    parser.add_argument("--student", required=True, help="nbgrader student id")
    parser.add_argument("--out", type=Path, help="where the verdicts go; otherwise standard output")
    options = parser.parse_args(arguments)
    try:
        said = judge(options.notebook, options.released, options.student)
    except LabError as error:
        print(error, file=sys.stderr)
        return 75 if isinstance(error, TemporaryError) else 2
    if options.out:
        fresh = options.out.with_name(f"{options.out.name}.new")
        fresh.write_text(json.dumps(said, indent=1, ensure_ascii=False), encoding="utf-8")
        fresh.replace(options.out)
    else:
        print(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
