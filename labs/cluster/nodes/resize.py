"""Other resources for the containers of a pod that runs.  Pure.

"Resize CPU and Memory Resources assigned to Containers" (Kubernetes documentation): first the node allocates to all
containers of the pod what they ask for now, or says that it has no room yet (PodResizePending, Deferred); then each
container gets what is allocated to it, by a restart where its ``resizePolicy`` wants one, and until all have it the pod
has PodResizeInProgress.  What no node of this size could give, the API server refuses before.  Events and their words
are a kubelet's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from labs.cluster.nodes import states
from labs.cluster.nodes.api import Object

PENDING, IN_PROGRESS = "PodResizePending", "PodResizeInProgress"
CONDITIONS = (PENDING, IN_PROGRESS)
"""They are taken away, not set to False, when they do not hold."""

Event = tuple[str, str, str]
"""Its type, reason and message."""


class Resize:
    """What is allocated to the containers of one pod."""

    def __init__(self) -> None:
        self._allocated: dict[str, Object] = {}
        self._pending = ""      # why what is asked for is not allocated
        self._errors: dict[str, str] = {}       # container → why it does not get what is allocated
        self._going_on = False

    def load(self, name: str, resources: Object) -> None:
        """A container that already runs has these."""
        self._allocated[name] = resources

    def spec(self, container: Object) -> Object:
        """A container with what is allocated to it, which may be less or more than it asks for."""
        allocated = self._allocated.get(container["name"])
        return container if allocated is None else {**container, "resources": allocated}

    def pod(self, pod: Object) -> Object:
        """The same for all containers."""
        lists = {kind: [self.spec(each) for each in pod["spec"].get(kind) or []]
                 for kind in ("initContainers", "containers")}
        return {**pod, "spec": {**pod["spec"], **lists}}

    def allocate(self, pod: Object, refused: Callable[[Object], tuple[str, str]]) -> Iterator[Event]:
        """Allocate what the containers ask for, if the node has room; what is to be told of it.

        :param refused: (reason, message) of why the node has no room for a pod, empty texts when it has
        """
        wanted = {each["name"]: each.get("resources") or {} for each in _containers(pod)}
        if all(not differing(self._allocated.setdefault(name, each), each) for name, each in wanted.items()):
            self._allocated, self._pending = wanted, ""
            return
        before, (_, self._pending) = self._pending, refused(pod)
        if not self._pending:
            self._allocated, self._errors, self._going_on = wanted, {}, True
            yield "Normal", "ResizeStarted", f"Pod resize started: {_summary(pod)}"
        elif before != self._pending:
            yield "Warning", "ResizeDeferred", f"Pod resize Deferred: {_summary(pod, self._pending)}"

    def cannot(self, pod: Object, name: str, why: str) -> Iterator[Event]:
        """A container does not get what is allocated to it; "" when it has got it."""
        if not why:
            self._errors.pop(name, None)
        elif name not in self._errors:      # told once, though its use, which the message says, goes on to change
            self._errors[name] = why
            yield "Warning", "ResizeError", f"Pod resize error: {_summary(pod, why)}"

    def settle(self, pod: Object, seen: Iterable[states.Seen]) -> Iterator[Event]:
        """Have all containers what is allocated to them?"""
        if self._going_on and not any(resized(each) for each in seen):
            self._going_on = False
            yield "Normal", "ResizeCompleted", f"Pod resize completed: {_summary(pod)}"

    def conditions(self, seen: Iterable[states.Seen]) -> list[Object]:
        """Those that hold, without their times."""
        made = []
        if self._pending:
            made.append({"type": PENDING, "status": "True", "reason": "Deferred", "message": self._pending})
        if any(resized(each) for each in seen):
            error = "; ".join(self._errors.values())
            made.append({"type": IN_PROGRESS, "status": "True", **(
                {"reason": "Error", "message": error} if error else {})})
        return made


def differing(has: Object, wanted: Object) -> set[str]:
    """Of which resources two ``resources`` differ: of ``cpu`` and ``memory``."""
    return {what for what in ("cpu", "memory") for kind in ("requests", "limits")
            if (has.get(kind) or {}).get(what) != (wanted.get(kind) or {}).get(what)}


def resized(seen: states.Seen) -> set[str]:
    """Of which resources a container that runs, or is restarted for that, should have something else than it has."""
    if seen.last is None or not (seen.running or seen.last.about.get("resized")):
        return set()
    return differing(seen.last.about.get("resources") or {}, seen.spec.get("resources") or {})


def restarts(seen: states.Seen) -> bool:
    """Does its ``resizePolicy`` ask for a restart?"""
    asked = {each["resourceName"] for each in seen.spec.get("resizePolicy") or []
             if each["restartPolicy"] == "RestartContainer"}
    return bool(asked & resized(seen))


def too_low(name: str, before: int, limit: int, used: int) -> str:
    """Why a limit of memory cannot be set, in bytes; "" when it can: a resize kills nobody."""
    if limit >= before or used < limit:
        return ""
    return f'attempting to set container "{name}" memory limit ({limit}) below current usage ({used})'


def _containers(pod: Object) -> Iterator[Object]:
    yield from pod["spec"].get("initContainers") or []
    yield from pod["spec"]["containers"]


def _summary(pod: Object, error: str = "") -> str:
    lists = {kind: [{"name": each["name"], "resources": each.get("resources") or {}}
                    for each in pod["spec"].get(kind) or []] for kind in ("initContainers", "containers")}
    said = {**{kind: each for kind, each in lists.items() if each},
            "generation": pod["metadata"].get("generation", 0), **({"error": error} if error else {})}
    return json.dumps(said, separators=(",", ":"))
