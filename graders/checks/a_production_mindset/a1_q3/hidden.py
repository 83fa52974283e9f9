"""What may not be repaired away: the build, the limits, and that no secret is written into a manifest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.a_production_mindset.a1_q3.repaired import apply
from graders.exercise import Finding
from labs.cluster.space import Object
from labs.scenarios.a_production_mindset.a1 import LOGIN, VERSION, broken, build_of
from labs.scenarios.shop_on_cluster import publish

KEPT = "Repair how the build is run; build, command and limits stay, and the password stays in its Secret."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    made = apply(live, answer)
    wrong = changed(broken(publish(live.space, VERSION), live.values), made)
    yield Finding("build, limits and secrets are in order", 1, not wrong, "; ".join(wrong) or "as they must be",
                  "as they must be", KEPT)


def changed(given: Object, made: Object) -> list[str]:
    """What of the manifest is not as it must be."""
    before, after = (each["spec"]["template"]["spec"]["containers"][0] for each in (given, made))
    told = []
    if build_of(made) != build_of(given) or len(made["spec"]["template"]["spec"]["containers"]) != 1:
        told.append(f"it runs {build_of(made)}")
    told += [f"{key} is {after.get(key)}" for key in ("image", "command", "args") if after.get(key) != before.get(key)]
    if after.get("resources", {}).get("limits") != before["resources"]["limits"]:
        told.append(f"its limits are {after.get('resources', {}).get('limits')}")
    password = next((each for each in after["env"] if each["name"] == "SHOP_DB_PASSWORD"), None)
    if password is None or password.get("valueFrom", {}).get("secretKeyRef", {}).get("name") != LOGIN:
        told.append("SHOP_DB_PASSWORD does not come from the Secret")
    return told
