"""Programs in other languages that the labs start: which there are (``tools.toml``) and where each is found.

Looked for on ``PATH``, where the version must be near enough; then in the cache.  What is in neither is fetched: the
vendor's release, else a build by Go from pinned sources.  A program in the cache is a folder ``tools/NAME-VERSION``
with the program and ``origin.json`` (source, version, sha256, size).  The folder appears by one rename, when it is
complete, checked and on the disk: what was interrupted, damaged or killed never counts.  One process fetches at a time.

``python -m labs.toolbox.programs NAME…`` fetches what is missing, with its progress on stderr.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labs import locks
from labs.errors import LabError, PermanentError
from labs.toolbox import cache, go
from labs.toolbox.go import Change

HERE = Path(__file__).parent
VERSION_WITHIN = 30.0
"""Seconds a program may take to tell its version."""
WAITED_WITHIN = 7200.0
"""Seconds to wait for another process that fetches."""

SERVERS = ("/usr/local/sbin", "/usr/sbin")

Report = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """Where several programs come from together; a table ``sources`` of ``tools.toml``.

    Where ``releases`` is empty its programs can only be built.
    """

    version: str
    releases: str
    variable: str
    file: str
    sums: str
    module: Path
    member: str = ""
    stamp: dict[str, str] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Tool:
    """A program the labs start; a table ``tools`` of ``tools.toml``.

    :param asks: arguments that make it tell its version
    :param says: regular expression with the version in its answer as the first group
    :param source: None for a program that only ``PATH`` can give, which ``advice`` is about
    """

    name: str
    program: str
    asks: tuple[str, ...]
    says: str
    source: Source | None = None
    package: str = ""
    minors: int = 0
    advice: str = ""

    @property
    def version(self) -> str:
        """The version that is fetched, empty where every version will do."""
        return self.source.version if self.source else ""

    @property
    def folder(self) -> Path:
        """Its place in the cache."""
        return _tools() / f"{self.name}-{self.version}"

    def objection(self, version: str) -> str:
        """Why a program of that version on ``PATH`` is not taken; empty when it is."""
        if self.source is None:
            return ""
        major, minor = _numbers(self.version)
        low, high = minor - self.minors, minor + self.minors
        with contextlib.suppress(ValueError):
            seen = _numbers(version)
            if seen[0] == major and low <= seen[1] <= high:
                return ""
        fitting = f"{major}.{low}" if low == high else f"{major}.{low} to {major}.{high}"
        return f"it is {version}, and {fitting} is wanted"


@dataclass(frozen=True)
class Found:
    """A program that is there.  ``source`` is ``PATH``, an address, or what built it."""

    path: Path
    version: str
    source: str


@dataclass(frozen=True)
class Survey:
    """A tool, where it is, and what was passed over with the reason."""

    tool: Tool
    found: Found | None
    passed_over: tuple[str, ...]


@functools.cache
def tools() -> dict[str, Tool]:
    """Every tool by its name."""
    table = tomllib.loads((HERE / "tools.toml").read_text(encoding="utf-8"))
    sources = {name: _source(name, entry) for name, entry in table["sources"].items()}
    return {name: _tool(name, entry, sources) for name, entry in table["tools"].items()}


def _source(name: str, entry: dict[str, Any]) -> Source:
    changes = tuple(Change(**each) for each in entry.get("changes", ()))
    published = dict.fromkeys(("releases", "variable", "file", "sums"), "")
    return Source(module=HERE / "build" / name, **{**published, **entry, "changes": changes})


def _tool(name: str, entry: dict[str, Any], sources: dict[str, Source]) -> Tool:
    given = {**entry, "asks": tuple(entry["asks"]), "program": entry.get("program", name)}
    if "source" in given:
        given["source"] = sources[given["source"]]
    return Tool(name=name, **given)


def tool(name: str) -> Tool:
    """The tool called ``name``; PermanentError names those there are."""
    if name not in tools():
        raise PermanentError(f"There is no tool {name!r}.", f"There are: {', '.join(tools())}.")
    return tools()[name]


def find(wanted: Tool) -> Found | None:
    """The program, when it is there; fetches nothing."""
    return survey(wanted).found


def survey(wanted: Tool, thorough: bool = False) -> Survey:
    """Look for a tool on ``PATH`` and in the cache.

    :param thorough: compare the cached program with its SHA-256, not with its size only
    """
    passed_over: list[str] = []
    for path in _on_path(wanted.program):
        version = _version(path, wanted)
        objection = wanted.objection(version) if version is not None else "it does not tell its version"
        if not objection:
            return Survey(wanted, Found(path, version or "", "PATH"), tuple(passed_over))
        passed_over.append(f"{path}: {objection}")
    if wanted.source is None:
        return Survey(wanted, None, tuple(passed_over))
    found = _cached(wanted, thorough)
    if found is None and wanted.folder.exists():
        passed_over.append(f"{wanted.folder}: it is not what was put there")
    return Survey(wanted, found, tuple(passed_over))


def ensure(name: str, report: Report = lambda line: None, thorough: bool = False) -> Found:
    """The program called ``name``, fetched when it is missing: a download of some seconds, or a build of minutes.

    :raises PermanentError: it can neither be found nor fetched; says what was tried
    """
    wanted = tool(name)
    seen = survey(wanted, thorough)
    if seen.found:
        return seen.found
    if wanted.source is None:
        raise PermanentError(f"{wanted.program} is not on PATH.{_lines(seen.passed_over)}", wanted.advice)
    with _locked(report):
        found = _cached(wanted, thorough)       # another process may have fetched it meanwhile
        return found or _fetch(wanted, report)


def _fetch(wanted: Tool, report: Report) -> Found:
    """Get the program from the first source that has it; the lock is held."""
    reasons = []
    for leftover in _tools().glob(f".{wanted.name}-{wanted.version}.*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for way in (_download, _build) if wanted.source and wanted.source.releases else (_build,):
        scratch = Path(tempfile.mkdtemp(prefix=f".{wanted.name}-{wanted.version}.", dir=_tools()))
        try:
            return _land(wanted, scratch, way(wanted, scratch / wanted.name, report), report)
        except LabError as error:
            reasons.append(str(error))
            report(f"{wanted.name}: {error}")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    raise PermanentError(
        f"{wanted.name} {wanted.version} could not be fetched:{_lines(reasons)}",
        f"Put {wanted.program} {wanted.version} on PATH (conda-forge has it), or connect to the network, "
        f"and try again: `lab tools fetch {wanted.name}`.")


def _download(wanted: Tool, target: Path, report: Report) -> str:
    from labs.toolbox.releases import Release

    source = wanted.source
    assert source is not None
    filled = {key: getattr(source, key).format(version=source.version, name=wanted.name, arch="{arch}")
              for key in ("file", "sums", "member")}
    base = os.environ.get(source.variable) or source.releases
    report(f"{wanted.name}: looking for the release {source.version} at {base}")
    return Release(base, **filled).download(target, report)


def _build(wanted: Tool, target: Path, report: Report) -> str:
    source = wanted.source
    assert source is not None
    stamp = {variable: value.format(version=source.version) for variable, value in source.stamp.items()}
    report(f"{wanted.name}: building {source.version} with Go (once; minutes, and about 5 GB of disk the first time)")
    compiler = go.build(source.module, wanted.package, stamp, target, _search_path(), report, source.changes)
    return f"built by {compiler} from {wanted.package}"


def _land(wanted: Tool, scratch: Path, source: str, report: Report) -> Found:
    """Try the program in ``scratch`` and move it to its place in one step."""
    made = scratch / wanted.name
    made.chmod(0o755)
    version = _version(made, wanted)
    if version != wanted.version:
        raise PermanentError(f"what came from {source} says it is {version or 'nothing'}, not {wanted.version}")
    complete = scratch / "complete"
    complete.mkdir()
    made.replace(complete / wanted.name)
    origin = {"source": source, "version": version, "sha256": _sha256(complete / wanted.name),
              "size": (complete / wanted.name).stat().st_size}
    (complete / "origin.json").write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")
    for path in (complete / wanted.name, complete / "origin.json", complete):
        _sync(path)
    shutil.rmtree(wanted.folder, ignore_errors=True)
    complete.rename(wanted.folder)
    _sync(_tools())
    report(f"{wanted.name}: {version} is in {wanted.folder}")
    return Found(wanted.folder / wanted.name, version, source)


def _cached(wanted: Tool, thorough: bool) -> Found | None:
    program = wanted.folder / wanted.name
    try:
        origin = json.loads((wanted.folder / "origin.json").read_text(encoding="utf-8"))
        found = Found(program, origin["version"], origin["source"])
        right = (origin["version"] == wanted.version and origin["size"] == program.stat().st_size
                 and os.access(program, os.X_OK)
                 and (not thorough or origin["sha256"] == _sha256(program)))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if right else None


@contextlib.contextmanager
def _locked(report: Report) -> Iterator[None]:
    """Only one process fetches; the others wait, and then find what they wanted."""
    _tools().mkdir(parents=True, exist_ok=True)
    with (_tools() / ".lock").open("a") as lock:
        tell_once = functools.cache(lambda: report("waiting: another process is fetching tools"))
        if not locks.taken(lock, WAITED_WITHIN, tell_once):
            raise PermanentError(f"Another process has held {lock.name} for {WAITED_WITHIN:.0f} s.",
                                 f"See which: `fuser {lock.name}`.")
        yield


def _tools() -> Path:
    return cache() / "tools"


def _search_path() -> str:
    """``PATH``, after the folder of this interpreter: a conda environment works without being activated.

    Before the folders of servers such as Debian's nginx, which an ordinary user's ``PATH`` lacks.
    """
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), *SERVERS])


def _on_path(program: str) -> list[Path]:
    """Every executable of that name on the search path, each file once, in order."""
    found: dict[Path, Path] = {}
    for folder in _search_path().split(os.pathsep):
        here = shutil.which(program, path=folder) if folder else None
        if here:
            found.setdefault(Path(here).resolve(), Path(here).absolute())
    return list(found.values())


_told: dict[tuple[str, int, int], str] = {}
"""What programs said, by path, time of change (ns) and size: some take seconds, such as a dispatcher that looks for the
cluster's version first."""


def _version(path: Path, wanted: Tool) -> str | None:
    """What the program says its version is, asked once in a process; None when it says none."""
    try:
        seen = path.stat()
    except OSError:
        return None
    key = (str(path), seen.st_mtime_ns, seen.st_size)
    if key not in _told:
        said = _ask_version(path, wanted)
        if said is None:
            return None
        _told[key] = said
    return _told[key]


def _ask_version(path: Path, wanted: Tool) -> str | None:
    try:
        done = subprocess.run([path, *wanted.asks], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=VERSION_WITHIN, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = re.search(wanted.says, done.stdout + done.stderr)
    return said[1] if said and done.returncode == 0 else None


def _numbers(version: str) -> tuple[int, int]:
    """(1, 37) of 1.37.2; ValueError for what is no version."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        raise ValueError(version)
    return int(numbers[1]), int(numbers[2])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lines(reasons: list[str] | tuple[str, ...]) -> str:
    return "".join(f"\n    {reason}" for reason in reasons)


def main(names: list[str]) -> None:
    """Fetch what is missing; an error is one message on stderr and exit status 1."""
    try:
        for name in names:
            ensure(name, lambda line: print(line, file=sys.stderr, flush=True))
    except LabError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
