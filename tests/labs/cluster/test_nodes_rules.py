"""The nodes' rules that need no cluster: expansion, quantities, back-off, phases, files of volumes, log lines."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from labs import jail
from labs.cluster.nodes import admission, environment, roots, sandbox, shim, states, volatile, volumes
from labs.cluster.nodes.backoff import Backoff
from labs.cluster.nodes.containers import Attempts, Container, Exit
from labs.cluster.nodes.images import HostImages, ImageError
from labs.cluster.nodes.logs import Wanted, read


@pytest.mark.parametrize(("text", "expanded"), [
    ("$(A)", "1"), ("x$(A)y$(B)", "x1y2"), ("$(C)", "$(C)"), ("$$(A)", "$(A)"), ("$$$$", "$$"), ("$A $", "$A $"),
    ("$(A", "$(A"),
])
def test_references_are_expanded(text: str, expanded: str) -> None:
    assert environment.expand(text, {"A": "1", "B": "2"}) == expanded


def test_a_pod_is_told_its_namespaces_services() -> None:
    """"Discovering services" (Kubernetes documentation)."""
    port = {"name": "http", "port": 80}
    ports = [port, {"port": 53, "protocol": "UDP"}]
    services = {("shop", "my-api"): {"spec": {"clusterIP": "10.96.0.7", "ports": ports}},
                ("shop", "headless"): {"spec": {"clusterIP": "None", "ports": [port]}},
                ("other", "far"): {"spec": {"clusterIP": "10.96.0.8", "ports": [port]}}}
    pod: dict[str, Any] = {"metadata": {"namespace": "shop"}, "spec": {}}
    assert environment.links(pod, services) == {
        "MY_API_SERVICE_HOST": "10.96.0.7", "MY_API_SERVICE_PORT": "80", "MY_API_SERVICE_PORT_HTTP": "80",
        "MY_API_PORT": "tcp://10.96.0.7:80", "MY_API_PORT_80_TCP": "tcp://10.96.0.7:80",
        "MY_API_PORT_80_TCP_PROTO": "tcp", "MY_API_PORT_80_TCP_PORT": "80", "MY_API_PORT_80_TCP_ADDR": "10.96.0.7",
        "MY_API_PORT_53_UDP": "udp://10.96.0.7:53", "MY_API_PORT_53_UDP_PROTO": "udp",
        "MY_API_PORT_53_UDP_PORT": "53", "MY_API_PORT_53_UDP_ADDR": "10.96.0.7"}
    pod["spec"]["enableServiceLinks"] = False
    assert environment.links(pod, services) == {}


def test_sub_paths_can_be_entered_by_a_containers_user(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    before = os.umask(0o077)
    try:
        mounts = sandbox.mounts({"volumeMounts": [{"name": "data", "mountPath": "/d", "subPath": "a/b"}]},
                                {"data": tmp_path}, {"data": True}, tmp_path / "own", {})
    finally:
        os.umask(before)
    assert mounts[0].source == str(tmp_path / "a" / "b")
    assert [(tmp_path / path).stat().st_mode & 0o777 for path in ("a", "a/b")] == [0o777, 0o777]


def test_a_pod_on_the_hosts_network_has_its_nodes_names() -> None:
    pod: dict[str, Any] = {"metadata": {"name": "one", "namespace": "shop"}, "spec": {"nodeName": "node-a"}}
    assert roots.hosts(pod, "10.244.0.2").splitlines()[-1] == "10.244.0.2\tone"
    pod["spec"]["hostNetwork"] = True
    assert roots.hosts(pod, "10.244.0.2").splitlines()[1:] == ["127.0.0.1\tlocalhost", "127.0.0.1\tnode-a"]


def test_volumes_in_memory_go_with_their_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = tmp_path / "shm"
    shelf.mkdir()
    monkeypatch.setattr(volatile, "MEMORY", shelf)
    monkeypatch.setattr("os.path.ismount", lambda path: True)
    volume = tmp_path / "pods" / "1" / "volumes" / "cache"
    made = volatile.folder(volume)
    assert made.is_relative_to(shelf)
    assert volatile.folder(volume) == made == volume.resolve()
    volatile.tidy()
    assert made.is_dir(), "its pod is there"
    volatile.tidy(tmp_path / "pods" / "1")
    assert not list(shelf.iterdir())
    assert volatile.folder(volume).is_relative_to(shelf)
    volatile.remove(volume.parent)
    assert not list(shelf.iterdir())
    assert not volume.parent.exists()
    monkeypatch.setattr("os.path.ismount", lambda path: False)
    assert volatile.folder(volume) == volume, "no memory: on the disk"
    assert volume.is_dir()


def a_pod(cpu: str, *ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a"}, "spec": {"containers": [
        {"name": "main", "resources": {"requests": {"cpu": cpu}}, "ports": list(ports)}], **spec}}


@pytest.mark.parametrize(("pod", "others", "reason"), [
    (a_pod("1"), [a_pod("1")], ""),
    (a_pod("1001m"), [a_pod("1")], "OutOfcpu"),
    (a_pod("0"), [a_pod("2")], ""),
    (a_pod("0"), [a_pod("0")] * 3, "OutOfpods"),
    (a_pod("1", initContainers=[{"resources": {"requests": {"cpu": "2"}}}]), [a_pod("1m")], "OutOfcpu"),
    (a_pod("1", initContainers=[{"resources": {"requests": {"cpu": "1"}}, "restartPolicy": "Always"}]), [a_pod("1m")],
     "OutOfcpu"),
    (a_pod("0", {"hostPort": 80}), [a_pod("0", {"hostPort": 80, "hostIP": "127.0.0.2"})], "NodePorts"),
    (a_pod("0", {"hostPort": 80, "hostIP": "127.0.0.1"}), [a_pod("0", {"hostPort": 80, "hostIP": "127.0.0.2"})], ""),
    (a_pod("0", {"hostPort": 80, "protocol": "UDP"}), [a_pod("0", {"hostPort": 80})], ""),
    (a_pod("0", {"containerPort": 80}), [a_pod("0", {"containerPort": 80})], ""),
])
def test_a_node_takes_what_fits_beside_what_it_has(pod: dict[str, Any], others: list[dict[str, Any]],
                                                   reason: str) -> None:
    allocatable = {"pods": "3", "cpu": "2", "memory": "1Gi", "ephemeral-storage": "1Gi"}
    assert admission.refused(pod, others, allocatable)[0] == reason


def test_an_attempt_that_was_withdrawn_leaves_nothing(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path)
    attempts.new("main", {})
    attempts.withdraw("main")
    assert (attempts.any(), attempts.running(), attempts.last("main")) == (False, [], None)


@pytest.mark.parametrize(("text", "number"), [
    ("1", 1), ("250m", 0.25), ("64Mi", 64 * 2**20), ("1k", 1000), ("1.5Gi", 1.5 * 2**30), ("1e3", 1000),
])
def test_quantities(text: str, number: float) -> None:
    assert environment.quantity(text) == number


def test_waits_double_up_to_the_most_and_start_afresh_after_a_long_run() -> None:
    backoff, waits = Backoff(), [0.0]
    for _ in range(7):
        waits.append(backoff.after(waits[-1]))
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]
    assert backoff.after(300, ran=600) == 10
    assert backoff.after(300, ran=599) == 300


def seen(tmp_path: Path, status: int | None, running: bool = False) -> states.Seen:
    """A container that ended with a status, runs, or has never run (None)."""
    last = None
    if status is not None or running:
        folder = tmp_path / "uid" / "containers" / "main" / "0"
        folder.mkdir(parents=True, exist_ok=True)
        last = Container(folder)
        last.exit = None if running else Exit(status or 0, "Error" if status else "Completed", 1.0)
        last._watching = 0 if running else -1
    return states.Seen({"name": "main", "image": "host"}, last, None, None, ready=running, started=running)


NEVER, RUNS = None, "runs"


@pytest.mark.parametrize(("policy", "inits", "apps", "phase"), [
    ("Always", [], [NEVER], "Pending"),
    ("Always", [], [RUNS, NEVER], "Pending"),
    ("Always", [], [RUNS, RUNS], "Running"),
    ("Always", [], [0], "Running"),
    ("OnFailure", [], [0, 1], "Running"),
    ("OnFailure", [], [0, 0], "Succeeded"),
    ("Never", [], [0, RUNS], "Running"),
    ("Never", [], [0, 1], "Failed"),
    ("Never", [1], [NEVER], "Failed"),
    ("Always", [1], [NEVER], "Pending"),
    ("Always", [RUNS], [NEVER], "Pending"),
    ("Never", [0], [0], "Succeeded"),
])
def test_phases(tmp_path: Path, policy: str, inits: list[Any], apps: list[Any], phase: str) -> None:
    def made(all_of: list[Any]) -> list[states.Seen]:
        return [seen(tmp_path, None if each in (NEVER, RUNS) else each, each == RUNS) for each in all_of]

    assert states.phase(policy, made(inits), made(apps)) == phase


@pytest.mark.parametrize(("status", "ready", "message"), [
    (None, "False", 'corresponding condition of pod readiness gate "example.com/open" does not exist.'),
    ("False", "False", 'the status of pod readiness gate "example.com/open" is not "True", but False'),
    ("True", "True", None),
])
def test_a_readiness_gate_holds_a_pod_back(tmp_path: Path, status: str | None, ready: str, message: str | None) -> None:
    gates = [{"type": "example.com/open", "status": status}] if status else []
    pod = {"metadata": {}, "spec": {"readinessGates": [{"conditionType": "example.com/open"}]},
           "status": {"conditions": gates}}
    made = states.pod_status(pod, "10.244.0.9", [], [seen(tmp_path, None, running=True)], 0.0)
    found = {each["type"]: each for each in made["conditions"]}
    assert found["ContainersReady"]["status"] == "True"
    assert (found["Ready"]["status"], found["Ready"]["message"]) == (ready, message)
    assert found["Ready"]["reason"] == (None if ready == "True" else "ReadinessGatesNotReady")


def test_files_of_a_volume_change_all_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    volumes.write(folder, {"a": (b"1", 0o644), "deep/b": (b"1", 0o644)})
    first = (folder / "..data").readlink()
    volumes.write(folder, {"a": (b"1", 0o644), "deep/b": (b"1", 0o644)})
    assert (folder / "..data").readlink() == first, "nothing changed"
    volumes.write(folder, {"a": (b"2", 0o600), "c": (b"3", 0o644)})
    assert sorted(each.name for each in folder.iterdir() if not each.name.startswith("..")) == ["a", "c"]
    assert (folder / "a").read_bytes() == b"2"
    assert len([each for each in folder.iterdir() if each.name.startswith("..20")]) == 1, "the old one is gone"


@pytest.mark.parametrize("name", ["../out", "deep/../../out"])
def test_no_file_leaves_its_volume(tmp_path: Path, name: str) -> None:
    with pytest.raises(environment.ConfigError, match="leaves its volume"):
        volumes.write(tmp_path / "v", {name: (b"x", 0o644)})
    assert not (tmp_path / "out").exists()


def test_images_of_the_host() -> None:
    for name, command in (("host", ()), ("host:1", ()), ("host/sh:1", ("sh",)), ("host/sh@sha256:00", ("sh",))):
        assert asyncio.run(HostImages().get(name, "Always", {})).command == command
    for name in ("hostile", "shop:1", "registry:5000/host", "docker.io/host/sh"):
        with pytest.raises(ImageError, match='only "host"'):
            asyncio.run(HostImages().get(name, "Always", {}))


@pytest.mark.parametrize(("query", "text"), [
    ({}, b"one\ntwo\nlong\n"), ({"tailLines": "1"}, b"long\n"), ({"tailLines": "0"}, b""),
    ({"limitBytes": "5"}, b"one\nt"),
    ({"sinceTime": "2026-01-01T00:00:02Z"}, b"two\nlong\n"),
    ({"timestamps": "true", "tailLines": "1"}, b"2026-01-01T00:00:03.000000000Z long\n"),
])
def test_lines_that_are_asked_for(tmp_path: Path, query: dict[str, str], text: bytes) -> None:
    folder = tmp_path / "uid" / "containers" / "main" / "0"
    folder.mkdir(parents=True)
    (folder / "log.1").write_bytes(b"2026-01-01T00:00:01.000000000Z stdout F one\n")
    (folder / "log").write_bytes(b"2026-01-01T00:00:02.000000000Z stderr F two\n"
                                 b"2026-01-01T00:00:03.000000000Z stdout F long\n")

    async def answered() -> bytes:
        return b"".join([part async for part in read(Container(folder), Wanted.of(query))])

    assert asyncio.run(answered()) == text


def test_a_long_log_is_begun_anew_and_a_long_line_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shim, "LOG_BYTES", 100_000)
    source, sink = os.pipe()
    with shim.Log(str(tmp_path / "log")) as log:
        for text in (b"first\n", b"x" * 40_000, b"\n", *[b"y" * 10_000 + b"\n"] * 10):
            os.write(sink, text)
            log.take(os.read(source, 65536), "stdout")
        os.close(sink)
    os.close(source)
    before = [line.split(b" ", 3) for line in (tmp_path / "log.1").read_bytes().splitlines()]
    assert [(tag, len(text)) for _, _, tag, text in before[:4]] == [
        (b"F", 5), (b"P", 16384), (b"P", 16384), (b"F", 7232)]
    assert 0 < (tmp_path / "log").stat().st_size < 100_000


@pytest.mark.skipif(sys.platform != "linux", reason="the jail needs Linux")
def test_a_container_that_nobody_attends_to_ends_by_itself(tmp_path: Path) -> None:
    spec = jail.Spec(readable=jail.runtime(), environment={"PATH": os.defpath}, cpu_seconds=None, wall_seconds=None)
    plain = {name: getattr(spec, name) for name in spec.__dataclass_fields__}
    (tmp_path / "order.json").write_text(json.dumps({
        "spec": {**plain, "requires": sorted(spec.requires)}, "command": ["sleep", "600"],
        "log": str(tmp_path / "log"), "lock": str(tmp_path / "lock")}))
    code = "import sys; from labs.cluster.nodes import shim; shim.ORPHANED_AFTER, shim.LOOKED_EVERY = 0.5, 0.1; " \
           "shim.main(sys.argv[1])"
    with (tmp_path / "lock").open("a") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.read()       # it runs
        began = time.monotonic()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
    process.wait(10)
    process.stdout.close()
    assert time.monotonic() - began < 10
    assert json.loads((tmp_path / "exit.json").read_text())["status"] == 137
