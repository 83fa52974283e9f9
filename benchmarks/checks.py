"""How long a learner waits for ``check(...)``: ``python benchmarks/checks.py [--rounds N] [--section b]``.

Every exercise of a section is checked with its solution, round after round, against a grader service and an AWS
endpoint of their own, as a notebook asks.  Prints p50, p95 and the longest of each round's checks, the first round
apart (workers are warmed by it).  Exercises that watch something happen say how long that takes and are left out.
Goal: p95 of 2 s.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from graders.dispatch import checks
from graders.notebook import answers, read
from labs import client

ROOT = Path(__file__).resolve().parents[1]
WATCHES = 2.0  # seconds from where on a notebook tells how long a check takes


def solutions(section: str, home: Path) -> dict[str, dict[str, str]]:
    """By exercise the sources of its answer cells, solved, of all notebooks of the section."""
    found = {}
    for path in sorted(ROOT.glob(f"notebooks/{section}_*/*.ipynb")):
        cells = read(path)
        for name in checks(cells):
            about = client.ask(home, "GET", f"/exercises/{name}")
            if about.get("seconds", 0) <= WATCHES:
                found[name] = answers(cells, tuple(about["cells"]))
    return found


def line(what: str, seconds: list[float]) -> str:
    """The figures of some checks."""
    p95 = statistics.quantiles(seconds, n=20)[-1]
    return f"{what:<12} p50 {statistics.median(seconds):5.2f} s   p95 {p95:5.2f} s   longest {max(seconds):5.2f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--section", default="b")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="checks-"))
    environment = os.environ | {"LABS_HOME": str(home), "PYTHONPATH": str(ROOT)}
    lab = [sys.executable, "-m", "labs.cli"]
    try:
        subprocess.run([*lab, "up", "aws", "grader"], env=environment, check=True, capture_output=True)
        known = solutions(options.section, home)
        print(f"{len(known)} exercises of section {options.section.upper()}")
        rounds: list[list[float]] = []
        by_exercise: dict[str, float] = {}
        for _ in range(options.rounds + 1):
            rounds.append([])
            for name, sources in known.items():
                began = time.monotonic()
                verdict = client.ask(home, "POST", "/check", {"exercise": name, "answers": sources})
                rounds[-1].append(time.monotonic() - began)
                by_exercise[name] = max(rounds[-1][-1], by_exercise.get(name, 0.0))
                if not verdict["full"]:
                    print(f"{name}: {json.dumps(verdict)[:300]}", file=sys.stderr)
        print(line("first round", rounds[0]))
        print(line("later", [each for one in rounds[1:] for each in one]) + "   (goal: p95 2 s)")
        slowest = sorted(by_exercise, key=by_exercise.__getitem__, reverse=True)[:4]
        print("slowest", ", ".join(f"{name} {by_exercise[name]:.2f} s" for name in slowest))
    finally:
        subprocess.run([*lab, "down"], env=environment, check=False, capture_output=True)
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
