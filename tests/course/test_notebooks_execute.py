"""Every source notebook runs to its end with papermill, against services of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from graders.exercise import find
from graders.notebook import read
from graders.runner import needs_cluster
from tests.programs import CLUSTER, need

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(path.relative_to(ROOT) for path in (ROOT / "notebooks").glob("*/*.ipynb"))
SERVICES = ["aws", "grader"]
SLOW = ("b5_secrets_rotation", "h4_dns")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A state folder with the services up, as ``lab up`` starts them; down again afterwards."""
    from labs.aws.learner import enroll

    home = tmp_path_factory.mktemp("home")
    enroll(home, "learner")
    chosen = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "JPY_"))}
    chosen |= {"LABS_HOME": str(home), "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(home / "ipython")}
    lab(chosen, "up", *SERVICES)
    yield chosen
    lab(chosen, "down")


def lab(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "labs.cli", *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr


def on_a_cluster(notebook: Path) -> bool:
    """Does a notebook (below the repository) check exercises on a cluster?"""
    checks = [cell.grade_id for cell in read(ROOT / notebook) if cell.is_check]
    return any(needs_cluster(find(each)) for each in checks)


def notebooks() -> list:
    """Every notebook; with --all only those of a cluster and others that watch something for minutes."""
    return [
        pytest.param(each, id=str(each), marks=[pytest.mark.long] if on_a_cluster(each) or each.stem in SLOW else [])
        for each in NOTEBOOKS
    ]


@pytest.mark.timeout(660)
@pytest.mark.parametrize("notebook", notebooks())
def test_notebook_runs_to_its_end(environment, notebook, tmp_path):
    if on_a_cluster(notebook):
        need(*CLUSTER)
    passed_to_its_end(environment, notebook, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(660)
def test_the_ingress_notebook_runs_where_there_is_no_nginx(environment, tmp_path):
    need(*CLUSTER, "traefik")
    without = "from labs.scenarios.h_networking import old_front\nold_front.found = lambda: None"
    cells = passed_to_its_end(environment, Path("notebooks/h_networking/h2_ingress.ipynb"), tmp_path, without)
    said = {cell.id: "".join(str(part.get("text", "")) for part in cell.get("outputs", ())) for cell in cells}
    assert "There is no nginx" in said["h2-front"]
    assert [said[each] for each in ("h2-front-ask", "h2-front-share", "h2-front-scale", "h2-compare")] == [""] * 4


def passed_to_its_end(environment, notebook, tmp_path, first=""):
    """The cells of a notebook that ran to its end, and whose checks all passed.

    :param first: a cell to run before the others
    """
    section = tmp_path / notebook.parent.name
    shutil.copytree(ROOT / notebook.parent, section)  # progress is written beside a notebook
    if first:
        changed = nbformat.read(section / notebook.name, as_version=4)
        changed.cells.insert(0, nbformat.v4.new_code_cell(first))
        nbformat.write(changed, section / notebook.name)
    output = tmp_path / "executed.ipynb"
    run = (
        "import sys, papermill; papermill.execute_notebook(sys.argv[1], sys.argv[2], cwd=sys.argv[3], "
        "kernel_name='python3', progress_bar=False, execution_timeout=120)"
    )
    done = subprocess.run(
        [sys.executable, "-c", run, str(section / notebook.name), str(output), str(section)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=640 if on_a_cluster(notebook) else 280,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    cells = nbformat.read(output, as_version=4).cells
    for cell in cells:
        told = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and told.get("grade") and not told.get("solution"):
            said = "".join(str(part.get("data", {}).get("text/plain", "")) for part in cell.outputs)
            assert said.startswith("✓ passed"), said
    return cells
