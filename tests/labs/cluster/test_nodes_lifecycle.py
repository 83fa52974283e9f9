"""Hooks, gRPC probes and ephemeral containers, against a real control plane."""

from __future__ import annotations

import asyncio
import functools
import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from labs.cluster.nodes import grpc
from tests.labs.cluster import waiting

NODES = 1
BACKOFF = "0.5,2"
until = functools.partial(waiting.until, within=30.0)

Kubectl = Callable[..., subprocess.CompletedProcess[str]]
SLEEP = ["sleep", "600"]


def pod(name: str, command: list[str], lifecycle: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    main = {"name": "main", "image": "host", "command": command, **({"lifecycle": lifecycle} if lifecycle else {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [main | container], "terminationGracePeriodSeconds": 5}}


@pytest.fixture
def apply(kubectl: Kubectl) -> Callable[..., None]:
    def given(*items: dict[str, Any]) -> None:
        kubectl("apply", "--validate=false", "-f", "-",
                stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return given


def status(kubectl: Kubectl, name: str) -> dict[str, Any]:
    return json.loads(kubectl("get", "pod", name, "-o", "json").stdout)["status"]


def reasons(kubectl: Kubectl, name: str) -> list[str]:
    listed = json.loads(kubectl("get", "events", "--field-selector", f"involvedObject.name={name}", "-o",
                                "json").stdout)["items"]
    return [each["reason"] for each in listed]


def test_a_container_runs_when_its_post_start_hook_is_done(kubectl: Kubectl, apply: Callable[..., None]) -> None:
    command = ["sh", "-c", "echo told > $HOME/hook; sleep 3"]
    apply(pod("hooked", SLEEP, {"postStart": {"exec": {"command": command}}}),
          pod("badhook", SLEEP, {"postStart": {"exec": {"command": ["sh", "-c", "echo no; exit 4"]}}}))

    def started() -> bool:
        return kubectl("exec", "hooked", "--", "sh", "-c", "cat $HOME/hook", status=None).stdout == "told\n"

    until(started, "its hook runs")
    seen = status(kubectl, "hooked")
    if "running" not in seen["containerStatuses"][0]["state"]:      # on a slow machine the hook is over by now
        assert (seen["phase"], list(seen["containerStatuses"][0]["state"])) == ("Pending", ["waiting"])
    until(lambda: status(kubectl, "hooked")["phase"] == "Running", "it runs")
    running = status(kubectl, "hooked")
    ready = next(each for each in running["conditions"] if each["type"] == "Ready")
    assert ready["lastTransitionTime"] >= running["containerStatuses"][0]["state"]["running"]["startedAt"]
    until(lambda: {"FailedPostStartHook", "Killing"} <= set(reasons(kubectl, "badhook")), "its events")
    until(lambda: status(kubectl, "badhook").get("containerStatuses", [{}])[0].get("restartCount"), "it is restarted")
    kubectl("delete", "pod", "hooked", "badhook", "--grace-period=1", "--wait=false")


def test_a_pre_stop_hook_comes_before_sigterm_within_the_grace_period(kubectl: Kubectl,
                                                                      apply: Callable[..., None]) -> None:
    code = "import os, signal, sys, time\n" \
           "def end(*_): print('terminated, hook', os.path.exists(os.environ['HOME'] + '/hook')); sys.exit(0)\n" \
           "signal.signal(signal.SIGTERM, end)\nprint('up')\ntime.sleep(600)"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "sleep 1; touch $HOME/hook"]}}}
    endless = {"preStop": {"sleep": {"seconds": 4}}}
    wrong = {"preStop": {"httpGet": {"port": 18099, "path": "/stop"}}}
    apply(pod("polite", ["python3", "-u", "-c", code], hook), pod("endless", ["python3", "-u", "-c", code], endless),
          pod("wrong", ["python3", "-u", "-c", code], wrong))
    for name in ("polite", "endless", "wrong"):
        until(lambda name=name: kubectl("logs", name, status=None).stdout == "up\n", f"{name} is up")
    follower = subprocess.Popen([*kubectl("version", "--client").args[:3], "logs", "-f", "polite"], text=True,
                                stdout=subprocess.PIPE)
    assert follower.stdout is not None
    assert follower.stdout.readline() == "up\n"
    kubectl("delete", "pod", "polite", "--timeout=30s")
    assert follower.communicate(timeout=10)[0] == "terminated, hook True\n"
    began = time.monotonic()
    kubectl("delete", "pod", "endless", "--grace-period=2", "--timeout=30s")
    assert time.monotonic() - began >= 2, "the hook has the grace period, and no more"
    kubectl("delete", "pod", "wrong", "--timeout=30s")
    until(lambda: "FailedPreStopHook" in reasons(kubectl, "wrong"), "its event")


HEALTH = """
import os, socket, struct, sys
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import StreamEnded, DataReceived
server = socket.create_server((os.environ["POD_IP"], 18083))
print("up", flush=True)
while True:
    client, _ = server.accept()
    connection = H2Connection(H2Configuration(client_side=False))
    connection.initiate_connection()
    asked = b""
    client.sendall(connection.data_to_send())
    while data := client.recv(65536):
        for event in connection.receive_data(data):
            if isinstance(event, DataReceived):
                asked += event.data
            if isinstance(event, StreamEnded):
                answer = 1 if asked.endswith(b"good") else 2
                connection.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/grpc")])
                connection.send_data(event.stream_id, b"\\0\\0\\0\\0\\2\\x08" + bytes([answer]))
                connection.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
        client.sendall(connection.data_to_send())
"""


def test_a_grpc_probe_asks_for_a_service(kubectl: Kubectl, apply: Callable[..., None]) -> None:
    probe = {"periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 5}
    ports = [{"containerPort": 18083}]
    good = pod("serving", ["python3", "-c", HEALTH], ports=ports,
               readinessProbe={"grpc": {"port": 18083, "service": "good"}, **probe})
    bad = pod("notserving", ["python3", "-c", HEALTH], ports=ports,
              readinessProbe={"grpc": {"port": 18083, "service": "bad"}, **probe})
    apply(good, bad)
    until(lambda: status(kubectl, "serving").get("containerStatuses", [{}])[0].get("ready"), "it serves")

    def said() -> str:
        return kubectl("get", "events", "--field-selector", "involvedObject.name=notserving").stdout

    until(lambda: 'Readiness probe failed: service unhealthy (responded with "NOT_SERVING")' in said(), "its event")
    assert not status(kubectl, "notserving")["containerStatuses"][0]["ready"]
    kubectl("delete", "pod", "serving", "notserving", "--grace-period=1", "--wait=false")


def test_what_is_no_grpc_server_is_unhealthy() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def asked() -> str | None:
        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            return await grpc.check("127.0.0.1", server.sockets[0].getsockname()[1], "", 5.0)

    assert "health rpc probe failed" in (asyncio.run(asked()) or "")


def test_an_ephemeral_container_joins_a_running_pod(kubectl: Kubectl, apply: Callable[..., None]) -> None:
    apply(pod("debugged", SLEEP))
    until(lambda: status(kubectl, "debugged")["phase"] == "Running", "it runs")
    kubectl("debug", "debugged", "--image=host", "--container=looker", "--profile=general", "--", "sh", "-c",
            "echo looked; exit 3")

    def ended() -> dict[str, Any]:
        found = status(kubectl, "debugged").get("ephemeralContainerStatuses") or [{}]
        return found[0].get("state", {}).get("terminated", {})

    assert until(ended, "it ends")["exitCode"] == 3
    assert kubectl("logs", "debugged", "-c", "looker").stdout == "looked\n"
    assert status(kubectl, "debugged")["phase"] == "Running"
    time_told = kubectl("get", "events", "--field-selector", "involvedObject.name=debugged", "-o", "json").stdout
    assert "spec.ephemeralContainers{looker}" in time_told
    kubectl("delete", "pod", "debugged", "--grace-period=1", "--wait=false")
