"""How fast Services are: requests a second through one against a pod directly, and how soon a change counts.

    python benchmarks/cluster_network.py [--seconds 5] [--clients 8]

Needs a running cluster (`lab up kubernetes`).  Makes a pod and a Service in a namespace of its own, and removes it.
The clients run in this process, so both numbers hold its own share; each request is a connection of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import time
from typing import Any

from labs.cluster.controlplane.services import number as cluster_number
from labs.cluster.network.addresses import Ranges
from labs.services import state
from labs.toolbox import programs

SERVER = """
import asyncio
async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "0.0.0.0", 8080, backlog=512)
    await server.serve_forever()
asyncio.run(main())
"""
CLIENT = """
import socket, statistics, sys, time
times = []
for _ in range(300):
    begun = time.perf_counter()
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as made:
        connected = time.perf_counter()
        made.sendall(b"GET / HTTP/1.1\\r\\nHost: speed\\r\\n\\r\\n")
        while made.recv(4096):
            pass
    times.append((connected - begun, time.perf_counter() - begun))
print(*(f"{statistics.median(each) * 1000:.2f}" for each in zip(*times)))
"""
NAMESPACE = "network-benchmark"


def kubectl(*arguments: str, stdin: str = "") -> str:
    """What it says; raises CalledProcessError."""
    found = programs.find(programs.tool("kubectl"))
    assert found is not None
    return subprocess.run([found.path, "--kubeconfig", str(state.home() / "kubeconfig"), "-n", NAMESPACE, *arguments],
                          input=stdin, text=True, stdout=subprocess.PIPE, check=True, timeout=90).stdout


def prepare() -> tuple[str, str]:
    """(address of a pod, of its Service)."""
    pods: list[dict[str, Any]] = [{
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "speed"}}, "spec": {
            "terminationGracePeriodSeconds": 1, "containers": [{
                "name": "main", "image": "host", "command": ["python3", "-c", SERVER],
                "ports": [{"containerPort": 8080}],
                "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}]}} for name in ("one",)]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "speed"},
               "spec": {"selector": {"app": "speed"}, "ports": [{"port": 8080}]}}
    kubectl("create", "namespace", NAMESPACE)
    kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    kubectl("apply", "--validate=false", "-f", "-",
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [*pods, service]}))
    kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    return (kubectl("get", "pod", "one", "-o", "jsonpath={.status.podIP}"),
            kubectl("get", "service", "speed", "-o", "jsonpath={.spec.clusterIP}"))


async def rate(address: str, seconds: float, clients: int) -> tuple[float, float]:
    """(requests a second, median milliseconds)."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        while time.perf_counter() < end:
            begun = time.perf_counter()
            reader, writer = await asyncio.open_connection(address, 8080)
            writer.write(b"GET / HTTP/1.1\r\nHost: speed\r\n\r\n")
            await reader.read()
            writer.close()
            times.append(time.perf_counter() - begun)

    await asyncio.gather(*(client() for _ in range(clients)))
    return len(times) / seconds, statistics.median(times) * 1000


async def answers(address: str) -> bool:
    """Does a connection come about?"""
    try:
        _, writer = await asyncio.open_connection(address, 8080)
    except OSError:
        return False
    writer.close()
    return True


async def change(address: str) -> list[float]:
    """Seconds from asking for a change of labels until the Service refuses."""
    found = []
    for _ in range(3):
        await asyncio.to_thread(kubectl, "label", "pod", "one", "app=speed", "--overwrite")
        while not await answers(address):
            await asyncio.sleep(0.01)
        # the API server has the change somewhere within this call: counted from its start
        begun = time.perf_counter()
        call = asyncio.create_task(asyncio.to_thread(kubectl, "label", "pod", "one", "app=gone", "--overwrite"))
        while await answers(address):
            await asyncio.sleep(0.005)
        found.append(time.perf_counter() - begun)
        await call
    return found


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=8)
    given = parser.parse_args()
    said = json.loads((state.home() / "kubernetes" / "network.json").read_text(encoding="utf-8"))
    ranges = Ranges(cluster_number(), said["offset"])
    try:
        pod, service = (ranges.end(each) for each in prepare())
        for name, address in (("pod directly", pod), ("through a Service", service), ("pod directly", pod)):
            number, middle = asyncio.run(rate(address, given.seconds, given.clients))
            print(f"{name:20} {number:8.0f} requests/s   median {middle:6.2f} ms")
        for name, host, port in (("its own localhost", "127.0.0.1", "8080"),
                                 ("a Service", ranges.shown(service), "8080")):
            said = kubectl("exec", "one", "--", "python3", "-c", CLIENT, host, port).split()
            print(f"from a pod to {name}: median {said[0]} ms to connect, {said[1]} ms with the answer")
        delays = asyncio.run(change(service))
        print(f"an endpoint's change, kubectl's start included: {', '.join(f'{each:.2f}' for each in delays)} s")
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")


if __name__ == "__main__":
    main()
