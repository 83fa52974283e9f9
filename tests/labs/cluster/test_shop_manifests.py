"""The shop's Kubernetes objects: what differs between environments, and that a real API server takes all of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from labs.cluster.network.addresses import Ranges, port
from labs.shop.package import config_map
from labs.toolbox import programs
from tests.programs import need

DEPLOY = Path(__file__).resolve().parents[3] / "labs" / "shop" / "deploy"
ENVIRONMENTS = ("dev", "staging", "prod")
NODES = 1
Object = dict[str, Any]
Kubectl = Callable[..., subprocess.CompletedProcess[str]]


def built(folder: str) -> str:
    """What kustomize makes of a folder."""
    need("kubectl")
    kubectl = programs.ensure("kubectl").path
    done = subprocess.run(
        [kubectl, "kustomize", str(DEPLOY / folder)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(folder: str) -> dict[tuple[str, str], Object]:
    """By kind and name."""
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(built(folder))}


def containers(found: dict[tuple[str, str], Object]) -> Iterator[tuple[Object, Object]]:
    """Every container with its pod's spec."""
    for (kind, _), one in found.items():
        if kind in ("Deployment", "StatefulSet"):
            spec = one["spec"]["template"]["spec"]
            yield from ((spec, container) for container in spec["containers"] + spec.get("initContainers", []))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_container_is_bounded_and_nobodys_root(environment: str) -> None:
    found = list(containers(objects(f"overlays/{environment}")))
    assert len(found) == 4
    for spec, container in found:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["automountServiceAccountToken"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert container["resources"]["limits"].keys() == {"memory"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_probes_mean_different_things_and_the_pod_has_time_to_drain(environment: str) -> None:
    found = objects(f"overlays/{environment}")
    settings = next(one["data"] for (kind, name), one in found.items() if name.startswith("shop-settings"))
    needed = float(settings["SHOP_DRAIN_SECONDS"]) + float(settings["SHOP_GRACE_SECONDS"])
    for role in ("frontend", "backend"):
        spec = found["Deployment", role]["spec"]["template"]["spec"]
        paths = {kind: spec["containers"][0][f"{kind}Probe"]["httpGet"]["path"] for kind in
                 ("startup", "liveness", "readiness")}
        assert paths == {"startup": "/startupz", "liveness": "/livez", "readiness": "/readyz"}
        assert spec["terminationGracePeriodSeconds"] > needed


def test_environments_differ_in_what_they_must_and_in_nothing_else() -> None:
    dev, staging, prod = (objects(f"overlays/{name}") for name in ENVIRONMENTS)

    def replicas(found: dict[tuple[str, str], Object]) -> list[int | None]:
        return [found["Deployment", role]["spec"].get("replicas") for role in ("frontend", "backend")]

    assert (replicas(dev), replicas(staging), replicas(prod)) == ([1, 1], [2, 2], [None, None])
    assert prod["HorizontalPodAutoscaler", "frontend"]["spec"]["minReplicas"] >= 3
    assert not any(kind in ("PodDisruptionBudget", "HorizontalPodAutoscaler") for kind, _ in dev)
    assert ("PodDisruptionBudget", "backend") in staging
    images = [{c["image"] for _, c in containers(found)} for found in (staging, prod)]
    assert images[0] == images[1]  # what was tested is what is sold with
    for found in (staging, prod):
        assert not any(kind == "Secret" for kind, _ in found)
        assert "PASSWORD=" not in str(found)
    ours = {(kind, name) for kind, name in staging if kind not in ("ConfigMap", "Namespace")}
    assert ours <= set(prod)


def test_an_image_has_its_programs_requirements_and_no_root() -> None:
    lock = (DEPLOY.parents[2] / "requirements.lock").read_text(encoding="utf-8")
    for role in ("frontend", "backend"):
        lines = (DEPLOY / f"{role}.Dockerfile").read_text(encoding="utf-8").splitlines()
        assert "USER 10001:10001" in lines
        assert f'CMD ["{role}"]' in lines
        for line in lines:
            if line.startswith("COPY"):
                assert all((DEPLOY.parents[2] / source).exists() for source in line.split()[1:-1]), line
        pinned = [line.split()[0] for line in (DEPLOY / f"{role}.txt").read_text().splitlines() if "==" in line]
        assert len(pinned) > 20
        missing = [one for one in pinned if f"\n{one} " not in lock and f"\n{one}\n" not in lock]
        assert not missing, "make them anew from requirements.lock"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("kind", ["overlays", "local"])
def test_the_api_server_takes_every_object_without_a_warning(kubectl: Kubectl, environment: str, kind: str) -> None:
    text = built(f"{kind}/{environment}")
    namespace = next(one for one in yaml.safe_load_all(text) if one["kind"] == "Namespace")
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(namespace))
    done = kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=text)
    assert done.stdout.count("(server dry run)") == len(list(yaml.safe_load_all(text)))
    assert "Warning" not in done.stderr


def test_the_frontend_runs_on_a_process_node_and_ends_in_order(kubectl: Kubectl, ranges: Ranges) -> None:
    found = objects("local/dev")
    namespace = found["Namespace", "shop-dev"]
    wanted = [namespace, config_map("shop-dev"), found["ServiceAccount", "frontend"], found["Deployment", "frontend"]]
    wanted += [one for (kind, name), one in found.items() if kind in ("ConfigMap", "Secret") and "backend" not in name]
    listed = {"apiVersion": "v1", "kind": "List", "items": wanted}
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(listed))
    pod = _ready(kubectl, "app.kubernetes.io/name=frontend")
    address = ranges.end(pod["status"]["podIP"])
    with urllib.request.urlopen(f"http://{address}:8080/metrics", timeout=10) as answer:
        assert b'shop_build_info{environment="dev",role="frontend",version="dev"} 1.0' in answer.read()
    with pytest.raises(urllib.error.HTTPError) as caught:  # no backend: a page that says so
        urllib.request.urlopen(f"http://{address}:8080/", timeout=10)
    assert caught.value.code == 503
    assert b"try again in a moment" in caught.value.read()
    caught.value.close()
    kubectl("-n", "shop-dev", "delete", "deployment", "frontend", "--wait=false")
    follow = kubectl("-n", "shop-dev", "logs", "-f", pod["metadata"]["name"], "--request-timeout=0", status=None)
    assert '"message": "stopped"' in follow.stdout.splitlines()[-1]


@pytest.mark.timeout(420)
def test_the_whole_shop_sells_on_a_process_node(kubectl: Kubectl, ranges: Ranges) -> None:
    """Frontend → backend → PostgreSQL on a claim, by the names of their Services and past the shop's policies."""
    if Path(sys.prefix).is_relative_to("/tmp"):
        pytest.skip("PostgreSQL's pod mounts a volume over /tmp, where this environment's programs are")
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(objects("local/dev")["Namespace", "shop-dev"]))
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(config_map("shop-dev")))
    kubectl("apply", "--server-side", "-f", "-", stdin=built("local/dev"))
    for role in ("postgres", "backend", "frontend"):
        _ready(kubectl, f"app.kubernetes.io/name={role}", 120.0)
    service = json.loads(kubectl("-n", "shop-dev", "get", "service", "frontend", "-o", "json").stdout)
    url = f"http://{ranges.end(service['spec']['clusterIP'])}:{port(service['spec']['ports'][0]['port'])}"
    with httpx.Client(base_url=url, trust_env=False, follow_redirects=True, timeout=20) as customer:
        def fields(path: str) -> dict[str, str]:
            return dict(re.findall(r'name="(token|cart)" value="([^"]*)"', customer.get(path).text))

        basket = customer.post("/basket", data={**fields("/"), "sku": "1001", "quantity": "2"})
        assert basket.status_code == 200, basket.text
        bought = customer.post("/checkout", data=fields("/basket"))
        assert bought.url.path.startswith("/orders/")
        assert "2 × Espresso cup" in bought.text
        kubectl("-n", "shop-dev", "delete", "pod", "postgres-0", "--grace-period=10")
        _ready(kubectl, "app.kubernetes.io/name=postgres", 120.0)
        kept = customer.get(bought.url.path)
        deadline = time.monotonic() + 60
        while kept.status_code != 200 and time.monotonic() < deadline:     # the backend finds the new one
            time.sleep(0.5)
            kept = customer.get(bought.url.path)
        assert "2 × Espresso cup" in kept.text, "the claim outlives the pod"


def _ready(kubectl: Kubectl, selector: str, within: float = 60.0) -> Object:
    """The first pod that is ready."""
    deadline, seen = time.monotonic() + within, "no pod"
    while time.monotonic() < deadline:
        pods = json.loads(kubectl("-n", "shop-dev", "get", "pods", "-l", selector, "-o", "json").stdout)["items"]
        for pod in pods:
            conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
            if conditions.get("Ready") == "True":
                return pod
            seen = json.dumps(pod["status"])
        time.sleep(0.2)
    raise AssertionError(f"not ready after {within:.0f} s: {seen}")
