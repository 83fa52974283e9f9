"""The kind driver: what it asks for and refuses without Docker, and with Docker what becomes of its clusters.

What it shares with the other drivers is in ``conformance``.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labs.cluster.drivers import base
from labs.cluster.drivers.base import kubectl
from labs.cluster.drivers.kind import cluster, docker, host_image
from labs.cluster.drivers.kind.connection import Relay
from labs.cluster.identity import issuer
from labs.errors import LabError, PermanentError
from labs.services import control
from tests.labs.cluster.conformance.conftest import node_image
from tests.labs.cluster.waiting import until


@pytest.fixture
def kind_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with the driver chosen; nothing runs."""
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(base.VARIABLE, "kind")
    monkeypatch.delenv("LABS_KUBERNETES_NODES", raising=False)
    return tmp_path / "home"


@pytest.fixture
def told_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that puts a fake ``docker`` first in PATH: it fails with the words it is given."""
    def put(words: str) -> None:
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    return put


# --- without Docker -------------------------------------------------------------------------------------------------


def test_one_node_is_everything_and_listens_on_loopback_only(tmp_path: Path) -> None:
    made = cluster.configuration(1, tmp_path, "2", 8080, 8443)
    (node,) = made["nodes"]
    assert node["role"] == "control-plane"
    assert [(each["listenAddress"], each["hostPort"], each["containerPort"]) for each in node["extraPortMappings"]] == [
        ("127.0.0.1", 8080, 80), ("127.0.0.1", 8443, 443)]
    assert made["networking"]["apiServerAddress"] == "127.0.0.1"
    assert "KubeletConfiguration" not in "".join(made["kubeadmConfigPatches"])
    (patch,) = made["kubeadmConfigPatchesJSON6902"]
    told = {each["value"]["name"]: each["value"]["value"] for each in json.loads(patch["patch"])}
    assert told["service-account-issuer"] == issuer.url_of(tmp_path)


def test_several_nodes_are_workers_in_zones_beside_a_control_plane(tmp_path: Path) -> None:
    nodes = cluster.configuration(4, tmp_path, "2", 8080, 8443)["nodes"]
    assert [each["role"] for each in nodes] == ["control-plane", *["worker"] * 4]
    zones = [each["labels"]["topology.kubernetes.io/zone"] for each in nodes[1:]]
    assert zones == ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1a"]


def test_kubelets_are_told_of_old_cgroups_and_of_the_longest_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABS_KUBERNETES_BACKOFF", "1,5")
    *_, patch = cluster.configuration(1, tmp_path, "1", 8080, 8443)["kubeadmConfigPatches"]
    assert "failCgroupV1: false" in patch
    assert "maxContainerRestartPeriod: 5s" in patch


@pytest.mark.parametrize("chosen", ["0", "27", "three", "-1"])
def test_a_number_of_nodes_that_cannot_be_is_refused(chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_KUBERNETES_NODES", chosen)
    with pytest.raises(PermanentError, match="Set it to a number from 1 to 26"):
        cluster.node_count()


@pytest.mark.parametrize(("words", "expected"), [
    ("permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
     "You may not talk to Docker.*usermod -aG docker"),
    ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
     "Docker's daemon does not answer.*systemctl start docker"),
])
def test_what_docker_refuses_is_said_with_what_to_do(
    words: str, expected: str, told_docker: Any, kind_home: Path
) -> None:
    told_docker(words)
    with pytest.raises(PermanentError, match=f"(?s){expected}"):
        cluster.ensure(print)
    assert cluster.read() is None


def test_without_docker_the_embedded_cluster_is_named(kind_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(kind_home))
    with pytest.raises(PermanentError, match=r"(?s)Docker is not here.*the embedded cluster needs none"):
        cluster.ensure(print)


def test_no_image_is_loaded_and_nothing_reset_where_there_is_no_cluster(kind_home: Path, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="There is no kind cluster"):
        base.chosen().load_image("shop:1", tmp_path / "shop.tar")
    assert base.chosen().reset() == ["kubernetes: there is no cluster; it starts empty"]
    assert cluster.remove() == ""


def test_orders_to_nodes_are_refused_in_words(kind_home: Path) -> None:
    from labs.cli import nodes
    from labs.cluster.space import Space
    from labs.scenarios.e_kubernetes import racks

    class Elsewhere:
        kubeconfig = kind_home / "kubeconfig"
        embedded = False

    with pytest.raises(PermanentError, match=r"(?s)about the embedded cluster.*kubectl get nodes"):
        nodes.give(do="list")
    with pytest.raises(PermanentError, match="on the embedded cluster only"):
        racks.add_all(Space(Elsewhere(), "here"))  # type: ignore[arg-type]


@pytest.mark.parametrize(("network", "answer"), [("127.0.0.0/8", b"HELLO"), ("10.0.0.0/8", b"")])
def test_relay_serves_its_network_only_and_passes_on_half_closed_connections(network: str, answer: bytes) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())     # answers when everything was said
        writer.close()

    async def ask() -> bytes:
        server = await asyncio.start_server(shout, "127.0.0.1", 0)
        relay = Relay("127.0.0.1", 0, lambda: server.sockets[0].getsockname()[:2], network)
        reader, writer = await asyncio.open_connection("127.0.0.1", await relay.start())
        try:
            writer.write(b"hello")
            writer.write_eof()
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionError:
            return b""
        finally:
            writer.close()
            await relay.stop()
            server.close()

    assert asyncio.run(ask()) == answer


def test_relay_without_a_target_hangs_up() -> None:
    async def ask() -> bytes:
        relay = Relay("127.0.0.1", 0, lambda: None)
        reader, writer = await asyncio.open_connection("127.0.0.1", await relay.start())
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()
            await relay.stop()

    assert asyncio.run(ask()) == b""


@pytest.mark.timeout(300)
def test_the_image_of_this_machines_python_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_CACHE", str(tmp_path))
    made = host_image.archive()
    assert host_image.archive() == made
    assert [each.name for each in made.parent.iterdir()] == [made.name], "nothing half made is left"
    with tarfile.open(made) as outer:
        (manifest,) = json.load(outer.extractfile("manifest.json"))  # type: ignore[arg-type]
        with tarfile.open(fileobj=outer.extractfile(manifest["Layers"][0])) as layer:
            names = set(layer.getnames())
            assert all(each.uid == 0 and not each.islnk() for each in layer)
    assert manifest["RepoTags"] == ["host:latest", "host/python3:latest"]
    library = os.path.dirname(os.__file__).lstrip("/")
    assert {f"{library}/os.py", f"{library}/boto3/__init__.py", os.path.realpath(sys.executable).lstrip("/"),
            "usr/bin/sh", "etc/passwd", "tmp"} <= names
    assert any("/ld-linux" in name for name in names), "the loader is there"


# --- with Docker ----------------------------------------------------------------------------------------------------


@pytest.fixture
def kinds(registered: None, kind_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state folder, with Docker and a node image; what it started is gone afterwards, and nothing else."""
    monkeypatch.setenv("LABS_KIND_IMAGE", node_image())
    before = _nodes()
    yield kind_home
    control.down()
    assert _nodes() == before


def _nodes() -> set[str]:
    return set(docker.docker("ps", "--all", "--no-trunc", "--quiet", "--filter", f"label={docker.CLUSTER}").split())


def _lab(*arguments: str, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "labs.cli", *arguments], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True, **more)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_ctrl_c_in_the_middle_leaves_nothing_that_the_next_up_or_down_does_not_mend(kinds: Path) -> None:
    before = _nodes()
    with _lab("up", "kubernetes") as first:
        until(lambda: _nodes() - before, "a container is being made", within=120)
        os.killpg(first.pid, signal.SIGINT)
        said, _ = first.communicate(timeout=120)
    assert first.returncode != 0, said
    record = cluster.read()
    assert record is not None
    assert record.nodes == []
    control.up(["kubernetes"])
    complete = cluster.read()
    assert complete is not None
    assert {each.identifier for each in docker.containers(record.name)} == set(complete.nodes) == _nodes() - before

    # a node that is killed comes back with what was in it
    kubectl("create", "configmap", "kept", "-n", "default")
    docker.docker("kill", *complete.nodes)
    control.up(["kubernetes"])
    until(lambda: _there("kept"), "the API server answers again", within=120)

    # one that is lost is made anew
    docker.docker("rm", "--force", "--volumes", *complete.nodes)
    control.up(["kubernetes"])
    assert not _there("kept")

    # and what was begun only is removed by `lab down`, also where the variable is not set any more
    control.down()
    with _lab("up", "kubernetes") as second:
        until(lambda: _nodes() - before, "a container is being made", within=120)
        os.killpg(second.pid, signal.SIGKILL)
    with _lab("down", env={key: value for key, value in os.environ.items() if key != base.VARIABLE}) as down:
        said, _ = down.communicate(timeout=300)
    assert down.returncode == 0, said
    assert "stopped: kubernetes" in said
    assert _nodes() == before


def _there(name: str) -> bool:
    try:
        return bool(kubectl("get", "configmap", name, "-n", "default", "--ignore-not-found", "-o", "name"))
    except LabError:
        return False


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_clusters_side_by_side(kinds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control.up(["kubernetes"])
    mine = _nodes()
    with pytest.MonkeyPatch.context() as other:
        other.setenv("LABS_HOME", str(tmp_path / "other"))
        try:
            control.up(["kubernetes"])
            assert len(_nodes() - mine) == 1
            assert kubectl("get", "nodes", "-o", "name") != kubectl(
                "get", "nodes", "-o", "name", kubeconfig=kinds / "kubeconfig")
        finally:
            control.down()
    assert _nodes() >= mine, "the other one's end is not ours"
    assert kubectl("get", "nodes", "-o", "name")

    # what `lab image build` makes is on the nodes
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    with _lab("image", "build", "-t", "team/made:1", str(tmp_path)) as build:
        said, _ = build.communicate(timeout=120)
    assert "docker.io/team/made:1 is on the nodes" in said
    (node,) = mine
    listed = docker.docker("exec", node, "ctr", "--namespace=k8s.io", "images", "ls", "-q").split()
    assert "docker.io/team/made:1" in listed

    # the ingress port of this machine leads to port 80 of the node
    record = cluster.read()
    assert record is not None
    code = ("import http.server as h\nclass A(h.BaseHTTPRequestHandler):\n def do_GET(self):\n"
            "  self.send_response(204); self.end_headers()\nh.HTTPServer(('0.0.0.0', 80), A).serve_forever()")
    kubectl("create", "-f", "-", stdin=json.dumps({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "door", "namespace": "default"},
        "spec": {"hostNetwork": True, "nodeSelector": {"ingress-ready": "true"},
                 "containers": [{"name": "main", "image": "host/python3", "command": ["python3", "-c", code]}]}}))
    until(lambda: _status(record.http) == 204, "port 80 of the node answers", within=120)


def _status(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_node_image_that_cannot_be_had_is_named_and_leaves_nothing(
    kinds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _nodes()
    monkeypatch.setenv("LABS_KIND_IMAGE", "127.0.0.1:9/kindest/node:v0.0.1")
    with pytest.raises(PermanentError, match=r"(?s)v0.0.1 is not on this machine and cannot be pulled.*LABS_KIND_IM"):
        cluster.ensure(lambda line: None)
    assert cluster.read() is None
    assert _nodes() == before
