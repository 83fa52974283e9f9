"""Environments in the cache: made once, made again after an interruption, refused in words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from labs.errors import PermanentError
from labs.toolbox import cache
from labs.toolbox.python_environments import COMPLETE, PythonEnvironment

MINOR = sys.version_info.minor


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PythonEnvironment:
    """A program without packages, so that nothing is fetched."""
    monkeypatch.setenv("LABS_CACHE", str(tmp_path / "cache"))
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")
    return PythonEnvironment("tool", requirements, (MINOR,), "TOOL_PYTHON")


def test_it_is_made_once_in_the_cache(environment: PythonEnvironment) -> None:
    said: list[str] = []
    assert environment.find() is None
    python = environment.ensure(said.append)
    assert python.is_relative_to(cache())
    assert subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True,
                          check=True).stdout.strip() == str(python.parent.parent)
    assert environment.ensure(said.append) == python == environment.find()
    assert len(said) == 1, "and says so once"


def test_an_interrupted_one_does_not_count(environment: PythonEnvironment) -> None:
    python = environment.ensure()
    (python.parent.parent / COMPLETE).unlink()
    assert environment.find() is None
    assert environment.ensure() == python


def test_changed_requirements_get_a_new_one(environment: PythonEnvironment) -> None:
    first = environment.ensure()
    environment.requirements.write_text("# other\n")
    assert environment.find() is None
    assert environment.ensure() != first


def test_a_missing_interpreter_is_named_with_the_setting(environment: PythonEnvironment, tmp_path: Path) -> None:
    wanted = PythonEnvironment("tool", environment.requirements, (99,), "TOOL_PYTHON")
    with pytest.raises(PermanentError, match=r"needs Python 3\.99(.|\n)*set TOOL_PYTHON"):
        wanted.ensure()


def test_the_named_interpreter_is_the_only_one_tried(
    environment: PythonEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOL_PYTHON", "/nonexistent/python")
    with pytest.raises(PermanentError, match="none was found"):
        environment.ensure()


def test_a_failed_installation_shows_the_reason_and_does_not_count(environment: PythonEnvironment) -> None:
    environment.requirements.write_text("./not-there\n")
    with pytest.raises(PermanentError, match="not-there"):
        environment.ensure()
    assert environment.find() is None
