"""Lab e3: a workload that stands on one rack, maintenance that wants all of it at once, and budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from labs.cluster.observation import Observation
from labs.cluster.space import APP, Object, Space, complete, expect, ready
from labs.errors import PermanentError
from labs.scenarios.base import Values, digest, pick, shuffled
from labs.scenarios.cluster_lab import ClusterLab
from labs.scenarios.e_kubernetes import racks
from labs.scenarios.e_kubernetes.e4 import SERVES, program, service, workload
from labs.scenarios.e_kubernetes.racks import HOSTNAME, Leaving

APPS = ["baskets", "coupons", "gifts", "orders", "stickers"]
TEAMS = ["mail", "photos", "search", "stock", "tax", "video"]
REPLICAS, NEEDED = 3, 2
READY_WITHIN = 40.0
DRAINED_WITHIN = 30.0
WATCHED_AFTER = 2.0
NOTICED = 18.0
"""Seconds until a lost rack was noticed, its pods were given up, and others are Ready, with some to spare."""
PAIR = 2
"""Pods of each workload whose budget blocks."""
BLOCKS = ("perfect", "twice", "sick")
"""Why a drain does not end: the budget wants every pod; two budgets hold one pod; no pod is Ready."""


class E3(ClusterLab):
    """A workload on racks of the learner's own, and three others whose budgets block."""

    id: ClassVar[str] = "e3"
    title: ClassVar[str] = "Disruptions that customers do not notice"
    minutes: ClassVar[int] = 70

    def values(self, seed: bytes) -> Values:
        """Names and cases of one learner."""
        app = pick(seed, "app", APPS)
        return {
            "namespace": f"e3-{app}-{digest(seed, 'namespace')[:6]}",
            "app": app,
            "replicas": REPLICAS,
            "needed": NEEDED,
            "drained_within": int(DRAINED_WITHIN),
            "cases": cases(seed),
            "teams": dict(zip(BLOCKS, shuffled(seed, "teams", TEAMS), strict=False)),
        }

    def furnish(self, space: Space, values: Values) -> None:
        """The program."""
        space.apply(program())

    def prepare(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """Three racks, the workload Ready on the first, and no budget."""
        self.furnish(space, values)
        for each in space.list("PodDisruptionBudget"):
            space.delete("PodDisruptionBudget", each["metadata"]["name"])
        for each in space.list("Deployment"):
            if each["metadata"]["name"] != values["app"]:
                space.delete("Deployment", each["metadata"]["name"])
        racks.add_all(space)
        space.apply(manifest(space, values), manager="learner")
        space.apply(service(values["app"]))
        space.delete_all("Pod", f"{APP}={values['app']}")  # the scheduler moves nobody who runs
        expect(lambda: settled(space, values["app"]), READY_WITHIN, f"{values['app']} is not Ready")

    def observe(self, space: Space, values: Values) -> dict[str, Any]:  # type: ignore[override]
        """By rack the workload's pods on it; by budget how many disruptions it allows now."""
        return {
            "racks": placed(space, values["app"]),
            "budgets": {each["metadata"]["name"]: each.get("status", {}).get("disruptionsAllowed", 0)
                        for each in space.list("PodDisruptionBudget")},
        }

    def run(self, space: Space, values: Values, program: str, **options: Any) -> Any:  # type: ignore[override]
        """``manifest``: the Deployment, perhaps with ``spread``.  ``racks``: names of the nodes.

        ``drain``: see ``drain``.  ``maintain``: every pod of the workload is asked to leave at once.
        ``cut``: the fullest rack loses its power, under the eyes of customers.
        ``stuck``: make the three teams' workloads with their budgets.
        """
        if program == "manifest":
            return manifest(space, values, **options)
        if program == "racks":
            return racks.names(space)
        if program == "drain":
            return drain(space, values, **options)
        if program == "maintain":
            return maintain(space, values["app"], **options)
        if program == "cut":
            return cut(space, values["app"], **options)
        if program == "stuck":
            space.apply(*stuck(values), *blocking(values))
            expect(lambda: teams_there(space, values["teams"]), READY_WITHIN, "the teams' pods do not run")
            return None
        raise PermanentError(f"lab {self.id} has no program {program!r}",
                             "It has manifest, racks, drain, maintain, cut and stuck.")

    faults: ClassVar[Mapping[str, Any]] = MappingProxyType({
        "power cut": lambda space, values: cut_power(space, values["app"]),
        "power back": lambda space, values: racks.add_all(space),
    })

    def reset(self, space: Space, values: Values) -> list[str]:  # type: ignore[override]
        """Racks and namespace go; the racks first, since a pod on one without power stays Terminating."""
        removed = racks.remove_all(space)
        return [*super().reset(space, values), *removed]

    def solution(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """Budget and spread as the exercise asks for them."""
        space.apply(good_budget(values), manifest(space, values, spread=good_spread(values)), manager="learner")


def cases(seed: bytes) -> list[dict[str, Any]]:
    """Budgets, and pods under them: declared, and Ready; each teaches another rule."""
    many = pick(seed, "many", [4, 5])
    half = pick(seed, "half", ["45%", "50%", "55%"])
    third = pick(seed, "third", ["25%", "30%", "35%"])
    made = [
        (many, many, {"minAvailable": many - 1}),
        (3, 3, {"minAvailable": pick(seed, "perfect", [3, "100%"])}),
        (5, 5, {"minAvailable": half}),
        (many, many - 1, {"maxUnavailable": 1}),
        (5, 5, {"maxUnavailable": third}),
        (many, many - 1, {"minAvailable": many - 2}),
    ]
    return [{"id": f"case-{number}", "pods": pods, "ready": up, "budget": budget}
            for number, (pods, up, budget) in enumerate(made, 1)]


def manifest(space: Space, values: Values, spread: list[Object] | None = None) -> Object:
    """The Deployment: on this namespace's racks, together on the first if there is room, as its team wanted it.

    :param spread: ``topologySpreadConstraints``
    """
    # so that who still sends requests here hears of the eviction first
    made, _ = workload(values["app"], {"START_SECONDS": "1"}, replicas=values["replicas"],
                       probes={**SERVES, "lifecycle": {"preStop": {"sleep": {"seconds": 1}}}})
    spec = made["spec"]["template"]["spec"]
    first = {"matchExpressions": [{"key": HOSTNAME, "operator": "In",
                                   "values": racks.names(space)[:1]}]}
    spec |= racks.settings(space) | {
        "terminationGracePeriodSeconds": 4,
        "affinity": {
            "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 100, "preference": first}]},
            "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": {
                "topologyKey": HOSTNAME, "labelSelector": {"matchLabels": {APP: values["app"]}}}}]},
        },
        "topologySpreadConstraints": spread or [],
    }
    return made


def good_budget(values: Values) -> Object:
    """A budget that passes the exercise."""
    return budget(values["app"], minAvailable=values["needed"])


def good_spread(values: Values) -> list[Object]:
    """Constraints that pass the exercise."""
    return [{"maxSkew": 1, "topologyKey": HOSTNAME, "whenUnsatisfiable": "DoNotSchedule",
             "nodeTaintsPolicy": "Honor", "labelSelector": {"matchLabels": {APP: values["app"]}}}]


def budget(name: str, app: str = "", **rule: Any) -> Object:
    """A PodDisruptionBudget for a workload's pods."""
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
            "spec": {**rule, "selector": {"matchLabels": {APP: app or name}}}}


def stuck(values: Values, *, sick: bool = True) -> list[Object]:
    """The three teams' Deployments; the last one's pods never become Ready, unless ``sick`` is False."""
    made = []
    for why, team in values["teams"].items():
        told = {"WARM_SECONDS": "-1" if why == "sick" and sick else "0"}
        made.append(workload(team, told, replicas=PAIR, probes=SERVES)[0])
    return made


def blocking(values: Values) -> list[Object]:
    """The three teams' budgets, each of which blocks in its own way."""
    perfect, twice, sick = (values["teams"][each] for each in BLOCKS)
    return [
        budget(perfect, minAvailable=PAIR),
        budget(twice, maxUnavailable=1),
        budget(f"{twice}-old", twice, minAvailable=1),
        budget(sick, minAvailable=1),
    ]


def settled(space: Space, app: str) -> bool:
    """Are all pods of the workload's current version Ready, and no others there, also none about to go?"""
    found = space.get("Deployment", app)
    if found is None or not complete(found):
        return False
    pods = space.list("Pod", f"{APP}={app}")
    return len(pods) == found["spec"]["replicas"] and all(
        ready(each) and not each["metadata"].get("deletionTimestamp") for each in pods)


def teams_there(space: Space, teams: Mapping[str, str], *, sick: bool = True) -> bool:
    """Do all pods of the three teams run, those of healthy workloads Ready, and was every budget counted?

    A pod that does not run yet may always be evicted.
    """
    running = all(
        len(pods := space.pods(team)) == PAIR and all(each["status"].get("phase") == "Running" for each in pods)
        for team in teams.values()
    )
    healthy = all(settled(space, team) for why, team in teams.items() if why != "sick" or not sick)
    return running and healthy and all(
        each.get("status", {}).get("observedGeneration") == each["metadata"]["generation"]
        for each in space.list("PodDisruptionBudget")
    )


def placed(space: Space, app: str) -> dict[str, int]:
    """By rack the workload's Ready pods on it."""
    pods = [each for each in space.pods(app) if ready(each)]
    return {name: sum(each["spec"].get("nodeName") == name for each in pods) for name in racks.names(space)}


def cut_power(space: Space, app: str) -> None:
    """Take the power from the rack with most of the workload's Ready pods."""
    stand = placed(space, app)
    racks.order(space.cluster, "stop", max(stand, key=stand.__getitem__))


def cut(space: Space, app: str, seconds: float = NOTICED) -> Observation:
    """The same, with customers all the time; what was seen."""
    with Observation(space, app, "/") as seen:
        seen.watch(1.0)
        cut_power(space, app)
        seen.watch(seconds)
    return seen


@dataclass(frozen=True)
class Maintenance:
    """What became of the pods that were asked to leave, and what was seen of the workload meanwhile."""

    leaving: Leaving
    seen: Observation

    def __str__(self) -> str:
        return f"{self.seen}\nfewest pods Ready at a time: {self.seen.fewest_ready()}\n{self.leaving}"


def maintain(space: Space, app: str, seconds: float = DRAINED_WITHIN) -> Maintenance:
    """Ask every pod that a workload has now to leave, as fast as evictions are granted, with customers all the time."""
    with Observation(space, app, "/") as seen:
        leaving = racks.evict_all(space, space.pods(app), seconds)
        seen.watch(WATCHED_AFTER)
    return Maintenance(leaving, seen)


def drain(space: Space, values: Values, rack: str = "", seconds: float = DRAINED_WITHIN) -> Maintenance:
    """Close a rack (the first one unless said) for new pods, ask all of its pods to leave, and open it again."""
    rack = rack or racks.names(space)[0]
    racks.cordon(space.cluster, rack)
    try:
        with Observation(space, values["app"], "/") as seen:
            leaving = racks.evict_all(space, racks.on(space, rack), seconds)
            seen.watch(seconds / 2, lambda now: settled(space, values["app"]))
    finally:
        racks.cordon(space.cluster, rack, False)
    return Maintenance(leaving, seen)


def pods_of_case(case: Values) -> list[Object]:
    """The pods and the budget of a case: as many Ready ones as it says, the rest waiting for a gate."""
    made = [budget(case["id"], **case["budget"])]
    for kind, count in (("ready", case["ready"]), ("waiting", case["pods"] - case["ready"])):
        if not count:
            continue
        name = f"{case['id']}-{kind}"
        labels = {APP: case["id"], "part": kind}
        spec: Object = {"terminationGracePeriodSeconds": 0, "containers": [
            {"name": "sleep", "image": "host", "command": ["sleep", "600"]}]}
        if kind == "waiting":
            spec["readinessGates"] = [{"conditionType": "labs/never"}]
        made.append({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels},
                     "spec": {"replicas": count, "selector": {"matchLabels": labels},
                              "template": {"metadata": {"labels": labels}, "spec": spec}}})
    return made
