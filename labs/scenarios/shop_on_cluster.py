"""The shop in a namespace of the embedded cluster: applied, waited for, loaded, broken, and read.

    shop = Shop(space)
    shop.apply(store="memory", replicas={"backend": 2}, settings={"shop": {"SHOP_DRAIN_SECONDS": 1}})
    shop.wait()
    traffic = shop.traffic(rate=20, seconds=10).start()
    shop.break_("backend", "latency", seconds=5, median=300)
    print(traffic.wait(), shop.total("http_requests_total", "backend", status="200"))

The objects are those of ``labs/shop/deploy``, built by kustomize.  The shop's code is an image in the cluster's
store, mounted as an image volume by its digest ("Use an Image Volume With a Pod", Kubernetes documentation): what is
promoted from one namespace to the next is a digest, and the nodes run no other bytes.  The overlays ``staging`` and
``prod`` read Secrets Manager, so their pods need an AWS endpoint; ``dev`` needs nothing.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from labs.cluster.space import Object, Space, complete, expect, ready
from labs.errors import PermanentError
from labs.shop import package
from labs.shop.load import Phase, Traffic
from labs.shop.switch import FaultSwitch

DEPLOY = Path(package.__file__).parent / "deploy"
ROLES = ("backend", "frontend")
PART_OF = "app.kubernetes.io/part-of"
READY_WITHIN = 60.0
BUILT_WITHIN = 30.0
IMAGE = "shop"
SWITCH = "fault-switch"
"""The Secret with the private key of the fault switch; no pod mounts it."""
PRUNED = ("Deployment", "StatefulSet", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy")
"""Kinds of which ``Shop.apply`` removes what it does not make any more."""
QUICK = {"SHOP_DRAIN_SECONDS": 1, "SHOP_GRACE_SECONDS": 4, "SHOP_LOG_LEVEL": "info"}
"""Of ``shop``: a lab's patience when a pod ends, instead of 5 and 10 seconds; probes are not logged."""
Settings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric, and the pod that told it."""

    pod: str
    name: str
    labels: Mapping[str, str]
    value: float


class Shop:
    """The shop of one namespace.  It keeps nothing: another process may go on with the same namespace."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def apply(
        self,
        overlay: str = "dev",
        store: str = "postgres",
        *,
        roles: Sequence[str] = ROLES,
        replicas: Mapping[str, int] | None = None,
        settings: Settings | None = None,
        version: str = "1.0.0",
        patches: Sequence[Object] = (),
    ) -> list[Object]:
        """Bring the shop of this namespace to exactly this; the objects as the API server has them.

        :param store: ``postgres``, or ``memory``: without a database, and gone with the process
        :param roles: of ``ROLES``; a shop without pages has no frontend
        :param replicas: pods by role; what is not named has as many as the overlay says
        :param settings: by ``shop`` (both programs), ``backend`` and ``frontend``: variables of docs/shop.md
        :param patches: of kustomize: ``{"target": {…}, "patch": "…"}``
        :raises labs.cluster.space.Refused: the API server says no
        """
        told: dict[str, dict[str, Any]] = {name: dict(each) for name, each in (settings or {}).items()}
        told["shop"] = {**QUICK, "SHOP_VERSION": version, "SHOP_FAULT_KEY": self.switch().public_key,
                        **told.get("shop", {})}
        kustomization = customised(publish(self.space, version), overlay, store, replicas or {}, told, patches)
        made = [each for each in built(kustomization) if wanted(each, roles, store)]
        self._prune(made)
        return self.space.apply(*made)

    def wait(self, within: float = READY_WITHIN) -> Shop:
        """Return when every pod of the shop's Deployments is Ready; returns itself.

        :raises TemporaryError: some are not in time
        """
        expect(self.settled, within, f"the shop in {self.space.name} is not Ready")
        return self

    def settled(self) -> bool:
        """Are all declared pods Ready, and none of an older version left?"""
        found = self.space.list("Deployment", f"{PART_OF}=shop")
        return bool(found) and all(map(complete, found))

    def url(self, role: str = "frontend") -> str:
        """Where programs of this machine reach a role's Service; each connection may go to another pod.

        :raises PermanentError: there is no such Service, or the cluster is not an embedded one
        """
        service = self.space.get("Service", role)
        if service is None:
            raise PermanentError(f"There is no Service {role} in {self.space.name}.", "Apply the shop first.")
        spec = service["spec"]
        return f"http://{self.space.cluster.service_end(spec['clusterIP'], spec['ports'][0]['port'])}"

    def pod_urls(self, role: str) -> dict[str, str]:
        """By name of a running pod of a role its own address."""
        running = [each for each in self.space.pods(role) if each["status"].get("podIP")]
        return {each["metadata"]["name"]: f"http://{self.space.cluster.end(each['status']['podIP'])}:8080"
                for each in running if each["status"].get("phase") == "Running"}

    def traffic(
        self, rate: float = 0.0, seconds: float = 10.0, phases: Sequence[Phase] = (), *, role: str = "frontend",
        seed: int | None = None, fresh: bool = True,
    ) -> Traffic:
        """Customers of a role's Service, not started yet: of the pages, or of the API for ``backend``.

        :param fresh: every request has a connection of its own, so that it may meet any pod
        """
        return Traffic(self.url(role), rate, seconds, phases, seed=seed, pages=role == "frontend", fresh=fresh)

    # --- faults ---------------------------------------------------------------------------------------------------

    def switch(self) -> FaultSwitch:
        """The fault switch of this namespace's shop, its key made when it is first asked for."""
        found = self.space.get("Secret", SWITCH)
        if found is None:
            made = FaultSwitch()
            self.space.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SWITCH},
                              "stringData": {"private-key": made.private_key}})
            return made
        return FaultSwitch(base64.b64decode(found["data"]["private-key"]).decode())

    def break_(self, role: str, fault: str, seconds: float, *, pods: int | None = None, **asked: Any) -> list[str]:
        """Begin a fault (docs/shop.md, "Faults") in every running pod of a role, or in the first ``pods``; their names.

        :raises PermanentError: the shop does not understand it
        :raises TemporaryError: a pod does not answer
        """
        switch, told = self.switch(), list(self.pod_urls(role).items())[:pods]
        for _, url in told:
            switch.set(url, fault, seconds, **asked)
        return [name for name, _ in told]

    def heal(self, role: str, fault: str) -> None:
        """End a fault in every running pod of a role; raises as ``break_``."""
        switch = self.switch()
        for url in self.pod_urls(role).values():
            switch.heal(url, fault)

    # --- what it tells --------------------------------------------------------------------------------------------

    def metrics(self, role: str) -> list[Sample]:
        """What every running pod of a role shows under ``/metrics`` now; one that does not answer is left out."""
        import httpx

        found: list[Sample] = []
        for pod, url in self.pod_urls(role).items():
            try:
                answer = httpx.get(f"{url}/metrics", timeout=5.0, trust_env=False)
            except httpx.HTTPError:
                continue
            found += samples(pod, answer.text)
        return found

    def total(self, name: str, role: str, **labels: str) -> float:
        """The sum of a metric over a role's pods, of the samples with these labels."""
        return sum(each.value for each in self.metrics(role)
                   if each.name == name and all(each.labels.get(key) == value for key, value in labels.items()))

    def logs(self, role: str) -> list[Object]:
        """What a role's pods wrote, oldest line first: a dict a line, with ``pod``."""
        found: list[Object] = []
        for each in self.space.pods(role):
            name = each["metadata"]["name"]
            if each["status"].get("phase") in ("Running", "Failed", "Succeeded"):
                lines = self.space.logs(name, container=role).splitlines()
                found += [{"pod": name, **json.loads(line)} for line in lines if line.startswith("{")]
        return sorted(found, key=lambda line: str(line.get("time", "")))

    def ready(self, role: str) -> int:
        """How many of a role's pods are Ready."""
        return sum(map(ready, self.space.pods(role)))

    def _prune(self, made: Sequence[Object]) -> None:
        kept = {(each["kind"], each["metadata"]["name"]) for each in made}
        for kind in PRUNED:
            for each in self.space.list(kind, f"{PART_OF}=shop"):
                if (kind, each["metadata"]["name"]) not in kept:
                    self.space.delete(kind, each["metadata"]["name"])


# --- objects ------------------------------------------------------------------------------------------------------


def publish(space: Space, version: str) -> str:
    """Make this tree's shop an image of the cluster's store, called ``shop:VERSION``; its reference with the digest.

    Another version is another image, with other bytes.

    :raises PermanentError: it is no embedded cluster
    """
    from labs.cluster.images.build import build
    from labs.cluster.images.names import Name
    from labs.cluster.images.store import of_home

    if not space.cluster.embedded:
        raise PermanentError("The shop's labs need the embedded cluster.", "Run this with LABS_KUBERNETES unset.")
    store = of_home(space.cluster.kubeconfig.parent)
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        Path(folder, "shop.zip").write_bytes(package.archive())
        Path(folder, "Dockerfile").write_text(f"FROM scratch\nCOPY shop.zip /\nLABEL version={version}\n")
        digest = build(store, Path(folder), Path(folder, "Dockerfile"), {}, "", [Name.parse(f"{IMAGE}:{version}")],
                       lambda line: None)
    return f"{IMAGE}@{digest}"


def customised(
    image: str, overlay: str, store: str, replicas: Mapping[str, int], settings: Settings, patches: Sequence[Object]
) -> Object:
    """The kustomization of ``Shop.apply``; paths begin at ``labs/shop/deploy``."""
    if store not in ("postgres", "memory"):
        raise PermanentError(f"The labs' shop has no store {store!r}.", "It has postgres and memory.")
    volume = {"op": "replace", "path": "/spec/template/spec/volumes/0",
              "value": {"name": "code", "image": {"reference": image, "pullPolicy": "IfNotPresent"}}}
    return {
        "resources": [f"local/{overlay}"],
        "components": ["components/memory-store"] if store == "memory" else [],
        "configMapGenerator": [
            {"name": f"{name}-settings", "behavior": "merge",
             "literals": [f"{key}={each}" for key, each in told.items()]} for name, told in settings.items()],
        "replicas": [{"name": name, "count": count} for name, count in replicas.items()],
        "patches": [{"target": {"kind": "Deployment"}, "patch": json.dumps([volume])},
                    *([{"target": {"kind": "StatefulSet"}, "patch": json.dumps([_last(volume)])}]
                      if store == "postgres" else []),
                    *patches],
    }


def _last(volume: Object) -> Object:
    """PostgreSQL's pod has two volumes before that of the code."""
    return {**volume, "path": volume["path"].replace("/0", "/2")}


def built(kustomization: Object, files: Mapping[str, str] | None = None) -> list[Object]:
    """What ``kubectl kustomize`` makes of a kustomization; no Namespace is among it.

    :param kustomization: ``resources`` and ``components`` are paths below ``labs/shop/deploy``, or names of ``files``
    :param files: by name, what else is in its folder
    :raises PermanentError: kustomize says no, in its words
    """
    from labs.toolbox import programs

    found = programs.find(programs.tool("kubectl"))
    if found is None:
        raise PermanentError("kubectl is not here.", "Run `lab tools fetch kubectl`.")
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        place = Path(folder).resolve()
        for name, text in (files or {}).items():
            (place / name).write_text(text, encoding="utf-8")
        told = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", **kustomization}
        for field in ("resources", "components"):
            told[field] = [each if each in (files or {}) else os.path.relpath(DEPLOY / each, place)
                           for each in told.get(field, ())]
        (place / "kustomization.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
        done = subprocess.run([found.path, "kustomize", str(place)], capture_output=True, text=True,
                              timeout=BUILT_WITHIN, check=False)
    if done.returncode:
        raise PermanentError(f"kustomize says: {done.stderr.strip().removeprefix('error: ').replace(str(place), '.')}")
    return [each for each in yaml.safe_load_all(done.stdout) if each["kind"] != "Namespace"]


def wanted(each: Object, roles: Sequence[str], store: str) -> bool:
    """Does an object belong to a shop with these roles?"""
    owner = each["metadata"]["name"].partition("-")[0]
    if owner == "postgres":
        return store == "postgres" and "backend" in roles
    return owner not in ROLES or owner in roles


def samples(pod: str, text: str) -> Iterator[Sample]:
    """What is in Prometheus's text format."""
    from prometheus_client.parser import text_string_to_metric_families

    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            yield Sample(pod, name, labels, value)
