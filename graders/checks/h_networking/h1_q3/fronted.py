"""The learner's broken front in the attempt's account, before the shop in its namespace, and the calls made there."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from graders import manifests
from graders.checks.e_kubernetes.trials import NOT_COUNTED, not_busy
from graders.exercise import Finding
from labs.aws.dns.running import running
from labs.cluster.space import patient
from labs.errors import PermanentError
from labs.scenarios.h_networking import front as fronts
from labs.scenarios.h_networking import h1
from labs.scenarios.h_networking.balancing import serving
from labs.scenarios.h_networking.journey import travel_from_outside
from labs.visuals import Journey

REACHED_WITHIN = 25.0
LAYERS = {
    "name": ("the name leads to the load balancer", "Name"),
    "entrance": ("the load balancer lets the browser in and has a rule for the shop", "Load balancer"),
    "target": ("its target answers", "Target"),
}
"""By layer: what has to be seen, and the hop that says so."""
HINTS = {
    "name": "Ask as somebody on the internet asks: which zone answers, for which name, with which address?",
    "entrance": "A silence is the security group, a refused certificate the listener, a 404 its rule.",
    "target": "DescribeTargetHealth: which target is registered at which port, and what did the health check get?",
}


class Standing:
    """A front that stands, and how requests come through it."""

    def __init__(self, live: Any, front: fronts.Front, home: Path, names: Any) -> None:
        self.live, self.front, self._home, self._names = live, front, home, names

    def request(self) -> Journey:
        """One, from the name on."""
        space = self.live.space
        return travel_from_outside("/", space.cluster, Path(space.cluster.kubeconfig).parent, self.front, self._home,
                                   lambda name: self._names.explain("public", name))

    def come(self) -> Journey:
        """One that comes through with every wanted target healthy, or the last after some seconds.

        :raises TemporaryError: none does, on a machine that is too busy
        """
        end = time.monotonic() + patient(REACHED_WITHIN)
        while True:
            seen = self.request()
            if seen.stopped is None and self.healthy():
                return seen
            if time.monotonic() > end:
                not_busy("the way through the front")
                return seen
            self._names.flush()
            time.sleep(0.2)

    def healthy(self) -> bool:
        """Is the ingress a healthy target?"""
        told = self.front.elb.describe_target_health(TargetGroupArn=self.front.found().group)
        return any(each["TargetHealth"]["State"] == "healthy" for each in told["TargetHealthDescriptions"])


@contextmanager
def standing(live: Any, calls: list[dict[str, Any]]) -> Iterator[Standing]:
    """The night before the ingress, and the calls made.

    :raises manifests.Unusable: a call is no repair, or AWS refuses it
    """
    ingress = live.ingress
    h1.H1().prepare(live.space, live.values)
    front = fronts.Front(live.aws, live.values, ingress)
    front.prepare(fronts.night(live.values).values())
    with tempfile.TemporaryDirectory(prefix="front-") as folder:
        home = Path(folder)
        with serving(live.aws, home), running(live.endpoint, [live.account]) as names:
            try:
                front.repair(calls)
            except (ClientError, BotoCoreError, PermanentError) as error:
                raise manifests.Unusable(str(error)[:600], "calls that AWS takes",
                                         "Read what AWS says; ids are texts such as $zone.") from None
            yield Standing(live, front, home, names)


def layers(seen: Journey, healthy: bool) -> Iterator[Finding]:
    """A finding for each layer, as far as the request came."""
    come = [hop.name for hop in seen.hops if hop.state == "passed"]
    ended, before = seen.stopped, True
    for layer, (name, hop) in LAYERS.items():
        passed = before and hop in come and (layer != "target" or healthy)
        told = "yes" if passed else NOT_COUNTED
        if before and not passed:
            told = "no target is healthy: it gets requests only because all get them"
            if ended is not None:
                told = f"{seen.answer}; the way ends at {ended.name} {ended.thing}: {ended.why}"[:600]
        yield Finding(name, 1, passed, told, "yes", HINTS[layer])
        before = passed
