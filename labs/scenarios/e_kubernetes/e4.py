"""Lab e4: a workload that starts slowly, deadlocks, pauses, and needs another one that fails."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from labs.cluster.observation import Observation, ask
from labs.cluster.space import APP, Object, Space, expect, ready, restarts
from labs.errors import PermanentError, TemporaryError
from labs.scenarios.base import Values, digest, pick
from labs.scenarios.cluster_lab import ClusterLab
from labs.scenarios.e_kubernetes.web import PORT

PROGRAM = "program"
SERVES: Object = {"readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1, "timeoutSeconds": 2}}
"""Ready as soon as it serves; for workloads whose probes are not what a lab is about."""
READY_WITHIN = 30.0
APPS = ["cart", "prices", "reviews", "search"]
DEPENDENCIES = ["accounts", "ledger", "stock"]
PATHS = [
    {"ping": "/ping", "work": "/engine", "warm": "/loaded", "deep": "/health"},
    {"ping": "/up", "work": "/worker", "warm": "/catalogue", "deep": "/status"},
    {"ping": "/hello", "work": "/desk", "warm": "/stocked", "deep": "/everything"},
]
ENDPOINTS = {
    "ping": "answers as long as the program listens; takes no lock",
    "work": "takes the lock, as every request does, and gives it back",
    "warm": "takes the lock; 503 until the catalogue is loaded",
    "deep": "takes the lock; 503 until the catalogue is loaded, or when {dependency} does not answer 200",
}
PAUSE, RESTARTED_WITHIN, OUTAGE = 2, 12, 6
"""Seconds: a pause that is normal, until a deadlocked pod must be restarting, and how long the dependency is away."""


class E4(ClusterLab):
    """Two pods without probes, and what they need."""

    id: ClassVar[str] = "e4"
    title: ClassVar[str] = "Probes that help, and probes that make it worse"
    minutes: ClassVar[int] = 70

    def values(self, seed: bytes) -> Values:
        """Names, paths and seconds of one learner."""
        usual = pick(seed, "usual start", [2, 3])
        app = pick(seed, "app", APPS)
        return {
            "namespace": f"e4-{app}-{digest(seed, 'namespace')[:6]}",
            "app": app,
            "dependency": pick(seed, "dependency", DEPENDENCIES),
            "paths": pick(seed, "paths", PATHS),
            "port": PORT,
            "usual_start": usual,
            "longest_start": usual + 2,
            "start_limit": usual + 8,
            "pause": PAUSE,
            "restarted_within": RESTARTED_WITHIN,
            "outage": OUTAGE,
        }

    def furnish(self, space: Space, values: Values) -> None:
        """The program, and the dependency at work."""
        space.apply(program())
        space.apply(*workload(values["dependency"], {}, replicas=1))
        address_of(space, values["dependency"])

    def prepare(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """Two pods without any probe; every fault is taken back."""
        self.furnish(space, values)
        _switch(space, values["dependency"], "up")
        space.delete_all("Pod", f"{APP}={values['app']}")
        made = manifest(values, {})
        space.apply(made, manager="learner")  # so that what the learner applies later replaces it
        space.apply(service(values["app"]))

    def observe(self, space: Space, values: Values) -> dict[str, Any]:  # type: ignore[override]
        """Pods of both workloads: Ready and restarts."""
        return {
            each["metadata"]["name"]: {"ready": ready(each), "restarts": restarts(each)} for each in space.pods()
        }

    def run(self, space: Space, values: Values, program: str, **options: Any) -> Any:  # type: ignore[override]
        """``manifest``: the workload's Deployment, perhaps with ``probes`` in it.  ``watch``: see ``watch``.

        ``endpoints``: what the program's endpoints for probes ask, as text.
        """
        if program == "manifest":
            return manifest(values, options.get("probes", {}))
        if program == "watch":
            return watch(space, values, **options)
        if program == "endpoints":
            lines = (f'paths["{name}"]  {path:<12} {ENDPOINTS[name]}' for name, path in values["paths"].items())
            return "\n".join(lines).format(dependency=values["dependency"])
        raise PermanentError(f"lab {self.id} has no program {program!r}", "It has manifest, watch and endpoints.")

    faults: ClassVar[Mapping[str, Any]] = MappingProxyType({
        "deadlock": lambda space, values: deadlock(space, values["app"]),
        "pause": lambda space, values: pause(space, values["app"], values["pause"]),
        "outage": lambda space, values: _switch(space, values["dependency"], "down"),
        "outage over": lambda space, values: _switch(space, values["dependency"], "up"),
    })

    def solution(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """Probes as the exercises ask for them."""
        space.apply(manifest(values, good_probes(values)), manager="learner")


def team_liveness() -> Object:
    """The probe that the workload's team had: is the port open?"""
    return {"tcpSocket": {"port": PORT}, "periodSeconds": 1, "failureThreshold": 2}


def good_probes(values: Values) -> Object:
    """Probes that pass every exercise."""
    def get(path: str, **more: int) -> Object:
        return {"httpGet": {"path": values["paths"][path], "port": PORT}, "periodSeconds": 1, **more}

    return {
        "startupProbe": get("ping", failureThreshold=values["longest_start"] + 4),
        "livenessProbe": get("work", timeoutSeconds=2, failureThreshold=3),
        "readinessProbe": get("warm", timeoutSeconds=2, failureThreshold=1),
    }


def program() -> Object:
    """The ConfigMap with the pods' program."""
    text = Path(__file__).with_name("web.py").read_text(encoding="utf-8")
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": PROGRAM}, "data": {"web.py": text}}


def manifest(values: Values, probes: Object) -> Object:
    """The learner's Deployment."""
    made, _ = workload(values["app"], environment(values), probes=probes)
    return made


def environment(values: Values, **more: Any) -> dict[str, str]:
    """What the workload's pods are told; ``START_SECONDS`` and the like can be given."""
    told = {
        "START_SECONDS": str(values["usual_start"]),
        "WARM_SECONDS": "1",
        "PATHS": json.dumps(values["paths"]),
        "DEPENDENCY": f"{values['dependency']}:80",
    }
    return told | {name: str(value) for name, value in more.items()}


def workload(
    name: str, environment: Mapping[str, str], *, replicas: int = 2, probes: Object | None = None
) -> tuple[Object, Object]:
    """(Deployment, Service) of pods that run the program."""
    labels = {APP: name}
    container = {
        "name": "web",
        "image": "host/python3",
        "command": ["python3", "-u", "-c", "$(PROGRAM)"],
        "ports": [{"name": "http", "containerPort": PORT}],
        "env": [
            {"name": "PROGRAM", "valueFrom": {"configMapKeyRef": {"name": PROGRAM, "key": "web.py"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            *({"name": key, "value": value} for key, value in environment.items()),
        ],
        **(probes or {}),
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }
    return deployment, service(name)


def service(name: str) -> Object:
    """The Service in front of a workload."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {APP: name}},
        "spec": {"selector": {APP: name}, "ports": [{"name": "http", "port": 80, "targetPort": PORT}]},
    }


def address_of(space: Space, app: str) -> str:
    """The address of a workload's only pod, once it listens.

    :raises TemporaryError: it does not in READY_WITHIN seconds
    """

    def listening() -> str:
        for pod in space.pods(app):
            address = pod["status"].get("podIP", "")
            if address and ask(space, address, PORT, "/")[0]:
                return str(address)
        return ""

    return str(expect(listening, READY_WITHIN, f"{app} does not listen"))


def _switch(space: Space, app: str, name: str) -> None:
    status, said = ask(space, address_of(space, app), PORT, f"/switch/{name}", "POST")
    if status != 200:
        raise TemporaryError(f"{app} cannot be switched {name}: {said}")


def press(space: Space, pod: Object, name: str, query: str = "") -> None:
    """Press a switch of one pod, as soon as it listens.

    :raises TemporaryError: it does not answer in READY_WITHIN seconds
    """
    path = f"/switch/{name}" + (f"?{query}" if query else "")
    expect(lambda: ask(space, pod["status"]["podIP"], PORT, path, "POST")[0] == 200, READY_WITHIN,
           f"{pod['metadata']['name']} does not answer")


def deadlock(space: Space, app: str) -> str:
    """Deadlock the oldest Ready pod; its name."""
    return _strike(space, app, "deadlock")


def pause(space: Space, app: str, seconds: float) -> str:
    """Let the oldest Ready pod pause, as a garbage collection does; its name."""
    return _strike(space, app, "stall", str(seconds))


def _opened(space: Space, app: str) -> None:
    """Wait until every pod shows its catalogue; a fault is watched from there."""

    def every() -> bool:
        pods = space.pods(app)
        return bool(pods) and all(ask(space, each["status"].get("podIP", ""), PORT, "/")[0] == 200 for each in pods)

    expect(every, READY_WITHIN, f"not every pod of {app} serves", 1.0)


def ready_pods(space: Space, app: str) -> list[Object]:
    """A workload's Ready pods, oldest first; at least one.

    :raises TemporaryError: there is none in READY_WITHIN seconds
    """
    return list(expect(lambda: [each for each in space.pods(app) if ready(each)], READY_WITHIN,
                       f"no pod of {app} is Ready"))


def _strike(space: Space, app: str, name: str, query: str = "") -> str:
    found = ready_pods(space, app)
    press(space, found[0], name, query)
    return str(found[0]["metadata"]["name"])


def watch(
    space: Space, values: Values, *, seconds: float = 10.0, fault: str = "", path: str = "/"
) -> Observation:
    """Send customers to the workload for some seconds while a fault lasts, and give back what was seen.

    :param fault: ``deadlock``, ``pause``, ``outage`` (which lasts ``values["outage"]`` seconds) or "" for none
    """
    if fault and fault not in E4.faults:
        raise PermanentError(f"there is no fault {fault!r}", f"There are: {', '.join(E4.faults)}.")
    if fault:
        _opened(space, values["app"])
    with Observation(space, values["app"], path) as seen:
        if fault:
            E4.faults[fault](space, values)
        if fault == "outage":
            try:
                seen.watch(values["outage"])
            finally:
                E4.faults["outage over"](space, values)
        seen.watch(seconds - seen.seconds)
    return seen
