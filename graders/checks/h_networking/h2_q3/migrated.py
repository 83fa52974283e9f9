"""The learner's HTTPRoutes at a Gateway of the attempt, and what customers get through it."""

from __future__ import annotations

import time
from typing import Any

from graders import manifests
from graders.exercise import Finding
from labs.cluster.space import until
from labs.scenarios.h_networking.asking import Answer, Place, ask
from labs.scenarios.h_networking.h2 import gateway, secret

TAKEN_WITHIN = 12.0
ROUTED_WITHIN = 3.0
"""Traefik makes its configuration anew when the status of routes changes; for a moment some may be missing."""
STEADY_SECONDS = 1.0


class Migrated:
    """The attempt's routes."""

    def __init__(self, live: Any, names: list[str]) -> None:
        self._live, self._names = live, names
        ports = live.ingress
        self.http, self.https = Place("127.0.0.1", ports.http), Place("127.0.0.1", ports.https, True)

    def refused(self) -> str:
        """Why the Gateway does not take a route, "" when it takes them all."""
        until(lambda: not self._why(), TAKEN_WITHIN)
        return self._why()

    def steady(self, path: str) -> None:
        """Return when the answers to a request have stayed the same for a while, whatever they are."""
        since, last = time.monotonic(), self.ask(path).status

        def stayed() -> bool:
            nonlocal since, last
            now = self.ask(path).status
            if now != last:
                since, last = time.monotonic(), now
            return time.monotonic() - since > STEADY_SECONDS

        until(stayed, TAKEN_WITHIN)

    def _why(self) -> str:
        for name in self._names:
            found = self._live.space.get("HTTPRoute", name) or {}
            parents = (found.get("status") or {}).get("parents") or []
            if not parents:
                return f"HTTPRoute {name}: no Gateway has taken it"
            for each in (one for parent in parents for one in parent["conditions"]):
                if each["type"] in ("Accepted", "ResolvedRefs") and each["status"] != "True":
                    return f"HTTPRoute {name}: {each['reason']}: {each['message']}"
        return ""

    def ask(self, path: str, headers: dict[str, str] | None = None, place: Place | None = None) -> Answer:
        """One request to the shop's host, by HTTPS unless said."""
        return ask(place or self.https, self._live.values["host"], path, headers)


def migrated(live: Any, answer: dict[str, Any]) -> Migrated:
    """Apply a Gateway, its certificate and the answer.

    :raises graders.manifests.Unusable: it holds something else, or the API server does not take it
    """
    found = manifests.objects(answer["routes"], {"HTTPRoute"})
    live.space.apply(secret(live.values), gateway(live.ingress))
    manifests.apply(live.space, *found)
    return Migrated(live, [each["metadata"]["name"] for each in found])


def untaken(why: str) -> Finding:
    """A route that the Gateway does not take."""
    return Finding("the Gateway takes every route", 1, False, why[:400], "Accepted and ResolvedRefs",
                   "parentRefs name the Gateway and perhaps one of its listeners; backendRefs a Service and its port.")
