"""Every pod is deleted once more, and then left alone for a while: a repair has to last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e5_q2.room import all_well, finding, repair, unsteady
from graders.checks.e_kubernetes.trials import NOT_COUNTED
from graders.exercise import Finding

LEFT_ALONE = 8.0


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    space, apps = live.space, live.values["apps"]
    repair(live, answer["repairs"])
    if left := all_well(live, apps):
        yield Finding("all workloads are Ready again after their pods were deleted", 3, False,
                      f"{NOT_COUNTED}: {', '.join(left)}", "Ready", "First repair every workload.")
        return
    before = {each["metadata"]["uid"] for each in space.pods()}
    space.delete_all("Pod")
    again = all_well(live, apps, before)
    time.sleep(LEFT_ALONE)
    found = [finding(live, app, 0) for app in apps]
    bad = [f"{app}: {each.observed}" for app, each in zip(apps, found, strict=True) if not each.passed]
    yield Finding("all workloads are Ready again after their pods were deleted", 1.5, not again and not bad,
                  "; ".join(bad)[:1500] or f"{len(apps)} of {len(apps)} Ready", "Ready",
                  "A repair must be in what the Deployment makes its pods from.")
    shaky = [f"{app}: {why}" for app in apps if (why := unsteady(space, app))]
    steady = not again and not bad and not shaky
    yield Finding("and they stay so", 1.5, steady, "; ".join(shaky)[:1500] or ("steady" if steady else NOT_COUNTED),
                  "no restart and no eviction", "Compare what the program needs with what its limits leave it.")
