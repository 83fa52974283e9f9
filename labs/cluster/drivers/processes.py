"""Pods as jailed processes: own identity, own network reach, nothing of the node's files.

A pod reaches the ports it is granted and no others: the AWS endpoint's listener for pods, the node's metadata listener
for its distance (one hop with ``hostNetwork``, two from the pod network), the Pod Identity agent when it has a token.
Where the host's kernel has no Landlock for ports, that cannot be kept and nothing starts.
It cannot do what needs a cluster: RBAC, Pod Security admission, network policy.

Pages: "Use the Instance Metadata Service to access instance metadata" (EC2 User Guide), "Container credential provider"
(AWS SDKs and Tools Reference Guide).
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

WALL_SECONDS = 30.0
MEMORY = 2**29  # bytes
PROCESSES = 8  # with threads: an SDK starts some
TOKEN = "eks-pod-identity-token"


@dataclass(frozen=True, slots=True)
class Pod:
    """What is said about a pod before it runs.

    :param host_network: does it share the node's network, one hop from the metadata service instead of two?
    :param token: its service-account token for EKS Pod Identity; "" for none
    """

    name: str
    namespace: str = "default"
    service_account: str = "default"
    host_network: bool = False
    token: str = field(default="", repr=False)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Its loopback address: 127.244.x.y, decided by namespace and name."""
        digest = hashlib.sha256(f"{self.namespace}/{self.name}".encode()).digest()
        return f"127.244.{digest[0]}.{1 + digest[1] % 254}"


@dataclass(frozen=True, slots=True)
class Network:
    """URLs on loopback that a node's pods may reach.

    :param aws: the AWS endpoint's listener for pods
    :param metadata: the metadata service for callers one hop away, and two
    :param agent: the Pod Identity agent; "" for none
    """

    aws: str
    metadata: tuple[str, str]
    agent: str = ""

    def of(self, pod: Pod) -> dict[str, str]:
        """What this pod reaches, by the environment variable that tells it."""
        made = {
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata[0 if pod.host_network else 1],
        }
        if pod.token and self.agent:
            made["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{self.agent}/v1/credentials"
        return made


class Processes:
    """The driver: runs pods on this machine, in a network of granted ports."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def run(self, pod: Pod, source: str) -> jail.Result:
        """Run a Python program as the pod's only container, to its end or for WALL_SECONDS.

        :raises PermanentError: this host cannot keep the jail's promises
        """
        with self._granted(pod, WALL_SECONDS) as spec:
            return jail.run(spec, [sys.executable, "-I", "-X", "utf8", "-c", source])

    @contextmanager
    def start(self, pod: Pod, command: Sequence[str], stdout: Any = subprocess.DEVNULL) -> Iterator[jail.Running]:
        """Start a command as the pod's only container; it is ended with the context.  Raises as ``run`` does."""
        with (
            self._granted(pod, None) as spec,
            jail.start(spec, command, stdout=stdout, stderr=subprocess.STDOUT) as running,
        ):
            yield running

    @contextmanager
    def _granted(self, pod: Pod, seconds: float | None) -> Iterator[jail.Spec]:
        """What the pod may do; its folder goes with it."""
        reached = self.network.of(pod)
        ports = {urllib.parse.urlsplit(url).port or 80 for url in reached.values()}
        folder = tempfile.mkdtemp(prefix="pod-")
        try:
            yield jail.Spec(
                readable=jail.runtime(),
                writable=folder,
                environment=self._environment(pod, folder, reached),
                connect=tuple(sorted(ports)),
                memory=MEMORY,
                address_space=4 * MEMORY,
                wall_seconds=seconds,
                cpu_seconds=seconds,
                processes=PROCESSES,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _environment(self, pod: Pod, folder: str, reached: Mapping[str, str]) -> dict[str, str]:
        """What kubelet and the webhook of EKS Pod Identity put into a container."""
        made = {
            "HOME": folder,
            "TMPDIR": folder,
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "HOSTNAME": pod.name,
            "POD_IP": pod.address,
            "AWS_DEFAULT_REGION": "us-east-1",
            **reached,
        }
        if pod.token:
            made["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = _token_file(folder, pod.token)
        return made | dict(pod.environment)


def _token_file(folder: str, token: str) -> str:
    """A file that only the pod's uid reads."""
    path = os.path.join(folder, TOKEN)
    with open(path, "w", encoding="ascii") as file:
        file.write(token)
    if os.getuid() == 0:
        os.chown(path, jail.NOBODY, jail.NOBODY)
    os.chmod(path, 0o400)
    return path
