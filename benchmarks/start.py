"""How long a learner waits: ``python benchmarks/start.py [--runs N]``, from a clone whose environment is made.

Prints the median of N runs of each, with its goal: the second ``scripts/start`` until JupyterLab and AWS are ready,
``lab up aws``, ``lab reset aws``, ``import labs``; and a bare ``python -c ''`` beside them, in the same run.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAB = [sys.executable, "-m", "labs.cli"]


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.monotonic()
    call()
    return time.monotonic() - began


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def start(workspace: Path) -> float:
    """Seconds from ``scripts/start`` to its line ``ready:``; the course is ended afterwards."""
    began = time.monotonic()
    command = [ROOT / "scripts" / "start", "--no-browser", "--workspace", workspace]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while not (line := process.stdout.readline()).startswith("ready: "):
        if not line:
            raise SystemExit(f"scripts/start ended with {process.wait()}")
    took = time.monotonic() - began
    process.send_signal(signal.SIGINT)
    process.wait(60)
    process.stdout.close()
    return took


def up_and_reset() -> tuple[float, float]:
    up = seconds(lambda: run(*LAB, "up", "aws"))
    reset = seconds(lambda: run(*LAB, "reset", "aws"))
    run(*LAB, "down")
    return up, reset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LABS_HOME"] = f"{folder}/home"
        start(Path(folder, "workspace"))        # the first one makes the workspace
        started = [start(Path(folder, "workspace")) for _ in range(runs)]
        cycles = [up_and_reset() for _ in range(runs)]
    bare = statistics.median(seconds(lambda: run(sys.executable, "-c", "")) for _ in range(runs))
    imported = [seconds(lambda: run(sys.executable, "-c", "import labs")) - bare for _ in range(runs)]
    rows = [
        ("scripts/start, second run", started, 5.0),
        ("lab up aws, whole command", [up for up, _ in cycles], 1.5),
        ("lab reset aws, whole command", [reset for _, reset in cycles], 1.0),
        ("import labs, over a bare python", imported, 0.25),
    ]
    for name, measured, goal in rows:
        median = statistics.median(measured)
        print(f"{name:<34} {median:6.2f} s  (goal {goal} s, {median / bare:5.1f} x a bare python's {bare:.3f} s)")


if __name__ == "__main__":
    main()
