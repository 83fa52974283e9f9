"""The process in which a Lambda function runs.  Standard library only; nothing of ours is imported beside it.

Run in the folder of the code as ``python -I lambda_runtime.py FD``: one JSON request on standard input, the function's
answer on file descriptor FD.  What the function prints goes to standard output and error: its log.

    request  {"handler": "module.function", "event": JSON value, "context": {…}, "environment": {…},
              "timeout": seconds, "memory": MB, "uid": 65534}
    reply    {"ok": the handler's JSON value}  or  {"error": {"errorMessage", "errorType", "stackTrace"}}

Limits: CPU seconds, address space, file size, open files, no core.  The gateway keeps the wall clock and ends the
process group.  Left to the jail beneath: the file system and the network.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import sys
import time
import traceback
from typing import Any

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, SIGKILL = 1, 38, 9
INTERPRETER = 1536  # MB of address space that Python and its libraries may map beside the function's own memory
FILE_SIZE = 512 * 2**20  # bytes: the size of /tmp ("Lambda quotas")


class Context:
    """The handler's second argument ("Using the Lambda context object to retrieve Python function information")."""

    def __init__(self, fields: dict[str, Any], deadline: float) -> None:
        self.function_name = fields["function_name"]
        self.function_version = fields["function_version"]
        self.invoked_function_arn = fields["invoked_function_arn"]
        self.memory_limit_in_mb = fields["memory_limit_in_mb"]
        self.aws_request_id = fields["aws_request_id"]
        self.log_group_name = fields["log_group_name"]
        self.log_stream_name = fields["log_stream_name"]
        self.identity = None
        self.client_context = None
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is ended."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def confine(request: dict[str, Any]) -> None:
    """Set the limits, and give up root where the interpreter stays readable without it."""
    if os.getuid() == 0 and _readable_by_others():
        os.setgroups([])
        os.setgid(request["uid"])
        os.setuid(request["uid"])
    linux = sys.platform == "linux"
    if linux:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    memory = (request["memory"] + INTERPRETER) * 2**20
    for what, limit in (
        (resource.RLIMIT_CPU, int(request["timeout"]) + 2),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_CORE, 0),
    ):
        if linux or what != resource.RLIMIT_AS:
            _, most = resource.getrlimit(what)
            wanted = limit if most == resource.RLIM_INFINITY else min(limit, most)
            resource.setrlimit(what, (wanted, wanted))


def _readable_by_others() -> bool:
    """Whether a user without rights reaches the interpreter and its libraries."""
    folders = {os.path.dirname(os.path.realpath(os.__file__)), *(path for path in sys.path if path)}
    while folders:
        folder = folders.pop()
        if os.path.isdir(folder) and not os.stat(folder).st_mode & 0o001:
            return False
        parent = os.path.dirname(folder)
        if parent not in ("", folder):
            folders.add(parent)
    return True


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Import the handler's module, call the handler, and describe what came of it in Lambda's words."""
    deadline = time.monotonic() + request["timeout"]
    module_name, _, function_name = request["handler"].rpartition(".")
    sys.path.insert(0, ".")  # the working folder is the code; its absolute path may lead through folders of root's
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        return _failure("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}")
    except SyntaxError as error:
        message = f"Syntax error in module '{module_name}': {error}"
        return _failure("Runtime.UserCodeSyntaxError", message)
    handler = getattr(module, function_name, None)
    if not callable(handler):
        return _failure("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")
    value = handler(request["event"], Context(request["context"], deadline))
    try:
        return {"ok": json.loads(json.dumps(value))}
    except (TypeError, ValueError) as error:
        return _failure("Runtime.MarshalError", f"Unable to marshal response: {error}")


def _failure(kind: str, message: str, trace: list[str] | None = None) -> dict[str, Any]:
    return {"error": {"errorMessage": message, "errorType": kind, "stackTrace": trace or []}}


def main(reply_to: int) -> None:
    """Read the request, run the function, write the reply, end."""
    request = json.loads(sys.stdin.buffer.read())
    os.environ.update(request["environment"])
    confine(request)
    try:
        reply = run(request)
    except Exception as error:  # noqa: BLE001 (whatever the function raises is its answer)
        traceback.print_exc()
        trace = traceback.format_list(traceback.extract_tb(error.__traceback__)[1:])
        reply = _failure(type(error).__name__, str(error), trace)
    sys.stdout.flush()
    sys.stderr.flush()
    data = memoryview(json.dumps(reply).encode())
    while data:
        data = data[os.write(reply_to, data) :]
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
