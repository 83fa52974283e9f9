"""Runs `lab` as its users do: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.fixture
def lab(labs_home):
    """Calls ``lab`` with arguments; returns the finished process (text, streams captured)."""

    def call(*arguments: str, status: int | None = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([sys.executable, "-m", "labs.cli", *arguments], env={**os.environ, **environment},
                              capture_output=True, text=True, timeout=90, check=False)
        if status is not None:
            assert done.returncode == status, done.stderr + done.stdout
        return done

    return call
