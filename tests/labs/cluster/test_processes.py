"""Pods as jailed processes: what they are told, what they reach, and what they do not."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from labs.cluster.drivers.processes import Network, Pod, Processes

REACH = """
import json, os, socket
seen = {}
for name, port in PORTS.items():
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        seen[name] = True
    except OSError:
        seen[name] = False
print(json.dumps(seen))
"""


@pytest.fixture
def ports() -> Iterator[dict[str, int]]:
    names = ("aws", "near", "far", "agent", "other")
    listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
    yield {name: listener.getsockname()[1] for name, listener in listeners.items()}
    for listener in listeners.values():
        listener.close()


@pytest.fixture
def driver(ports: dict[str, int]) -> Processes:
    url = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    return Processes(Network(url["aws"], (url["near"], url["far"]), url["agent"]))


@pytest.mark.parametrize(("pod", "reached"), [
    (Pod("web"), {"aws", "far"}),
    (Pod("web", host_network=True), {"aws", "near"}),
    (Pod("web", token="t"), {"aws", "far", "agent"}),
])
def test_a_pod_reaches_its_place_in_the_network_and_no_other(driver, ports, pod, reached):
    result = driver.run(pod, REACH.replace("PORTS", repr(ports)))
    assert result.status == 0, result.stderr
    assert {name for name, open_ in json.loads(result.stdout).items() if open_} == reached


def test_a_pod_is_told_who_it_is_and_nothing_of_the_node(driver, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-leak")
    result = driver.run(Pod("web", environment={"COLOUR": "blue"}),
                        "import json, os; print(json.dumps(dict(os.environ)))")
    seen = json.loads(result.stdout)
    assert (seen["HOSTNAME"], seen["COLOUR"]) == ("web", "blue")
    assert "do-not-leak" not in seen.values()
    assert not {"AWS_ACCESS_KEY_ID", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} & set(seen)


def test_the_token_is_a_file_of_its_own_pod(driver):
    code = """
import glob, os
path = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
print(open(path).read(), oct(os.stat(path).st_mode & 0o777))
for other in glob.glob(os.path.dirname(os.path.dirname(path)) + "/pod-*"):
    print(other)
"""
    own = driver.run(Pod("web", token="mine"), code)
    assert own.stdout.split()[:2] == [b"mine", b"0o400"], own
    with driver.start(Pod("neighbour", token="theirs"), [sys.executable, "-I", "-c", "import time; time.sleep(60)"]):
        seen = driver.run(Pod("web", token="mine"), code + """
for root, _, files in os.walk(os.path.dirname(os.path.dirname(path))):
    for name in files:
        try: print("FOUND", open(os.path.join(root, name)).read())
        except OSError: pass
""")
    assert b"theirs" not in seen.stdout


def test_addresses_are_loopback_and_their_own():
    addresses = {Pod(f"web-{number}").address for number in range(20)} | {Pod("web-1", "other").address}
    assert len(addresses) == 21
    assert all(address.startswith("127.244.") and not address.endswith((".0", ".255")) for address in addresses)


def test_a_started_pod_ends_with_its_context(driver):
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with driver.start(Pod("web"), [sys.executable, "-I", "-c", code], stdout=subprocess.PIPE) as running:
        assert running.stdout.readline()
        pid = running.pid
        assert os.path.exists(f"/proc/{pid}")
    running.close_pipes()
    assert not os.path.exists(f"/proc/{pid}")
