"""What one more warm worker costs in memory: ``python benchmarks/worker_memory.py [--notebook b2]``.

A worker is a judge and its grading gateway, frozen with a lab prepared.  Each judges the notebook's solutions for
students of its own until what it needs is loaded; then the proportional set size (PSS) of the mould and all its forks
is added up, for one worker, two, three: as they wait for the next submission, and the most while each judges one.
Goal: 60 MB for one more that waits.
"""

from __future__ import annotations

import argparse
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat

from graders.judging import Judges
from graders.live import Pool
from graders.runner import Grader

ROOT = Path(__file__).resolve().parents[1]


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(found for child in below for found in tree(int(child)))]


def pss(pid: int) -> int:
    """kB, 0 of a process that is gone and of what runs in a jail."""
    try:
        if b"graders.mould" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return 0
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def most(mould: int, stop: threading.Event) -> float:
    """MB, the most that was seen until ``stop``."""
    found = 0
    while not stop.wait(0.1):
        found = max(found, sum(map(pss, tree(mould))))
    return found / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notebook", default="b2", help="how its name begins")
    parser.add_argument("--workers", type=int, default=3)
    options = parser.parse_args()
    [path] = (ROOT / "notebooks").glob(f"*/{options.notebook}_*.ipynb")
    notebook = nbformat.read(path, 4)
    before = (0.0, 0.0)
    print("workers      waiting      judging   (MB)")
    for workers in range(1, options.workers + 1):
        grader = Grader(Pool(size=workers))
        judges = Judges(grader)
        with ThreadPoolExecutor(workers) as threads:

            def work(number: int, round_: str, among: Judges = judges) -> None:
                among.judged(notebook, path, f"{round_}-{number}", {})

            for round_ in ("first", "second"):
                list(threads.map(work, range(workers), [round_] * workers))
            time.sleep(2)  # the mould loads what it was told
            mould = grader.pool.mould._process.pid
            waiting = sum(map(pss, tree(mould))) / 1024
            stop = threading.Event()
            with ThreadPoolExecutor(1) as watcher:
                seen = watcher.submit(most, mould, stop)
                list(threads.map(work, range(workers), ["third"] * workers))
                stop.set()
        judges.close()
        grader.close()
        now = (waiting, seen.result())
        more = [f"(+{used - less:.0f})" if less else "" for used, less in zip(now, before, strict=True)]
        print(f"{workers:7}  {now[0]:6.0f} {more[0]:6} {now[1]:6.0f} {more[1]:6}", flush=True)
        before = now


if __name__ == "__main__":
    main()
