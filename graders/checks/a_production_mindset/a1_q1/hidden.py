"""The base gets a new build: every environment follows, and of the rest of the base nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.a_production_mindset.a1_q1.environments import MAY_DIFFER, build, different, facts
from graders.checks.a_production_mindset.a1_q1.public import missing
from graders.exercise import Finding
from labs.scenarios.a_production_mindset.a1 import ENVIRONMENTS, build_of

NEXT = "shop@sha256:" + "1" * 64
FOLLOW = "An overlay that names the build has to be changed in three places. Leave it to the base."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    base = facts(build(NEXT, {}))
    lost, wrong = [], []
    for each in ENVIRONMENTS:
        found = build(NEXT, answer["overlays"][each])
        wrong += missing(live.values, each, facts(found))
        builds = [build_of(one) for one in found if one["kind"] == "Deployment"]
        lost += [f"{each}: {name}" for name in sorted(different(base, facts(found)) - set(MAY_DIFFER))]
        lost += [f"{each}: runs {builds}"] if builds != [NEXT] else []
    observed = "; ".join(lost)[:400] or "the new build everywhere"
    yield Finding("a new build in the base reaches all three, with everything else of the base", 1,
                  not lost and not wrong, observed if not wrong else "not counted yet: see the findings before",
                  "the new build everywhere", FOLLOW)
