"""PostgreSQL that keeps its data, as a pod runs it; and the shop's code as one zip file."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from labs.shop.errors import Unavailable
from labs.shop.package import archive, config_map
from labs.shop.postgres import _free_port, open_connection


class Kept:
    """``python -m labs.shop.postgres`` on a folder."""

    def __init__(self, folder: Path, password: str) -> None:
        self.port = _free_port()
        self.login = {"username": "shop_admin", "password": password, "host": "127.0.0.1", "port": str(self.port),
                      "dbname": "shop"}  # fmt: skip
        about = {"PGDATA": str(folder / "pg" / "data"), "POSTGRES_USER": "shop_admin", "POSTGRES_DB": "shop",
                 "POSTGRES_PASSWORD": password, "PGPORT": str(self.port)}  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "labs.shop.postgres"], env={**os.environ, **about}, stderr=subprocess.PIPE, text=True
        )  # fmt: skip

    def connect(self, seconds: float = 60) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            try:
                return open_connection(self.login)
            except Unavailable:
                assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        status = self.process.wait(30)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another user can reach: root hands PostgreSQL to one."""
    made = Path(tempfile.mkdtemp(prefix="labs-shop-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def test_data_outlives_a_kill_and_sigterm_ends_it_in_order(folder: Path) -> None:
    half = folder / "pg" / ".making-half"
    half.mkdir(parents=True)  # what a kill in the middle of initdb leaves
    password = secrets.token_urlsafe(12)
    first = Kept(folder, password)
    connection = first.connect()
    connection.run("CREATE TABLE kept (number int)")
    connection.run("INSERT INTO kept VALUES (42)")
    first.end(signal.SIGKILL)
    second = Kept(folder, password)
    again = second.connect()
    assert again.run("SELECT number FROM kept") == [[42]]
    assert second.end(signal.SIGTERM) == 0  # although a client is still there
    assert not list((folder / "pg").glob(".making-*"))


@pytest.mark.parametrize("missing", ["POSTGRES_PASSWORD", "PGDATA"])
def test_it_says_what_is_missing(missing: str) -> None:
    about = {"PGDATA": "/nowhere", "POSTGRES_PASSWORD": "word", missing: ""}
    done = subprocess.run(
        [sys.executable, "-m", "labs.shop.postgres"], env={**os.environ, **about}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Set POSTGRES_PASSWORD, and PGDATA to an absolute path." in done.stderr


def test_the_shop_runs_out_of_its_zip_file(tmp_path: Path) -> None:
    assert archive() == archive()
    assert len(config_map("shop-dev")["binaryData"]["shop.zip"]) < 200_000
    packed = tmp_path / "shop.zip"
    packed.write_bytes(archive())
    assert not [name for name in zipfile.ZipFile(BytesIO(archive())).namelist() if "deploy" in name]
    code = (
        "import labs.shop.frontend as f, labs.shop.migrations as m, labs.shop.migrate as p;"
        "print(f.__file__, len(f._texts('.html')), len(m.pending(set())), len(list(p.PICTURES.iterdir())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(packed)}, cwd=tmp_path, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == [f"{packed}/labs/shop/frontend.py", "6", "2", "5"], done.stderr
