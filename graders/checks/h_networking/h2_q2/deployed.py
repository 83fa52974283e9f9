"""The learner's Ingress, applied, and the load balancer that the controller makes of it."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graders import manifests
from graders.exercise import Finding
from labs.cluster.space import patient, until
from labs.errors import TemporaryError
from labs.scenarios.h_networking.asking import Answer, Place, ask
from labs.scenarios.h_networking.balancing import controlled, described, hostname, place_of

MADE_WITHIN = 20.0
HEALTHY_WITHIN = 6.0
"""A target that is well is healthy at its first check."""
SERVED_WITHIN = 10.0


class Deployed:
    """The load balancer of an attempt.

    :param events: what the controller said last about the Ingress, "" for nothing
    """

    def __init__(self, live: Any, name: str) -> None:
        self.live, self.name = live, name
        self.dns_name = self.event = ""
        self._described: dict[str, Any] = {}

    def wait(self) -> None:
        """Until it is there, or the controller says why not."""
        end = time.monotonic() + patient(MADE_WITHIN)
        while time.monotonic() < end and not self.dns_name and "Failed" not in self.event:
            told = self.live.space.events(self.name)
            self.event = f"{told[-1]['reason']}: {told[-1]['message']}" if told else ""
            self.dns_name = hostname(self.live.space.get("Ingress", self.name) or {})
            time.sleep(0.1)
        if self.dns_name:
            until(lambda: self.ask("/").status, SERVED_WITHIN)

    @property
    def place(self) -> Place:
        """Its listener for HTTP."""
        return place_of(self.dns_name)

    def ask(self, path: str, headers: dict[str, str] | None = None, host: str = "") -> Answer:
        """One request by HTTP at port 80."""
        return ask(self.place, host or self.live.values["host"], path, headers)

    def described(self) -> dict[str, Any]:
        """As AWS describes it now."""
        return described(self.live.admin("elbv2"), self.dns_name)

    def unhealthy(self) -> list[str]:
        """A line for each target that is not healthy, once all are or have had time enough."""
        def looked() -> list[str]:
            groups = self.described()["TargetGroups"]
            return [f"{each['Target']['Id']}:{each['Target']['Port']} is {each['TargetHealth']['State']}, asked for "
                    f"{group['HealthCheckPath']}" for group in groups for each in group["Health"]
                    if each["TargetHealth"]["State"] != "healthy"]

        until(lambda: not looked(), HEALTHY_WITHIN)
        return looked()

    def targets(self) -> list[str]:
        """What is registered."""
        return [each["Target"]["Id"] for group in self.described()["TargetGroups"] for each in group["Health"]]


@contextlib.contextmanager
def deployed(live: Any, answer: dict[str, Any]) -> Iterator[Deployed]:
    """Apply the answer beside a controller of the attempt's own.

    :raises graders.manifests.Unusable: it is no Ingress of the class, or the API server does not take it
    """
    found = manifests.objects(answer["ingress"], {"Ingress"})
    if found[0].get("spec", {}).get("ingressClassName") != "alb":
        raise manifests.Unusable(f"ingressClassName {found[0].get('spec', {}).get('ingressClassName')!r}", "alb",
                                 "Each controller looks at the Ingresses of its own class only.")
    with tempfile.TemporaryDirectory(prefix="balancing-") as home, controlled(live.aws, live.space, Path(home)):
        manifests.apply(live.space, found[0])
        made = Deployed(live, found[0]["metadata"]["name"])
        made.wait()
        if not (made.dns_name or made.event):
            raise TemporaryError(f"the controller said nothing of the Ingress in {MADE_WITHIN:.0f} s")
        yield made


def missing(made: Deployed) -> Finding:
    """No load balancer was made."""
    return Finding("the controller makes a load balancer", 1, False, made.event[:400], "SuccessfullyReconciled",
                   "The event names what it could not make a load balancer of: compare with the annotations' list.")
