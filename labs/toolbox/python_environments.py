"""Virtual environments in the cache, each made from one requirements file with an interpreter of a given range.

An environment's name carries a digest of its requirements and the interpreter's version, so that a changed file gets
a new environment; it is built under a lock in a folder beside its final place and renamed when it is complete.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labs.errors import PermanentError
from labs.toolbox import cache

INSTALLED_WITHIN = 1200.0
"""Seconds one step of an installation may take."""
COMPLETE = ".complete"


@dataclass(frozen=True)
class PythonEnvironment:
    """A Python program with packages of its own.

    :param requirements: every package it needs, pinned (pip's format); nothing else is installed
    :param minors: minor versions of Python 3 it runs on, the preferred one first
    :param variable: environment variable in which the user may name an interpreter
    :param size: what making it takes, for the user
    """

    name: str
    requirements: Path
    minors: tuple[int, ...]
    variable: str
    size: str = "about 500 MB, some minutes"

    def find(self) -> Path | None:
        """The interpreter of the finished environment, or None when it has not been made."""
        for python in sorted(cache().glob(f"{self._prefix()}-*/bin/python")):
            if (python.parent.parent / COMPLETE).is_file() and _version(python) is not None:
                return python
        return None

    def ensure(self, report: Callable[[str], None] = lambda line: None) -> Path:
        """Its interpreter; makes the environment when it is missing, which takes minutes and the network.

        :raises PermanentError: no fitting Python here, or the installation failed
        """
        folder = cache()
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{self.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)        # another clone may be making it; then it is there afterwards
            found = self.find()
            if found is not None:
                return found
            interpreter, minor = self._interpreter()
            return self._make(folder / f"{self._prefix()}-3.{minor}", interpreter, report)

    def _prefix(self) -> str:
        return f"{self.name}-{hashlib.sha256(self.requirements.read_bytes()).hexdigest()[:12]}"

    def _interpreter(self) -> tuple[Path, int]:
        for minor in self.minors:
            for candidate in _candidates(minor, self.variable):
                if _version(candidate) == (3, minor):
                    return candidate, minor
        wanted = " or ".join(f"3.{minor}" for minor in self.minors)
        raise PermanentError(f"{self.name} needs Python {wanted}, and none was found.",
                             f"Install one, or set {self.variable} to its path.")

    def _make(self, folder: Path, interpreter: Path, report: Callable[[str], None]) -> Path:
        # Scripts and pyvenv.cfg name the folder they were made in, so it is made in place; the mark makes it count.
        shutil.rmtree(folder, ignore_errors=True)
        report(f"{self.name}: making its Python environment in {folder} (once; {self.size})")
        log = folder.with_suffix(".log")
        steps: list[list[str | Path]] = [
            [interpreter, "-m", "venv", folder],
            [folder / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check", "--no-deps",
             "-r", self.requirements],
        ]
        with log.open("wb") as output:
            for step in steps:
                _run(step, output, log)
        (folder / COMPLETE).touch()
        log.unlink()
        return folder / "bin" / "python"


def _run(step: list[str | Path], output: object, log: Path) -> None:
    try:
        done = subprocess.run(step, stdin=subprocess.DEVNULL, stdout=output, stderr=output,  # type: ignore[call-overload]
                              timeout=INSTALLED_WITHIN, check=False)
        failed = "" if done.returncode == 0 else f"ended with status {done.returncode}"
    except subprocess.TimeoutExpired:
        failed = f"did not end in {INSTALLED_WITHIN:.0f} s"
    if failed:
        end = "\n    ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-6:])
        raise PermanentError(f"{' '.join(map(str, step))} {failed}:\n    {end}",
                             f"Check the network and try again; the whole output is in {log}.")


def _candidates(minor: int, variable: str) -> Iterator[Path]:
    """Interpreters that may be Python 3.``minor``, the user's choice first."""
    if os.environ.get(variable):
        yield Path(os.environ[variable]).expanduser()
        return
    yield Path(sys.executable)
    name = f"python3.{minor}"
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path)
    # pyenv's shim answers only for the versions its user made global
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/3.{minor}.*/bin/{name}"), reverse=True)


def _version(python: Path) -> tuple[int, int] | None:
    """(3, 13) for an interpreter that starts, else None."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-S", "-E", "-c", code], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split()
    return (int(words[0]), int(words[1])) if done.returncode == 0 and len(words) == 2 else None
