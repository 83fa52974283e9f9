"""From submitted sources to evidence: run the answer cells in a worker process and validate what comes out.

Nothing the worker says is believed further than this: it is JSON, bounded in size and depth, of the exercise's schema.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graders import worker
from graders.exercise import Exercise

WALL_SECONDS = 10.0  # from start to reply
SOURCE = 256 * 1024  # characters of all answer cells together
REPLY = 4 * 2**20  # bytes
WORKER = Path(worker.__file__).resolve()


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a variable cannot be judged: what was seen, what the exercise needs, where to look."""

    observed: str
    expected: str
    hint: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The answer as validated data, or the problems that stand in the way; never both complete and with problems."""

    answer: Mapping[str, Any]
    problems: tuple[Problem, ...] = ()


def collect(exercise: Exercise, sources: Mapping[str, str], values: Mapping[str, Any] | None = None) -> Evidence:
    """Run the exercise's answer cells (``sources`` by cell id) and take out its variables.

    :param values: the seeded names and numbers the answer may use as ``values``
    """
    missing = [cell for cell in exercise.cells if not isinstance(sources.get(cell), str)]
    if missing:
        return Evidence(
            {},
            (
                Problem(
                    f"no answer cell {', '.join(missing)}",
                    "the answer cell of the exercise",
                    "Fetch the notebook again and copy your answer into its answer cell.",
                ),
            ),
        )
    cells = [sources[cell] for cell in exercise.cells]
    if sum(map(len, cells)) > SOURCE:
        return Evidence(
            {},
            (
                Problem(
                    "an answer cell of more than 256 kB",
                    "a few lines of Python",
                    "Define only what the exercise asks for.",
                ),
            ),
        )
    reply = _run(cells, list(exercise.answers), values or {})
    if isinstance(reply, Problem):
        return Evidence({}, (reply,))
    return _validated(exercise, reply)


def _run(cells: list[str], names: list[str], values: Mapping[str, Any]) -> dict[str, Any] | Problem:
    request = json.dumps(
        {"cells": cells, "names": names, "values": values, "fallback_uid": worker.NOBODY}, ensure_ascii=True
    ).encode()
    folder = tempfile.mkdtemp(prefix="answer-")
    try:
        if os.getuid() == 0:
            os.chown(folder, worker.NOBODY, worker.NOBODY)
        return _talk(request, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _talk(request: bytes, folder: str) -> dict[str, Any] | Problem:
    """Start the worker in ``folder``, send the request, read one line before the deadline, kill its process group."""
    deadline = time.monotonic() + WALL_SECONDS
    environment = {
        "HOME": folder,
        "TMPDIR": folder,
        "IPYTHONDIR": folder,
        "LANG": "C.UTF-8",
        "PATH": os.defpath,
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    ours, theirs = os.pipe()
    with tempfile.TemporaryFile() as stdin:
        stdin.write(request)
        stdin.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", str(WORKER), str(theirs)],
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=folder,
            pass_fds=(theirs,),
            start_new_session=True,
        )
    os.close(theirs)
    try:
        line = _read_line(ours, deadline)
    finally:
        os.close(ours)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
    return _parsed(line, status)


def _read_line(pipe: int, deadline: float) -> bytes | None:
    """Bytes up to the first newline or the end, None when the deadline passed first; at most REPLY + 1 of them."""
    data = bytearray()
    while len(data) <= REPLY:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            return None
        chunk = os.read(pipe, 65536)
        data += chunk
        if not chunk or b"\n" in chunk:
            break
    return bytes(data)


def _parsed(line: bytes | None, status: int) -> dict[str, Any] | Problem:
    hint = "Run the answer cell alone in a fresh kernel (Kernel → Restart) and see how it ends."
    if line is None:
        return Problem(
            f"the answer cell was still running after {WALL_SECONDS:.0f} s",
            "an answer within seconds",
            "Look for a loop that does not end, or a call that waits.",
        )
    if not line.endswith(b"\n"):
        how = (
            "ran out of its CPU time"
            if status == -signal.SIGXCPU or status == 128 + signal.SIGXCPU
            else "ended the process"
        )
        return Problem(f"the answer cell {how} (status {status})", "a cell that runs to its end", hint)
    try:
        reply = json.loads(line, parse_constant=_no_constant)
        shapes = (type(reply["values"]), type(reply["refused"]), type(reply["errors"]))
        if shapes != (dict, dict, list):
            raise TypeError("misshapen reply")
        reply["values"] = {name: worker.plain(value) for name, value in reply["values"].items()}
    except (ValueError, KeyError, TypeError, RecursionError, worker.Refused) as error:
        return Problem(
            f"the answer is not plain data ({type(error).__name__})", "dicts, lists, texts and numbers", hint
        )
    return reply


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _validated(exercise: Exercise, reply: dict[str, Any]) -> Evidence:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    answer, problems = {}, []
    errors = "; ".join(str(error)[:600] for error in reply["errors"][:3])
    for name, schema in exercise.answers.items():
        if name not in reply["values"]:
            why = str(reply["refused"].get(name, "not defined"))[:300]
            problems.append(
                Problem(
                    f"{name} is {why}" + (f" after {errors}" if errors else ""),
                    f"a variable {name} that holds {_kind(schema)}",
                    "Assign it in the answer cell, run that cell, then check again.",
                )
            )
            continue
        error = best_match(Draft202012Validator(schema).iter_errors(reply["values"][name]))
        if error is None:
            answer[name] = reply["values"][name]
        else:
            problems.append(
                Problem(
                    f"{name}{_where(error)}: {error.message[:600]}",
                    _wanted(name, schema, error),
                    "Compare the shape of your answer with the one the exercise describes.",
                )
            )
    return Evidence(answer, tuple(problems))


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "JSON data")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _where(error: Any) -> str:
    return "".join(f"[{part!r}]" for part in error.absolute_path)


def _wanted(name: str, schema: Mapping[str, Any], error: Any) -> str:
    described = error.schema.get("description") if isinstance(error.schema, Mapping) else None
    return str(
        described
        or schema.get("description")
        or f"{name} as {_kind(schema)}: {error.validator} {error.validator_value}"
    )[:600]
