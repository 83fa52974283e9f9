"""What the ingress costs: against calling a pod directly, and how soon it sees that endpoints changed.

    python benchmarks/ingress.py [--requests 3000] [--clients 16]

Needs a running cluster with its ingress (`lab up ingress`).  Makes pods in a namespace of its own, and removes it.
Everything shares the processors of the machine: pods, Traefik, and the clients, which are in this process and keep
their connections, as browsers do.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import Any

from labs.cluster.controlplane.services import number as cluster_number
from labs.cluster.ingress.flags import Listeners
from labs.cluster.network.addresses import Ranges
from labs.services import control, state
from labs.toolbox import programs

NAMESPACE, HOST = "ingress-benchmark", "speed.test"
SERVER = """
import asyncio, os
body = os.environ["HOSTNAME"].encode()
reply = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body)
class Answer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.seen = transport, b""
    def data_received(self, data):
        self.seen += data
        while b"\\r\\n\\r\\n" in self.seen:
            self.seen = self.seen.partition(b"\\r\\n\\r\\n")[2]
            self.transport.write(reply)
async def main():
    server = await asyncio.get_running_loop().create_server(Answer, "0.0.0.0", 8080, backlog=512)
    await server.serve_forever()
asyncio.run(main())
"""


@dataclass(frozen=True)
class Measured:
    """Many requests to one address.

    :param median: of one, in ms
    :param late: what one of a hundred exceeds, in ms
    :param rate: requests a second
    :param failed: of them
    """

    median: float
    late: float
    rate: float
    failed: int


def kubectl(*arguments: str, stdin: str = "") -> str:
    """What it says; raises CalledProcessError."""
    found = programs.find(programs.tool("kubectl"))
    assert found is not None
    return subprocess.run([found.path, "--kubeconfig", str(state.home() / "kubeconfig"), "-n", NAMESPACE, *arguments],
                          input=stdin, text=True, stdout=subprocess.PIPE, check=True, timeout=90).stdout


def apply(*objects: dict[str, Any]) -> None:
    """Make or change objects."""
    kubectl("apply", "--validate=false", "-f", "-",
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def prepare() -> str:
    """Two pods, their Service and Ingress; the address of one pod's end."""
    labels = {"app": "speed"}
    container = {"name": "main", "image": "host", "command": ["python3", "-S", "-c", SERVER],
                 "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
    kubectl("create", "namespace", NAMESPACE)
    apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "speed"}, "spec": {
              "replicas": 2, "selector": {"matchLabels": labels},
              "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}},
          {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "speed"},
           "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}},
          {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "speed"}, "spec": {
              "ingressClassName": "traefik", "rules": [{"host": HOST, "http": {"paths": [{
                  "path": "/", "pathType": "Prefix",
                  "backend": {"service": {"name": "speed", "port": {"number": 80}}}}]}}]}})
    kubectl("rollout", "status", "deployment/speed", "--timeout=60s")
    pod = kubectl("get", "pods", "-o", "jsonpath={.items[0].status.podIP}")
    known = json.loads((state.home() / "kubernetes" / "network.json").read_text(encoding="utf-8"))
    return Ranges(cluster_number(), known["offset"]).end(pod)


async def measure(address: str, port: int, requests: int, clients: int) -> Measured:
    """``requests`` by so many clients, each one after another on one connection."""
    times: list[float] = []
    failed = 0
    asked = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()

    async def client(count: int) -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection(address, port)
        for _ in range(count):
            begun = time.perf_counter()
            writer.write(asked)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            times.append(time.perf_counter() - begun)
            failed += not head.startswith(b"HTTP/1.1 200 ")
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(requests // clients) for _ in range(clients)))
    took = time.perf_counter() - began
    return Measured(statistics.median(times) * 1000, statistics.quantiles(times, n=100)[98] * 1000, len(times) / took,
                    failed)


def delays(port: int, rounds: int) -> list[tuple[float, float]]:
    """Seconds from a change of endpoints to the ingress: of the last that goes, of the first that comes.

    A Service's selector is changed, so that no pod's start or probe is part of it.
    """
    seen = []
    for _ in range(rounds):
        each = []
        for selector, wanted in ((None, 503), ("speed", 200)):
            apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "speed"}, "spec": {
                "selector": {"app": selector or "nobody"}, "ports": [{"port": 80, "targetPort": 8080}]}})
            begun = time.monotonic()
            while status(port) != wanted:
                if time.monotonic() > begun + 30:
                    raise TimeoutError(f"no {wanted} in 30 s")
                time.sleep(0.01)
            each.append(time.monotonic() - begun)
        seen.append((each[0], each[1]))
    return seen


def status(port: int) -> int:
    """What the ingress answers now."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/", headers={"Host": HOST})
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--clients", type=int, default=16)
    given = parser.parse_args()
    control.down(["ingress"])
    began = time.monotonic()
    control.up(["ingress"])
    started = time.monotonic() - began
    listeners = Listeners.read(state.home())
    end = prepare()
    try:
        while status(listeners.http) != 200:
            time.sleep(0.05)
        ways = {"pod": (end, 8080), "ingress": ("127.0.0.1", listeners.http)}
        alone = {name: asyncio.run(measure(*way, given.requests // 4, 1)) for name, way in ways.items()}
        crowd = {name: asyncio.run(measure(*way, given.requests, given.clients)) for name, way in ways.items()}
        changes = delays(listeners.http, 7)
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    print(f"`lab up ingress` with a running cluster: {started:.1f} s")
    for title, by in (("one client", alone), (f"{given.clients} clients", crowd)):
        pod, ingress = by["pod"], by["ingress"]
        print(f"{title}: median {pod.median:.2f} ms at a pod, {ingress.median:.2f} ms through the ingress: "
              f"{ingress.median / pod.median:.1f} times, {ingress.median - pod.median:.2f} ms more; "
              f"99 % within {pod.late:.1f} and {ingress.late:.1f} ms; "
              f"{pod.rate:.0f} and {ingress.rate:.0f} requests/s: {ingress.rate / pod.rate:.2f} times; "
              f"failed: {pod.failed} and {ingress.failed}")
    for index, what in enumerate(("the last endpoint goes", "the first endpoint comes")):
        times = [each[index] for each in changes]
        print(f"{what}: seen after {statistics.median(times):.2f} s, at most {max(times):.2f} s")


if __name__ == "__main__":
    main()
