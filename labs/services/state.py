"""The state folder (``LABS_HOME``) and the small files in it that others read.

    endpoints.json    {"aws": "http://127.0.0.1:4566"}; kept while services are down, so that ports stay the same
    learner.json      who learns here; written by ``labs.aws.learner.enroll``
    workspace         one line: the folder JupyterLab opens
    services/*.conf   what the supervisor runs
    logs/NAME.log     output of service NAME, rotated at 5 MB
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from labs.errors import PermanentError

SOCKET_PATH_LIMIT = 90
"""Bytes.  ``sun_path`` holds 108 (unix(7)); supervisor binds ``PATH.PID`` first and renames it."""


def clone() -> Path:
    """The folder that holds this code, or the current one when the package was installed without its clone."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


def home() -> Path:
    """``LABS_HOME``, else ``.labs`` in the clone.  Absolute; not created by asking."""
    chosen = os.environ.get("LABS_HOME")
    return Path(chosen).expanduser().absolute() if chosen else clone() / ".labs"


def make_home() -> Path:
    """Create the state folder (mode 0700, it holds keys) and return it."""
    folder = home()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("logs", "services"):
        (folder / name).mkdir(exist_ok=True)
    return folder


def short_path(name: str, folder: Path | None = None) -> Path:
    """A path for the Unix socket ``name`` that fits ``sun_path``: inside the home, or through a link to it.

    :param folder: the home, where it is not this process's own

    The link lives in a folder only this user may enter (``XDG_RUNTIME_DIR``, else the temporary folder), and
    :func:`forget_short_path` removes it.
    """
    folder = folder or home()
    if len(os.fsencode(folder / name)) <= SOCKET_PATH_LIMIT:
        return folder / name
    shelf = _shelf(folder)
    shelf.mkdir(mode=0o700, exist_ok=True)
    seen = shelf.lstat()
    if seen.st_uid != os.getuid() or seen.st_mode & 0o077 or shelf.is_symlink():
        raise PermanentError(
            f"{shelf} exists and is not a private folder of yours.", f"Remove it, or set LABS_HOME to a path shorter "
            f"than {SOCKET_PATH_LIMIT - 20} characters.")
    link = shelf / "home"
    if not link.is_symlink() or link.readlink() != folder:
        fresh = shelf / f"home.{os.getpid()}"
        fresh.symlink_to(folder)
        fresh.replace(link)
    return link / name


def forget_short_path() -> None:
    """Remove what :func:`short_path` made outside the home."""
    shelf = _shelf()
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        (shelf / "home").unlink()
    with contextlib.suppress(OSError):
        shelf.rmdir()


def _shelf(folder: Path | None = None) -> Path:
    digest = hashlib.sha256(os.fsencode(folder or home())).hexdigest()[:12]
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"labs-{os.getuid()}-{digest}"


def log_file(name: str) -> Path:
    """Where service ``name`` writes."""
    return home() / "logs" / f"{name}.log"


def write_json(path: Path, value: Any) -> None:
    """Replace ``path`` by ``value`` in one step: a reader sees the old file or the new one."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` in one step by a text that only its owner may read."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def read_json(path: Path) -> Any:
    """The value in ``path``; None when there is no file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        raise PermanentError(f"{path} is not JSON ({error}).", "Run `lab down`, remove that file, `lab up`.") from error


def endpoints() -> dict[str, str]:
    """Every service's last known address, by service name."""
    return read_json(home() / "endpoints.json") or {}


def endpoint(name: str) -> str:
    """The address of service ``name``, e.g. ``http://127.0.0.1:4566``; PermanentError when it never ran here."""
    known = endpoints()
    if name not in known:
        raise PermanentError(f"The service {name!r} has not been started in {home()}.", f"Run `lab up {name}`.")
    return known[name]


def learner() -> dict[str, str]:
    """Who learns here: ``student``, ``account``, ``access_key_id``, ``secret_access_key``, ``seed`` (hex)."""
    found = read_json(home() / "learner.json")
    if found is None:
        raise PermanentError(f"Nobody is enrolled in {home()}.", "Run `scripts/start`, or `lab up`.")
    return found


def workspace() -> Path:
    """What JupyterLab opens: ``LABS_WORKSPACE``, else what `lab start` recorded, else ``workspace`` in the clone."""
    chosen = os.environ.get("LABS_WORKSPACE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    try:
        return Path((home() / "workspace").read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return clone() / "workspace"
