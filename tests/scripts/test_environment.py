"""scripts/environment.py with a lock of its own: made, reused, repaired."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The module, looking at a tiny clone whose lock is empty; steps are recorded and carried out."""
    spec = importlib.util.spec_from_file_location("environment", ROOT / "scripts" / "environment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\ndependencies = []\n')
    for name in ("requirements.lock", "requirements-dev.lock"):
        (clone / name).write_text("")
    monkeypatch.setattr(module, "CLONE", clone)
    monkeypatch.setattr(module, "LOCKS", {False: clone / "requirements.lock", True: clone / "requirements-dev.lock"})
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    steps = []

    def run(command):
        words = [str(word) for word in command]
        steps.append(words)
        if words[1:3] == ["-m", "venv"]:
            module.subprocess.run([*words[:3], "--without-pip", words[3]], check=True)

    monkeypatch.setattr(module, "run", run)
    module.steps = steps
    module.folder = tmp_path / "env"
    return module


def test_it_is_made_once(environment):
    python = environment.made(environment.folder, False)
    assert environment.works(python)
    count = len(environment.steps)
    assert count == 3, "venv, lock, course"
    assert environment.made(environment.folder, False) == python
    assert len(environment.steps) == count


def test_the_test_environment_serves_the_course_too(environment):
    environment.made(environment.folder, True)
    count = len(environment.steps)
    environment.made(environment.folder, False)
    assert len(environment.steps) == count


def test_a_changed_lock_is_installed(environment):
    environment.made(environment.folder, False)
    count = len(environment.steps)
    environment.LOCKS[False].write_text("# newer\n")
    environment.made(environment.folder, False)
    assert [step[2] for step in environment.steps[count:]] == ["pip", "pip"]


def test_an_interrupted_set_up_is_made_again(environment, monkeypatch):
    def interrupted(python, lock):
        (environment.folder / "half").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(environment, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            environment.made(environment.folder, False)
    environment.made(environment.folder, False)
    assert not (environment.folder / "half").exists()


def test_an_interpreter_that_is_gone_is_noticed(environment):
    python = environment.made(environment.folder, False)
    python.unlink()
    python.symlink_to("/nonexistent/python")
    assert environment.works(environment.made(environment.folder, False))


def test_a_folder_that_is_no_environment_is_left_alone(environment):
    environment.folder.mkdir()
    (environment.folder / "thesis.tex").touch()
    with pytest.raises(SystemExit, match="left alone"):
        environment.made(environment.folder, False)
    assert (environment.folder / "thesis.tex").exists()


def test_an_activated_environment_counts_when_it_has_the_packages(environment, monkeypatch):
    monkeypatch.delenv("LABS_VENV", raising=False)
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    python = environment.activated()
    assert python == Path(sys.prefix) / "bin" / "python"
    assert environment.satisfies(python, environment.LOCKS[False])
    (environment.CLONE / "pyproject.toml").write_text('[project]\ndependencies = ["no-such-package>=1"]\n')
    assert not environment.satisfies(python, environment.LOCKS[False])


def test_labs_venv_decides(environment, monkeypatch, tmp_path):
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    monkeypatch.setenv("LABS_VENV", str(tmp_path / "there"))
    assert environment.activated() is None
