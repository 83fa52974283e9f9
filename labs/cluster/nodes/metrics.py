"""The resource metrics API, ``metrics.k8s.io/v1beta1``: what `kubectl top` and the HorizontalPodAutoscaler read.

"Resource metrics pipeline" (Kubernetes documentation).  metrics-server's place in the cluster: the APIService names the
Service ``metrics-server`` in kube-system, whose end is an address of the first node.  Only the API server's aggregator
may ask, which has authorised the caller already ("Configure the Aggregation Layer").
"""

from __future__ import annotations

import asyncio
import datetime
import re
import ssl
from collections.abc import Mapping
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from labs.cluster.nodes.api import Client, Object
from labs.cluster.nodes.node import Node
from labs.cluster.nodes.pods import Pods
from labs.cluster.nodes.summary import summary
from labs.cluster.nodes.usage import Usage, Use
from labs.cluster.nodes.worker import Worker

GROUP = "metrics.k8s.io"
VERSION = f"{GROUP}/v1beta1"
ROOT = f"/apis/{VERSION}"
PORT = 10251
THROTTLING = {
    "container_cpu_cfs_periods_total": "Number of elapsed enforcement period intervals.",
    "container_cpu_cfs_throttled_periods_total": "Number of throttled period intervals.",
    "container_cpu_cfs_throttled_seconds_total": "Total time duration the container has been throttled.",
}
"""cAdvisor's names and words."""
_PART = re.compile(r"\s*(!?)\s*([\w./-]+)\s*(?:(==|=|!=)\s*([\w.-]*)|(in|notin)\s*\(([^)]*)\))?\s*(?:,|$)")


def selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Does a label selector choose an object with these labels ("Labels and Selectors")?  Raises ValueError."""
    at = 0
    while at < len(selector.rstrip()):
        part = _PART.match(selector, at)
        if part is None:
            raise ValueError(f"{selector!r} is no label selector")
        at = part.end()
        absent, key, sign, value, kind, values = part.groups()
        mine = labels.get(key)
        if sign:
            chosen = (mine == value) == (sign != "!=")
        elif kind:
            chosen = (mine in {each.strip() for each in values.split(",")}) == (kind == "in")
        else:
            chosen = (mine is None) == bool(absent)
        if not chosen:
            return False
    return True


class Metrics:
    """The server of the API; one for all nodes."""

    def __init__(self, nodes: list[Node], pods: Pods, usage: Usage) -> None:
        self._nodes = nodes
        self._pods = pods
        self._usage = usage
        self.application = Starlette(routes=[
            Route(ROOT, self._resources), Route(f"{ROOT}/nodes", self._all_nodes),
            Route(f"{ROOT}/nodes/{{name}}", self._one_node), Route(f"{ROOT}/nodes/{{name}}/cadvisor", self._throttling),
            Route(f"{ROOT}/nodes/{{name}}/summary", self._summary), Route(f"{ROOT}/pods", self._all_pods),
            Route(f"{ROOT}/namespaces/{{namespace}}/pods", self._all_pods),
            Route(f"{ROOT}/namespaces/{{namespace}}/pods/{{name}}", self._one_pod)])

    def server(self, pki: Path, host: str) -> uvicorn.Config:
        """Where it is served: to who has the aggregator's certificate."""
        return uvicorn.Config(
            self.application, host=host, port=PORT, http="httptools", ws="none", lifespan="off", log_level="warning",
            access_log=False, server_header=False, timeout_graceful_shutdown=1,
            ssl_certfile=str(pki / "nodes.crt"), ssl_keyfile=str(pki / "nodes.key"),
            ssl_ca_certs=str(pki / "front-proxy-ca.crt"), ssl_cert_reqs=ssl.CERT_REQUIRED)

    async def _resources(self, request: Request) -> Response:
        verbs = {"verbs": ["get", "list"], "singularName": ""}
        return JSONResponse({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": VERSION, "resources": [
            {"name": "nodes", "namespaced": False, "kind": "NodeMetrics", **verbs},
            {"name": "pods", "namespaced": True, "kind": "PodMetrics", **verbs}]})

    async def _all_nodes(self, request: Request) -> Response:
        return _list("NodeMetricsList", [made for node in self._nodes if (made := self._node(node)) is not None],
                     request)

    async def _one_node(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = [made for node in self._nodes if node.name == name and (made := self._node(node)) is not None]
        return JSONResponse(found[0]) if found else _missing("nodes", name)

    async def _throttling(self, request: Request) -> Response:
        """What limits of processors did, as a kubelet's ``/metrics/cadvisor`` says it: an API server does not proxy to
        nodes on loopback, so it is found here."""
        name = request.path_params["name"]
        found = [(worker.pod["metadata"], container.name, counts) for node in self._nodes if node.name == name
                 for worker in self._pods.of(node) for container in worker.attempts.running()
                 if not node.away and (counts := container.throttling()) is not None]
        lines = []
        for index, (metric, what) in enumerate(THROTTLING.items()):
            lines += [f"# HELP {metric} {what}", f"# TYPE {metric} counter"]
            lines += [f'{metric}{{container="{container}",namespace="{about["namespace"]}",pod="{about["name"]}"}} '
                      f"{counts[index]}" for about, container, counts in found]
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")

    async def _summary(self, request: Request) -> Response:
        """A kubelet's ``/stats/summary``, for the same reason."""
        name = request.path_params["name"]
        for node in self._nodes:
            if node.name == name and not node.away:
                return JSONResponse(await asyncio.to_thread(summary, node, self._pods.of(node), self._usage))
        return _missing("nodes", name)

    async def _all_pods(self, request: Request) -> Response:
        namespace = request.path_params.get("namespace")
        found = [made for node in self._nodes for worker in self._pods.of(node)
                 if namespace in (None, worker.pod["metadata"]["namespace"])
                 and (made := self._pod(worker)) is not None]
        return _list("PodMetricsList", found, request)

    async def _one_pod(self, request: Request) -> Response:
        worker = self._pods.find(request.path_params["namespace"], request.path_params["name"])
        made = self._pod(worker) if worker is not None else None
        return JSONResponse(made) if made is not None else _missing("pods", request.path_params["name"])

    def _node(self, node: Node) -> Object | None:
        """A node that has been cut off is not measured."""
        if node.away:
            return None
        uses = [use for container in self._pods.containers(node) if (use := self._usage.of(container)) is not None]
        window = max((use.window for use in uses), default=1.0)
        about = {"metadata": {"name": node.name, "labels": node.labels()}}
        return {"kind": "NodeMetrics", "apiVersion": VERSION, **about, **_when(window),
                "usage": _amounts(sum(use.rate for use in uses), sum(use.latest.memory for use in uses))}

    def _pod(self, worker: Worker) -> Object | None:
        """None until each container that runs has been measured twice."""
        running = worker.attempts.running()
        uses: dict[str, Use] = {each.name: use for each in running if (use := self._usage.of(each)) is not None}
        if not running or len(uses) < len(running):
            return None
        described = worker.pod["metadata"]
        return {
            "kind": "PodMetrics", "apiVersion": VERSION,
            "metadata": {"name": described["name"], "namespace": described["namespace"],
                         "labels": described.get("labels") or {}, "creationTimestamp": described["creationTimestamp"]},
            **_when(max(use.window for use in uses.values())),
            "containers": [{"name": name, "usage": _amounts(use.rate, use.latest.memory)}
                           for name, use in uses.items()]}


def _amounts(rate: float, memory: int) -> Object:
    return {"cpu": f"{int(rate * 1e9)}n", "memory": f"{memory // 1024}Ki"}


def _when(window: float) -> Object:
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"timestamp": moment, "window": f"{window:.3f}s"}


def _list(kind: str, items: list[Object], request: Request) -> Response:
    selector = request.query_params.get("labelSelector", "")
    try:
        chosen = [each for each in items if selects(selector, each["metadata"].get("labels") or {})]
    except ValueError as error:
        return _status(400, "BadRequest", str(error))
    return JSONResponse({"kind": kind, "apiVersion": VERSION, "metadata": {}, "items": chosen})


def _missing(resource: str, name: str) -> Response:
    return _status(404, "NotFound", f'{resource}.{GROUP} "{name}" not found')


def _status(code: int, reason: str, message: str) -> Response:
    return JSONResponse({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                         "reason": reason, "code": code}, code)


async def register(administrator: Client, address: str) -> None:
    """Have the API server send the group's requests here.

    :param address: of the first node, as the API shows it
    """
    name, namespace = "metrics-server", "kube-system"
    labels = {"k8s-app": name}
    await administrator.apply(f"/api/v1/namespaces/{namespace}/services/{name}", {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": PORT}]}})
    await administrator.apply(
        f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/{name}", {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "namespace": namespace,
                         "labels": {**labels, "kubernetes.io/service-name": name}},
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": PORT, "protocol": "TCP"}]})
    await administrator.apply(f"/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.{GROUP}", {
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": f"v1beta1.{GROUP}"},
        "spec": {"group": GROUP, "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                 "insecureSkipTLSVerify": True, "service": {"name": name, "namespace": namespace, "port": 443}}})
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {
        "name": "system:aggregated-metrics-reader", "labels": {
            f"rbac.authorization.k8s.io/aggregate-to-{name}": "true" for name in ("view", "edit", "admin")}},
        "rules": [{"apiGroups": [GROUP], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}]}
    await administrator.apply(
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:aggregated-metrics-reader", role)
