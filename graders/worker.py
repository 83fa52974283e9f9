"""The process in which submitted answer cells run.  Standard library only; never imported by what it runs.

Run as ``python -I -S worker.py FD FOLDER…``: one JSON request on standard input, READY and one JSON line on file
descriptor FD; modules are found in the folders, too (``-S`` spares the start-up of ``site``).  It judges nothing.
Whatever the answer does to this process, all it can change is the data that comes out, and the parent validates that
again.

    request  {"cells": [source…], "names": [variable…], "values": {…}, "calls": {function: [[argument…]…]}}
    reply    {"values": {variable: JSON value}, "refused": {variable: why}, "errors": [text…]}

Cells run in order in one namespace, as in a notebook: a cell that raises does not stop the next one, top-level
``await`` works, and a cell with magics runs in an IPython shell.  ``values`` is there as in the notebook.
What it may read, reach and use up is the jail's business (``labs.jail``; ``collect`` says what is granted).
"""

from __future__ import annotations

import builtins
import json
import linecache
import math
import os
import sys
import types

TYPE_CHECKING = False      # typing takes longer to import than everything else here together
if TYPE_CHECKING:
    from typing import Any

DEEPEST = 32  # levels of nesting
LARGEST = 20_000  # values in one answer
TEXT = 256 * 1024  # characters of text in one answer
INTEGER = 2**63
READY = b"ready\n"
"""Said before the first cell runs."""
TOP_LEVEL_AWAIT = 0x2000  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, without importing ast
COROUTINE = 0x80  # inspect.CO_COROUTINE


class Refused(Exception):
    """A value is not plain data; the message says what it is."""


def plain(value: Any) -> Any:
    """``value`` rebuilt from exact built-in types (dict of str keys, list, tuple as list, str, int, float, bool, None).

    Calls no method that a subclass could have replaced.  Raises Refused for other types, NaN and infinities, integers
    of more than 64 bits, text that is not UTF-8, and anything beyond DEEPEST, LARGEST or TEXT.
    """
    budget = [LARGEST, TEXT]
    return _plain(value, 0, budget)


def _plain(value: Any, depth: int, budget: list[int]) -> Any:
    kind = type(value)
    budget[0] -= 1
    if depth > DEEPEST:
        raise Refused(f"nested deeper than {DEEPEST} levels")
    if budget[0] < 0:
        raise Refused(f"more than {LARGEST} values")
    if value is None or kind is bool:
        return value
    if kind is str:
        return _text(value, budget)
    if kind is int:
        if not -INTEGER <= value < INTEGER:
            raise Refused("an integer of more than 64 bits")
        return value
    if kind is float:
        if not math.isfinite(value):
            raise Refused("a number that is not finite")
        return value
    if kind is list or kind is tuple:
        return [_plain(item, depth + 1, budget) for item in value]
    if kind is dict:
        return {_key(key, budget): _plain(item, depth + 1, budget) for key, item in value.items()}
    raise Refused(f"of type {type.__getattribute__(kind, '__name__')}, which is not plain data")


def _key(key: Any, budget: list[int]) -> str:
    if type(key) is not str:
        raise Refused("a dict with a key that is not a str")
    return _text(key, budget)


def _text(value: str, budget: list[int]) -> str:
    budget[1] -= len(value)
    if budget[1] < 0:
        raise Refused(f"more than {TEXT} characters of text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise Refused("text that is not valid Unicode") from None
    return value


def take(namespace: dict[str, Any], names: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """(values, why the others were refused) of the named variables."""
    values, refused = {}, {}
    for name in names:
        if name not in namespace:
            refused[name] = "not defined"
            continue
        try:
            values[name] = plain(namespace[name])
        except Refused as why:
            refused[name] = str(why)
        except BaseException as error:  # noqa: BLE001 (the answer may have changed anything in this process)
            refused[name] = f"unreadable ({type(error).__name__})"
    return values, refused


def called(namespace: dict[str, Any], name: str, inputs: list[list[Any]]) -> list[dict[str, Any]]:
    """What became of calling the function ``name`` with each of the inputs: ``returned``, ``raised`` or ``refused``.

    Raises Refused when it is not there or no function.
    """
    if name not in namespace:
        raise Refused("not defined")
    function = namespace[name]
    if not callable(function):
        raise Refused("not a function")
    return [_outcome(function, arguments) for arguments in inputs]


def _outcome(function: Any, arguments: list[Any]) -> dict[str, Any]:
    try:
        result = function(*arguments)
        if type(result) is types.CoroutineType:
            import asyncio

            result = asyncio.run(result)
        return {"returned": plain(result)}
    except Refused as why:
        return {"refused": str(why)}
    except BaseException as error:  # noqa: BLE001 (a function that raises is a finding, SystemExit too)
        return {"raised": _described(error)}


def _described(error: BaseException) -> str:
    try:
        return f"{type(error).__name__[:80]}: {str(error)[:300]}"
    except BaseException:  # noqa: BLE001 (its __str__ is the answer's code too)
        return type(error).__name__[:80]


class Cells:
    """Runs cells one after the other in one namespace with a notebook's semantics."""

    def __init__(self, values: dict[str, Any]) -> None:
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        self.namespace = module.__dict__
        self.namespace["values"] = values
        self.namespace["display"] = print
        self._shell: Any = None

    def run(self, index: int, source: str) -> str | None:
        """None, or what went wrong, as ``KeyError: 'x' (answer cell 1, line 3)``."""
        name = f"<answer cell {index + 1}>"
        # as in a notebook: inspect.getsource finds a function that a cell defines
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        try:
            code = compile(source, name, "exec", flags=TOP_LEVEL_AWAIT)
        except SyntaxError as error:
            if not any(line.lstrip().startswith(("%", "!")) for line in source.splitlines()):
                return f"SyntaxError: {error.msg} (answer cell {index + 1}, line {error.lineno})"
            return self._run_in_ipython(index, source)
        except (ValueError, RecursionError, MemoryError) as error:
            return f"{type(error).__name__}: {error} (answer cell {index + 1})"
        try:
            result = eval(code, self.namespace)
            if code.co_flags & COROUTINE:
                import asyncio

                asyncio.run(result)
        except BaseException as error:  # noqa: BLE001 (SystemExit ends a cell, not the grading)
            return _describe(error, index, name)
        return None

    def _run_in_ipython(self, index: int, source: str) -> str | None:
        try:
            if self._shell is None:
                from IPython.core.interactiveshell import InteractiveShell
                from traitlets.config import Config

                quiet = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
                self._shell = InteractiveShell(config=quiet, user_ns=self.namespace)
            outcome = self._shell.run_cell(source)
        except BaseException as error:  # noqa: BLE001 (as above)
            return _describe(error, index, "")
        raised = outcome.error_before_exec or outcome.error_in_exec
        return _describe(raised, index, "") if raised else None


def _describe(error: BaseException, index: int, name: str) -> str:
    import traceback

    line = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == name:
            line = f", line {frame.lineno}"
    try:
        text = str(error)[:500]
    except BaseException:  # noqa: BLE001 (its __str__ is the answer's code too)
        text = ""
    return f"{type(error).__name__[:80]}: {text} (answer cell {index + 1}{line})"


def main(reply_to: int) -> None:
    """Read the request, say READY, run the cells, write the reply to this file descriptor."""
    import _sitebuiltins

    builtins.exit = builtins.quit = _sitebuiltins.Quitter("exit", "Ctrl-D")
    builtins.help = _sitebuiltins._Helper()
    request = json.loads(sys.stdin.buffer.read())
    os.write(reply_to, READY)  # whatever goes wrong from here on is the answer's doing
    cells = Cells(request["values"])
    errors = [error for index, source in enumerate(request["cells"]) if (error := cells.run(index, source))]
    values, refused = take(cells.namespace, request["names"])
    for name, inputs in request["calls"].items():
        try:
            values[name] = called(cells.namespace, name, inputs)
        except Refused as why:
            refused[name] = str(why)
    reply = json.dumps({"values": values, "refused": refused, "errors": errors}, allow_nan=False)
    data = memoryview(reply.encode("utf-8", "backslashreplace") + b"\n")
    while data:
        data = data[os.write(reply_to, data) :]
    os._exit(0)  # skip the answer's atexit hooks


if __name__ == "__main__":
    sys.path += sys.argv[2:]
    main(int(sys.argv[1]))
