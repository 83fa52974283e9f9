"""The learner's tree and workspace."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from graders.release import notebooks, release, workspace
from labs.errors import PermanentError

ROOT = Path(__file__).resolve().parents[2]
NB = "t_testing/t1_evens.ipynb"
SCENARIO = '''
class T1:
    id = "t1"

    def prepare(self):
        return shared()

    def solution(self, aws, values):
        """SECRET repair"""
        return repaired(shared())


def shared():
    return 1


def repaired(value):
    return nested(value, "SECRET")


def nested(value, more):
    return "SECRET", value, more
'''


@pytest.fixture
def tree(course, registered):
    """A small course tree: its notebooks, an exercise, a scenario with a solution, an unrelated file."""
    root = course.root
    shutil.copytree(registered.folder, root / "graders" / "checks" / "t_testing" / "t1_q1")
    scenario = root / "labs" / "scenarios" / "t_testing" / "t1.py"
    scenario.parent.mkdir(parents=True)
    scenario.write_text(SCENARIO)
    (root / "tests").mkdir()
    (root / "tests" / "test_x.py").write_text("SECRET = 1\n")
    (root / "README.md").write_text("# Course\n")
    return root


def test_release_leaves_out_solutions_hidden_checks_and_mutants(tree, tmp_path):
    target = tmp_path / "released"
    release(target, tree)
    files = {path.relative_to(target).as_posix(): path.read_text() for path in target.rglob("*") if path.is_file()}
    assert "graders/checks/t_testing/t1_q1/public.py" in files
    assert "README.md" in files
    assert [name for name, text in files.items() if "SECRET" in text or "[0, 2, 4, 6, 8]" in text] == []
    assert not [name for name in files if "hidden" in name or "mutants" in name or name.startswith("tests")]
    assert "def prepare" in files["labs/scenarios/t_testing/t1.py"]
    assert "def shared" in files["labs/scenarios/t_testing/t1.py"]
    compile(files["labs/scenarios/t_testing/t1.py"], "t1.py", "exec")


def test_what_binder_builds_holds_nothing_for_instructors(tmp_path):
    """``binder/postBuild`` itself, in a copy of this repository; only pip is left out."""
    repository, programs = tmp_path / "repository", tmp_path / "programs"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                            check=True)
    for name in listed.stdout.splitlines():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, repository / name)
    programs.mkdir()
    python = programs / "python"
    python.write_text(f'#!/bin/sh\n[ "$1 $2" = "-m pip" ] || exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    environment = os.environ | {"REPO_DIR": str(repository), "PATH": f"{programs}:{os.environ['PATH']}",
                                "LABS_BINDER_TOOLS": ""}
    built = subprocess.run(["bash", "binder/postBuild"], cwd=repository, env=environment, capture_output=True)
    assert built.returncode == 0, built.stderr.decode()
    left = {path.relative_to(repository).as_posix(): "\n".join(sources(path))
            for path in repository.rglob("*") if path.is_file()}
    assert [name for name in left if name.startswith("notebooks/b_") and name.endswith(".ipynb")]
    assert not [name for name in left if re.search(r"(^|/)(hidden\.py|mutants|tests|\.git)(/|$)", name)]
    kept = [[path.read_text()] for kind in ("hidden.py", "mutants/*.py")
            for path in (ROOT / "graders" / "checks").glob(f"*/*/{kind}")]
    solved = re.compile(r"BEGIN SOLUTION.*?\n(.*?)\n[^\n]*END SOLUTION", re.DOTALL)
    for path in (ROOT / "notebooks").glob("*/*.ipynb"):
        kept += [found for source in sources(path) if (found := solved.findall(source))]
    assert len(kept) > 100
    # a part of an answer may be given, such as the second of two functions; never all of it
    assert not [(name, parts) for name, text in left.items() for parts in kept
                if all(part.strip() in text for part in parts)]


def sources(path):
    """The texts of a file: of a notebook each cell's source."""
    text = path.read_bytes().decode(errors="replace")
    return ["".join(cell["source"]) for cell in json.loads(text)["cells"]] if path.suffix == ".ipynb" else [text]


def test_release_again_removes_what_is_gone_and_refuses_other_folders(tree, tmp_path):
    target = tmp_path / "released"
    first = release(target, tree)
    (tree / "README.md").unlink()
    second = release(target, tree)
    assert set(first) - set(second)
    assert not (target / "README.md").exists()
    assert notebooks(target) == {path: (target / "notebooks" / path).read_bytes() for path in notebooks(tree)}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(PermanentError, match="not a release"):
        release(tmp_path / "mine", tree)
    with pytest.raises(PermanentError, match="inside the tree"):
        release(tree / "labs" / "out", tree)


def change_upstream(tree, text):
    path = tree / "notebooks" / NB
    document = json.loads(path.read_text())
    document["cells"][0]["source"] = text
    path.write_text(json.dumps(document))


def test_workspace_updates_what_the_learner_left_alone(tree, tmp_path):
    place = tmp_path / "workspace"
    assert workspace(place, tree) == [f"new: {NB}"]
    assert workspace(place, tree) == []
    change_upstream(tree, "# Better words")
    assert workspace(place, tree) == [f"updated: {NB}"]
    assert "Better words" in (place / NB).read_text()


def test_workspace_never_touches_what_the_learner_changed(tree, tmp_path, capsys):
    place = tmp_path / "workspace"
    workspace(place, tree)
    mine = (place / NB).read_text().replace("evens = []", "evens = [2]")
    (place / NB).write_text(mine)
    assert workspace(place, tree) == []
    for version, name in ((1, "t1_evens.new.ipynb"), (2, "t1_evens.new-2.ipynb")):
        change_upstream(tree, f"# Version {version}")
        assert name in workspace(place, tree)[0]
        assert name in capsys.readouterr().out
        assert (place / NB).read_text() == mine
        assert f"Version {version}" in (place / "t_testing" / name).read_text()
        assert workspace(place, tree) == []


def test_a_file_that_was_there_before_is_the_learners(tree, tmp_path):
    place = tmp_path / "workspace"
    (place / NB).parent.mkdir(parents=True)
    (place / NB).write_text("mine")
    workspace(place, tree)
    assert (place / NB).read_text() == "mine"
    assert (place / "t_testing" / "t1_evens.new.ipynb").exists()
