"""The learner's broken front in the attempt's account, before the shop in its namespace, and the calls made there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from graders import manifests
from graders.checks.h_networking.way import Layer, come
from labs.aws.dns.running import running
from labs.errors import PermanentError
from labs.scenarios.h_networking import front as fronts
from labs.scenarios.h_networking import h1
from labs.scenarios.h_networking.balancing import serving
from labs.scenarios.h_networking.journey import travel_from_outside
from labs.visuals import Journey

REACHED_WITHIN = 25.0
LAYERS = (
    Layer("the name leads to the load balancer", "Name",
          "Ask as somebody on the internet asks: which zone answers, for which name, with which address?"),
    Layer("the load balancer lets the browser in and has a rule for the shop", "Load balancer",
          "A silence is the security group, a refused certificate the listener, a 404 its rule."),
)
TARGET = Layer("its target answers", "Target", "DescribeTargetHealth: which target is registered at which port, and "
               "what did the health check get?")
UNHEALTHY = "no target is healthy: it gets requests only because all get them"


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
        def afresh() -> Journey:
            self._names.flush()
            return self.request()

        return come(afresh, self.healthy, REACHED_WITHIN, "the way through the front")

    def layers(self) -> list[Layer]:
        """What a request through it has to pass; a target counts that is healthy."""
        return [*LAYERS, TARGET if self.healthy() else replace(TARGET, wrong=UNHEALTHY)]

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
