"""A real PostgreSQL, the shop as a process of its own, and its log."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from labs.shop.postgres import Postgres


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


class Shop:
    """A running shop; ``log()`` gives its lines so far."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._out = folder / "shop.log"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SHOP_", "AWS_"))}
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "labs.shop"], stdout=out, stderr=out, env={**clean, **environment}
            )
        self.url = f"http://127.0.0.1:{self.line('serving')['port']}"

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._out.read_text().splitlines()]

    def line(self, message: str, deadline: float = 20) -> dict[str, Any]:
        """The first line with this message."""
        end = time.monotonic() + deadline
        while True:
            for line in self.log() if self._out.read_text().endswith("\n") else []:
                if line["message"] == message:
                    return line
            assert self.process.poll() is None, self._out.read_text()
            assert time.monotonic() < end, f"no {message!r} in {self._out.read_text()}"
            time.sleep(0.02)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(15)


@pytest.fixture
def run_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Starts shops; they are stopped after the test."""
    running: list[Shop] = []

    def run(**environment: str) -> Shop:
        folder = tmp_path / str(len(running))
        folder.mkdir()
        running.append(Shop(folder, {"SHOP_PORT": "0", **environment}))
        return running[-1]

    yield run
    for shop in running:
        if shop.process.poll() is None:
            shop.stop()


@pytest.fixture
def login(server: Postgres) -> dict[str, str]:
    """A user of the database with a password of this test."""
    return dict(server.set_user(f"shop_{secrets.token_hex(4)}", secrets.token_urlsafe(12)))


def environment_of(login: dict[str, str]) -> dict[str, str]:
    """The development settings for a login."""
    names = {"username": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT", "dbname": "NAME"}
    return {f"SHOP_DB_{names[key]}": value for key, value in login.items() if key in names}


@pytest.fixture
def shop(run_shop: Callable[..., Shop], login: dict[str, str]) -> Shop:
    """A shop with a development login, answering."""
    running = run_shop(**environment_of(login))
    assert httpx.get(f"{running.url}/readyz", trust_env=False).status_code == 200
    return running
