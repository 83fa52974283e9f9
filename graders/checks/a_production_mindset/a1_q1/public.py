"""The three environments run side by side, and are compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.a_production_mindset.a1_q1.environments import (
    MAY_DIFFER,
    different,
    environments,
    live_facts,
    running,
    same_session,
)
from graders.exercise import Finding
from labs.scenarios.a_production_mindset.a1 import ENVIRONMENTS, VERSION, build_of
from labs.scenarios.shop_on_cluster import Shop, publish

COUNT = ("The field `replicas` of a kustomization has a list of names and counts. Pods that are there and not Ready: "
         "`kubectl describe pod` and `kubectl logs` say why.")
WHERE = "Look at the table of what must differ once more, and at `session.run(\"objects\", overlay=…)`."
ELSEWHERE = "An overlay says only what its environment must have of its own. What else did it change?"
BUILD = "What was tested is a digest. A tag, or a second reference, may mean other bytes tomorrow."
SESSION = "Each pod without SHOP_SESSION_SECRET makes a key of its own. Do all pods of prod get the same one?"


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    values, image = live.values, publish(live.space, VERSION)
    with environments(live, answer["overlays"], image) as there:
        counts = {each: running(at) for each, at in there.items()}
        known = {each: live_facts(at) for each, at in there.items()}
        builds = {each: build_of(at.get("Deployment", "frontend") or NOTHING) for each, at in there.items()}
        said = same_session(Shop(there["prod"]).pod_urls("frontend"))
    yield Finding("each environment has its pods, all Ready", 1, counts == values["replicas"], f"Ready: {counts}",
                  f"Ready: {values['replicas']}", COUNT)
    wrong = [line for each in ENVIRONMENTS for line in missing(values, each, known[each])]
    yield Finding("the environments differ where they must", 1.5, not wrong, "; ".join(wrong) or "all as in the table",
                  "all as in the table", WHERE)
    more = sorted((different(known["dev"], known["staging"]) | different(known["staging"], known["prod"]))
                  - set(MAY_DIFFER))
    yield Finding("and nowhere else", 1, not more and not wrong, told(more, wrong), "no other difference", ELSEWHERE)
    same = set(builds.values()) == {image}
    yield Finding("all three run the build that was tested", 0.5, same and not wrong,
                  BEFORE if wrong else "; ".join(f"{each}: {name}" for each, name in builds.items()),
                  f"{image} everywhere", BUILD)
    known_to_all = "a session of one pod is known to another"
    yield Finding("every pod of prod knows the sessions of the others", 1, not said, said or known_to_all,
                  known_to_all, SESSION)


BEFORE = "not counted yet: see the finding before"
NOTHING: dict[str, Any] = {"spec": {"template": {"spec": {}}}}


def told(more: list[str], wrong: list[str]) -> str:
    """What differs although it must not."""
    if more:
        return "also different: " + ", ".join(more)[:300]
    return BEFORE if wrong else "no other difference"


def missing(values: dict[str, Any], environment: str, known: dict[str, Any]) -> list[str]:
    """What an environment must have and has not."""
    dev, name = environment == "dev", "Deployment frontend: "
    literal = known.get("ConfigMap frontend-settings: SHOP_SESSION_SECRET")
    source = known.get(f"{name}env SHOP_SESSION_SECRET")
    where = "a literal of frontend-settings" if dev else "a variable from the Secret, and nowhere else"
    wanted = {"secretKeyRef": {"name": values["session_secret"], "key": "key"}}
    found = {
        "SHOP_ENV": known.get("ConfigMap shop-settings: SHOP_ENV") == environment,
        "memory limit": known.get(f"{name}limits.memory") == ("128Mi" if dev else values["memory_limit"]),
        "readiness probe": known.get(f"{name}readinessProbe.periodSeconds") == (
            2 if dev else values["probe_seconds"]),
        f"session secret ({where})": bool(literal) and source is None if dev else source == wanted and literal is None,
    }
    return [f"{environment}: {what} is not what it must be" for what, good in found.items() if not good]
