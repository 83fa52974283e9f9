"""From submitted sources to evidence: run the answer cells in a jailed worker process and validate what comes out.

Granted is a read-only Python runtime, an empty folder of its own that goes with it, and the TCP ports the caller names;
no other file, no network, no further process.  Where this host cannot keep that, grading is refused, unless
``LABS_JAIL_ACCEPT_WEAKER=1`` says otherwise, which the verdict then notes.

Nothing the worker says is believed further than this: it is JSON, bounded in size and depth, of the exercise's schema.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graders import worker
from graders.exercise import Exercise, Returns
from labs import jail
from labs.errors import TemporaryError

WALL_SECONDS = 10.0  # from start to reply
SOURCE = 256 * 1024  # characters of all answer cells together
REPLY = 4 * 2**20  # bytes
CPU_SECONDS = 5.0
MEMORY = 2**30  # bytes of address space
FILE_SIZE = 2**20  # bytes of one file
FOLDER_SIZE = 2**24  # bytes of all its files
ENDED_SECONDS = 1.0  # from reply to the worker's end
ENDED_BY = {
    "cpu": "ran out of its CPU time",
    "memory": "ran out of memory",
    "files": "wrote more files than it may",
    "processes": "started more processes than it may",
}
PACKAGES = tuple(dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib")))
WORKER = Path(worker.__file__).resolve()


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a variable cannot be judged: what was seen, what the exercise needs, where to look."""

    observed: str
    expected: str
    hint: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The answer as validated data, or the problems that stand in the way; never both complete and with problems.

    ``weaker`` names the jail's promises that were not kept while it was collected, because somebody accepted that.
    """

    answer: Mapping[str, Any]
    problems: tuple[Problem, ...] = ()
    weaker: tuple[str, ...] = ()


def collect(
    exercise: Exercise,
    sources: Mapping[str, str],
    values: Mapping[str, Any] | None = None,
    calls: Mapping[str, list[list[Any]]] | None = None,
    *,
    connect: tuple[int, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Evidence:
    """Run the exercise's answer cells (``sources`` by cell id) and take out its variables.

    :param values: the seeded names and numbers the answer may use as ``values``
    :param calls: by function of the answer, the arguments of each call
    :param connect: TCP ports the cells may connect to: the gateway's, for an exercise that grants it
    :param environment: environment variables besides the usual few, such as the endpoint at that port
    Raises PermanentError where the jail cannot keep its promises on this host, TemporaryError where Python does not
    start in it.
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
    names = [name for name, wanted in exercise.answers.items() if not isinstance(wanted, Returns)]
    inputs = {name: (calls or {}).get(name, []) for name in exercise.answers if name not in names}
    request = json.dumps({"cells": cells, "names": names, "values": values or {}, "calls": inputs}).encode()
    folder = tempfile.mkdtemp(prefix="answer-")
    try:
        line, ended = _talk(request, _granted(folder, connect, environment or {}))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    reply = _parsed(line, ended)
    if isinstance(reply, Problem):
        return Evidence({}, (reply,), ended.missing)
    return replace(_validated(exercise, reply, inputs), weaker=ended.missing)


def _granted(folder: str, connect: tuple[int, ...], environment: Mapping[str, str]) -> jail.Spec:
    """What the worker may do; ``folder`` is its own."""
    usual = {
        "HOME": folder,
        "TMPDIR": folder,
        "IPYTHONDIR": folder,
        "LANG": "C.UTF-8",
        "PATH": os.defpath,
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    return jail.Spec(
        readable=(*jail.runtime(), str(WORKER)),
        writable=folder,
        writable_bytes=FOLDER_SIZE,
        file_bytes=FILE_SIZE,
        connect=connect,
        environment=usual | dict(environment),
        memory=MEMORY,
        address_space=MEMORY,
        cpu_seconds=CPU_SECONDS,
        wall_seconds=WALL_SECONDS,
        open_files=64,
    )


def _talk(request: bytes, granted: jail.Spec) -> tuple[bytes | None, jail.Result]:
    """Start the worker, send the request, read its reply before the deadline, end it: (the reply, how it ended).

    Raises TemporaryError when the worker itself did not come so far that it could run the answer.
    """
    deadline = time.monotonic() + WALL_SECONDS
    ours, theirs = os.pipe()
    try:
        with tempfile.TemporaryFile() as stdin:
            stdin.write(request)
            stdin.seek(0)
            try:
                running = jail.start(
                    granted,
                    [sys.executable, "-I", "-S", "-X", "utf8", str(WORKER), str(theirs), *PACKAGES],
                    stdin=stdin,
                    pass_fds=(theirs,),
                    accept_weaker=os.environ.get("LABS_JAIL_ACCEPT_WEAKER") == "1",
                )
            finally:
                os.close(theirs)
        with running:
            ready = _read(ours, len(worker.READY), deadline)
            line = _read(ours, REPLY + 1, deadline) if ready == worker.READY else None
            ended = (running.wait(ENDED_SECONDS) if line is not None else None) or running.kill()
    finally:
        os.close(ours)
    if ready != worker.READY:
        how = f"it ended with status {ended.status}" if ready is not None else f"not ready after {WALL_SECONDS:.0f} s"
        raise TemporaryError(
            f"Python did not start for an answer (jail: {ended.rung}): {how}.",
            "The machine may be too busy. Otherwise: does `python -I` start with only what labs.jail.runtime() lists?",
        )
    return line, ended


def _read(pipe: int, most: int, deadline: float) -> bytes | None:
    """Bytes up to the first newline, the end, or so many; None when the deadline passed first."""
    data = bytearray()
    while len(data) < most:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            return None
        chunk = os.read(pipe, min(65536, most - len(data)))
        data += chunk
        if not chunk or b"\n" in chunk:
            break
    return bytes(data)


def _parsed(line: bytes | None, ended: jail.Result) -> dict[str, Any] | Problem:
    hint = "Run the answer cell alone in a fresh kernel (Kernel → Restart) and see how it ends."
    if line is None or ended.limit == "wall":
        return Problem(
            f"the answer cell was still running after {WALL_SECONDS:.0f} s",
            "an answer within seconds",
            "Look for a loop that does not end, or a call that waits.",
        )
    if not line.endswith(b"\n"):
        how = ENDED_BY.get(ended.limit or "", "ended the process")
        return Problem(f"the answer cell {how} (status {ended.status})", "a cell that runs to its end", hint)
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


def _validated(exercise: Exercise, reply: dict[str, Any], inputs: Mapping[str, list[list[Any]]]) -> Evidence:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    answer, problems = {}, []
    errors = "; ".join(str(error)[:600] for error in reply["errors"][:3])
    for name, wanted in exercise.answers.items():
        is_function = isinstance(wanted, Returns)
        schema = wanted.schema if isinstance(wanted, Returns) else wanted
        if name not in reply["values"]:
            why = str(reply["refused"].get(name, "not defined"))[:300]
            problems.append(
                Problem(
                    f"{name} is {why}" + (f" after {errors}" if errors else ""),
                    f"a function {name}" if is_function else f"a variable {name} that holds {_kind(schema)}",
                    _next_step(reply["errors"]),
                )
            )
            continue
        if is_function:
            outcomes = _outcomes(name, schema, reply["values"][name], inputs[name])
            if isinstance(outcomes, Problem):
                problems.append(outcomes)
            else:
                answer[name] = outcomes
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


def _outcomes(
    name: str, schema: Mapping[str, Any], told: Any, inputs: list[list[Any]]
) -> list[dict[str, Any]] | Problem:
    """What became of each call, with its arguments as they were sent; the worker's own word for nothing else."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    shaped = isinstance(told, list) and len(told) == len(inputs)
    if not shaped or not all(isinstance(one, dict) and len(one) == 1 for one in told):
        hint = "Run the answer cell alone in a fresh kernel (Kernel → Restart) and call the function yourself."
        return Problem(f"{name} gave no results", "a result for each call", hint)
    outcomes = []
    for arguments, one in zip(inputs, told, strict=True):
        (kind, value), outcome = *one.items(), {"arguments": arguments}
        if kind == "returned":
            error = best_match(Draft202012Validator(schema).iter_errors(value))
            wrong = f"returned{_where(error)}: {error.message[:300]}" if error else ""
            outcome |= {"refused": wrong} if error else {kind: value}
        else:
            outcome["raised" if kind == "raised" else "refused"] = str(value)[:400]
        outcomes.append(outcome)
    return outcomes


def _next_step(errors: list[Any]) -> str:
    """What to do about an answer that is not there, given what stopped the cells."""
    if any(str(error).startswith("NameError") for error in errors):
        return (
            "The check runs the answer cells alone, with values and nothing from other cells: import or define that "
            "name in the answer cell, too."
        )
    if errors:
        return "The answer cell stops at the line that is named: repair it, run that cell, then check again."
    return "Assign it in the answer cell, run that cell, then check again."


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
