"""Lab e1: a workload whose team guessed its requests and limits."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any, ClassVar

from labs.cluster.nodes.api import Refused
from labs.cluster.observation import ask
from labs.cluster.space import APP, Object, Space, ready, restarts, until
from labs.errors import PermanentError
from labs.scenarios.base import Values, digest, pick
from labs.scenarios.cluster_lab import ClusterLab
from labs.scenarios.e_kubernetes.e4 import program, ready_pods, service, workload
from labs.scenarios.e_kubernetes.web import PORT

APPS = ["billing", "invoices", "pricing", "reports", "taxes"]
READY_WITHIN, ANSWERED_WITHIN = 30.0, 8.0
ASKED_EVERY = 0.25
SAMPLED_WITHIN = 25.0
"""Seconds until a kubelet has counted anew; it does so every 10 to 15."""
REQUESTS = 24
REPLICAS = 2
SHARE = "team-share"
CADVISOR = ("/apis/metrics.k8s.io/v1beta1/nodes/{}/cadvisor", "/api/v1/nodes/{}/proxy/metrics/cadvisor")
"""Where a node's container metrics are: of the embedded cluster, and of a kubelet."""
PERIODS, THROTTLED = "container_cpu_cfs_periods_total", "container_cpu_cfs_throttled_periods_total"


class E1(ClusterLab):
    """One pod, its load, and limits that were guessed."""

    id: ClassVar[str] = "e1"
    title: ClassVar[str] = "Requests and limits from measurements"
    minutes: ClassVar[int] = 70

    def values(self, seed: bytes) -> Values:
        """Names, and what the program needs, of one learner."""
        report, work = pick(seed, "report", [48, 56, 64]), pick(seed, "work", [32, 36, 40])
        app = pick(seed, "app", APPS)
        return {
            "namespace": f"e1-{app}-{digest(seed, 'namespace')[:6]}",
            "app": app,
            "port": PORT,
            "report_mb": report,
            "work_ms": work,
            "memory_budget_mb": report + 96,
            "cpu_budget_m": work * 10 + 400,
            "team": {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "250m", "memory": "64Mi"}},
            "replicas": REPLICAS,
            "share": {"requests.memory": f"{REPLICAS * (report + 96)}Mi",
                      "requests.cpu": f"{REPLICAS * (work * 10 + 400)}m"},
        }

    def furnish(self, space: Space, values: Values) -> None:
        """The program."""
        space.apply(program())

    def prepare(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """A new pod with the team's guesses; no share."""
        self.furnish(space, values)
        space.delete("ResourceQuota", SHARE)
        space.apply(manifest(values, values["team"]), manager="learner")
        space.apply(service(values["app"]))
        space.delete_all("Pod", f"{APP}={values['app']}")

    def observe(self, space: Space, values: Values) -> dict[str, Any]:  # type: ignore[override]
        """By pod: Ready, restarts, class, and how its last container ended."""
        return {each["metadata"]["name"]: {"ready": ready(each), "restarts": restarts(each),
                                           "class": each["status"].get("qosClass", ""), "ended": ended(each)}
                for each in space.pods()}

    def run(self, space: Space, values: Values, program: str, **options: Any) -> Any:  # type: ignore[override]
        """``manifest``: the Deployment with ``resources``.  ``load``: see ``load``.  ``report``, ``leak``, ``spin``.

        ``share``: the ResourceQuota of the team.
        """
        if program == "manifest":
            return manifest(values, **options)
        if program == "load":
            return load(space, values["app"], **options)
        if program == "report":
            pod = newest(space, values["app"])
            status, said = ask(space, pod["status"]["podIP"], PORT, "/report", within=ANSWERED_WITHIN)
            return f"status {status}: {said}" if status else said
        if program in ("leak", "spin"):
            amount = options.get("mb" if program == "leak" else "seconds", 3)
            pod = newest(space, values["app"])
            return ask(space, pod["status"]["podIP"], PORT, f"/switch/{program}?{amount}", "POST")[1]
        if program == "share":
            return share(values)
        raise PermanentError(f"lab {self.id} has no program {program!r}",
                             "It has manifest, load, report, leak, spin and share.")

    def solution(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """Resources that pass the last exercise."""
        space.apply(manifest(values, good(values), REPLICAS), manager="learner")


def good(values: Values) -> Object:
    """Requests and limits that pass every exercise."""
    both = {"cpu": f"{values['work_ms'] * 10 + 250}m", "memory": f"{values['report_mb'] + 72}Mi"}
    return {"requests": both, "limits": both}


def manifest(values: Values, resources: Object, replicas: int = 1) -> Object:
    """The Deployment."""
    told = {"WORK_MS": str(values["work_ms"]), "REPORT_MB": str(values["report_mb"])}
    probe = {"readinessProbe": {"httpGet": {"path": "/cpu", "port": PORT}, "periodSeconds": 1, "timeoutSeconds": 5}}
    made, _ = workload(values["app"], told, replicas=replicas, probes={"resources": resources, **probe})
    made["spec"]["strategy"] = {"type": "Recreate"}     # two versions at once would need twice the share
    return made


def share(values: Values) -> Object:
    """What all pods of the team may request."""
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": SHARE},
            "spec": {"hard": values["share"]}}


def newest(space: Space, app: str) -> Object:
    """The newest pod that is Ready.

    :raises TemporaryError: none is in READY_WITHIN seconds
    """
    return ready_pods(space, app)[-1]


def ended(pod: Object) -> str:
    """Why the container before this one ended, "" for nothing."""
    status = (pod["status"].get("containerStatuses") or [{}])[0]
    for state in (status.get("state", {}), status.get("lastState", {})):
        if "terminated" in state:
            return str(state["terminated"].get("reason", ""))
    return ""


def counters(space: Space, pod: Object) -> tuple[float, float] | None:
    """(periods, throttled periods) of a pod's containers together, now; None where it has no limit of processors.

    A kubelet samples them every ten seconds or so and says when: a sample that is older than the question is waited
    out.  The embedded cluster's nodes count at the moment they are asked, and say no time.
    """
    asked, limited = time.time(), any("cpu" in (each.get("resources", {}).get("limits") or {})
                                      for each in pod["spec"]["containers"])
    last: list[tuple[float, float] | None] = [None]

    def sampled() -> bool:
        last[0], when = _counted(_metrics(space, pod["spec"]["nodeName"]), space.name, pod["metadata"]["name"])
        return (last[0] is not None or not limited) and (when is None or when >= asked)

    until(sampled, SAMPLED_WITHIN)
    return last[0]


def _metrics(space: Space, node: str) -> str:
    for path in CADVISOR:
        try:
            return space.cluster.text(path.format(node))
        except Refused:
            continue
    return ""


def _counted(text: str, namespace: str, pod: str) -> tuple[tuple[float, float] | None, float | None]:
    """((periods, throttled periods) or None, when the oldest was sampled or None) from metrics as text.

    After the labels stand the value and, perhaps, a time in milliseconds ("Exposition formats", Prometheus).
    """
    sums: dict[str, list[float]] = {PERIODS: [], THROTTLED: []}
    times = []
    for line in text.splitlines():
        name, _, rest = line.partition("{")
        labels, _, values = rest.rpartition("}")
        if name in sums and f'namespace="{namespace}"' in labels and f'pod="{pod}"' in labels:
            value, *when = values.split()
            sums[name].append(float(value))
            times += [float(each) / 1000 for each in when]
    found = (sum(sums[PERIODS]), sum(sums[THROTTLED])) if sums[PERIODS] else None
    return found, min(times, default=None)


@dataclass(frozen=True)
class Load:
    """What a load did.

    :param seconds: of each request, until its answer; requests without an answer are not among them
    :param failed: how many got none
    :param cpu: processors that were used on average
    :param throttled: periods in which the pod was stopped, and None where it has no limit
    """

    seconds: tuple[float, ...]
    failed: int
    cpu: float
    throttled: int | None

    def at(self, part: float) -> float:
        """Milliseconds in which this part of the requests is answered: 0.5 for the median."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else float("inf")

    def __str__(self) -> str:
        stopped = "no limit" if self.throttled is None else f"throttled in {self.throttled} periods"
        if not self.seconds:
            return f"{self.failed} requests, no answer; {stopped}"
        return (f"{len(self.seconds)} answers, {self.failed} failed; p50 {1000 * statistics.median(self.seconds):.0f} "
                f"ms, p99 {self.at(0.99):.0f} ms; {1000 * self.cpu:.0f}m of a processor on average; {stopped}")


def load(space: Space, app: str, requests: int = REQUESTS) -> Load:
    """Ask one pod for a sum, every quarter of a second.

    :raises TemporaryError: no pod is Ready
    """
    pod = newest(space, app)
    address = pod["status"]["podIP"]
    before, used, began = counters(space, pod), _cpu(space, address), time.monotonic()
    seconds, failed = [], 0
    for number in range(requests):
        time.sleep(max(0.0, began + number * ASKED_EVERY - time.monotonic()))
        asked = time.monotonic()
        status, _ = ask(space, address, PORT, "/sum", within=ANSWERED_WITHIN)
        if status == 200:
            seconds.append(time.monotonic() - asked)
        failed += status != 200
    lasted, spent = time.monotonic() - began, _cpu(space, address) - used
    after = counters(space, pod)        # which may take its time
    throttled = None if before is None or after is None else int(after[1] - before[1])
    return Load(tuple(seconds), failed, max(0.0, spent) / lasted, throttled)


def _cpu(space: Space, address: str) -> float:
    status, said = ask(space, address, PORT, "/cpu", within=ANSWERED_WITHIN)
    return float(said) if status == 200 else 0.0


def rate(space: Space, pod: Object, seconds: float) -> float:
    """Processors that a pod uses, measured by itself over some seconds."""
    address = pod["status"]["podIP"]
    used, began = _cpu(space, address), time.monotonic()
    time.sleep(seconds)
    return (_cpu(space, address) - used) / (time.monotonic() - began)
