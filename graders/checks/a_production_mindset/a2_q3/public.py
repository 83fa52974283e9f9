"""The tiers on racks of the attempt's own; then the rack that hurts most loses its power."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders import manifests
from graders.checks.a_production_mindset.a2_q3.single import single
from graders.checks.e_kubernetes.trials import not_busy
from graders.exercise import Finding
from labs.cluster.nodes.api import Refused
from labs.cluster.space import until
from labs.scenarios.a_production_mindset.a2 import TIERS, cut, put_on_racks, settled
from labs.scenarios.e_kubernetes import racks

READY_WITHIN = 30.0
PENDING = "A constraint that no rack can meet leaves pods Pending. How many racks are there, and pods of a tier?"
SINGLE = "Whatever all pods of one tier have in common takes the whole shop with it when it fails."
NOTICE = "Customers try twice. Who is left in each tier when the worst rack is gone?"


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    plan, most = answer["plan"], live.values["pods"]
    pods = sum(plan[tier]["replicas"] for tier in TIERS)
    if pods > most:
        yield Finding(f"the plan has at most {most} pods", 0, False, f"{pods} pods", f"at most {most}",
                      "More pods are not the answer here: what may they not have in common?")
        return
    with racks.lent(live.space):
        try:
            put_on_racks(live.space, plan)
        except Refused as error:
            raise manifests.Unusable(str(error)[:400], "constraints that the API server takes",
                                     manifests.REFUSED_HINT) from None
        up = bool(until(lambda: settled(live.space), READY_WITHIN))
        alone = single(live.space)
        if not up:
            not_busy("the tiers")
        seen = cut(live.space) if up and not alone else None
    yield Finding("every pod runs, and no tier stands on one rack", 2, up and not alone,
                  ("" if up else "not every pod is Ready; ") + ("; ".join(alone) or "no tier on one rack"),
                  "every pod Ready, no tier on one rack", SINGLE if alone else PENDING)
    if seen is None:
        return
    if why := seen.starved():
        not_busy("the tiers", why)
    failed = [each for each in seen.between() if not each.good]
    if failed:
        not_busy("the tiers")
    yield Finding("a rack loses its power, and every customer is served", 2, not failed,
                  f"{len(seen.between()) - len(failed)} of {len(seen.between())} customers served",
                  "every customer served", NOTICE)
