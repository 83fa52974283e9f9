"""Every test runs with a state folder of its own, and may leave no process, port or file behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
MARK = f"LABS_TEST_RUN_{uuid.uuid4().hex}"      # one per xdist worker
ENDED_WITHIN = 30.0
"""Seconds the last processes of the tests may take to end: a cluster is stopped in order."""


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """LABS_HOME in a temporary folder; at the end, what the tests started has ended and the clone is as it was."""
    os.environ[MARK] = "1"          # children inherit it
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:   # as in the background of a script; children inherit that
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["LABS_HOME"] = str(tmp_path_factory.mktemp("home"))
    # a learner's clusters are numbers 0 and 1; those of each worker have addresses of their own
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 3
    os.environ |= {"LABS_KUBERNETES_NUMBER": str(4 + 2 * worker), "GRADERS_KUBERNETES_NUMBER": str(5 + 2 * worker)}
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    for name in [name for name in os.environ if name.startswith(("AWS_", "LABS_SERVICE", "LABS_COURSE_OF"))]:
        del os.environ[name]
    base = str(tmp_path_factory.getbasetemp())
    before = _files(base)
    yield
    end = time.monotonic() + ENDED_WITHIN
    while (left := _processes()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left, f"the tests left processes: {left}"
    assert not (new := _files(base) - before), f"the tests left files: {sorted(new)}"


@pytest.fixture
def labs_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder for one test; services are stopped after it."""
    home = tmp_path / "home"
    monkeypatch.setenv("LABS_HOME", str(home))
    yield home
    from labs.services import down

    down()


@pytest.fixture(scope="session")
def clusters(nothing_is_left: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The graders' own cluster, one for all tests of this worker, started when one asks for it."""
    from graders.cluster import ClusterPool

    made = ClusterPool(tmp_path_factory.mktemp("grading"), size=4)
    yield made
    made.close()


@contextlib.contextmanager
def _bare_ministack(home: Path) -> Iterator[str]:
    """Somebody else's emulator: MiniStack as its own server, without a gateway; its URL."""
    code = (
        "import os, socket, sys, uvicorn\n"
        "os.environ.update(GATEWAY_PORT='0', SFTP_ENABLED='0', IOT_MTLS_ENABLED='0', LOG_LEVEL='ERROR')\n"
        "from ministack.app import app\n"
        "bound = socket.socket(); bound.bind(('127.0.0.1', 0))\n"
        "print(bound.getsockname()[1], flush=True)\n"
        "uvicorn.Server(uvicorn.Config(app, log_level='error', access_log=False)).run([bound])\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=home, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


@pytest.fixture(scope="session")
def bare_ministack() -> Callable[[Path], contextlib.AbstractContextManager[str]]:
    """``with bare_ministack(folder) as url``: an emulator that belongs to somebody else."""
    return _bare_ministack


def _processes() -> dict[int, str]:
    """Live processes that inherited the mark.  A listening port without a process cannot be."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if MARK.encode() in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200]
    return found


def _files(base: str) -> set[Path]:
    """State folders in the clone, and links to long state folders below ``base`` (the other worker has its own)."""
    shelf = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    links = {link for link in shelf.glob(f"labs-{os.getuid()}-*/home")
             if str(link.readlink()).startswith(base)}
    return {path for path in (ROOT / ".labs", ROOT / "workspace", ROOT / "gradebook.db") if path.exists()} | links


if sys.platform != "linux":
    collect_ignore_glob = ["labs/services/*", "labs/cli/*"]
