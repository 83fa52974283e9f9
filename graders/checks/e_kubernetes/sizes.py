"""Pods with a learner's requests and limits, and what becomes of them under a report, a leak, a loop and a load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graders import manifests
from graders.checks.e_kubernetes.trials import NOT_COUNTED, not_busy
from graders.exercise import Finding
from labs.cluster.observation import ask
from labs.cluster.space import Object, ready, restarts, until
from labs.errors import TemporaryError
from labs.scenarios.e_kubernetes.e1 import REPLICAS, counters, ended, load, manifest, rate, share
from labs.scenarios.e_kubernetes.web import PORT

RESOURCES = {
    "type": "object",
    "properties": {each: {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
                   for each in ("requests", "limits")},
    "additionalProperties": False,
    "description": "a dict with requests and limits, each a dict of quantities",
}
STARTED_WITHIN, LEAKED_WITHIN, WATCHED = 30.0, 25.0, 3.0
REPORTED_WITHIN = 8.0
FEW = 3
"""Periods out of those of a load in which a pod may stand still: its start and its probes are in them."""
SLACK = 1.12
STRETCHED = 2.5
"""Times as long as it computes that a request may take on a machine where throttling can be seen."""
LEAK = "A leak that no limit stops takes the memory of everybody on the node. Where must the limit lie at most?"
PEAK = "The limit is for the highest peak, not for the average: how much does a report need beside the rest?"
LOOP = "A loop without an end takes every processor it may have. Only a limit holds it, one below the budget."
QUOTA = "A request is a reservation: both pods' requests together must fit into the team's share."
PERIOD = (
    "The limit is counted in periods of 100 ms: a request that needs more than its part waits for the next period, "
    "however idle the pod was before."
)


def start(live: Any, resources: Mapping[str, Any], replicas: int = 1) -> list[Object]:
    """The workload's pods once they are Ready, fewer if some are not in time.

    :raises graders.manifests.Unusable: the API server does not take the resources
    """
    made = manifest(live.values, dict(resources), replicas)
    manifests.apply(live.space, made)
    app = live.values["app"]
    most: list[list[Object]] = [[]]

    def decided() -> bool:
        most[0] = [each for each in live.space.pods(app) if ready(each)]
        return len(most[0]) >= replicas or _refused(live) != ""

    until(decided, STARTED_WITHIN)
    if len(most[0]) < replicas and not _refused(live) and not any(ended(each) for each in live.space.pods(app)):
        not_busy(app)
    return most[0]


def _refused(live: Any) -> str:
    """What the ReplicaSet's controller was told last about a pod that it may not make."""
    told = [each["message"] for each in live.space.events(live.values["app"]) if each.get("reason") == "FailedCreate"]
    return str(told[-1]) if told else ""


def both_run(live: Any, resources: Mapping[str, Any], points: float) -> tuple[Finding, list[Object]]:
    """Two pods in the team's share."""
    live.space.apply(share(live.values))
    pods = start(live, resources, REPLICAS)
    observed = f"{len(pods)} Ready"
    if len(pods) < REPLICAS:
        observed += f"; {_refused(live) or why(live)}"[:400]
    asked = ", ".join(f"{name} {amount}" for name, amount in live.values["share"].items())
    return Finding(f"{REPLICAS} pods run in the team's share ({asked})", points, len(pods) == REPLICAS, observed,
                   f"{REPLICAS} Ready", QUOTA), pods


def why(live: Any) -> str:
    """How the pods are that are not Ready."""
    told = [f"{each['metadata']['name']}: {ended(each) or each['status'].get('phase')}"
            for each in live.space.pods(live.values["app"]) if not ready(each)]
    return ", ".join(told) or "no pod"


def reports(live: Any, pods: list[Object], points: float) -> Finding:
    """Each pod makes a report."""
    said = [ask(live.space, each["status"]["podIP"], PORT, "/report", within=REPORTED_WITHIN) for each in pods]
    again = _again(live, pods)
    killed = [ended(each) for each in again if restarts(each)]
    good = bool(pods) and all(status == 200 for status, _ in said) and not killed
    if not good and not killed:
        not_busy("a report")
    finished = sum(status == 200 for status, _ in said)
    observed = "; ".join([f"{finished} of {len(pods)} reports", *killed])
    return Finding(f"a report of {live.values['report_mb']} MiB is finished", points, good, observed,
                   f"{len(pods)} of {len(pods)} reports, nothing killed", PEAK)


def _again(live: Any, pods: list[Object]) -> list[Object]:
    names = {each["metadata"]["name"] for each in pods}
    return [each for each in live.space.pods(live.values["app"]) if each["metadata"]["name"] in names]


def leak(live: Any, pod: Object, points: float) -> Finding:
    """The pod leaks up to the budget; it must have been killed by then."""
    budget = live.values["memory_budget_mb"]
    ask(live.space, pod["status"]["podIP"], PORT, f"/switch/leak?{budget}", "POST")
    name, last = pod["metadata"]["name"], [""]

    def over() -> bool:
        (found,) = _again(live, [pod]) or [pod]
        last[0] = ended(found)
        return bool(last[0]) or f"leaked {budget} MiB" in live.space.logs(name)

    if not until(over, LEAKED_WITHIN):
        raise TemporaryError("this machine was too busy to judge a leak")
    observed = last[0] or f"it runs on with {budget} MiB that leaked"
    return Finding(f"a leak is ended before it has {budget} MiB", points, last[0] == "OOMKilled", observed, "OOMKilled",
                   LEAK)


def loop(live: Any, pod: Object, points: float) -> Finding:
    """Something in the pod spins; how much it gets."""
    budget = live.values["cpu_budget_m"] / 1000
    before = counters(live.space, pod)
    ask(live.space, pod["status"]["podIP"], PORT, f"/switch/spin?{WATCHED + 1}", "POST")
    used, after = rate(live.space, pod, WATCHED), counters(live.space, pod)
    expected = f"held to {1000 * budget:.0f}m or less"
    name = "a loop that never ends is held to the budget"
    if before is None or after is None:
        return Finding(name, points, False, f"{1000 * used:.0f}m, and no limit", expected, LOOP)
    stopped = after[1] - before[1]
    if used <= budget * SLACK and not stopped:
        raise TemporaryError("this machine was too busy to judge a loop: nobody had to stop it")
    return Finding(name, points, used <= budget * SLACK,
                   f"{1000 * used:.0f}m, stopped in {stopped:.0f} periods", expected, LOOP)


def smooth(live: Any, points: float) -> Finding:
    """Requests, one every quarter of a second, are not throttled."""
    seen = load(live.space, live.values["app"])
    good = not seen.failed and seen.throttled is not None and seen.throttled <= FEW
    if not good:
        not_busy("a load")
    elif seen.at(0.5) > STRETCHED * live.values["work_ms"]:     # so slow that no period is ever used up
        raise TemporaryError(f"this machine was too busy to judge a load: {seen}")
    return Finding(f"requests of {live.values['work_ms']} ms are not throttled", points, good, str(seen),
                   f"throttled in at most {FEW} periods", PERIOD)


def unstarted(live: Any) -> Finding:
    """The pod does not even become Ready."""
    return Finding("a pod becomes Ready", 0, False, why(live), "Ready",
                   "Begin with what the pod uses when nobody asks it for anything: `kubectl top pod`.")


def counted(finding: Finding, yes: bool) -> Finding:
    """The finding; without its points unless something else passed, which an empty answer would not."""
    return finding if yes else replace(finding, passed=False, observed=NOT_COUNTED)
