"""Gateways that are forks of a process which has loaded everything, and that can be frozen and copied again.

What a lab's preparation leaves in an engine is memory of this process; a fork has all of it at once, so that each
attempt at an exercise begins with the very same account, at the price of a few milliseconds.

    Origin                loads an engine, serves nobody; a fork that calls :meth:`Origin.run` becomes a
    gateway               serves on sockets that it was given, obeys its control socket (below); once frozen, it is the
                          parent of one attempt at a time, on the same sockets and with the same files as it had then

Lines on the control socket, each answered by one: ``freeze`` → ``frozen``, or ``whole`` when the engine cannot be
copied and serves on; ``attempt`` → ``attempt`` when it answers; ``end`` → ``ended`` when nothing of it is left.
The first line, ``ready``, comes unasked, and ``failed WHY`` instead of any other.  A gateway ends when its control
socket closes, its attempt with it, and when its attempt dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import select
import shutil
import signal
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from labs.aws import models
from labs.aws.engines import load
from labs.aws.gateway import serving
from labs.aws.learner import master_key
from labs.errors import LabError
from labs.services.launch import die_with_parent

log = logging.getLogger(__name__)

NOWHERE = Path("/nonexistent/labs-aws-origin")
NO_PORT = 64_999  # stands for the port until there is one; no setting of an engine may contain it by chance
READY_SECONDS = serving.READY_SECONDS
END_SECONDS = 2.0  # for an attempt to say what it has learnt
KEPT = "frozen"  # folder with the files as they were


class Origin:
    """A loaded engine.  This process must have no event loop and no thread while it forks.

    :raises PermanentError: unknown engine
    """

    def __init__(self, engine: str) -> None:
        from labs.aws.gateway import app

        models.share()
        self._make = app.Gateway
        self._engine: Any = load(engine, None, NOWHERE, ("127.0.0.1", NO_PORT))
        self._taught: frozenset[str] = frozenset()
        self._count = 0

    @property
    def copyable(self) -> bool:
        """Can what this engine knows be copied by a fork?"""
        return bool(self._engine.copyable)

    def learn(self, lessons: Iterable[str]) -> None:
        """Load what gateways turned out to need; ``lessons`` come from :meth:`lessons`."""
        engines = []
        for kind, _, what in (lesson.partition(" ") for lesson in lessons):
            if kind == "model":
                models.service_model(what)
            elif kind == "engine":
                engines.append(what)
            elif kind == "module" and what not in sys.modules:
                with contextlib.suppress(ImportError):
                    __import__(what)
        self._engine.learn(engines)

    def settle(self) -> None:
        """Before forking: what is here now is nothing that a child's garbage collector should look at."""
        self._engine.settle()
        self._taught = frozenset(self._lines())
        self.count()
        gc.collect()
        gc.freeze()

    def run(self, home: Path, sockets: dict[str, socket.socket], control: socket.socket, lessons: int) -> NoReturn:
        """In a fork: be a gateway until the control socket closes.

        :param home: folder for its state
        :param sockets: bound and listening, by the listener's name
        :param lessons: file descriptor to which lines for :meth:`learn` are written
        """
        status = 1
        try:
            _Gateway(self, home, sockets, control, lessons).run()
            status = 0
        except LabError as error:
            with contextlib.suppress(OSError):
                control.sendall(f"failed {error}\n".encode())
        except Exception:  # the end of this process; its parent's frames above are not to be unwound
            log.exception("a grading gateway failed")
        finally:
            # Neither exit handlers nor destructors of what belongs to the parent.
            sys.stderr.flush()
            os._exit(status)

    def gateway(self, home: Path, sockets: dict[str, socket.socket]) -> Any:
        """The gateway application, in a fork."""
        state = home / "aws"
        port = sockets["host"].getsockname()[1]
        self._engine.move(state, ("127.0.0.1", port))
        made = self._make(self._engine, home, master_key(home))
        made.functions.endpoint = serving.url_of("pods", sockets.get("pods", sockets["host"]))
        made.listeners = {name: serving.url_of(name, bound) for name, bound in sockets.items()}
        return made

    def lessons(self) -> bytes:
        """Lines for :meth:`learn` on what this process has loaded, and its origin had not when it forked."""
        if (count := len(sys.modules)) == self._count:
            return b""  # the usual case, in a tenth of the time
        self._count = count
        return "".join(f"{line}\n" for line in self._lines() if line not in self._taught).encode()

    def count(self) -> None:
        """What is loaded now makes no lessons, unless more is loaded."""
        self._count = len(sys.modules)

    def _lines(self) -> list[str]:
        modules = [f"module {name}" for name in list(sys.modules) if _plain(name)]
        known = [f"engine {one}" for one in self._engine.known()] if self.copyable else []
        return [*modules, *known, *models.lessons()]


def _plain(name: str) -> bool:
    """Whether a module may be imported ahead: one of a package here, and no start script."""
    return name.partition(".")[0] in ("labs", "ministack", "moto", "botocore", "cryptography", "jinja2") and (
        not name.endswith("__main__")
    )


class _Gateway:
    """See the module."""

    def __init__(
        self, origin: Origin, home: Path, sockets: dict[str, socket.socket], control: socket.socket, lessons: int
    ) -> None:
        self._origin = origin
        self._home = home
        self._state = home / "aws"
        self._sockets = sockets
        self._control = control
        self._lessons = lessons
        self._app: Any = None
        self._parent = os.getppid()

    def run(self) -> None:
        """Serve, then be copied; returns when the control socket closes."""
        os.setpgid(0, 0)
        die_with_parent(self._parent)
        self._home.mkdir(parents=True, exist_ok=True)
        with asyncio.Runner(loop_factory=serving.loop_factory()) as runner:
            frozen = runner.run(self._serve())
        self._control.setblocking(True)  # an event loop has watched it
        if frozen:
            self._tell_lessons()
            gc.collect()
            gc.freeze()
            self._say("frozen")
            self._copy()

    def _say(self, word: str) -> None:
        self._control.sendall(f"{word}\n".encode())

    def _heard(self) -> str:
        """The next line, "" when nobody is there any more.  Commands come one at a time."""
        with contextlib.suppress(ConnectionError):
            return self._control.recv(64).decode().strip()
        return ""

    async def _serve(self) -> bool:
        """Serve until something is said; True when it was ``freeze`` and the gateway now rests."""
        self._app = self._origin.gateway(self._home, self._sockets)
        await self._app.start()
        servers = serving.Serving(self._app, _duplicates(self._sockets), self._state)
        await servers.start()
        self._say("ready")
        while (word := await _readable(self._control, self._heard)) == "freeze":
            if self._origin.copyable:
                await servers.leave()
                await self._app.pause()
                self._keep()
                return True
            self._say("whole")
        if word:
            self._say(f"failed {word!r}: this gateway is not frozen")
        return False

    def _keep(self) -> None:
        shutil.rmtree(self._home / KEPT, ignore_errors=True)
        shutil.copytree(self._state, self._home / KEPT, symlinks=True)

    def _restore(self) -> None:
        shutil.rmtree(self._state, ignore_errors=True)
        shutil.copytree(self._home / KEPT, self._state, symlinks=True)

    def _tell_lessons(self) -> None:
        data = self._origin.lessons()
        with contextlib.suppress(OSError):  # the origin is gone, or has too much to read: it learns another time
            while data:
                # Whole lines, at most as much as a pipe takes in one piece.
                end = data.rfind(b"\n", 0, select.PIPE_BUF) + 1
                os.write(self._lessons, data[:end])
                data = data[end:]

    # -- frozen --------------------------------------------------------------------------------------------------------

    def _copy(self) -> None:
        while word := self._heard():
            if word == "attempt":
                self._restore()
                if not self._attempt():
                    return
            else:
                self._say(f"failed {word!r}: expected 'attempt'")

    def _attempt(self) -> bool:
        """One attempt from its start to its end; False when there is nobody left to obey, or it died."""
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if not pid:
            ours.close()
            self._be_attempt(theirs, parent)
        theirs.close()
        with ours:
            try:
                readable, _, _ = select.select([ours], [], [], READY_SECONDS)
                if not readable or ours.recv(16) != b"ready\n":
                    self._say("failed: the copy did not become ready")
                    return False
                self._say("attempt")
                readable, _, _ = select.select([ours, self._control], [], [])
                word = self._heard() if self._control in readable else ""
                if word == "end":
                    ours.shutdown(socket.SHUT_WR)
                    select.select([ours], [], [], END_SECONDS)
            finally:
                _kill(pid)
            if word == "end":
                self._say("ended")
            return word == "end"

    def _be_attempt(self, life: socket.socket, parent: int) -> NoReturn:
        try:
            os.setpgid(0, 0)
            die_with_parent(parent)
            self._control.close()
            with asyncio.Runner(loop_factory=serving.loop_factory()) as runner:
                runner.run(self._serve_attempt(life))
        except Exception:  # as in Origin.run
            log.exception("an attempt failed")
        finally:
            sys.stderr.flush()
            os._exit(0)

    async def _serve_attempt(self, life: socket.socket) -> None:
        await self._app.resume()
        await serving.Serving(self._app, _duplicates(self._sockets), self._state).start()
        self._origin.count()
        life.sendall(b"ready\n")
        await _readable(life, lambda: life.recv(1))
        self._tell_lessons()
        life.close()


def _duplicates(sockets: dict[str, socket.socket]) -> dict[str, socket.socket]:
    # A server closes what it was given; ours go on listening, so that nobody is refused between two servers.
    return {name: bound.dup() for name, bound in sockets.items()}


async def _readable(waited: socket.socket, read: Any) -> Any:
    """What ``read`` gives when there is something to be read."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(waited.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(waited.fileno())
    return read()


def _kill(pid: int) -> None:
    """End a copy and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)  # it had no group of its own yet
    os.waitpid(pid, 0)

