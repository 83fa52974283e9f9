"""Containers on disk: one folder for each attempt to run one, so that whoever plays the nodes next finds them.

    pods/UID/pod.json                       the pod as it was assigned, and its address
    pods/UID/volumes/NAME/                  see volumes.py
    pods/UID/containers/NAME/ATTEMPT/       order.json, running.json, exit.json (see shim.py), cpu.stat
                                            (quota.py), limits.json, about.json, log, root/
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.cluster.nodes import quota, shim
from labs.jail import Spec, processes, rungs
from labs.services import launch

ROOT = Path(__file__).resolve().parents[3]
SERVICE = "containers"
"""The mark by which `lab down` finds shims; not that of the nodes, which a new start of theirs sweeps up."""
KEPT = 2
"""Attempts of a container that stay on disk: the one that runs, and the one `kubectl logs -p` shows."""
LOST = "the process beside the container was killed"
START_ERROR = 128
UNKNOWN = 255
"""Exit code of a container that was lost in a power loss, with reason Unknown."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended.

    :param status: as a shell reports it
    :param reason: Completed, Error, OOMKilled, StartError or Unknown
    :param finished: Unix time
    """

    status: int
    reason: str
    finished: float
    message: str = ""


class Container:
    """One attempt at running a container of a pod."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.parent.name
        self.attempt = int(folder.name)
        self.about: dict[str, Any] = _read(folder / "about.json") or {}
        self.started = 0.0
        self.exit: Exit | None = None
        self.doorman = 0
        self._shim = 0
        self._shim_started = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._watching = -1

    @property
    def identifier(self) -> str:
        """As in ``status.containerStatuses[].containerID``."""
        return f"process://{self.folder.parents[2].name}-{self.name}-{self.attempt}"

    @property
    def terminal(self) -> bool:
        """Has it a terminal?"""
        return bool(self.about.get("terminal"))

    @property
    def log(self) -> Path:
        """What it writes, in the CRI's format; ``log.1`` is what came before."""
        return self.folder / "log"

    async def start(self, spec: Spec, command: list[str], home: Path, lock: Path, ended: Callable[[], None], *,
                    stdin: bool = False, stdin_once: bool = False) -> None:
        """Start it, and return when it runs or could not be started (then ``exit`` says why).

        :param stdin: may somebody attached write to it?  Else its standard input is empty
        :param stdin_once: does its input end with that of the first?
        :param ended: called when it has ended
        """
        shim.write(str(self.folder), "about.json", self.about)
        shim.write(str(self.folder), "order.json", {
            "spec": {**dataclasses.asdict(spec), "requires": sorted(spec.requires),
                     "mounts": [[each.source, each.target, each.writable] for each in spec.mounts]},
            "command": command, "log": str(self.log), "lock": str(lock), "skew": self.skew, "stdin": stdin,
            "stdin_once": stdin_once, "stop": int(self.about.get("stop_signal") or signal.SIGTERM),
            "cpu": self.about.get("cpu", 0.0)})
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from labs.cluster.nodes.shim import main; " \
               "main(sys.argv[1])"
        with (self.folder / "shim.log").open("ab") as errors:
            self._child = await asyncio.to_thread(
                subprocess.Popen, [sys.executable, "-I", "-S", "-c", code, str(self.folder)], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors, start_new_session=True, cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
                     "LABS_SERVICE_OF": str(home), "LABS_SERVICE": SERVICE})
        assert self._child.stdout is not None
        await asyncio.to_thread(self._child.stdout.read)      # ends when it runs, or is over
        self._child.stdout.close()
        self.find(ended)

    def find(self, ended: Callable[[], None]) -> None:
        """Read what the folder says, and watch the process if it runs; it may be one that others started."""
        said = _read(self.folder / "running.json")
        if said:
            self.started = said["started"]
            self._shim, self._shim_started = said["shim"], said["shim_started"]
            self.doorman = said.get("doorman", 0)
        if not self._alive() or not self._watch(ended):
            self._finish()

    def _alive(self) -> bool:
        try:
            fields = processes.stat(self._shim) if self._shim else []
            return bool(fields) and int(fields[19]) == self._shim_started and fields[0] not in "ZX"
        except (OSError, IndexError):
            return False

    def _watch(self, ended: Callable[[], None]) -> bool:
        """Have the event loop tell the end of the process; False when it is over already."""
        try:
            self._watching = os.pidfd_open(self._shim)
        except OSError:
            return False

        def over() -> None:
            asyncio.get_running_loop().remove_reader(self._watching)
            os.close(self._watching)
            self._watching = -1
            self._finish()
            ended()

        asyncio.get_running_loop().add_reader(self._watching, over)
        return True

    def _finish(self) -> None:
        """Take over how it ended."""
        if self._child is not None:
            self._child.wait()
        said = _read(self.folder / "exit.json")
        rungs.forget(self.folder / "root")
        if said is None:
            self.exit = Exit(128 + signal.SIGKILL, "Error", os.stat(self.folder).st_mtime, self._lost())
        elif "error" in said:
            self.exit = Exit(START_ERROR, "StartError", said["finished"], said["error"])
        elif said["limit"] == "power":
            self.exit = Exit(said["status"], "Unknown", said["finished"])
        elif said["limit"] == "memory":
            self.exit = Exit(128 + signal.SIGKILL, "OOMKilled", said["finished"])
        else:
            reason = "Error" if said["status"] else "Completed"
            self.exit = Exit(said["status"], reason, said["finished"], self._last_words(said["status"]))

    def _lost(self) -> str:
        with contextlib.suppress(OSError):
            return f"{LOST}: {(self.folder / 'shim.log').read_text()[-500:].strip()}".rstrip(": ")
        return LOST

    def _last_words(self, status: int) -> str:
        """"Termination messages": the file, else the log's end where the container asks for that."""
        with contextlib.suppress(OSError):
            text = (self.folder / "termination-log").read_bytes()[:4096].decode(errors="replace")
            if text:
                return text
        if status and self.about.get("message_policy") == "FallbackToLogsOnError":
            with contextlib.suppress(OSError):
                lines = self.log.read_text(errors="replace").splitlines()[-80:]
                return "\n".join(line.split(" ", 3)[3] for line in lines)[-2048:]
        return ""

    @property
    def running(self) -> bool:
        """Has it been started, and not ended yet?"""
        return self._watching >= 0

    @property
    def skew(self) -> float:
        """Seconds its node's clock was ahead when it was started."""
        return float(self.about.get("skew", 0.0))

    def throttling(self) -> tuple[int, int, float] | None:
        """(periods, periods with a stop, seconds of stops); None without a limit of processors."""
        try:
            return quota.counted(str(self.folder / "cpu.stat"))
        except (OSError, ValueError):
            return None

    def processes(self) -> list[int]:
        """What runs in it, and what keeps it; without the one beside it."""
        return processes.below(self._shim, quick=True) if self._alive() else []

    def inside(self) -> list[int]:
        """What runs in it: without the jail's supervisor, which is the first below the shim, and the doorman."""
        return [pid for pid in self.processes()[1:] if pid != self.doorman]

    def signal(self, number: int) -> None:
        """SIGTERM goes to the container; SIGKILL ends everything in it; SIGUSR2 has new limits taken over."""
        if self._alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._shim, signal.SIGUSR1 if number == signal.SIGKILL else number)

    def resize(self, resources: dict[str, Any], limits: dict[str, Any]) -> None:
        """Hold it to other limits while it runs.

        :param resources: as its status tells them from now on
        :param limits: what :func:`labs.cluster.nodes.sandbox.limits` makes of them
        """
        shim.write(str(self.folder), "limits.json", limits)
        self.signal(signal.SIGUSR2)
        self.about |= {"resources": resources}
        shim.write(str(self.folder), "about.json", self.about)

    def connect(self, name: str) -> socket.socket:
        """A connection to one of its Unix sockets, ``door`` or ``attach``; raises OSError."""
        folder = os.open(self.folder, os.O_PATH | os.O_DIRECTORY)
        made = socket.socket(socket.AF_UNIX)
        try:
            made.connect(f"/proc/self/fd/{folder}/{name}")      # the path itself may be longer than a socket's may
            made.setblocking(False)
        except OSError:
            made.close()
            raise
        finally:
            os.close(folder)
        return made

    async def stop(self, grace: float) -> None:
        """"Termination of Pods": SIGTERM, then SIGKILL after ``grace`` seconds; returns when it has ended."""
        if grace > 0:
            self.signal(signal.SIGTERM)
            await self._gone(grace)
        end = asyncio.get_running_loop().time() + 15.0
        while self.running and asyncio.get_running_loop().time() < end:
            self.signal(signal.SIGKILL)
            await self._gone(5.0)

    async def lose(self) -> None:
        """Kill it as a power loss does; who finds it later knows nothing of its end but that (as of containerd's)."""
        await self.stop(0.0)
        shim.write(str(self.folder), "exit.json", {"status": UNKNOWN, "limit": "power", "finished": time.time()})

    async def _gone(self, seconds: float) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while self.running and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)


def end_strays(home: Path, pods: Path | None) -> None:
    """End every shim, and its container with it, that no folder below ``pods`` tells of (None: every shim).

    Such a one was being started when whoever played the nodes was ended.
    """
    known = {said["shim"] for path in (pods.glob("*/containers/*/*/running.json") if pods else ())
             if (said := _read(path)) is not None}
    launch.kill([pid for pid in launch.find(str(home), SERVICE) if pid not in known])


def roots_in_use(pods: Path) -> set[Path]:
    """The unpacked images from which a container below ``pods`` runs."""
    found = set()
    for path in pods.glob("*/containers/*/*/order.json"):
        root = ((_read(path) or {}).get("spec") or {}).get("root")
        if root and not (path.parent / "exit.json").exists():
            found.add(Path(root["folder"]).parent)
    return found


class Attempts:
    """The attempts at each container of one pod, newest last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._found: dict[str, list[Container]] = {}

    def load(self, ended: Callable[[], None]) -> None:
        """Find what an earlier run left."""
        for path in sorted(self.folder.glob("*/*"), key=lambda path: int(path.name)):
            container = Container(path)
            container.find(ended)
            self._found.setdefault(container.name, []).append(container)

    def last(self, name: str) -> Container | None:
        """The newest attempt."""
        found = self._found.get(name)
        return found[-1] if found else None

    def previous(self, name: str) -> Container | None:
        """The one before the newest."""
        found = self._found.get(name, [])
        return found[-2] if len(found) > 1 else None

    def new(self, name: str, about: dict[str, Any]) -> Container:
        """Make the folder of one more attempt, and forget the oldest."""
        found = self._found.setdefault(name, [])
        folder = self.folder / name / str(found[-1].attempt + 1 if found else 0)
        folder.mkdir(parents=True)
        container = Container(folder)
        container.about = about
        found.append(container)
        while len(found) > KEPT:
            shutil.rmtree(found.pop(0).folder, ignore_errors=True)
        return container

    def any(self) -> bool:
        """Was any container ever started?"""
        return bool(self._found)

    def withdraw(self, name: str) -> None:
        """Forget the newest attempt, which could not even be prepared."""
        found = self._found[name]
        shutil.rmtree(found.pop().folder, ignore_errors=True)
        if not found:
            del self._found[name]

    def running(self) -> list[Container]:
        """Every container that runs."""
        return [found[-1] for found in self._found.values() if found[-1].running]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return None
