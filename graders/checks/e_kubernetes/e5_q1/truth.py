"""What is wrong with whom, and where that can be seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.exercise import Finding
from labs.scenarios.e_kubernetes.e5 import assigned

SHOWN = 3
LOOK = {
    "bad-setting": "It starts and ends: read what the last attempt wrote, kubectl logs -p.",
    "image-name": "No container was ever made: read the message of the event Failed, letter by letter.",
    "config-key": "The container could not be configured: kubectl describe pod names what is missing.",
    "memory-limit": "It was ended, it did not end: look at Last State, its reason and exit code.",
    "disk-limit": "Look at the pods that are gone: kubectl get pods, then describe one that is Error or Evicted.",
    "node-gone": "The scheduler says why it finds no node: read FailedScheduling, then kubectl get nodes.",
    "removed-api": "There is no object at all: apply its manifest and read the answer.",
}


def judge(answer: Mapping[str, Any], values: Mapping[str, Any], public: bool) -> Iterator[Finding]:
    """A finding for each workload: the first ones by name are shown, the others are hidden."""
    truth = {app: cause for cause, app in assigned(dict(values)).items()}
    apps = values["apps"][:SHOWN] if public else values["apps"][SHOWN:]
    for app in apps:
        said = answer["causes"].get(app, "") or "no cause"
        right = said == truth[app]
        yield Finding(f"the cause of {app}", 1, right, said, "what its pods and events tell", LOOK[truth[app]])
