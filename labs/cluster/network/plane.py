"""All of the network in one object, which the process that plays the nodes runs."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labs import jail
from labs.cluster.network import addresses, dns, egress, ends, forward, names
from labs.cluster.network.addresses import DOOR, port
from labs.cluster.network.door import Door
from labs.cluster.network.listeners import Listeners
from labs.cluster.network.router import Caller, Denied, Router, Unknown
from labs.cluster.network.table import Pods, Table
from labs.cluster.nodes import roots, sandbox
from labs.cluster.nodes.api import Client, Object
from labs.jail import rungs

STARTUP = Path(__file__).resolve().parent / "startup"
"""What Python programs in pods import first."""
MOUNTED = "/run/labs-network"
"""Where a container that has its image's files sees it."""
DNS_PORT = 10053
"""On 127.0.0.1, where it is free; ``network.json`` in the cluster's folder says which it became."""
METADATA_FILE = "metadata.json"
"""In the cluster's folder, written by who plays the instances that the nodes are (``Router``)."""
USUAL = (80, 443, 3000, 5000, 5432, 6379, 8000, 8080, 8081, 8443, 8888, 9000, 9090)
"""Ports a container may listen on without declaring them, beside those that it declares or is probed at."""


class Network:
    """The network of one cluster.

    :param folder: where it remembers its addresses
    :param socket: on which the API server asks for connections into the cluster
    :param api_port: where the API server listens on 127.0.0.1
    :param number: the cluster's among those of the machine
    :raises PermanentError: no range of addresses is left on this machine
    """

    def __init__(self, client: Client, folder: Path, socket: Path, api_port: int, number: int = 0) -> None:
        self._client = client
        self._socket = socket
        self._file = folder / "network.json"
        self.ranges, listener = addresses.claim(self._file, number)
        self.shim = notified()
        said = json.loads(self._file.read_text(encoding="utf-8"))
        said |= {"shim": self.shim, "ends": f"http://{self.ranges.door}:{ends.PORT}"}
        self._file.write_text(json.dumps(said) + "\n", encoding="utf-8")
        self.table = Table(self.ranges)
        self.router = Router(self.ranges, self.table, api_port, folder / METADATA_FILE)
        self.door = Door(self.ranges, self.router, listener, _secret(folder / "network.key"))
        self._listeners = Listeners(self.router)
        self.ends = ends.Ends(self.router, f"https://127.0.0.1:{api_port}", folder / "pki" / "ca.crt")
        self.table.changed = self._changed
        self._names = dns.Server(self.table, lambda: dns.upstream(folder.parent / "dns.json"))

    def _changed(self) -> None:
        self._listeners.wake()
        self.ends.wake()

    def knows(self, pods: Pods) -> None:
        """Tell it who knows the pods."""
        self.table.pods = pods

    async def announce(self, administrator: Client) -> None:
        """Have the cluster's DNS be the Service that it is everywhere; raises Refused or TemporaryError."""
        # of no pods: it runs in this process
        await administrator.apply("/api/v1/namespaces/kube-system/services/kube-dns", {
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "kube-dns", "labels": {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}},
            "spec": {"clusterIP": self.ranges.dns, "clusterIPs": [self.ranges.dns], "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53}]}})

    async def run(self) -> None:
        """Until cancelled."""
        await self._answer_names()
        try:
            await asyncio.gather(egress.serve(self._socket, self.dial, self.router.endpoints), self.door.serve(),
                                 self.table.follow(self._client), self._listeners.keep(), self.ends.keep())
        finally:
            self._names.close()

    async def _answer_names(self) -> None:
        """On the Service's address, and where programs of this machine may ask."""
        said = json.loads(self._file.read_text(encoding="utf-8"))
        await self._names.listen(self.ranges.end(self.ranges.dns), port(53))
        for number in dict.fromkeys([said.get("dns", DNS_PORT), *range(DNS_PORT, DNS_PORT + 50)]):
            try:
                await self._names.listen("127.0.0.1", number)
            except OSError:
                continue
            self._file.write_text(json.dumps({**said, "dns": number}) + "\n", encoding="utf-8")
            return
        print(f"DNS: no port from {DNS_PORT} on is free on 127.0.0.1", file=sys.stderr)

    async def dial(self, host: str, number: int) -> forward.End:
        """A connection for the API server, to a pod, a Service, a node; OSError when there is none."""
        try:
            return await self.router.dial(Caller(), host, number)
        except (Denied, Unknown) as error:
            raise ConnectionRefusedError(str(error)) from error

    def private(self, pod: Object, address: str) -> dict[str, Any] | None:
        """The network of a container's jail as ``labs.jail.notify`` takes it; None where programs are to be changed.

        A pod on the host's network has no ends of its own: it listens on the ports that it declares.
        """
        if not address or self.shim:
            return None
        ranges, uid, declared = self.ranges, pod["metadata"]["uid"], _listened(pod)
        return {"address": address, "end": ranges.end(address), "inside": ranges.inside(address),
                "pairs": [[ranges.pod_prefix, ranges.pods], [ranges.service_prefix, ranges.services]],
                "door": [ranges.door, DOOR], "greeting": f"labs {uid} {self.door.credential(uid)}",
                "void": ranges.void, "hostname": roots.hostname(pod), "direct": sorted(self.router.host_ports),
                "ports": [0, *map(port, declared)] if pod["spec"].get("hostNetwork") else None}

    def resolv_conf(self, pod: Object) -> str:
        """The text of a pod's ``/etc/resolv.conf``."""
        return names.resolv_conf(pod, self.ranges.dns)

    def environment(self, pod: Object, address: str, given: Mapping[str, str],
                    host: bool = True) -> dict[str, str]:
        """The variables of a container, with what its programs need to use the network.

        :param given: what it has; its own proxy settings stay
        :param host: does it see the host's files (else an image's)?
        """
        if not address or not self.shim:
            return dict(given)
        uid = pod["metadata"]["uid"]
        credential = self.door.credential(uid)
        proxy = f"http://{uid}:{credential}@{self.ranges.door}:{DOOR}"
        direct = [f"127.0.0.1:{number}" for number in sorted(self.router.host_ports)]
        made = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy)
        made |= dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(direct)) | dict(given)
        known = {
            "pod": uid, "credential": credential, "address": address, "end": self.ranges.end(address),
            "inside": self.ranges.inside(address), "door": self.ranges.door, "port": DOOR, "void": self.ranges.void,
            "closed": self.ranges.closed, "pods": self.ranges.pods, "shown": self.ranges.pod_prefix,
            "direct": ",".join(str(number) for number in sorted(self.router.host_ports))}
        made["LABS_NETWORK"] = " ".join(f"{key}={value}" for key, value in known.items())
        startup = str(STARTUP) if host else MOUNTED
        made["PYTHONPATH"] = os.pathsep.join(filter(None, [startup, given.get("PYTHONPATH", "")]))
        return made

    def grant(self, spec: jail.Spec, pod: Object, address: str, host: bool = True) -> jail.Spec:
        """What a container's jail allows: a network of its own, else to connect to the door and to ports of the host.

        :param host: does it see the host's files (else an image's)?
        """
        if private := self.private(pod, address):
            return dataclasses.replace(spec, connect=(), bind=(), network=private)
        containers, listened = _containers(pod), _listened(pod)
        # 0: a port that the kernel chooses, for the client's end of each connection
        bind = {0, *(port(number) for number in (*listened, *USUAL))}
        connect = {DOOR, *self.router.host_ports}
        if any("exec" in each for one in containers for each in _looks(one)):
            # a program in any language looks there whether the container's own server answers (pg_isready, say)
            connect |= {port(number) for number in listened}
        mounts = spec.mounts if host else (*spec.mounts, jail.Mount(str(STARTUP), MOUNTED))
        return dataclasses.replace(spec, connect=tuple(sorted(connect)), bind=tuple(sorted(bind)),
                                   readable=(*spec.readable, str(STARTUP)), mounts=mounts)


def notified() -> str:
    """Why programs do not see the cluster's network whatever language they are in, or ""."""
    if os.environ.get("LABS_KUBERNETES_NETWORK") == "shim":
        return "LABS_KUBERNETES_NETWORK is shim"
    return rungs.notification() or ("" if sandbox.mountable() else "neither bubblewrap nor PRoot is there")


def _listened(pod: Object) -> set[int]:
    """The ports that a pod declares or is probed at."""
    containers = _containers(pod)
    return {each["containerPort"] for one in containers for each in one.get("ports") or []} | {
        number for one in containers for number in _probed(one)}


def _containers(pod: Object) -> list[Object]:
    return [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]


def _probed(container: Object) -> list[int]:
    ports = [each.get(kind, {}).get("port") for each in _looks(container) for kind in ("httpGet", "tcpSocket", "grpc")]
    return [number for number in ports if isinstance(number, int)]


def _looks(container: Object) -> list[Object]:
    """Its probes."""
    return [container.get(name) or {} for name in ("startupProbe", "livenessProbe", "readinessProbe")]


def _secret(file: Path) -> bytes:
    """The same after a restart, so that containers keep their credentials."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        made = secrets.token_bytes(32)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as written:
            written.write(made)
        return made
