"""What customers notice of something that happens to the shop's backend: requests that fail, and baskets that are gone.

    made = trial(space, "backend", "restart")
    made.outcome            # "nothing", "failed requests", "lost carts" or "both"

Before the event some customers put things into their baskets.  During it others ask for the catalogue all the time.
After it the first ones look for their baskets, each over a new connection, as behind any load balancer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from labs.cluster.observation import NO_ANSWER, Observation
from labs.cluster.space import APP, Space, complete, until
from labs.errors import PermanentError
from labs.scenarios.shop_on_cluster import Shop

CARTS = 8
EVERY = 0.05
"""Seconds from one request of the customers who ask for the catalogue to the next."""
OVER_WITHIN = 40.0
DRAINED_WITHIN = 20.0
CALM, AFTER = 0.5, 0.5
"""Seconds of traffic before the event and after it."""
LOADED = 2.0
OUTCOMES = ("nothing", "failed requests", "lost carts", "both")
Event = Callable[[Space, str, Observation], bool]


@dataclass(repr=False)
class Trial:
    """See the module.

    :param over: did the event come to its end in time, with every pod Ready again?
    :param carts: how many baskets there were; ``lost`` of them were not found as they had been
    """

    event: str
    seen: Observation
    over: bool = False
    carts: int = 0
    lost: int = 0
    began: float = 0.0

    @property
    def failed(self) -> int:
        """Requests that were refused or answered with an error, from the event on."""
        return sum(not one.said.startswith(NO_ANSWER) for one in self.seen.failed(self.began))

    @property
    def slow(self) -> int:
        """Requests without an answer in time: of a pod that was there, and of a machine that is too busy."""
        return len(self.seen.failed(self.began)) - self.failed

    @property
    def outcome(self) -> str:
        """One of ``OUTCOMES``: what customers noticed."""
        return OUTCOMES[bool(self.failed) + 2 * bool(self.lost)]

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        end = "" if self.over else "not over in time; "
        return f"{self.event}: {end}{self.seen.answers()}; {self.lost} of {self.carts} baskets lost"


@dataclass
class Customers:
    """Some customers with things in their baskets; ``url`` is the backend's."""

    url: str
    carts: list[str] = field(default_factory=list)

    def fill(self, count: int = CARTS) -> Customers:
        """Each of so many customers takes a basket and puts one thing into it; returns itself."""
        for _ in range(count):
            made = self._ask("POST", "/api/carts")
            self.carts.append(made["id"] if made else "")
            if made:
                self._ask("PUT", f"/api/carts/{made['id']}/items/1001", json={"quantity": 1})
        return self

    def lost(self) -> int:
        """How many of them do not find in their basket what they put into it."""
        found = [self._ask("GET", f"/api/carts/{cart}") for cart in self.carts if cart]
        return len(self.carts) - sum(bool(each and each["items"]) for each in found)

    def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any] | None:
        """The answer, None for none or an error; on a connection of its own."""
        try:
            answer = httpx.request(method, self.url + path, timeout=5.0, trust_env=False, **more)
        except httpx.HTTPError:
            return None
        return answer.json() if answer.is_success else None


def trial(space: Space, app: str, event: str) -> Trial:
    """Let something happen to a workload whose pods are Ready.

    :param app: the Deployment and the Service of that name
    :param event: one of ``EVENTS``
    :raises PermanentError: there is no such event
    """
    if event not in EVENTS:
        raise PermanentError(f"There is no event {event!r}.", f"There are {', '.join(EVENTS)}.")
    customers = Customers(Shop(space).url(app)).fill()
    with Observation(space, app, "/api/products", every=EVERY) as seen:
        seen.watch(CALM)
        made = Trial(event, seen, carts=len(customers.carts), began=round(seen.seconds, 2))
        made.over = EVENTS[event](space, app, seen)
        seen.watch(AFTER)
    made.lost = customers.lost()
    return made


def settled(space: Space, app: str) -> bool:
    """Are all pods that a Deployment declares Ready, and is no other there, also none about to go?"""
    found = space.get("Deployment", app)
    return found is not None and complete(found) and len(space.list("Pod", f"{APP}={app}")) == found["spec"]["replicas"]


def restart(space: Space, app: str, seen: Observation) -> bool:
    """``kubectl rollout restart``."""
    again = {"kubectl.kubernetes.io/restartedAt": str(time.time())}
    space.patch("Deployment", app, {"spec": {"template": {"metadata": {"annotations": again}}}})
    return bool(seen.watch(OVER_WITHIN, lambda _: settled(space, app)))


def drain(space: Space, app: str, seen: Observation) -> bool:
    """Every pod is asked to leave, as by drains of all nodes at once, as fast as evictions are granted."""
    asked, left = {each["metadata"]["uid"] for each in space.pods(app)}, [False]

    def over(_: Observation) -> bool:
        there = [each for each in space.list("Pod", f"{APP}={app}") if each["metadata"]["uid"] in asked]
        left[0] = not there
        for each in there:
            if not each["metadata"].get("deletionTimestamp"):
                space.evict(each["metadata"]["name"])
        return left[0] or blocked(space)

    seen.watch(DRAINED_WITHIN, over)
    return left[0] and bool(seen.watch(OVER_WITHIN, lambda _: settled(space, app)))


def blocked(space: Space) -> bool:
    """Does a budget demand every pod there is, so that no eviction will ever be granted?"""
    told = [each.get("status", {}) for each in space.list("PodDisruptionBudget")]
    return any(0 < each.get("expectedPods", 0) <= each.get("desiredHealthy", 0) for each in told)


def scale_out(space: Space, app: str, seen: Observation) -> bool:
    """One more pod."""
    deployment = space.get("Deployment", app) or {}
    space.scale(app, deployment["spec"]["replicas"] + 1)
    return bool(seen.watch(OVER_WITHIN, lambda _: settled(space, app)))


def wait(space: Space, app: str, seen: Observation) -> bool:
    """Nothing but customers."""
    seen.watch(LOADED)
    return bool(until(lambda: settled(space, app), OVER_WITHIN))


EVENTS: dict[str, Event] = {"load": wait, "restart": restart, "drain": drain, "scale out": scale_out}
