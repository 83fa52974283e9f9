"""Three incidents that are over, one that is not; and the learner's own record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.checks.e_kubernetes.e5_q3.cases import judge, one
from graders.exercise import Finding

FROM_THE_START = "Both means count from the moment the incident opened: that is when customers began to suffer."
STILL_OPEN = "An incident that is not resolved has no repair time yet: leave it out of that mean, and count it."


def calls(values: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """The inputs of ``repair_times``."""
    return {"repair_times": [[incidents] for _, _, incidents, _ in _cases()]}


def _cases() -> list[tuple[str, float, list[Any], str]]:
    return [
        ("three resolved incidents", 1, [one(0, 60, 300), one(1000, 1030, 1500), one(2000, 2300, 2700)],
         FROM_THE_START),
        ("one of two is still open", 1, [one(100, 200, 700), one(900, 960, None)], STILL_OPEN),
    ]


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judge(answer["repair_times"], _cases())
    apps = live.values["apps"]
    left = [app for app in apps if app not in answer["record"]]
    mean = sum(answer["record"].values()) / max(len(answer["record"]), 1)
    yield Finding(
        "your own repair times are recorded",
        1,
        not left and len(answer["record"]) == len(apps),
        f"{len(answer['record'])} workloads, {mean:.0f} s on average{'; without ' * bool(left)}{', '.join(left)}",
        f"seconds for each of {', '.join(apps)}",
        "session.observe() has them under repaired_after, once every workload is available again.",
    )
