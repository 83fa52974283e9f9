"""An AWS gateway for the tests of other parts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def running(home: Path) -> Iterator[str]:
    """URL of a gateway in a process of its own, with an empty engine; its state is in ``home``."""
    command = [sys.executable, "-m", "labs.aws.gateway", "--port", "0", "--pods-port", "0", "--home", str(home)]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("ready http"):
                yield line.split()[1].rstrip("/")
                break
        else:
            pytest.fail((home / "log").read_text()[-2000:])
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
