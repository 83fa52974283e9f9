"""Where load balancers and targets are on loopback.

A load balancer's address follows from its DNS name, so that whoever resolves that name needs nothing else.  Ports below
1024 are 30000 higher, as everywhere in these labs: an ordinary user may not listen there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FIRST = 200
"""127.200.0.0 to 127.207.255.255 are load balancers'."""
NETWORKS = 8
MOVED = 30000


def address_of(dns_name: str) -> str:
    """A load balancer's address on loopback, by its DNS name in any case, with or without the final dot."""
    digest = hashlib.sha256(dns_name.rstrip(".").lower().encode()).digest()
    return f"127.{FIRST + digest[0] % NETWORKS}.{digest[1]}.{digest[2] % 254 + 1}"


def port_of(number: int) -> int:
    """Where a port is on loopback."""
    return number + MOVED if number < 1024 else number


@dataclass(frozen=True)
class Reach:
    """How this machine reaches the pods of a cluster.

    :param home: a state folder, in which the cluster's nodes write where pods' ends are
    """

    home: Path

    def end(self, address: str, number: int) -> tuple[str, int]:
        """Where a target really listens: a pod of the cluster at its end on loopback, any other as it says."""
        parts = address.split(".")
        if parts[0] == "10" and parts[1:] and 244 <= int(parts[1]) <= 255 and (prefix := self._pods()):
            return prefix + ".".join(parts[2:]), port_of(number)
        return address, number

    def node(self, number: int) -> tuple[str, int]:
        """Where a node port listens, whichever the node is."""
        return "127.0.0.1", number

    def _pods(self) -> str:
        try:
            said: Mapping[str, str] = json.loads(
                (self.home / "kubernetes" / "network.json").read_text(encoding="utf-8"))
            return said["pods"]
        except (OSError, ValueError, KeyError):
            return ""
