"""Pods as jailed processes: own identity, own network reach, nothing of the node's files.

A pod gets the ports of its place in the network and no others: the gateway's pods listener, and the metadata listener
of its distance.  Where the host's kernel has no Landlock for ports, that cannot be kept and nothing starts.
It cannot do what needs a cluster: RBAC, Pod Security admission, network policy.

Use ``Node`` as a context manager; ``run`` waits for a pod's end, ``start`` does not.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from labs import jail
from labs.cluster.metadata import OLD, Association, Metadata

WALL_SECONDS = 30.0
MEMORY = 2**29      # bytes
PROCESSES = 8
TOKEN = "eks-pod-identity-token"


@dataclass(frozen=True, slots=True)
class Pod:
    """What is said about a pod before it runs.

    :param host_network: does it share the node's network, one hop from the metadata service instead of two?
    :param role: role of its Pod Identity association; "" for none
    """

    name: str
    namespace: str = "shop"
    service_account: str = "default"
    host_network: bool = False
    role: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Its loopback address: 127.244.x.y, decided by namespace and name."""
        digest = hashlib.sha256(f"{self.namespace}/{self.name}".encode()).digest()
        return f"127.244.{digest[0]}.{1 + digest[1] % 254}"


class Node:
    """A node whose instance profile has ``role``.

    :param endpoint: URL of the gateway's host listener, for the node itself; :param pods_endpoint: what pods reach
    :param options: as of ``ModifyInstanceMetadataOptions``; PermanentError for what AWS refuses
    """

    def __init__(self, endpoint: str, pods_endpoint: str, account: str, role: str, *, cluster: str = "shop",
                 options: Mapping[str, Any] = OLD) -> None:
        self.pods_endpoint, self.cluster = pods_endpoint, cluster
        self.instance = "i-" + hashlib.sha256(f"{account}/{role}".encode()).hexdigest()[:17]
        self.metadata = Metadata(endpoint, account, self.instance, role, options)

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.metadata.close()

    def run(self, pod: Pod, source: str) -> jail.Result:
        """Run a Python program as the pod's only container, to its end.

        :raises PermanentError: this host cannot keep the jail's promises
        """
        with self._prepared(pod) as spec:
            return jail.run(spec, [sys.executable, "-I", "-X", "utf8", "-c", source])

    @contextmanager
    def start(self, pod: Pod, command: Sequence[str], stdout: Any = subprocess.DEVNULL) -> Iterator[jail.Running]:
        """Start a command as the pod; it is ended with the context.  Raises as ``run`` does."""
        with self._prepared(pod, wall_seconds=None) as spec, jail.start(spec, command, stdout=stdout,
                                                                        stderr=subprocess.STDOUT) as running:
            yield running

    @contextmanager
    def _prepared(self, pod: Pod, wall_seconds: float | None = WALL_SECONDS) -> Iterator[jail.Spec]:
        """The pod's folder and what it is granted."""
        folder = tempfile.mkdtemp(prefix="pod-")
        try:
            metadata = self.metadata.port(1 if pod.host_network else 2)
            yield jail.Spec(
                readable=jail.runtime(), writable=folder, environment=self._environment(pod, folder, metadata),
                connect=(metadata, int(urllib.parse.urlsplit(self.pods_endpoint).port or 80)), memory=MEMORY,
                address_space=4 * MEMORY, wall_seconds=wall_seconds, cpu_seconds=wall_seconds, processes=PROCESSES)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _environment(self, pod: Pod, folder: str, metadata: int) -> dict[str, str]:
        """What kubelet, the webhook of EKS Pod Identity and the lab put into the container."""
        here = f"http://127.0.0.1:{metadata}"
        made = {
            "HOME": folder, "TMPDIR": folder, "PATH": os.defpath, "LANG": "C.UTF-8", "HOSTNAME": pod.name,
            "POD_IP": pod.address, "AWS_ENDPOINT_URL": self.pods_endpoint, "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": here,
        }
        if pod.role:
            tags = {"eks-cluster-name": self.cluster, "kubernetes-namespace": pod.namespace,
                    "kubernetes-service-account": pod.service_account, "kubernetes-pod-name": pod.name}
            session = f"eks-{self.cluster}-{pod.name}"[:64]
            token = os.path.join(folder, TOKEN)
            with open(token, "w", encoding="ascii") as file:
                file.write(self.metadata.associate(Association(pod.role, session, tags)))
            if os.getuid() == 0:
                os.chown(token, jail.NOBODY, jail.NOBODY)
            os.chmod(token, 0o400)
            made |= {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{here}/v1/credentials",
                     "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token}
        return made | dict(pod.environment)
