"""A real PostgreSQL, the shop as a process of its own, and its log."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from labs.shop.postgres import Postgres
from tests.labs.gateways import running


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an AWS gateway in a process of its own, with an empty engine."""
    with running(tmp_path_factory.mktemp("gateway")) as url:
        yield url


def aws_environment(endpoint: str, account: str) -> dict[str, str]:
    """The root user of an account, by the shorthand of the host listener."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@asynccontextmanager
async def served(app: Any, url: str = "http://shop.test") -> AsyncIterator[httpx.AsyncClient]:
    """A client of an ASGI application in this process, started and stopped as a server would."""
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=url) as client:
            yield client


class Shop:
    """A running program of the shop; ``log()`` gives its lines so far."""

    def __init__(self, folder: Path, environment: dict[str, str], role: str = "backend") -> None:
        self._out = folder / "shop.log"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SHOP_", "AWS_"))}
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "labs.shop", role], stdout=out, stderr=out, env={**clean, **environment}
            )
        serving = self.line("serving")
        self.url = f"http://{serving['host']}:{serving['port']}"

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
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
            raise


@pytest.fixture
def run_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Starts shops; they are stopped after the test."""
    running: list[Shop] = []

    def run(role: str = "backend", **environment: str) -> Shop:
        folder = tmp_path / str(len(running))
        folder.mkdir()
        running.append(Shop(folder, {"SHOP_PORT": "0", "SHOP_DRAIN_SECONDS": "0", **environment}, role))
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
