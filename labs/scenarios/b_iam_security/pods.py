"""A pod, for now: one Python program in a process of its own, with an environment and files of its own.

Everything that starts a pod's program goes through :func:`run_pod`, so that a jail or a real node can take its place.
Left out: any isolation beyond a clean environment; the program runs as the learner's own user.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from labs.errors import TemporaryError

SECONDS = 30.0


def run_pod(program: str, environment: Mapping[str, str], files: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and return what it printed.

    :param program: Python source
    :param environment: all of its environment but PATH and HOME; ``{files}`` stands for the folder of ``files``
    :param files: name to content, written for this run only (mode 0600)
    :raises TemporaryError: it did not end well within ``SECONDS``; the message holds what it said
    """
    with tempfile.TemporaryDirectory(prefix="pod-") as folder:
        for name, content in (files or {}).items():
            path = Path(folder) / name
            path.touch(mode=0o600)
            path.write_text(content)
        own = {name: value.replace("{files}", folder) for name, value in environment.items()}
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", program],
                env={"PATH": os.defpath, "HOME": folder, **own},
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TemporaryError(f"The pod did not end within {SECONDS:.0f} s; it said: {error.stdout!r}") from error
    if done.returncode != 0:
        raise TemporaryError(f"The pod ended with status {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout
