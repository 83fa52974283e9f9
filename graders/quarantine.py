"""What may lie in a submission's folder: ordinary files of a reasonable size.  Everything else is set aside.

nbgrader copies every file beside a notebook before it looks at any: a named pipe stops it, a symbolic link copies
whatever it points at.  So links, pipes, sockets and devices are deleted, oversized and unreadable things are moved to
``quarantined/STUDENT/ASSIGNMENT`` of the course folder, and what happened is noted there for the feedback.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from graders.submission import LARGEST

MOST_FILES = 500
MOST_BYTES = 512 * 2**20  # of all files together
DEEPEST = 16  # folders below the submission
NOTES = ".repairs.json"
NAME_BYTES = 200  # of one file name
TIMESTAMP = "timestamp.txt"


def clean(folder: Path, wanted: Iterable[str] = ()) -> list[str]:
    """Leave only ordinary files in a collected submission; says what was set aside or put right, and notes it.

    :param folder: ``…/submitted/STUDENT/ASSIGNMENT``
    :param wanted: names of the assignment's notebooks without suffix: a notebook under another name that is the only
        one left over is taken for the only one missing
    """
    aside = _aside(folder)
    said: list[str] = []
    kept, size = 0, 0
    for path in _walk(folder, said, aside):
        about = path.lstat()
        kept, size = kept + 1, size + about.st_size
        why = _unfit(path, about, kept, size)
        if why is None:
            _make_readable(path, about)
            continue
        kept, size = kept - 1, size - about.st_size
        said.append(f"{path.relative_to(folder)} {why}; it was set aside.")
        _set_aside(path, folder, aside)
    said += _timestamp(folder, aside) + _renamed(folder, set(wanted))
    if said:
        aside.mkdir(parents=True, exist_ok=True)
        before = noted(folder)
        (aside / NOTES).write_text(json.dumps([*before, *(line for line in said if line not in before)]), "utf-8")
    return said


def copy(source: Path, destination: Path) -> list[str]:
    """Copy a submission out of an exchange, ordinary files only; says what was left behind."""
    said: list[str] = []
    kept, size = 0, 0
    destination.mkdir(parents=True, exist_ok=True)
    for path in _walk(source, said, None):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            said.append(f"{path.relative_to(source)} cannot be read ({error.strerror}); it was left behind.")
            continue
        with open(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            kept, size = kept + 1, size + about.st_size
            why = _unfit(path, about, kept, size)
            if why is not None:
                kept, size = kept - 1, size - about.st_size
                said.append(f"{path.relative_to(source)} {why}; it was left behind.")
                continue
            target = destination / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as copied:
                shutil.copyfileobj(file, copied)
            os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns))
    if said:
        aside = _aside(destination)
        aside.mkdir(parents=True, exist_ok=True)
        (aside / NOTES).write_text(json.dumps(said), "utf-8")
    return said


def noted(folder: Path) -> list[str]:
    """What ``clean`` and ``copy`` said about this submission."""
    try:
        lines = json.loads((_aside(folder) / NOTES).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [str(line) for line in lines]


def _aside(folder: Path) -> Path:
    student = folder.parent
    return student.parent.parent / "quarantined" / student.name / folder.name


def _walk(folder: Path, said: list[str], aside: Path | None) -> Iterable[Path]:
    """Everything below ``folder`` that is not a folder, in a fixed order; never through a link."""
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        if aside is not None:
            with suppress(OSError):
                place.chmod(place.stat().st_mode | 0o700)
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            said.append(f"{place.relative_to(folder)} cannot be opened ({error.strerror}); it was left out.")
            continue
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)
            elif len(Path(entry.path).relative_to(folder).parts) > DEEPEST:
                said.append(f"{entry.name} lies deeper than {DEEPEST} folders; it was left out.")
                if aside is not None:
                    shutil.rmtree(entry.path, ignore_errors=True)
            else:
                waiting.append(Path(entry.path))


def _unfit(path: Path, about: os.stat_result, count: int, size: int) -> str | None:
    """Why something may not stay, as words that follow its name."""
    kinds = {stat.S_IFLNK: "is a link", stat.S_IFIFO: "is a named pipe", stat.S_IFSOCK: "is a socket"}
    if not stat.S_ISREG(about.st_mode):
        return kinds.get(stat.S_IFMT(about.st_mode), "is a device")
    if about.st_size > LARGEST:
        return f"is larger than {LARGEST >> 20} MB"
    if count > MOST_FILES:
        return f"is one of more than {MOST_FILES} files"
    if size > MOST_BYTES:
        return f"makes the submission larger than {MOST_BYTES >> 20} MB"
    if len(os.fsencode(path.name)) > NAME_BYTES or not path.name.isprintable():
        return "has a name that is no ordinary one"
    return None


def _make_readable(path: Path, about: os.stat_result) -> None:
    if about.st_mode & 0o600 != 0o600:
        with suppress(OSError):
            path.chmod(about.st_mode | 0o600)


def _set_aside(path: Path, folder: Path, aside: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        path.unlink()  # what a link names or a pipe says is nobody's submission
        return
    target = aside / path.relative_to(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, target)


def _timestamp(folder: Path, aside: Path) -> list[str]:
    """A time of submission that nbgrader cannot read stops it; without one, the submission counts as in time."""
    path = folder / TIMESTAMP
    if not path.is_file():
        return []
    try:
        text = path.read_text("utf-8").strip()
        from dateutil.parser import parse

        when = parse(text)
        if not isinstance(when, datetime) or not 1990 <= when.year <= 9000:
            raise ValueError(f"no year of ours: {when}")
    except (ValueError, OverflowError, TypeError, OSError):
        _set_aside(path, folder, aside)
        return [f"{TIMESTAMP} holds no time; it was set aside, and the submission has no time."]
    return []


def _renamed(folder: Path, wanted: set[str]) -> list[str]:
    """Give back its name to the one notebook that has another one."""
    here = {path.stem: path for path in sorted(folder.glob("*.ipynb")) if not path.is_symlink() and path.is_file()}
    missing, extra = sorted(wanted - set(here)), sorted(set(here) - wanted)
    if len(missing) != 1 or len(extra) != 1:
        return []
    here[extra[0]].rename(folder / f"{missing[0]}.ipynb")
    return [f"The notebook {missing[0]}.ipynb was called {extra[0]}.ipynb; it was taken for it."]
