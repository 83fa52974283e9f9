"""Lab a4: outages that are caused, seen, ended and timed; by hand, and by a runbook."""

from __future__ import annotations

from typing import Any, ClassVar

from labs.cluster.space import Object, Space
from labs.errors import PermanentError
from labs.scenarios.a_production_mindset.incident import ACTIONS, BLIP, RATE, REPLICAS, Drill, act, healthy
from labs.scenarios.base import Values, digest
from labs.scenarios.cluster_lab import ClusterLab
from labs.scenarios.shop_on_cluster import Shop

SLEEPY = {"seen_by": "customers", "seconds": 12, "failed_share": 0.3}
"""The alert that is there before anybody improves it."""
ALERT_WITHIN, RECOVER_WITHIN, PATIENCE = 7.0, 25.0, 8.0


class A4(ClusterLab):
    """The shop's backend in two pods, healthy."""

    id: ClassVar[str] = "a4"
    title: ClassVar[str] = "An outage from its first failed request to its last"
    minutes: ClassVar[int] = 75

    def values(self, seed: bytes) -> Values:
        """Which outage a learner has, and what a runbook must reach."""
        return {
            "namespace": f"a4-shop-{digest(seed, 'namespace')[:6]}",
            "seed": digest(seed, "incident")[:12],
            "rate": RATE,
            "wanted": REPLICAS,
            "blip": BLIP,
            "actions": list(ACTIONS),
            "alert": dict(SLEEPY),
            "alert_within": ALERT_WITHIN,
            "recover_within": RECOVER_WITHIN,
            "patience": PATIENCE,
        }

    def furnish(self, space: Space, values: Values) -> None:
        """The shop, Ready."""
        healthy(Shop(space))

    def prepare(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """The shop, Ready, with the good version and without faults."""
        healthy(Shop(space))

    def observe(self, space: Space, values: Values) -> dict[str, Any]:  # type: ignore[override]
        """Pods that the Deployment asks for, and Ready ones."""
        deployment = space.get("Deployment", "backend") or {}
        return {"declared": deployment.get("spec", {}).get("replicas", 0), "ready": Shop(space).ready("backend")}

    def run(self, space: Space, values: Values, program: str, **options: Any) -> Any:  # type: ignore[override]
        """``drill``: an outage begins, see ``incident.Drill``; ``blip=True``: trouble that ends by itself.

        Options: ``alert`` and ``runbook``; without them the alert is the one of ``values``, and nobody acts by itself.
        """
        if program == "drill":
            kind = "blip" if options.pop("blip", False) else kind_of(values)
            healthy(Shop(space))
            return Drill(Shop(space), kind, options.pop("alert", values["alert"]), options.pop("runbook", ()),
                         values["patience"]).start()
        raise PermanentError(f"lab {self.id} has no program {program!r}", "It has drill.")

    def solution(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """The action that ends this learner's outage."""
        act(Shop(space), {"release": "rollback", "pod": "restart", "empty": "scale"}[kind_of(values)])


def kind_of(values: Values) -> str:
    """What the learner's outage is."""
    return ["release", "pod", "empty"][int(values["seed"], 16) % 3]


def good_alert() -> Object:
    """One that passes the third exercise."""
    return {"seen_by": "customers", "seconds": 4, "failed_share": 0.25}


def good_runbook() -> list[Object]:
    """One that passes the third exercise."""
    return [{"if": {"pods_missing": True}, "do": "scale"},
            {"if": {"changed_within": 120}, "do": "rollback"},
            {"if": {"failing": "some"}, "do": "restart"}]
