"""A live-AWS notebook graded beside plain nbgrader: ``python benchmarks/live_grading.py [--submissions N]``.

b1 with its solutions.  ``lab grade`` judges every exercise with public and hidden checks in fresh accounts; stock
``nbgrader autograde`` runs the whole notebook in a kernel, its checks against the learner's own AWS endpoint (public
ones only).  Prints submissions a second of both, start included, and their ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = "b1_policy_evaluation"
PLAIN = "c = get_config()\nc.CourseDirectory.course_id = 'plain'\nc.CourseDirectory.source_directory = 'notebooks'\n"


def course(folder: Path, *, plain: bool) -> Path:
    """A course folder with b1 alone, its assignment generated."""
    section = folder / "notebooks" / "b_iam_security"
    section.mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "b_iam_security" / f"{NOTEBOOK}.ipynb", section)
    if plain:
        (folder / "nbgrader_config.py").write_text(PLAIN)
    else:
        shutil.copy(ROOT / "nbgrader_config.py", folder)
    run(folder, [sys.executable, "-m", "nbgrader", "generate_assignment", "b_iam_security"])
    return folder


def submit(folder: Path, count: int) -> None:
    """The source notebook, solved, from several students."""
    solved = json.loads((folder / "notebooks" / "b_iam_security" / f"{NOTEBOOK}.ipynb").read_text())
    for number in range(count):
        path = folder / "submitted" / f"s{number:03}" / "b_iam_security" / f"{NOTEBOOK}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(solved))


def run(folder: Path, command: list[str], **more: str) -> float:
    """Seconds that a command took; it must not break down (status 1 is a submission without full marks)."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "JUPYTER_NO_CONFIG": "1",
        "PYTHONWARNINGS": "ignore",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        **more,
    }
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=20)
    parser.add_argument("--plain", type=int, default=4, help="submissions that plain nbgrader grades")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="live-grading-"))
    home = {"LABS_HOME": str(folder / "home")}
    lab = [sys.executable, "-m", "labs.cli"]
    try:
        theirs, ours = course(folder / "plain", plain=True), course(folder / "ours", plain=False)
        submit(theirs, options.plain)
        submit(ours, options.submissions)
        run(folder, [*lab, "up", "aws", "grader"], **home)
        command = [sys.executable, "-m", "nbgrader", "autograde", "b_iam_security", "--ExecutePreprocessor.timeout=120"]
        slow = options.plain / run(theirs, command, **home)
        command = [*lab, "grade", "b_iam_security", "--jobs", str(options.jobs), "--json"]
        fast = options.submissions / run(ours, command, **home)
        print(f"plain nbgrader   {slow:6.2f} submissions a second ({options.plain} of them)")
        print(f"lab grade        {fast:6.2f} submissions a second ({options.submissions}, {options.jobs} jobs)")
        print(f"ratio            {fast / slow:6.1f} x  (goal 4)")
    finally:
        run(folder, [*lab, "down"], **home)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
