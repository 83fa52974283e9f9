"""The shop's other pages, and whether anything is open now that was closed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from graders.checks.e_kubernetes.trials import NOT_COUNTED, not_busy
from graders.checks.h_networking.h1_q2.night import kinds, reached, repaired
from graders.exercise import Finding
from labs.cluster.ingress.flags import Listeners
from labs.cluster.space import APP, Object, until
from labs.scenarios.h_networking import h1
from labs.scenarios.h_networking.sent import send

STRANGER = "stranger"
ENDED_WITHIN = 30.0
LOOKS = """
import socket
for name in ('frontend', 'backend'):
    try:
        socket.create_connection((name, 80), 2).close()
        print('open:', name)
    except OSError as error:
        print('closed:', name, error)
"""
CLOSED_HINT = "A NetworkPolicy is repaired where it is wrong, and not by letting everybody in."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    repaired(live, answer["repairs"])
    home = reached(live)
    pages = [] if home.stopped else _pages(live)
    yield Finding("every page of the shop is reached", 1, home.stopped is None and not pages,
                  "; ".join(pages)[:600] or ("yes" if home.stopped is None else NOT_COUNTED), "status 200",
                  "A product's page has another path: does the route take it?")
    others = _others(live)
    yield Finding("the ingress takes the shop's name only", 1, home.stopped is None and not others,
                  others or ("404 for another name" if home.stopped is None else NOT_COUNTED), "404 for another name",
                  "A rule without a host is a rule for every host.")
    opened = kinds(live.space) or _reached_by_a_stranger(live)
    yield Finding("a pod that has no business with the shop reaches none of its pods", 1,
                  home.stopped is None and not opened,
                  opened or ("nothing" if home.stopped is None else NOT_COUNTED), "nothing", CLOSED_HINT)


def _pages(live: Any) -> list[str]:
    """Product pages that are not reached."""
    space, values = live.space, live.values
    port = Listeners.read(live.space.cluster.kubeconfig.parent).https
    start = send(f"https://{values['host']}/", "127.0.0.1", port, values["trust"]).body
    found = sorted(set(re.findall(r'href="(/products/[A-Za-z0-9-]+)"', start)))[:2]
    if not found:
        return ["the first page names no product"]
    return [f"{path}: {seen.answer}" for path in found if (seen := h1.trace(space, values, path)).stopped is not None
            or not seen.answer.startswith("200")]


def _others(live: Any) -> str:
    """What the ingress answers for a name that is not the shop's, unless it is 404."""
    listeners = Listeners.read(live.space.cluster.kubeconfig.parent)
    for name in (f"other-{live.space.name}.test", f"admin.{urlsplit('//' + live.values['host']).hostname}"):
        status = send(f"http://{name}/", "127.0.0.1", listeners.http).status
        if status != 404:
            return f"{status} for {name}"
    return ""


def _reached_by_a_stranger(live: Any) -> str:
    """What a pod with labels of its own connects to."""
    space = live.space
    space.apply(_stranger())
    ended = until(lambda: _phase(space) in ("Succeeded", "Failed"), ENDED_WITHIN)
    said = space.logs(STRANGER) if ended else ""
    if "backend" not in said:
        not_busy("the stranger's pod", "" if ended else f"its pod is {_phase(space)}")
        return f"the stranger's pod ended early: {said[-300:]}"
    return ", ".join(line for line in said.splitlines() if line.startswith("open"))


def _phase(space: Any) -> str:
    return str((space.get("Pod", STRANGER) or {}).get("status", {}).get("phase", "not there"))


def _stranger() -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": STRANGER, "labels": {APP: STRANGER}},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [
                {"name": "main", "image": "host/python3", "command": ["python3", "-c", LOOKS]}]}}
