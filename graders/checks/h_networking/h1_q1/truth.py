"""What really becomes of a request when a fault is in its way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.trials import not_busy
from graders.exercise import Finding
from labs.cluster.space import until
from labs.errors import TemporaryError
from labs.scenarios.h_networking import h1
from labs.visuals import Journey

HOPS = ["Connection", "Ingress route", "Service", "EndpointSlice", "Pod", "Container"]
ANSWERS = ["certificate refused", "200", "404", "502", "503", "504"]
SEEN_WITHIN = 20.0
STEADY = 0.4
"""Seconds between two requests that must end in the same way."""
SHOWN = 2
"""Cases of the public check."""
HINTS = {
    "tls-elsewhere": "An Ingress can name a Secret of its own namespace only. What does Traefik show without one?",
    "tls-expired": "Who looks at the dates: the server that shows the certificate, or the browser?",
    "tls-name": "What does Traefik show for a name for which it has no certificate?",
    "host": "The rules of an Ingress are looked up by host first.",
    "class": "Who reads an Ingress of a class that is nobody's: its rules, and its tls part as well?",
    "service-name": "Traefik makes a route only where it finds the Service.",
    "service-port": "Traefik makes a route only where it finds the Service and the port.",
    "path-type": "Exact is exact: does any path of the Ingress take this one?",
    "selector": "Route and Service are there, and the list of endpoints is empty. Which hop of the picture says so?",
    "port-name": "No container has a port of that name, so no endpoint has a port: nobody to send to, says the table.",
    "policy": "What a policy does not let in is not refused: it is not answered. How long does Traefik wait?",
}


def judge(part: slice, answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    """Half a point for each case in which hop and answer are as predicted."""
    cases = live.values["cases"][part]
    tried = [name for name in cases if all(answer["predictions"].get(name, ["", ""]))]
    truth = observed(live, tried) if tried else {}
    for name in cases:
        said = answer["predictions"].get(name) or ["", ""]
        right = name in truth and list(truth[name]) == said
        told = f"you predicted {said[0]}, {said[1]}" if name in truth else "no prediction"
        yield Finding(f"{name}: {h1.FAULTS[name][0]}", 0.5, right,
                      told + ("" if right or name not in truth else "; something else happened"),
                      "what became of a real request, predicted", HINTS[name])


def observed(live: Any, names: list[str]) -> dict[str, tuple[str, str]]:
    """By fault: (hop at which the way of a request ended, what the browser got).

    :raises TemporaryError: a fault did not show, or did not go away, in time
    """
    assert live.ingress
    space, values = live.space, live.values
    h1.H1().prepare(space, values)
    found = {}
    for name in names:
        h1.alter(space, values, [name])
        found[name] = _settled(live, name, broken=True)
        h1.alter(space, values, [])
        _settled(live, name, broken=False)
    return found


def _settled(live: Any, name: str, broken: bool) -> tuple[str, str]:
    """How requests end when nothing moves any more: the ingress reads certificates a moment after routes.

    :raises TemporaryError: they do not end, or still do, on a machine that is too busy
    """
    ends: list[tuple[str, str]] = []

    def settled() -> bool:
        began = time.monotonic()
        ends.append(_end(h1.trace(live.space, live.values)))
        slow = time.monotonic() - began > STEADY
        if (ends[-1][0] != "") != broken:
            return False
        if not slow:
            time.sleep(STEADY)
        return slow or ends[-2:-1] == ends[-1:]

    if not until(settled, SEEN_WITHIN):
        not_busy(f"the fault {name}")
        raise TemporaryError(f"requests ended in turn so: {ends[-3:]}")
    return ends[-1]


def _end(seen: Journey) -> tuple[str, str]:
    if seen.stopped is None:
        return "", seen.answer.split()[0]
    answer = "certificate refused" if "certificate" in seen.answer else seen.answer.split()[0]
    return seen.stopped.name, answer
