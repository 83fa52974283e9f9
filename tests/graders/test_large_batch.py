"""A thousand submissions in one batch: memory stays where it was."""

import json
from pathlib import Path

import pytest

SUBMISSIONS = 1_000
GROWTH = 40 * 2**20  # bytes that allocators may take more between the first fifth and the end


def resident() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_a_thousand_submissions_do_not_grow_in_memory(course):
    from graders.batch import grade

    assert course.nbgrader("generate_assignment", "t_testing").returncode == 0
    released = json.loads(course.released.read_text())
    for number in range(SUBMISSIONS):
        right = number % 2
        released["cells"][1]["source"] = f"evens = [0, 2, 4, 6, 8]  # {number}" if right else f"evens = [2]  # {number}"
        path = course.root / "submitted" / f"s{number:04}" / "t_testing" / "t1_evens.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(released))
    sizes: dict[int, int] = {}

    def told(outcome, done, of):
        if done in (SUBMISSIONS // 5, of):
            sizes[done] = resident()

    outcomes = grade("t_testing", course.root, 2, told)
    assert [one.points for one in outcomes] == [3.0 if number % 2 else 2.0 for number in range(SUBMISSIONS)]
    assert sizes[SUBMISSIONS] - sizes[SUBMISSIONS // 5] < GROWTH, sizes
