"""A real gateway in a process of its own, shared by a test session; every test takes an account of its own."""

from __future__ import annotations

import itertools
import os
import queue
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labs.aws.account import AwsAccount


class RunningGateway:
    """``endpoint`` takes the shorthand credentials, ``pods_endpoint`` does not."""

    def __init__(self, home: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        command = [
            sys.executable,
            "-m",
            "labs.aws.gateway",
            "--port",
            "0",
            "--pods-port",
            "0",
            "--home",
            str(home),
            *arguments,
        ]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=None, text=True, env={**os.environ, **(env or {})}
        )
        lines: queue.Queue[str] = queue.Queue()
        assert self.process.stdout is not None
        said = itertools.chain(self.process.stdout, [""])  # the last one when the process has ended
        self._reader = threading.Thread(target=lambda: [lines.put(line) for line in said], daemon=True)
        self._reader.start()
        try:
            self.endpoint = lines.get(timeout=150).split()[1]
            self.pods_endpoint = lines.get(timeout=10).split()[1]
        except (queue.Empty, IndexError):
            self.stop()
            pytest.fail(f"{' '.join(command)} did not say that it is ready; its status: {self.process.returncode}")

    def account(self, number: str) -> AwsAccount:
        """An account's root user."""
        return AwsAccount(self.endpoint, number)

    def stop(self) -> None:
        """End the process, orderly, and wait for it."""
        self.process.terminate()
        self.process.wait(timeout=20)
        self._reader.join(timeout=5)
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture(scope="session")
def start_gateway() -> type[RunningGateway]:
    """``start_gateway(home, *arguments)`` starts one more; whoever starts it stops it."""
    return RunningGateway


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway with MiniStack behind it."""
    running = RunningGateway(tmp_path_factory.mktemp("gateway"))
    yield running
    running.stop()
    assert running.process.returncode == 0


@pytest.fixture
def new_account(gateway: RunningGateway) -> Callable[[], AwsAccount]:
    """Makes a fresh member account each time it is called."""
    return lambda: gateway.account(str(random.randrange(10**11, 10**12)))


@pytest.fixture
def account(new_account: Callable[[], AwsAccount]) -> AwsAccount:
    """A fresh member account."""
    return new_account()
