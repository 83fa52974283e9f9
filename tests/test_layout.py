"""The repository as a whole: layers, licences, no machine's own paths, documents that tell the truth."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
SHELL = [ROOT / "scripts" / name for name in ("start", "test", "lab", "in-environment", "python3.sh")] + [
    ROOT / "binder/start", ROOT / "binder/postBuild", ROOT / ".ci/run"]


def ours() -> list[Path]:
    """Files git tracks or would track, text ones."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()
            and Path(name).suffix not in {".png", ".ico", ".gz", ".whl", ".woff2", ".zip"}]


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lab_commands() -> set[str]:
    from labs.cli.main import app

    own = {command.name or command.callback.__name__ for command in app.registered_commands}
    own |= {group.name for group in app.registered_groups}
    return own | set(PROJECT["project"]["entry-points"]["labs.commands"])


def test_layers_hold():
    done = subprocess.run([Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("command", [["ruff", "check", "--quiet", "."], ["mypy"]], ids=["ruff", "mypy"])
def test_style_and_types(command: list[str]):
    done = subprocess.run([Path(sys.executable).parent / command[0], *command[1:]], cwd=ROOT, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_names_a_machine_or_a_registry_mirror():
    # pieces, so that this file does not name them either
    patterns = ["/" + "work/(main|shared)", "/" + "root/", "/tmp/" + "(dev|contracts)", "index" + "-url"]
    machine = re.compile("|".join(patterns))
    found = {f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}" for path in ours()
             for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
             if machine.search(line)}
    assert not found, "\n".join(sorted(found))


def test_locks_agree_with_the_project_and_carry_hashes():
    wanted = {re.match(r"[\w.-]+", name)[0].lower() for name in PROJECT["project"]["dependencies"]}
    dev = {re.match(r"[\w.-]+", name)[0].lower() for name in PROJECT["dependency-groups"]["dev"]}
    for file, names in (("requirements.lock", wanted), ("requirements-dev.lock", wanted | dev)):
        text = (ROOT / file).read_text(encoding="utf-8")
        pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))
        assert names <= set(pinned), file
        assert text.count("--hash=sha256:") >= len(pinned), file
        assert "://" not in text, "a lock names no server"
        for exact in re.findall(r"^([\w.-]+)==(\S+)$", "\n".join(PROJECT["project"]["dependencies"]), re.MULTILINE):
            assert pinned[exact[0]] == exact[1]
    locked = {package["name"]: package.get("version") for package in
              tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]}
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE))
    assert {name: locked.get(name) for name in pinned} == pinned


def test_conda_environment_has_every_dependency():
    import yaml

    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    flat = [name for entry in listed for name in (entry["pip"] if isinstance(entry, dict) else [entry])]
    names = {re.match(r"[\w.-]+", name)[0].removeprefix("python-").removesuffix("-base") for name in flat}
    assert {re.match(r"[\w.-]+", name)[0] for name in PROJECT["project"]["dependencies"]} <= names
    assert (ROOT / "binder/environment.yml").readlink() == Path("../environment.yml")


@pytest.mark.parametrize("path", SHELL, ids=lambda path: path.name)
def test_shell_scripts_are_executable_and_parse(path):
    assert subprocess.run(["bash", "-n", path], capture_output=True, check=False).stderr == b""
    assert os.access(path, os.X_OK) or path.suffix == ".sh"


def test_both_licences_are_there():
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert "Attribution 4.0" in (ROOT / "LICENSE-TEXT").read_text()


@pytest.mark.parametrize("package", ["labs", "graders"])
def test_every_module_says_what_it_is(package):
    silent = [str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py")
              if path.read_text(encoding="utf-8").strip()
              and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert not silent


def test_importing_labs_is_cheap():
    heavy = ("boto3", "kubernetes", "rich", "IPython", "labs.aws")
    code = f"import labs, sys; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stripped_and_canonical(path):
    text = path.read_text(encoding="utf-8")
    assert text == load("notebooks").canonical(text), f"scripts/notebooks.py --fix {path.relative_to(ROOT)}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_imports_only_public_names_of_ours(path):
    from labs import __all__ as public

    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            for names in re.findall(r"^\s*from labs import (.+)$", source, re.MULTILINE):
                assert {name.split()[0] for name in names.strip("()").split(",")} <= set(public)
            assert not re.search(r"^\s*(from|import) (labs\.|graders)", source, re.MULTILINE), source


def test_canonical_form_strips_outputs_and_keeps_the_course():
    notebook = {"cells": [{"cell_type": "code", "id": "a", "execution_count": 3, "outputs": [1], "source": "x\ny",
                           "metadata": {"collapsed": True, "course": {"lines": ["B1"]}}}],
                "metadata": {"language_info": {"version": "3.11"}, "widgets": {}}, "nbformat": 4, "nbformat_minor": 5}
    made = load("notebooks").canonical(json.dumps(notebook))
    (cell,) = json.loads(made)["cells"]
    assert (cell["outputs"], cell["execution_count"], cell["source"]) == ([], None, ["x\n", "y"])
    assert cell["metadata"] == {"course": {"lines": ["B1"]}}
    assert "widgets" not in json.loads(made)["metadata"]
    assert load("notebooks").canonical(made) == made


def test_curriculum_has_what_it_claims():
    from labs.cli.curriculum import rows

    found = rows(ROOT)
    claimed = [row for row in found if row.claimed]
    assert claimed
    assert {row.id: row.missing() for row in claimed} == {row.id: [] for row in claimed}
    course = tomllib.loads((ROOT / "curriculum.toml").read_text(encoding="utf-8"))
    assert set(course["claimed"]) <= set(course["lines"])


def test_a_claimed_line_with_nothing_behind_it_is_noticed(tmp_path):
    from labs.cli.curriculum import rows

    (tmp_path / "notebooks").mkdir()
    (tmp_path / "curriculum.toml").write_text('claimed = ["A1"]\n[lines]\nA1 = "x"\nA2 = "y"\n')
    assert [row.missing() for row in rows(tmp_path)] == [["notebook", "lab", "exercise"], []]


def test_every_lab_command_and_option_is_documented():
    text = (ROOT / "docs/lab.md").read_text(encoding="utf-8")
    undocumented = {name for name in lab_commands() if f"`lab {name}" not in text}
    assert not undocumented
    source = (ROOT / "labs/cli/main.py").read_text(encoding="utf-8")
    options = {found.split("/")[0] for found in re.findall(r'"(--[a-z-]+)', source)}
    assert {option for option in options - {"--browser", "--lines", "--follow"} if option not in text} == set()


def test_every_setting_is_documented():
    text = (ROOT / "docs/lab.md").read_text(encoding="utf-8")
    read = {name for folder in ("labs/services", "labs/cli", "scripts") for path in (ROOT / folder).rglob("*.py")
            for name in re.findall(r'environ(?:\.get\(|\[)"(LABS_\w+)"', path.read_text(encoding="utf-8"))}
    assert read, "the pattern finds settings"
    assert {name for name in read - {"LABS_SERVICE", "LABS_SERVICE_OF"} if f"`{name}`" not in text} == set()


def commands_in(document: Path) -> list[str]:
    """Indented command lines of a document, and `lab …` / `scripts/…` in backticks."""
    text = document.read_text(encoding="utf-8")
    indented = re.findall(r"^    ((?:scripts|\.ci)/.+|uv .+)$", text, re.MULTILINE)
    return [*indented, *re.findall(r"`((?:scripts/|lab )[^`…]+)`", text)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_exist(document):
    known = lab_commands()
    for command in commands_in(document):
        words = shlex.split(re.sub(r"\[|\]", "", command))
        if words[0].startswith("scripts/"):
            assert (ROOT / words[0]).exists(), command
        if words[0] in ("scripts/lab", "lab") and len(words) > 1:
            assert words[1] in known, command


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_in_documents_lead_somewhere(document):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("name", sorted(lab_commands()))
def test_every_command_explains_itself(name):
    command = [sys.executable, "-m", "labs.cli", name, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
