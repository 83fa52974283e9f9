"""The state folder and its files."""

import json
import os
import socket

import pytest

from labs.errors import PermanentError
from labs.services import state as places


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "h"))
    return places.make_home()


def test_home_is_private(folder):
    assert folder.stat().st_mode & 0o077 == 0


def test_home_defaults_to_the_clone(monkeypatch):
    monkeypatch.delenv("LABS_HOME")
    assert places.home() == places.clone() / ".labs"
    assert (places.clone() / "pyproject.toml").is_file()


def test_endpoint_that_never_ran_says_how_to_start_it(folder):
    with pytest.raises(PermanentError, match="lab up aws"):
        places.endpoint("aws")


def test_endpoint_is_read_from_the_file(folder):
    places.write_json(folder / "endpoints.json", {"aws": "http://127.0.0.1:4570"})
    assert places.endpoint("aws") == "http://127.0.0.1:4570"


def test_broken_state_file_is_named(folder):
    (folder / "endpoints.json").write_text("{")
    with pytest.raises(PermanentError, match=r"endpoints\.json is not JSON"):
        places.endpoints()


def test_learner_is_read_from_the_file(folder):
    with pytest.raises(PermanentError, match="Nobody is enrolled"):
        places.learner()
    (folder / "learner.json").write_text(json.dumps({"student": "ada"}))
    assert places.learner() == {"student": "ada"}


@pytest.mark.parametrize("length", [10, 200])
def test_a_socket_can_be_bound_however_long_the_home_is(tmp_path, monkeypatch, length):
    home = tmp_path / ("d" * length)
    monkeypatch.setenv("LABS_HOME", str(home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
    places.make_home()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{places.short_path('service.sock')}.{os.getpid()}")
    assert (home / f"service.sock.{os.getpid()}").is_socket()
    places.forget_short_path()
    assert not places._shelf().exists()


def test_a_shelf_that_others_could_write_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("LABS_HOME", str(tmp_path / ("d" * 200)))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    places._shelf().mkdir()
    places._shelf().chmod(0o777)
    with pytest.raises(PermanentError, match="not a private folder"):
        places.short_path("service.sock")


def test_workspace_is_where_lab_start_said(folder, monkeypatch):
    monkeypatch.delenv("LABS_WORKSPACE", raising=False)
    assert places.workspace() == places.clone() / "workspace"
    (folder / "workspace").write_text("/elsewhere\n")
    assert str(places.workspace()) == "/elsewhere"
    monkeypatch.setenv("LABS_WORKSPACE", "/there")
    assert str(places.workspace()) == "/there"
