"""The same plan where one of the three racks is closed: two are enough for two pods of a tier."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders import manifests
from graders.checks.a_production_mindset.a2_q3.single import single
from graders.checks.e_kubernetes.trials import not_busy
from graders.exercise import Finding
from labs.cluster.nodes.api import Refused
from labs.cluster.space import until
from labs.scenarios.a_production_mindset.a2 import TIERS, put_on_racks
from labs.scenarios.e_kubernetes import racks

PLACED_WITHIN = 15.0
WHAT = "with one rack closed the tiers still stand apart"
CLOSED = "The wish for the first rack and for a spread meet here. Which value of whenUnsatisfiable is no wish?"


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    plan = answer["plan"]
    wanted = sum(plan[tier]["replicas"] for tier in TIERS)
    if wanted > live.values["pods"]:
        yield Finding(WHAT, 1, False, f"{wanted} pods, which are not tried", f"at most {live.values['pods']}", CLOSED)
        return
    with racks.lent(live.space) as names:
        racks.cordon(live.space.cluster, names[2])
        try:
            put_on_racks(live.space, plan)
        except Refused as error:
            raise manifests.Unusable(str(error)[:400], "constraints that the API server takes",
                                     manifests.REFUSED_HINT) from None
        placed = until(lambda: sum(bool(each["spec"].get("nodeName")) for tier in TIERS
                                   for each in live.space.pods(tier)) == wanted, PLACED_WITHIN)
        alone = single(live.space)
    if not placed:
        not_busy("the tiers")
    yield Finding(WHAT, 1, bool(placed) and not alone,
                  ("" if placed else "not every pod has a place; ") + ("; ".join(alone) or "no tier on one rack"),
                  "every pod placed, no tier on one rack", CLOSED)
