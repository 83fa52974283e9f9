"""Every attack stands between two honest submissions, before the same warm grader.

No undeserved point, no deserved point lost by it or by its neighbours, nothing left behind, and time bounded.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from graders import collect
from labs.jail import rungs
from tests.redteam.attacks import ATTACKS

BOUND = collect.WALL_SECONDS + 10
RUNGS = ["best", *rungs.RUNGS]
HONEST = {"t1-q1-answer": "evens = [0, 2, 4, 6, 8]"}


class Listener:
    """What arrives at a port of 127.0.0.1, by TCP or UDP."""

    def __init__(self) -> None:
        self.tcp, self.udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp.bind(("127.0.0.1", 0))
        self.tcp.listen()
        self.port = self.tcp.getsockname()[1]
        self.udp.bind(("127.0.0.1", self.port))
        self.udp.setblocking(False)
        self.arrived: list[str] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, peer = self.tcp.accept()
                self.arrived.append(f"TCP from {peer}")
                connection.close()

    def close(self) -> list[str]:
        with contextlib.suppress(BlockingIOError):
            self.arrived.append(f"UDP {self.udp.recv(99)!r}")
        self.tcp.shutdown(socket.SHUT_RDWR)
        self.tcp.close()
        self.udp.close()
        self._thread.join(5)
        return self.arrived


@pytest.fixture(scope="module", autouse=True)
def exercises():
    """The small exercise of tests/graders."""
    import graders.checks
    from graders import exercise

    folder = Path(__file__).resolve().parents[1] / "graders" / "exercises"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADERS_CHECKS", str(folder))
        patch.setattr(graders.checks, "__path__", [*graders.checks.__path__, str(folder)])
        exercise.find.cache_clear()
        yield
    exercise.find.cache_clear()


@pytest.fixture(scope="module")
def grader():
    from graders.runner import Grader

    made = Grader()
    yield made
    made.close()


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """Answers get their folders below this one, so that what is left can be seen."""
    folder = Path(tempfile.mkdtemp(prefix="redteam-"))
    folder.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    monkeypatch.undo()
    shutil.rmtree(folder)


def processes(folder: Path) -> list[str]:
    """Command lines of the processes that were given this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if str(folder).encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_bytes().decode(errors="replace"))
    return found


def points(grader, sources) -> float:
    from graders.exercise import find

    return grader.grade(find("t1-q1"), sources, "ada").points


def parameters():
    for rung in RUNGS:
        for name, attack in ATTACKS.items():
            marks = [pytest.mark.long] if attack.slow or rung != "best" else []
            yield pytest.param(rung, name, marks=marks, id=f"{name}-{rung}")


@pytest.mark.parametrize(("rung", "name"), list(parameters()))
def test_attack_gains_nothing_and_costs_nobody(rung, name, grader, own_folder, tmp_path, monkeypatch):
    if rung != "best":
        if rung in rungs.unavailable():
            pytest.skip(rungs.unavailable()[rung])
        usual = collect._granted
        import dataclasses

        monkeypatch.setattr(collect, "_granted", lambda *a: dataclasses.replace(usual(*a), rung=rung))
    attack = ATTACKS[name]
    theirs = tmp_path / "grader"
    theirs.mkdir()
    secret = theirs / "secret.json"
    secret.write_text("[0, 2, 4, 6, 8]")
    listener = Listener()
    told = {"port": listener.port, "secret": str(secret), "folder": str(theirs), "pid": os.getpid()}
    source = attack.source
    for word, value in told.items():
        source = source.replace("{" + word + "}", str(value))
    try:
        assert points(grader, HONEST) == 3, "the submission before"
        began = time.monotonic()
        assert points(grader, {"t1-q1-answer": source}) == attack.deserved
        assert time.monotonic() - began < BOUND
        assert points(grader, HONEST) == 3, "the submission after"
    finally:
        arrived = listener.close()
    assert arrived == []
    assert sorted(path.name for path in theirs.iterdir()) == ["secret.json"]
    assert json.loads(secret.read_text()) == [0, 2, 4, 6, 8]
    end = time.monotonic() + 5
    while (left := processes(own_folder)) and time.monotonic() < end:
        time.sleep(0.02)
    assert left == []
    assert list(own_folder.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "files: reads the right answer",
        "files: follows a link",
        "network: TCP to a listener",
        "network: listens",
        "processes: runs a program",
    ],
)
def test_attack_gains_where_there_is_no_jail(name, tmp_path):
    """What would pass through the tests above by being harmless shows here."""
    secret = tmp_path / "secret.json"
    secret.write_text("[0, 2, 4, 6, 8]")
    listener = Listener()
    source = ATTACKS[name].source.replace("{secret}", str(secret)).replace("{port}", str(listener.port))
    try:
        command = [sys.executable, "-c", f"{source}\nprint(evens)"]
        said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20).stdout
    finally:
        listener.close()
    assert said == "[0, 2, 4, 6, 8]\n"


def test_there_are_enough_of_them():
    assert len(ATTACKS) >= 150
