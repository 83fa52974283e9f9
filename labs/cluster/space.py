"""One namespace of a cluster, for whoever prepares, watches or judges something in it: plain dictionaries, no models.

``Cluster`` calls the API server that a kubeconfig names; ``Space`` is one namespace on it.  Server-side apply
("Server-Side Apply", Kubernetes documentation) is the only way objects are made here, so that whatever the API server
thinks of a manifest is said by the API server.  It reads kubeconfigs with client certificates or a token, no plug-ins.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from labs.cluster.network.addresses import port
from labs.cluster.nodes.api import APPLY, Refused
from labs.errors import PermanentError, TemporaryError
from labs.services import state

Object = dict[str, Any]
ANSWERED_WITHIN = 10.0  # seconds for one call
LOOKED_EVERY = 0.1
CROWDED = 8.0  # times as long as on a processor of its own, from where on nothing that takes seconds can be judged
SAMPLE = 0.1  # seconds of work by which that is measured
BUSY = 2.5  # processes that run or wait for each processor: from there on waits are longer
MANAGER = "labs"
RANGES = Path("kubernetes", "network.json")
"""Beside the embedded cluster's kubeconfig: the ends of its pods' addresses (``labs.cluster.network.addresses``)."""
MERGE = "application/strategic-merge-patch+json"
APP = "app.kubernetes.io/name"
"""The label by which the pods of one workload are found."""
_PLURAL = {"Endpoints": "endpoints", "Ingress": "ingresses", "StorageClass": "storageclasses"}
_PLURAL |= {"NetworkPolicy": "networkpolicies", "PodMetrics": "pods", "PriorityClass": "priorityclasses"}
_GROUPS = {
    "apps/v1": ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"),
    "batch/v1": ("Job", "CronJob"),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "policy/v1": ("PodDisruptionBudget",),
    "discovery.k8s.io/v1": ("EndpointSlice",),
    "networking.k8s.io/v1": ("NetworkPolicy", "Ingress"),
    "metrics.k8s.io/v1beta1": ("PodMetrics",),
    "rbac.authorization.k8s.io/v1": ("Role", "RoleBinding"),
    "cert-manager.io/v1": ("Certificate", "CertificateRequest", "Issuer"),
    "gateway.networking.k8s.io/v1": ("Gateway", "HTTPRoute"),
}
_VERSIONS = {kind: version for version, kinds in _GROUPS.items() for kind in kinds}


class Cluster:
    """An API server and who one is there, both from a kubeconfig's current context.

    :raises PermanentError: the file is not there, or says how to log in with a program
    """

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        server, trust, token = _read(kubeconfig)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=4)
        self._http = httpx.Client(
            base_url=server, verify=trust, headers=headers, timeout=ANSWERED_WITHIN, trust_env=False, limits=limits
        )

    def close(self) -> None:
        """End its connections."""
        self._http.close()

    def call(
        self, method: str, path: str, body: Any = None, kind: str = "application/json", **query: str | int
    ) -> Object:
        """The answered object.

        :raises Refused: the API server says no
        :raises TemporaryError: it does not answer, or asks to come back later
        """
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": kind} if content is not None else {}
        try:
            answer = self._http.request(method, path, content=content, params=query, headers=headers)
        except httpx.TransportError as error:
            raise TemporaryError(f"the API server does not answer {method} {path}: {error!r}", 0.5) from error
        try:
            said: Object = json.loads(answer.content)
        except ValueError:
            said = {"message": answer.text[:500]}
        if answer.status_code < 300:
            return said
        message = str(said.get("message", "")) or f"{method} {path} answers {answer.status_code}"
        if answer.status_code == 500 and message.startswith("failed to create typed patch object"):
            raise Refused(400, "BadRequest", message)  # a field that there is not, says the API server with 500
        if answer.status_code in (429, 500, 502, 503, 504):
            raise TemporaryError(message, 0.5)
        raise Refused(answer.status_code, str(said.get("reason", "")), message)

    def text(self, path: str, **query: str) -> str:
        """What a path answers as it is; raises as ``call`` does."""
        try:
            answer = self._http.get(path, params=query)
        except httpx.TransportError as error:
            raise TemporaryError(f"the API server does not answer {path}: {error!r}", 0.5) from error
        if answer.status_code >= 300:
            raise Refused(answer.status_code, "", answer.text[:500])
        return answer.text

    @property
    def embedded(self) -> bool:
        """Is it an embedded cluster, whose nodes take orders and whose pods this machine reaches at their ends?"""
        return (self.kubeconfig.parent / RANGES).is_file()

    def visit(self, path: str, method: str, within: float) -> tuple[int, str]:
        """(status, text) of what is asked of a pod through the API server; (0, why) when the pod gives no answer.

        :param path: of the pod's subresource ``proxy``, with what is asked of the pod after it
        """
        try:
            answer = self._http.request(method, path, timeout=within)
        except httpx.TransportError as error:
            return 0, type(error).__name__
        if answer.status_code >= 400 and '"kind":"Status"' in answer.text.replace('": "', '":"')[:200]:
            return 0, str(answer.json().get("message", ""))
        return answer.status_code, answer.text

    def end(self, address: str) -> str:
        """Where this machine reaches a pod of the embedded cluster: 127.244.x.y, usually, for 10.244.x.y.

        :raises PermanentError: it is no embedded cluster; the address may be anybody's in the machine's own network
        """
        try:
            said = json.loads((self.kubeconfig.parent / RANGES).read_text(encoding="utf-8"))
            return str(said["pods"]) + ".".join(address.split(".")[2:])
        except (OSError, ValueError, KeyError) as error:
            raise PermanentError(f"Pods of {self.kubeconfig} cannot be reached from here: {error!r}") from None

    def service_end(self, address: str, number: int) -> str:
        """Where programs of this machine reach a cluster IP of the embedded cluster: ``127.96.x.y:PORT``, usually.

        :raises PermanentError: it is no embedded cluster
        """
        try:
            said = json.loads((self.kubeconfig.parent / RANGES).read_text(encoding="utf-8"))
            end = str(said["services"]) + ".".join(address.split(".")[2:])
        except (OSError, ValueError, KeyError) as error:
            raise PermanentError(f"Services of {self.kubeconfig} cannot be reached from here: {error!r}") from None
        return f"{end}:{port(number)}"

    def nodes(self) -> list[Object]:
        """Every node."""
        return list(self.call("GET", "/api/v1/nodes", resourceVersion=0)["items"])

    def namespaces(self, selector: str) -> list[str]:
        """Names of the namespaces with these labels."""
        found = self.call("GET", "/api/v1/namespaces", labelSelector=selector)["items"]
        return [each["metadata"]["name"] for each in found]

    def space(self, name: str) -> Space:
        """A namespace of that name; nothing is made yet."""
        return Space(self, name)


class Space:
    """One namespace.  Every method may raise ``Refused`` and ``TemporaryError`` as :meth:`Cluster.call` does."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name

    def __repr__(self) -> str:
        return f"<namespace {self.name}>"

    def make(self, labels: Mapping[str, str] | None = None, within: float = 10.0) -> Space:
        """Make the namespace, and return when pods can be made in it; returns itself."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name, "labels": dict(labels or {})}}
        self._apply(f"/api/v1/namespaces/{self.name}", body)
        account = f"/api/v1/namespaces/{self.name}/serviceaccounts/default"
        if not until(lambda: self._there(account), within):
            raise TemporaryError(f"namespace {self.name} got no service account in {within:.0f} s")
        return self

    def remove(self, within: float = 0.0) -> bool:
        """Delete the namespace with everything in it; whether it is gone after ``within`` seconds."""
        path = f"/api/v1/namespaces/{self.name}"
        try:
            self.cluster.call("DELETE", path)
        except Refused as error:
            if error.status not in (404, 409):  # 409: it is being removed already
                raise
        return within > 0 and bool(until(lambda: not self._there(path), within))

    def exists(self) -> bool:
        """Is the namespace there, and not about to go?"""
        try:
            found = self.cluster.call("GET", f"/api/v1/namespaces/{self.name}")
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return found["status"].get("phase") == "Active"

    def apply(self, *objects: Object, manager: str = MANAGER) -> list[Object]:
        """Server-side apply of each object; the API server's answers."""
        return [self._apply(self._path(each), self._ours(each), manager) for each in objects]

    def get(self, kind: str, name: str) -> Object | None:
        """An object; None when there is none."""
        try:
            return self.cluster.call("GET", f"{self._collection(kind)}/{name}")
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: str, selector: str = "") -> list[Object]:
        """The objects of a kind, perhaps those with some labels."""
        query = {"labelSelector": selector} if selector else {}
        return list(self.cluster.call("GET", self._collection(kind), **query).get("items") or [])

    def patch(self, kind: str, name: str, patch: Object) -> Object:
        """Strategic merge patch."""
        return self.cluster.call("PATCH", f"{self._collection(kind)}/{name}", patch, MERGE)

    def scale(self, name: str, replicas: int) -> None:
        """Of a Deployment."""
        self.patch("Deployment", name, {"spec": {"replicas": replicas}})

    def delete(self, kind: str, name: str, grace: int | None = None) -> bool:
        """Delete an object; whether it was there."""
        query = {} if grace is None else {"gracePeriodSeconds": grace}
        try:
            self.cluster.call("DELETE", f"{self._collection(kind)}/{name}", **query)
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return True

    def delete_all(self, kind: str, selector: str = "") -> None:
        """Delete the objects of a kind, perhaps those with some labels."""
        query = {"labelSelector": selector} if selector else {}
        self.cluster.call("DELETE", self._collection(kind), **query)

    def evict(self, pod: str) -> str:
        """Ask for a pod's eviction ("API-initiated Eviction"): "" where it is granted, or why it is not now."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": self.name}}
        try:
            self.cluster.call("POST", f"{self._collection('Pod')}/{pod}/eviction", body)
        except TemporaryError as error:
            return str(error)
        except Refused as error:
            if error.status != 404:  # it has gone
                raise
        return ""

    def pods(self, app: str = "") -> list[Object]:
        """Pods of a workload (label ``app.kubernetes.io/name``), or all, oldest first, without those about to go."""
        found = self.list("Pod", f"{APP}={app}" if app else "")
        found = [each for each in found if not each["metadata"].get("deletionTimestamp")]
        return sorted(found, key=lambda each: (each["metadata"]["creationTimestamp"], each["metadata"]["name"]))

    def events(self, name: str = "") -> list[Object]:
        """Events of the objects whose names begin so, oldest first."""
        found = [each for each in self.list("Event") if each["involvedObject"].get("name", "").startswith(name)]
        return sorted(found, key=lambda each: each.get("lastTimestamp") or each.get("eventTime") or "")

    def logs(self, pod: str, *, previous: bool = False, container: str = "") -> str:
        """What a pod's container wrote."""
        query = {"previous": "true"} if previous else {}
        query |= {"container": container} if container else {}
        return self.cluster.text(f"{self._collection('Pod')}/{pod}/log", **query)

    def _there(self, path: str) -> bool:
        try:
            self.cluster.call("GET", path)
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return True

    def _collection(self, kind: str, version: str = "") -> str:
        version = version or _VERSIONS.get(kind, "v1")
        root = f"/api/{version}" if version == "v1" else f"/apis/{version}"
        return f"{root}/namespaces/{self.name}/{_PLURAL.get(kind, kind.lower() + 's')}"

    def _path(self, each: Object) -> str:
        return f"{self._collection(each['kind'], each['apiVersion'])}/{each['metadata']['name']}"

    def _ours(self, each: Object) -> Object:
        return {**each, "metadata": {**each["metadata"], "namespace": self.name}}

    def _apply(self, path: str, each: Object, manager: str = MANAGER) -> Object:
        try:
            return self.cluster.call("PATCH", path, each, APPLY, fieldManager=manager, force="true")
        except Refused as error:
            if error.status == 404 and "the server could not find the requested resource" in str(error):
                raise Refused(  # in kubectl's words
                    404,
                    "NoMatch",
                    f'no matches for kind "{each["kind"]}" in version "{each["apiVersion"]}": '
                    "this API server does not serve it",
                ) from None
            raise


def patient(seconds: float) -> float:
    """``seconds`` on a machine that has time; up to eight times as many where processes queue for the processor."""
    queue = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * min(max(queue / BUSY, 1.0), 8.0)


def crowded() -> str:
    """What shows that too many processes want this machine's processors now; "" for nothing.

    A little work is done and timed: load averages tell of the minute before, and of the machine around a container.
    """
    began, worked = time.monotonic(), time.thread_time()
    while time.thread_time() - worked < SAMPLE:
        pass
    slower = (time.monotonic() - began) / SAMPLE
    return f"work takes {slower:.0f} times as long as on a processor of its own" if slower > CROWDED else ""


def until(happened: Callable[[], Any], within: float) -> Any:
    """The first true answer of ``happened``; the last false one after ``within`` seconds (see ``patient``).

    A server that does not answer for a moment is asked again.
    """
    end = time.monotonic() + patient(within)
    while True:
        found: Any = None
        with contextlib.suppress(TemporaryError):
            found = happened()
        if found or time.monotonic() >= end:
            return found
        time.sleep(LOOKED_EVERY)


def expect(happened: Callable[[], Any], within: float, otherwise: str, retry_after: float = 0.1) -> Any:
    """As ``until``, where nothing goes on without it.

    :raises TemporaryError: no answer was true in time: ``otherwise``, and after how long
    """
    found = until(happened, within)
    if not found:
        raise TemporaryError(f"{otherwise} after {within:.0f} s", retry_after)
    return found


def ready(pod: Object) -> bool:
    """Is a pod's condition Ready true?"""
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def complete(deployment: Object | None) -> bool:
    """Does a Deployment have all the pods that it declares now, Ready, and no others?"""
    if deployment is None:
        return False
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas")]
    seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
    return seen and wanted > 0 and counts == [wanted] * 3


def restarts(pod: Object) -> int:
    """How often its containers were restarted."""
    return sum(each.get("restartCount", 0) for each in pod.get("status", {}).get("containerStatuses") or ())


def kubeconfig_for(source: Path, target: Path, namespace: str) -> Path:
    """Write a copy of a kubeconfig whose current context stands in a namespace; only its owner may read it."""
    known = yaml.safe_load(source.read_text(encoding="utf-8"))
    for context in known["contexts"]:
        if context["name"] == known["current-context"]:
            context["context"]["namespace"] = namespace
    state.write_private(target, yaml.safe_dump(known))
    return target


def _read(path: Path) -> tuple[str, ssl.SSLContext, str]:
    """(server, whom to trust and what to show, token) of a kubeconfig's current context."""
    try:
        known = yaml.safe_load(path.read_text(encoding="utf-8"))
        named = {kind: {each["name"]: each[kind] for each in known[f"{kind}s"]} for kind in _PARTS}
        context = named["context"][known["current-context"]]
        cluster, user = named["cluster"][context["cluster"]], named["user"][context["user"]] or {}
        server = str(cluster["server"])
    except OSError as error:
        raise PermanentError(f"There is no cluster: {error}", "Start one with `lab up kubernetes`.") from None
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise PermanentError(f"{path} is no kubeconfig with a current context: {error!r}") from None
    if "exec" in user or "auth-provider" in user:
        raise PermanentError(f"{path} logs in with a program.", "Use a kubeconfig with a certificate or a token.")
    trust = ssl.create_default_context(cadata=_data(cluster, "certificate-authority").decode() or None)
    certificate, key = _data(user, "client-certificate"), _data(user, "client-key")
    if certificate and key:
        with _file(certificate) as shown, _file(key) as secret:
            trust.load_cert_chain(shown, secret)
    return server, trust, str(user.get("token", ""))


_PARTS = ("context", "cluster", "user")


def _data(entry: Object, name: str) -> bytes:
    """Content of a kubeconfig's field, given in the file or as the path of another; b"" for none."""
    if f"{name}-data" in entry:
        return base64.b64decode(entry[f"{name}-data"])
    return Path(entry[name]).read_bytes() if name in entry else b""


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[str]:
    """OpenSSL reads certificates and keys from files only."""
    with tempfile.NamedTemporaryFile(prefix="labs-") as file:
        file.write(content)
        file.flush()
        yield file.name
