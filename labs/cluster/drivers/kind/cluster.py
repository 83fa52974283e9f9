"""Making, finding again and removing the cluster of one state folder.

``HOME/kind/cluster.json`` is written before the first container is made (its name) and again when the cluster is
complete (its containers).  What was interrupted in between is removed and made anew by the next :func:`ensure`; what
was stopped, by a restart of Docker or of the machine, is started.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

import yaml

from labs import locks
from labs.cluster.drivers.base import kubectl
from labs.cluster.drivers.kind import docker, host_image
from labs.cluster.identity import issuer
from labs.errors import LabError, PermanentError, TemporaryError
from labs.services import ports, state
from labs.toolbox import programs

IMAGE = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
"""The published node image of the toolbox's minor; kind 0.33 names it (``pkg/apis/config/defaults/image.go``)."""
VARIABLE = "LABS_KIND_IMAGE"
CREATED_WITHIN = 600.0
READY_WITHIN = 240.0
LOADED_WITHIN = 300.0
MOST_NODES = 26
HTTP, HTTPS = 8080, 8443
"""Ports of this machine that lead to ports 80 and 443 of the first node, for an ingress; or the next free ones."""
ZONES = "abc"
PATCHES = "/labs/patches"
"""Where the first node sees changes of the control plane's manifests."""

Report = Callable[[str], None]


@dataclass
class Record:
    """What is known of the cluster.

    :param planned: names of its containers, known before they are made
    :param nodes: ids of its containers once it is complete
    :param http, https: the ports for an ingress
    :param host: fingerprint of the image ``host`` that the nodes have
    """

    name: str
    image: str = ""
    planned: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    http: int = 0
    https: int = 0
    host: str = ""


def folder() -> Path:
    """Where the cluster's files are."""
    return state.home() / "kind"


def kubeconfig() -> Path:
    """kind's own, which leads past the service to the API server."""
    return folder() / "kubeconfig"


def read() -> Record | None:
    """The record; None where there is no cluster."""
    found = state.read_json(folder() / "cluster.json")
    known = {each.name for each in fields(Record)}      # another version of this module may have written more
    return Record(**{key: value for key, value in found.items() if key in known}) if found else None


def write(record: Record) -> None:
    """Keep the record."""
    folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    state.write_json(folder() / "cluster.json", asdict(record))


def node_count() -> int:
    """How many nodes take pods: ``LABS_KUBERNETES_NODES``, else one."""
    chosen = os.environ.get("LABS_KUBERNETES_NODES") or "1"
    if not chosen.isdigit() or not 1 <= int(chosen) <= MOST_NODES:
        raise PermanentError(f"LABS_KUBERNETES_NODES is {chosen!r}.", f"Set it to a number from 1 to {MOST_NODES}.")
    return int(chosen)


def image() -> str:
    """The node image: ``LABS_KIND_IMAGE``, else the published one."""
    return os.environ.get(VARIABLE) or IMAGE


def configuration(nodes: int, home: Path, cgroups: str, http: int, https: int) -> dict[str, Any]:
    """kind's configuration of a cluster ("Configuration", kind.sigs.k8s.io).

    One node is everything at once; of several, the control plane takes no pods.  The API server signs tokens under the
    name that the embedded cluster's has, so that AWS knows the issuer whichever driver is chosen.
    """
    mappings = [{"containerPort": inside, "hostPort": outside, "listenAddress": "127.0.0.1", "protocol": "TCP"}
                for inside, outside in ((80, http), (443, https))]
    workers = [{"role": "worker", "labels": _labels(number)} for number in range(nodes if nodes > 1 else 0)]
    name = issuer.url_of(home)
    told = {"service-account-issuer": name, "service-account-jwks-uri": name + issuer.JWKS,
            "api-audiences": ",".join(issuer.AUDIENCES)}
    add = [{"op": "add", "path": "/apiServer/extraArgs/-", "value": {"name": key, "value": value}}
           for key, value in told.items()]
    kubelet = _kubelet(cgroups)
    patches = [yaml.safe_dump({"kind": "InitConfiguration", "patches": {"directory": PATCHES}})]
    patches += [yaml.safe_dump({"kind": "KubeletConfiguration", **kubelet})] if kubelet else []
    mount = {"hostPath": str(home / "kind" / "patches"), "containerPath": PATCHES, "readOnly": True}
    control = {"role": "control-plane", "labels": _labels(0) | {"ingress-ready": "true"},
               "extraPortMappings": mappings, "extraMounts": [mount]}
    return {
        "kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"apiServerAddress": "127.0.0.1"},
        "nodes": [control, *workers],
        "kubeadmConfigPatches": patches,
        "kubeadmConfigPatchesJSON6902": [{"group": "kubeadm.k8s.io", "version": "v1beta4",
                                          "kind": "ClusterConfiguration", "patch": json.dumps(add)}]}


def _write_patches(target: Path) -> None:
    """The control plane requests next to no processor ("Customizing components with the kubeadm API"): what it requests
    otherwise is half of a machine with two, where the labs' pods then do not fit."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        patch = {"spec": {"containers": [{"name": name, "resources": {"requests": {"cpu": "10m"}}}]}}
        (target / f"{name}+strategic.json").write_text(json.dumps(patch), encoding="utf-8")


def _kubelet(cgroups: str) -> dict[str, Any]:
    """What differs from kind's own configuration of kubelets ("Kubelet Configuration (v1beta1)")."""
    longest = os.environ.get("LABS_KUBERNETES_BACKOFF", "").partition(",")[2]
    backoff = {"crashLoopBackOff": {"maxContainerRestartPeriod": f"{longest}s"}} if longest else {}
    return ({"failCgroupV1": False} if cgroups == "1" else {}) | backoff


def _labels(number: int) -> dict[str, str]:
    return {"topology.kubernetes.io/region": issuer.REGION,
            "topology.kubernetes.io/zone": f"{issuer.REGION}{ZONES[number % len(ZONES)]}"}


def ensure(report: Report) -> Record:
    """The cluster, complete and Ready; made, repaired or started where it is not.

    :raises LabError: it cannot be had; says what was last seen
    """
    daemon = docker.daemon()
    with _locked(report) as lock:
        record = read()
        there = docker.containers(record.name) if record else []
        if record is None or not record.nodes or {each.identifier for each in there} != set(record.nodes):
            if record is not None:
                report(f"kind: {record.name} is not complete; it is made anew")
                _remove(record)
            record = _create(daemon, record.name if record else _new_name(), lock, report)
        elif record.image != image():
            report(f"kind: {record.name} has the node image {record.image}; another one needs `lab down kubernetes`")
        start(docker.containers(record.name))
        _wait(record, report)
        _load_host(record, report)
        return record


def start(found: list[docker.Container]) -> None:
    """Start containers that are stopped."""
    stopped = [each.identifier for each in found if each.state != "running"]
    if stopped:
        docker.docker("start", *stopped)


def remove() -> str:
    """Remove the cluster of this state folder, if there is one; its name, or ""."""
    record = read()
    if record is None:
        return ""
    with _locked(lambda line: None):
        _remove(record)
        shutil.rmtree(folder(), ignore_errors=True)
    return record.name


def _remove(record: Record) -> None:
    """Every container, also those that Docker goes on making after an interruption."""
    docker.remove(docker.containers(record.name))
    if not record.nodes:
        for name in record.planned:
            docker.settle(record.name, name, record.image)


def load(archive: Path, nodes: list[docker.Container], name: str = "") -> None:
    """Import an archive into the nodes' containerd, as ``kind load image-archive`` does.

    :param name: what the image is to be called, in full; "" for the names in the archive
    """
    called = ["--index-name", name] if name else []
    for each in nodes:
        command = ["docker", "exec", "--privileged", "--interactive", each.identifier, "ctr", "--namespace=k8s.io",
                   "images", "import", "--all-platforms", *called, "-"]
        with archive.open("rb") as file:
            try:
                done = subprocess.run(command, stdin=file, capture_output=True, text=True, timeout=LOADED_WITHIN,
                                      check=False)
            except subprocess.TimeoutExpired:
                raise TemporaryError(f"{each.name} did not import {archive} in {LOADED_WITHIN:.0f} s") from None
        if done.returncode != 0:
            raise PermanentError(f"{each.name} does not take {archive}: {done.stderr.strip()[-400:]}",
                                 "It must be an OCI archive, or what `docker save` writes.")


def _new_name() -> str:
    """Nobody else's: the mark of this clone's folder would be the same in two containers with one Docker."""
    return f"labs-{secrets.token_hex(4)}"


def _create(daemon: docker.Daemon, name: str, lock: IO[str], report: Report) -> Record:
    found = {tool: programs.ensure(tool, report).path for tool in ("kind", "kubectl")}
    chosen = image()
    if not docker.has_image(chosen):
        docker.pull(chosen)
    http = ports.choose(HTTP)
    record = Record(name, chosen, http=http, https=ports.choose(HTTPS, taken=frozenset({http})))
    wanted = configuration(node_count(), state.home(), daemon.cgroups, record.http, record.https)
    record.planned = _names(name, [each["role"] for each in wanted["nodes"]])
    write(record)
    _write_patches(folder() / "patches")
    text = yaml.safe_dump(wanted)
    report(f"kind: making {name} from {chosen.partition('@')[0]}")
    _run_kind([str(found["kind"]), "create", "cluster", "--name", name, "--image", chosen, "--config", "-",
               "--kubeconfig", str(kubeconfig())], text, lock)
    record.nodes = [each.identifier for each in docker.containers(name)]
    write(record)
    return record


def _names(cluster: str, roles: list[str]) -> list[str]:
    """What kind calls the containers: ``X-control-plane``, ``X-worker``, ``X-worker2``…"""
    counts: dict[str, int] = {}
    made = []
    for role in roles:
        counts[role] = counts.get(role, 0) + 1
        made.append(f"{cluster}-{role}" + (str(counts[role]) if counts[role] > 1 else ""))
    return made


def _run_kind(command: list[str], text: str, lock: IO[str]) -> None:
    """Run kind with its progress on stderr; it holds our lock too, so that an orphan of it is waited for."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("KIND_EXPERIMENTAL_PROVIDER",
                                                                                          "KIND_CLUSTER_NAME"))}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=sys.stderr, env=environment, text=True,
                          pass_fds=(lock.fileno(),)) as process:
        try:
            process.communicate(text, timeout=CREATED_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            raise TemporaryError(f"kind did not make the cluster in {CREATED_WITHIN:.0f} s") from None
        except BaseException:
            process.send_signal(signal.SIGINT)
            raise
    if process.returncode != 0:
        raise PermanentError("kind did not make the cluster; the reason stands above.")


def _wait(record: Record, report: Report) -> None:
    """Return when every node is Ready and pods can be made."""
    began = told = time.monotonic()
    last = "nothing yet"
    while time.monotonic() < began + READY_WITHIN:
        last = _missing()
        if not last:
            report(f"kind: {record.name} is Ready after {time.monotonic() - began:.1f} s")
            return
        if time.monotonic() > told + 2.0:
            told = time.monotonic()
            report(f"kind: waiting, {told - began:.0f} s: {last}")
        time.sleep(0.2)
    raise TemporaryError(f"the cluster {record.name} was not Ready in {READY_WITHIN:.0f} s: {last}")


def _missing() -> str:
    """What is not yet as it should be, "" for nothing."""
    try:
        listed = kubectl("get", "nodes", "-o", "json", kubeconfig=kubeconfig(), within=10.0)
        nodes = json.loads(listed)["items"]
        unready = [each["metadata"]["name"] for each in nodes if not any(
            one["type"] == "Ready" and one["status"] == "True" for one in each["status"]["conditions"])]
        if unready or not nodes:
            return f"not Ready: {', '.join(unready) or 'no node'}"
        kubectl("get", "serviceaccount", "default", "-n", "default", kubeconfig=kubeconfig(), within=10.0)
    except TemporaryError as error:
        return str(error)
    return ""


def _load_host(record: Record, report: Report) -> None:
    """Give the nodes the image ``host``, unless they have it."""
    wanted = host_image.fingerprint()
    if record.host == wanted:
        return
    report("kind: loading this machine's Python as the image host")
    load(host_image.archive(), docker.containers(record.name))
    record.host = wanted
    write(record)


@contextlib.contextmanager
def _locked(report: Report) -> Iterator[IO[str]]:
    """One process at a time makes or removes the cluster of a state folder."""
    with (state.make_home() / "kind.lock").open("a") as lock:
        told: list[str] = []

        def waiting() -> None:
            if not told:
                told.append("once")
                report("kind: waiting for another process that makes or removes the cluster")

        if not locks.taken(lock, CREATED_WITHIN, waiting):
            raise PermanentError(f"Another process has held {lock.name} for {CREATED_WITHIN:.0f} s.",
                                 f"See which: `fuser {lock.name}`.")
        yield lock


def told() -> str:
    """The cluster in a line, "" for none; asks nobody."""
    try:
        record = read()
    except LabError:
        return ""
    if record is None or not record.nodes:
        return ""
    return (f"kind cluster {record.name}, {record.image.partition('@')[0]}; ingress ports "
            f"{record.http} (http), {record.https} (https)")
