"""What a batch costs beside plain nbgrader, in one run: ``python benchmarks/grading.py [--submissions N] [--jobs N]``.

The same notebook of Python answers is graded twice: by ``lab grade`` with its check, and by stock ``nbgrader
autograde`` (a kernel for each submission) with the check turned into asserts; that grades fewer of them, for patience.
Prints submissions a second of both, start included, their ratio, and the memory of the grading process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ASSERTS = """assert isinstance(evens, list)
assert all(n % 2 == 0 for n in evens)
assert sorted(evens) == [0, 2, 4, 6, 8]"""
PLAIN = "c = get_config()\nc.CourseDirectory.course_id = 'plain'\nc.CourseDirectory.source_directory = 'notebooks'\n"


def course(folder: Path, *, plain: bool) -> Path:
    """A course folder with one assignment of one Python answer."""
    sys.path.insert(0, str(ROOT / "tests" / "graders"))
    import conftest

    made = conftest.Course(folder)
    if plain:
        document = json.loads(made.source.read_text())
        document["cells"][2]["source"] = ASSERTS
        made.source.write_text(json.dumps(document))
        (folder / "nbgrader_config.py").write_text(PLAIN)
    run(folder, [sys.executable, "-m", "nbgrader", "generate_assignment", "t_testing"])
    return folder


def submit(folder: Path, count: int) -> None:
    released = json.loads((folder / "release" / "t_testing" / "t1_evens.ipynb").read_text())
    for number in range(count):
        released["cells"][1]["source"] = f"evens = [0, 2, 4, 6, 8]  # {number}"
        path = folder / "submitted" / f"s{number:04}" / "t_testing" / "t1_evens.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(released))


def run(folder: Path, command: list[str]) -> float:
    """Seconds that a command took; it must succeed."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "GRADERS_CHECKS": str(ROOT / "tests" / "graders" / "exercises"),
        "JUPYTER_NO_CONFIG": "1",
        "HOME": str(folder),
        "PYTHONWARNINGS": "ignore",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),  # alembic, the kernel
    }
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=100)
    parser.add_argument("--plain", type=int, default=10, help="submissions that plain nbgrader grades")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="grading-benchmark-"))
    try:
        theirs, ours = course(folder / "plain", plain=True), course(folder / "ours", plain=False)
        submit(theirs, options.plain)
        submit(ours, options.submissions)
        slow = options.plain / run(theirs, [sys.executable, "-m", "nbgrader", "autograde", "t_testing"])
        command = [sys.executable, "-m", "labs.cli", "grade", "t_testing", "--jobs", str(options.jobs), "--json"]
        fast = options.submissions / run(ours, command)
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"plain nbgrader   {slow:6.2f} submissions a second ({options.plain} of them)")
        print(f"lab grade        {fast:6.2f} submissions a second ({options.submissions}, {options.jobs} jobs)")
        print(f"ratio            {fast / slow:6.1f} x  (goal 10)")
        print(f"largest process  {memory:6.0f} MB")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
