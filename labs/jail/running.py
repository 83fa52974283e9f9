"""Start a command in a jail, talk to it, wait for its end."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import IO, Any

from labs.errors import PermanentError, TemporaryError
from labs.jail import rungs, view
from labs.jail.spec import Result, Spec

START_SECONDS = 30.0
KILL_SECONDS = 10.0
ORDER = 60_000      # bytes of a plan and a command together
CHUNK = 65536


class Running:
    """A command in its jail.  Use as a context manager, or ``kill`` it: leaving it alone keeps its supervisor running.

    ``stdin``, ``stdout``, ``stderr`` are binary files where PIPE was asked for, else None; ``pid`` is the command's (on
    the plain rung) or that of the program that made its view, ``doorman`` that of the process behind a door, else 0.
    """

    def __init__(self, supervisor: subprocess.Popen[bytes], caller: socket.socket, scratch: str | None,
                 facts: dict[str, Any]) -> None:
        self._supervisor = supervisor
        self._caller = caller
        self._scratch = scratch
        self._facts = facts
        self._received = b""
        self._result: Result | None = None
        self.stdin: IO[bytes] | None = supervisor.stdin
        self.stdout: IO[bytes] | None = supervisor.stdout
        self.stderr: IO[bytes] | None = supervisor.stderr
        self.pid = 0
        self.doorman = 0

    @property
    def rung(self) -> str:
        """The rung it runs on."""
        return str(self._facts["rung"])

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def fileno(self) -> int:
        """Readable when there is news: for event loops; then ``poll``."""
        return self._caller.fileno()

    def _line(self, deadline: float | None) -> dict[str, Any] | None:
        """The supervisor's next message; None when the deadline passed first; raises TemporaryError when it died."""
        while b"\n" not in self._received:
            self._caller.settimeout(None if deadline is None else max(0.0, deadline - time.monotonic()))
            try:
                chunk = self._caller.recv(CHUNK)
            except (TimeoutError, BlockingIOError):
                return None
            except OSError as error:
                chunk = b""
                self._facts["lost"] = str(error)
            if not chunk:
                self._lost()
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return dict(json.loads(line))

    def _lost(self) -> None:
        """The supervisor died: end the group it would have ended."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self._close()
        raise TemporaryError(f"the jail's supervisor ended with status {self._supervisor.returncode}")

    def begin(self) -> None:
        """Wait until the command has become itself; raises PermanentError with the reason when it cannot."""
        said = self._line(time.monotonic() + START_SECONDS)
        if said is None:
            self.kill()
            raise TemporaryError(f"the jail did not start within {START_SECONDS:.0f} s")
        if "failed" in said:
            errors = self.stderr.read(2000).decode("utf-8", "replace") if self.stderr else ""
            self.kill()
            self.close_pipes()
            why = f"{said['failed']}. {errors}".strip()
            raise PermanentError(f"The command did not start on the {self.rung} rung: {why}",
                                 "Look whether the command exists and is among the readable paths.")
        self.pid, self.doorman = said["started"], said["doorman"]

    def poll(self) -> Result | None:
        """The result when it has ended, else None."""
        return self.wait(0.0)

    def wait(self, timeout: float | None = None) -> Result | None:
        """The result; None when it still runs after ``timeout`` seconds.

        Raises TemporaryError when the supervisor died.
        """
        if self._result is None:
            said = self._line(None if timeout is None else time.monotonic() + timeout)
            if said is None:
                return None
            limit = None if said["limit"] == "ended" else said["limit"]
            kept = self._facts["kept"] if not said["left"] else [name for name in self._facts["kept"] if name != "gone"]
            self._result = Result(said["status"], limit, self.rung, tuple(kept), tuple(self._facts["missing"]),
                                  cpu_seconds=said["cpu"], left=said["left"])
            self._close()
        return self._result

    async def ended(self) -> Result:
        """As ``wait``, in an event loop."""
        # 5 MB that most callers, and the process beside every container, do without
        import asyncio

        loop = asyncio.get_running_loop()
        while (result := self.poll()) is None:
            news = asyncio.Event()
            loop.add_reader(self.fileno(), news.set)
            try:
                await news.wait()
            finally:
                loop.remove_reader(self.fileno())
        return result

    def signal(self, number: int) -> None:
        """Send the command a signal; SIGKILL ends the whole jail."""
        with contextlib.suppress(OSError):
            self._caller.sendall(json.dumps({"signal": int(number)}).encode() + b"\n")

    def hold(self, memory: int) -> None:
        """Give everything in the jail together another limit of resident memory, in bytes.

        What the kernel keeps each process to (``private`` and ``address_space`` of its Spec) stays as it was.
        """
        with contextlib.suppress(OSError):
            self._caller.sendall(json.dumps({"memory": memory}).encode() + b"\n")

    def terminate(self, grace: float = 5.0) -> Result:
        """SIGTERM to the command, then after ``grace`` seconds the end of everything in the jail."""
        self.signal(signal.SIGTERM)
        return self.wait(grace) or self.kill()

    def kill(self) -> Result:
        """End everything in the jail now.  Raises TemporaryError when the supervisor does not report in time."""
        if self._result is None and self._caller.fileno() >= 0:
            with contextlib.suppress(OSError):
                self._caller.shutdown(socket.SHUT_WR)
            if self.wait(KILL_SECONDS) is None:
                raise TemporaryError(f"the jail's supervisor did not end within {KILL_SECONDS:.0f} s")
        return self._result or Result(128 + signal.SIGKILL, None, self.rung, (), ())

    def close_pipes(self) -> None:
        """Close what PIPE opened."""
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _close(self) -> None:
        """Wait for the supervisor, close pipes, remove the scratch folder."""
        self._caller.close()
        self._supervisor.wait()
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
            # PRoot up to 5.1 keeps its empty mount points there whatever it is told, and a killed one leaves them
            for left in glob.glob(f"/tmp/proot-{self.pid}-*") if self.pid else ():
                shutil.rmtree(left, ignore_errors=True)
        self._scratch = None


def start(spec: Spec, command: Sequence[str], *, stdin: Any = subprocess.DEVNULL, stdout: Any = subprocess.DEVNULL,
          stderr: Any = subprocess.DEVNULL, pass_fds: Sequence[int] = (), door: int | None = None,
          accept_weaker: bool = False) -> Running:
    """Start a command in a jail and return when it runs.

    :param command: program and arguments; the program by its path, or found on the spec's PATH
    :param stdin: and the other two: as for ``subprocess.Popen``
    :param pass_fds: file descriptors the command keeps, under their numbers
    :param door: a listening Unix socket where further commands for this jail are taken, see ``labs.jail.doorman``
    :param accept_weaker: start although a required promise cannot be kept here; ``Result.missing`` then names it
    Raises PermanentError for a promise or rung that is not to be had, or a command that does not start;
    TemporaryError when the host does not start a process in time.
    """
    rung = rungs.choose(spec)
    plan = spec.plan() | {"rung": rung, "pass_fds": [*pass_fds, *([] if door is None else [door])], "door": door}
    kept, lacking = rungs.judge(rung, plan)
    missing = {name: lacking.get(name, "nothing: it is unknown") for name in sorted(spec.requires - set(kept))}
    if missing and not accept_weaker:
        needs = "; ".join(f"{name} needs {what}" for name, what in missing.items())
        raise PermanentError(f"This host cannot keep what the jail requires on the {rung} rung: {needs}.",
                             "Use a host that can, or say that weaker isolation is accepted; see docs/jail.md.")
    scratch = tempfile.mkdtemp(prefix="jail-") if rung == "proot" else None
    if scratch:
        seen = f"{view.BASE}/scratch" if spec.root else scratch
        plan["readable"] = [*plan["readable"], f"{seen}/loader"]     # PRoot runs every program through it
    order = {"plan": plan, "command": [str(word) for word in command], "wrap": rungs.wrap(rung, plan, scratch or "")}
    facts = {"rung": rung, "kept": list(kept), "missing": list(missing)}
    running = _launch(order, scratch, facts, stdin, stdout, stderr)
    running.begin()
    return running


def _launch(order: dict[str, Any], scratch: str | None, facts: dict[str, Any], stdin: Any, stdout: Any,
            stderr: Any) -> Running:
    line = json.dumps(order).encode() + b"\n"
    if len(line) > ORDER:
        raise PermanentError(f"A jail's plan and command take {len(line)} bytes.",
                             f"At most {ORDER} fit; pass the rest in a file or on standard input.")
    ours, theirs = socket.socketpair()
    try:
        supervisor = subprocess.Popen(
            [*rungs.python_command("supervisor"), str(theirs.fileno())], stdin=stdin, stdout=stdout, stderr=stderr,
            env=rungs.proot_environment(scratch) if scratch else {}, cwd="/", start_new_session=True,
            pass_fds=(theirs.fileno(), *order["plan"]["pass_fds"]))
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    ours.sendall(line)
    return Running(supervisor, ours, scratch, facts)


def run(spec: Spec, command: Sequence[str], input: bytes = b"", *, pass_fds: Sequence[int] = (),
        accept_weaker: bool = False) -> Result:
    """Run a command in a jail to its end; its output is in the result, at most ``spec.output_bytes`` of each.

    Raises as ``start`` does.
    """
    running = start(spec, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    pass_fds=pass_fds, accept_weaker=accept_weaker)
    with running:
        outputs, flooded = _talk(running, input, spec.output_bytes)
        result = running.kill() if flooded else running.wait()
        assert result is not None
    running.close_pipes()
    return dataclasses.replace(result, stdout=bytes(outputs[0]), stderr=bytes(outputs[1]),
                               limit="output" if flooded else result.limit)


def _talk(running: Running, given: bytes, most: int) -> tuple[list[bytearray], bool]:
    """Write the input, read both outputs until they or the jail end.  Returns them and whether one was too much."""
    outputs = [bytearray(), bytearray()]
    left = memoryview(given)
    with selectors.DefaultSelector() as watched:
        for index, pipe in enumerate((running.stdout, running.stderr)):
            watched.register(pipe, selectors.EVENT_READ, outputs[index])       # type: ignore[arg-type]
        assert running.stdin is not None
        os.set_blocking(running.stdin.fileno(), False)
        watched.register(running.stdin, selectors.EVENT_WRITE)
        while watched.get_map():
            for key, _ in watched.select():
                if key.data is None:
                    try:
                        left = left[os.write(key.fd, left[:CHUNK]):] if left else left
                    except BlockingIOError:
                        continue
                    except BrokenPipeError:
                        left = left[:0]
                    if not left:
                        watched.unregister(running.stdin)
                        running.stdin.close()
                    continue
                data = os.read(key.fd, CHUNK)
                if not data:
                    watched.unregister(key.fileobj)
                room = most - len(key.data)
                key.data.extend(data[:room])
                if len(data) > room:
                    return outputs, True
    return outputs, False
