"""Lab a2: two tiers of the shop whose pods are out of service by a plan, copies that fail, and a rack that dies."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from labs.cluster.observation import ask
from labs.cluster.space import APP, Object, Space, complete, expect, ready, until
from labs.errors import PermanentError
from labs.scenarios.a_production_mindset.journeys import Journeys
from labs.scenarios.base import Values, digest, pick
from labs.scenarios.cluster_lab import ClusterLab
from labs.scenarios.e_kubernetes import racks
from labs.scenarios.e_kubernetes.racks import HOSTNAME
from labs.scenarios.shop_on_cluster import Shop

TIERS = {"frontend": "/icon.svg", "backend": "/api/products"}
"""What a customer asks of each."""
PORT = 8080
SERVES = "labs/in-service"
"""Label that the Services select by: without it a pod gets no customers, and is no member of its tier."""
WINDOW = 12
"""Seconds of the plan."""
PODS = 4
READY_WITHIN = 60.0
NOTICED = 14.0
"""Seconds until a lost rack's pods are no endpoints any more, with some to spare."""
CPU_LIMIT = "150m"
CLIENTS = 4
YEAR = 365.0


class A2(ClusterLab):
    """A shop of two tiers with two pods each."""

    id: ClassVar[str] = "a2"
    title: ClassVar[str] = "Availability, durability, scalability: computed, and measured"
    minutes: ClassVar[int] = 75

    def values(self, seed: bytes) -> Values:
        """Names, and the plan of one learner."""
        return {
            "namespace": f"a2-shop-{digest(seed, 'namespace')[:6]}",
            "window": WINDOW,
            "down": plan(seed),
            "pods": PODS,
            "tiers": list(TIERS),
        }

    def furnish(self, space: Space, values: Values) -> None:
        """Nothing: each exercise brings what it needs."""

    def prepare(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """Both tiers, two pods each, in service; no racks."""
        two_tiers(space)
        racks.remove_all(space)

    def observe(self, space: Space, values: Values) -> dict[str, Any]:  # type: ignore[override]
        """By tier its Ready pods; by rack the pods on it."""
        nodes = [each["metadata"]["name"] for each in racks.of(space)]
        return {"ready": {tier: sum(map(ready, space.pods(tier))) for tier in TIERS},
                "racks": {name: sorted(each["metadata"]["labels"][APP] for each in racks.on(space, name))
                          for name in sorted(nodes)}}

    def run(self, space: Space, values: Values, program: str, **options: Any) -> Any:  # type: ignore[override]
        """``play``: the plan, see there.  ``durability``: copies that fail, see ``lost_share``.  ``scaling``: see it.

        ``place``: the tiers on racks as a plan says; ``cut``: the rack whose loss hurts most is without power.
        """
        if program == "play":
            return play(space, values["down"], values["window"])
        if program == "durability":
            return lost_share(**options)
        if program == "scaling":
            return scaling(space, **options)
        if program == "place":
            racks.add_all(space)
            put_on_racks(space, options["plan"])
            expect(lambda: settled(space), READY_WITHIN, "the tiers are not Ready on the racks")
            return self.observe(space, values)["racks"]
        if program == "cut":
            return cut(space)
        raise PermanentError(f"lab {self.id} has no program {program!r}",
                             "It has play, durability, scaling, place and cut.")

    def reset(self, space: Space, values: Values) -> list[str]:  # type: ignore[override]
        """Racks and namespace go; the racks first, since a pod on one without power stays Terminating."""
        removed = racks.remove_all(space)
        return [*super().reset(space, values), *removed]

    def solution(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """The tiers on racks as the third exercise asks."""
        racks.add_all(space)
        put_on_racks(space, good_plan())


# --- serial and parallel ------------------------------------------------------------------------------------------


def plan(seed: bytes) -> dict[str, list[list[list[int]]]]:
    """By tier and pod, when it is out of service: [from, to] in seconds.

    One tier's pods are out together for most of the time, as by one cause; the other's hardly.
    """
    together, apart = pick(seed, "tiers", [["frontend", "backend"], ["backend", "frontend"]])
    early = pick(seed, "early", [1, 2])
    late = pick(seed, "late", [7, 8])
    return {
        together: [[[early, early + 4]], [[early + 1, early + 5]]],
        apart: [[[early, early + 1], [late, late + 2]], [[late + 1, late + 3]]],
    }


def two_tiers(space: Space) -> None:
    """Frontends and backends, two each, with the label, all in service."""
    field = SERVES.replace("/", "~1")
    patches = [{"target": {"kind": kind},
                "patch": json.dumps([{"op": "add", "path": f"{path}/{field}", "value": "yes"}])}
               for kind, path in (("Deployment", "/spec/template/metadata/labels"), ("Service", "/spec/selector"))]
    Shop(space).apply(store="memory", replicas=dict.fromkeys(TIERS, 2), patches=patches)
    expect(lambda: _opened(space), READY_WITHIN, "the tiers are not in service")


def _opened(space: Space) -> bool:
    """Put everybody into service; are all pods Ready, and just those?"""
    for tier in TIERS:
        for each in space.pods(tier):
            if not in_service(each):
                serve(space, each["metadata"]["name"], True)
    return settled(space)


def settled(space: Space) -> bool:
    """Are all declared pods of both tiers Ready, and no others there?"""
    found = [space.get("Deployment", tier) for tier in TIERS]
    return all(complete(each) and len(space.list("Pod", f"{APP}={tier}")) == each["spec"]["replicas"]
               for each, tier in zip(found, TIERS, strict=True) if each) and all(found)


def in_service(pod: Object) -> bool:
    """Has the pod the label?"""
    return pod["metadata"]["labels"].get(SERVES) == "yes"


def serve(space: Space, pod: str, yes: bool) -> None:
    """Put a pod into service, or take it out."""
    space.patch("Pod", pod, {"metadata": {"labels": {SERVES: "yes" if yes else "no"}}})


def play(space: Space, down: Mapping[str, Sequence[Sequence[Sequence[int]]]], window: int) -> Journeys:
    """Take pods out of service and back as planned, with customers all the time; what they saw.

    The first pod of a tier is the first by name.
    """
    names = {tier: sorted(each["metadata"]["name"] for each in space.pods(tier)) for tier in down}
    events = sorted((at, names[tier][number], yes) for tier, pods in down.items() for number, spells in enumerate(pods)
                    for first, last in spells for at, yes in ((first, False), (last, True)))
    with Journeys(space, TIERS) as seen:
        for at, pod, yes in events:
            seen.wait(at)
            serve(space, pod, yes)
        seen.wait(window)
    expect(lambda: _opened(space), READY_WITHIN, "the tiers are not in service again")
    return seen


def up(down: Sequence[Sequence[int]], at: float) -> bool:
    """Is a pod in service at a moment?"""
    return not any(first <= at < last for first, last in down)


def truths(down: Mapping[str, Sequence[Sequence[Sequence[int]]]], window: int) -> dict[str, float]:
    """What follows from a plan: see exercise ``a2-q1``."""
    moments = [second + 0.5 for second in range(window)]

    def share(served: Any) -> float:
        return sum(map(served, moments)) / window

    tiers = {tier: share(lambda at, pods=pods: any(up(one, at) for one in pods)) for tier, pods in down.items()}
    alone = {tier: [share(lambda at, one=one: up(one, at)) for one in pods] for tier, pods in down.items()}
    claimed = 1.0
    for first, second in alone.values():
        claimed *= 1 - (1 - first) * (1 - second)
    return {
        **tiers,
        "shop": share(lambda at: all(any(up(one, at) for one in pods) for pods in down.values())),
        "claimed": claimed,
        "one_each": share(lambda at: all(up(pods[0], at) for pods in down.values())),
    }


# --- durability ---------------------------------------------------------------------------------------------------


def lost_share(
    replicas: int, failures_per_year: float, repair_days: float, years: float = 1.0, objects: int = 20_000,
    seed: int = 1,
) -> float:
    """The share of simulated objects that lost all of their copies within some years.

    Each copy fails at random, so many times a year on average, and is made again from another one, after a time that
    is random, too; an object is lost when its last copy fails.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    failed = np.zeros(objects, dtype=int)
    left = np.full(objects, float(years))
    going = np.ones(objects, dtype=bool)
    repairs = YEAR / repair_days
    while going.any():
        now = np.flatnonzero(going)
        breaking = (replicas - failed[now]) * failures_per_year
        rate = breaking + failed[now] * repairs
        left[now] -= rng.exponential(1 / rate)
        breaks = rng.random(now.size) < breaking / rate
        happened = left[now] > 0
        failed[now] += np.where(happened, np.where(breaks, 1, -1), 0)
        going[now] = happened & (failed[now] < replicas)
    return float((failed >= replicas).mean())


def exact_share(replicas: int, failures_per_year: float, repair_days: float, years: float = 1.0) -> float:
    """The same, computed: the state after some years of the Markov chain that ``lost_share`` simulates."""
    import numpy as np

    repairs = YEAR / repair_days
    rates = np.zeros((replicas + 1, replicas + 1))
    for failed in range(replicas):          # with all of them failed nothing happens any more
        rates[failed, failed + 1] = (replicas - failed) * failures_per_year
        if failed:
            rates[failed, failed - 1] = failed * repairs
        rates[failed, failed] = -rates[failed].sum()
    halvings = max(0, int(np.ceil(np.log2(np.abs(rates).max() * years + 1))) + 4)
    step, term = np.eye(replicas + 1), np.eye(replicas + 1)
    for power in range(1, 12):              # exp(A) is exp(A / 2ⁿ) squared n times
        term = term @ rates * (years / 2**halvings) / power
        step = step + term
    return float(np.linalg.matrix_power(step, 2**halvings)[0, replicas])


# --- scaling ------------------------------------------------------------------------------------------------------


def scaling(
    space: Space, pods: Sequence[int] = (1, 2, 3), seconds: float = 3.0, limit: str = CPU_LIMIT
) -> dict[int, float]:
    """Answers a second by number of backends, each with a limit of processor time, under as many requests as they take.

    Four clients for each pod ask again as soon as they were answered (a closed loop, bounded by its clients).
    """
    shop = Shop(space)
    limited = {"target": {"kind": "Deployment", "name": "backend"}, "patch": json.dumps(
        [{"op": "add", "path": "/spec/template/spec/containers/0/resources/limits/cpu", "value": limit}])}
    shop.apply(store="memory", roles=["backend"], replicas={"backend": max(pods)}, patches=[limited])
    shop.wait(READY_WITHIN)
    addresses = [each["status"]["podIP"] for each in space.pods("backend") if ready(each)]
    return {count: round(answered(space, addresses[:count], seconds), 1) for count in pods}


def answered(space: Space, addresses: Sequence[str], seconds: float) -> float:
    """Requests a second that some pods answer."""
    counts: list[int] = []
    end = time.monotonic() + seconds

    def client(address: str) -> None:
        good = 0
        while time.monotonic() < end:
            good += ask(space, address, PORT, "/api/products", within=5.0)[0] == 200
        counts.append(good)

    clients = [threading.Thread(target=client, args=(address,)) for address in addresses for _ in range(CLIENTS)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    return sum(counts) / seconds


# --- redundancy on racks ------------------------------------------------------------------------------------------


def put_on_racks(space: Space, plan: Mapping[str, Any]) -> None:
    """The tiers on the namespace's racks: pods and spread as a plan says, on the first rack if nothing forbids it.

    :param plan: by tier ``{"replicas": 2, "spread": [topologySpreadConstraints]}``
    :raises labs.cluster.space.Refused: the API server does not take a constraint
    """
    patches = [{"target": {"kind": "Deployment", "name": tier}, "patch": json.dumps(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": tier},
         "spec": {"template": {"spec": _on_racks(space, plan.get(tier, {}).get("spread") or [])}}})} for tier in TIERS]
    Shop(space).apply(store="memory", patches=patches,
                      replicas={tier: plan.get(tier, {}).get("replicas", 1) for tier in TIERS})


def _on_racks(space: Space, spread: list[Object]) -> Object:
    """Fields of a pod's spec."""
    first = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": racks.names(space)[:1]}]}
    near = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": first}]}}
    return racks.settings(space) | {"affinity": near, "topologySpreadConstraints": spread}


def good_plan() -> dict[str, Any]:
    """A plan that passes the third exercise."""
    return {tier: {"replicas": 2, "spread": [{
        "maxSkew": 1, "topologyKey": HOSTNAME, "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {APP: tier}}}]} for tier in TIERS}


def worst(space: Space) -> str:
    """The rack whose loss takes all Ready pods of most tiers, or else most pods."""
    def harm(name: str) -> tuple[int, int]:
        there = [each for each in racks.on(space, name) if ready(each)]
        gone = sum(all(each["spec"].get("nodeName") == name for each in space.pods(tier)) for tier in TIERS)
        return gone, len(there)

    return max(racks.names(space), key=harm)


def cut(space: Space, seconds: float = NOTICED) -> Journeys:
    """The worst rack loses its power, with customers who try twice; until its pods are no endpoints any more."""
    rack = worst(space)
    lost = {each["metadata"]["name"] for each in racks.on(space, rack)}
    with Journeys(space, TIERS, again=True) as seen:
        seen.wait(1.0)
        racks.order(space.cluster, "stop", rack)
        until(lambda: not any(ready(each) for tier in TIERS for each in space.list("Pod", f"{APP}={tier}")
                              if each["metadata"]["name"] in lost), seconds)
        seen.wait(seen.seconds + 1.0)
    return seen
