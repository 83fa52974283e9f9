"""The broken room of the attempt, the learner's repairs applied to it, and what may not be repaired away."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from graders import manifests
from graders.checks.e_kubernetes.trials import not_busy
from graders.exercise import Finding
from labs.cluster.nodes.api import Refused
from labs.cluster.observation import ask
from labs.cluster.space import Object, complete, ready, restarts, until
from labs.scenarios.e_kubernetes.e5 import DISK_BUDGET, MEMORY_BUDGET, assigned, healthy, word
from labs.scenarios.e_kubernetes.web import PORT

WITHIN, AT_MOST = 30.0, 75.0  # seconds, on a machine that has time and on any
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}
KEPT = "Repair the cause; the program, its settings and its limits stay what they are for."


def repair(live: Any, repairs: dict[str, Any]) -> None:
    """Apply them: a dict with ``apiVersion`` as a manifest, any other as a strategic merge patch.

    :raises manifests.Unusable: one names no workload of the room, or the API server refuses it
    """
    for app, change in repairs.items():
        if app not in live.values["apps"]:
            raise manifests.Unusable(f"a repair for {app!r}"[:200], f"one of {', '.join(live.values['apps'])}",
                                     "The keys of repairs are names of workloads.")
        if "apiVersion" in change:
            (made,) = manifests.objects([change], {"Deployment"})
            if made["metadata"]["name"] != app:
                raise manifests.Unusable(f"the manifest for {app} is called {made['metadata']['name']}"[:200], app,
                                         "A workload keeps its name.")
            manifests.apply(live.space, made)
        else:
            patch(live.space, app, change)


def patch(space: Any, app: str, change: Object) -> None:
    """A strategic merge patch; raises Unusable where the API server refuses it."""
    try:
        space.patch("Deployment", app, change)
    except Refused as error:
        hint = manifests.REFUSED_HINT
        if error.status == 404:
            hint = "There is no such Deployment to patch: this workload needs a whole manifest."
        raise manifests.Unusable(f"{app}: {error}", "a patch that the API server takes", hint) from None


def wrong_with(live: Any, app: str) -> str:
    """What of the workload was repaired away; "" for nothing."""
    deployment = live.space.get("Deployment", app)
    if deployment is None:
        return "there is no Deployment"
    spec = deployment["spec"]["template"]["spec"]
    cause = next(cause for cause, which in assigned(live.values).items() if which == app)
    given = healthy(live.values, app, cause)["spec"]["template"]["spec"]["containers"][0]
    main = next((each for each in spec["containers"] if each["name"] == "web"), {})
    kept = [each for each in given["env"] if each["name"] in ("PROGRAM", "MEMORY_MB", "SCRATCH_MB")]
    if len(spec["containers"]) != 1 or spec.get("initContainers") or main.get("command") != given["command"]:
        return "it runs another program"
    if main.get("args") or not str(main.get("image", "")).startswith("host"):
        return "it runs another program"
    if any(each not in main.get("env", []) for each in kept):
        return f"its variables {', '.join(each['name'] for each in kept)} are not what they were"
    if deployment["spec"].get("replicas", 1) < 1:
        return "it has no replicas"
    if "readinessProbe" not in main:
        return "its readiness probe is gone"
    return _over_budget(main.get("resources", {}).get("limits", {}), cause)


def _over_budget(limits: Object, cause: str) -> str:
    kind, budget = {
        "memory-limit": ("memory", MEMORY_BUDGET),
        "disk-limit": ("ephemeral-storage", DISK_BUDGET),
    }.get(cause, ("", ""))
    if kind and kind not in limits:
        return f"it has no limit for {kind}"
    if kind and _bytes(limits[kind]) > _bytes(budget):
        return f"its limit for {kind} is {limits[kind]}, over the budget of {budget}"
    return ""


def _bytes(quantity: str) -> float:
    unit = next((unit for unit in UNITS if quantity.endswith(unit)), "")
    try:
        return float(quantity.removesuffix(unit)) * UNITS.get(unit, 1)
    except ValueError:
        return float("inf")


def all_well(live: Any, apps: list[str], before: Collection[str] = ()) -> list[str]:
    """Workloads that are not complete after WITHIN seconds; what was repaired away is not waited for.

    :param before: uids of pods that were deleted: a workload that still counts one is not complete
    :raises TemporaryError: some are not, on a machine that is too busy
    """
    space, left = live.space, list(apps)
    hopeless = [app for app in apps if wrong_with(live, app)]

    end = time.monotonic() + AT_MOST

    def decided() -> bool:
        left[:] = [app for app in apps if not _whole(space, app, before)]
        return set(left) <= set(hopeless) or time.monotonic() > end

    until(decided, WITHIN)
    if not set(left) <= set(hopeless):
        not_busy(", ".join(left))
    return list(left)


def _whole(space: Any, app: str, before: Collection[str]) -> bool:
    serving = [each for each in space.pods(app) if ready(each) and each["metadata"]["uid"] not in before]
    return bool(serving) and complete(space.get("Deployment", app))


def finding(live: Any, app: str, points: float) -> Finding:
    """A workload as it is now: Ready, answering, and still itself."""
    space, away = live.space, wrong_with(live, app)
    if away:
        return Finding(f"{app} works again", points, False, away, "the same program, Ready", KEPT)
    serving = [each for each in space.pods(app) if ready(each)]  # beside them there may be an evicted one
    well = complete(space.get("Deployment", app)) and bool(serving)
    status = ask(space, serving[-1]["status"]["podIP"], PORT, "/", within=5.0)[0] if well else 0
    observed = f"Ready, status {status}" if well else f"{word(space, app)}{_why(space, app)}"
    if status != 200:
        not_busy(app)
    return Finding(f"{app} works again", points, status == 200, observed, "Ready, status 200",
                   "The newest pod's events and logs say what is wrong now.")


def _why(space: Any, app: str) -> str:
    told = [each["message"] for each in space.events(f"{app}-") if each.get("type") == "Warning"]
    return f"; last warning: {told[-1]}"[:400] if told else ""


def unsteady(space: Any, app: str) -> str:
    """What happened to a repaired workload's pods besides running; "" for nothing."""
    pods = space.pods(app)
    ended = [each["status"].get("reason") for each in pods if each["status"].get("phase") == "Failed"]
    if ended:
        return f"{len(ended)} pods {ended[-1]}"
    count = sum(restarts(each) for each in pods)
    return f"{count} restarts" if count else ""
