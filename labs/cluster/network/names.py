"""Names of the cluster, as its DNS knows them.  Pure, over the table.

"DNS for Services and Pods" (Kubernetes documentation) and the specification it names, "Kubernetes DNS-Based Service
Discovery".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from labs.cluster.network.routing import usable
from labs.cluster.network.table import Endpoint, Key, Table
from labs.cluster.nodes.api import Object

DOMAIN = "cluster.local"
_DASHED = re.compile(r"\d+-\d+-\d+-\d+")


@dataclass
class Found:
    """What is known of a name.

    :param addresses: A records
    :param targets: SRV records, (port, name)
    :param alias: CNAME, a name without its last dot
    :param names: PTR records
    """

    addresses: list[str] = field(default_factory=list)
    targets: list[tuple[int, str]] = field(default_factory=list)
    alias: str = ""
    names: list[str] = field(default_factory=list)
    text: str = ""


def ours(name: str) -> bool:
    """Is the cluster's DNS the authority for a name?"""
    return name == DOMAIN or name.endswith("." + DOMAIN)


def find(table: Table, name: str) -> Found | None:
    """What a name of ``cluster.local`` has, None when it does not exist.  Without the last dot, in either case."""
    labels = name.lower().removesuffix(DOMAIN).rstrip(".").split(".")
    if labels == [""]:
        return Found()
    if labels == ["dns-version"]:
        return Found(text="1.1.0")
    kind, rest = labels[-1], labels[:-1]
    if not rest:
        return Found() if kind in ("svc", "pod") else None
    namespace, rest = rest[-1], rest[:-1]
    if ("", namespace) not in table.namespaces:
        return None
    if kind == "pod":
        return _pod(rest)
    if kind != "svc":
        return None
    return _service(table, (namespace, rest[-1]), rest[:-1]) if rest else Found()


def _pod(rest: list[str]) -> Found | None:
    """``10-244-0-7.NAMESPACE.pod``: the address it says."""
    if not rest:
        return Found()
    return Found([rest[0].replace("-", ".")]) if len(rest) == 1 and _DASHED.fullmatch(rest[0]) else None


def _service(table: Table, key: Key, rest: list[str]) -> Found | None:
    service = table.services.get(key)
    if service is None:
        return None
    if service["spec"].get("type") == "ExternalName":
        return Found(alias=service["spec"]["externalName"].rstrip(".")) if not rest else None
    own = f"{key[1]}.{key[0]}.svc.{DOMAIN}"
    headless = service["spec"].get("clusterIP") == "None"
    if not rest:
        addresses = list(dict.fromkeys(each.address for each in usable(table.endpoints(key, None)))) if headless else [
            service["spec"]["clusterIP"]]
        return Found(addresses, [target for port in service["spec"].get("ports") or []
                                 for target in _targets(table, key, service, port, own)])
    if len(rest) == 2 and rest[0].startswith("_") and rest[1].startswith("_"):
        ports = [port for port in service["spec"].get("ports") or []
                 if (port.get("name") or "").lower() == rest[0][1:] and port.get("protocol", "TCP").lower() ==
                 rest[1][1:]]
        return Found(targets=[target for port in ports
                              for target in _targets(table, key, service, port, own)]) if ports else None
    if len(rest) == 1:
        addresses = list(dict.fromkeys(
            each.address for each in usable(table.endpoints(key, None)) if host(each) == rest[0]))
        return Found(addresses) if addresses else None
    return None


def _targets(table: Table, key: Key, service: Object, port: Object, own: str) -> list[tuple[int, str]]:
    if service["spec"].get("clusterIP") != "None":
        return [(port["port"], own)]
    return [(each.port, f"{host(each)}.{own}") for each in usable(table.endpoints(key, port.get("name") or ""))]


def host(endpoint: Endpoint) -> str:
    """The first label of an endpoint's name: its hostname, else its address with dashes."""
    return endpoint.hostname or endpoint.address.replace(".", "-")


def reverse(table: Table, address: str) -> Found | None:
    """PTR: the Service of a cluster IP, the names of an endpoint of headless Services."""
    key = table.service_at(address)
    if key is not None:
        return Found(names=[f"{key[1]}.{key[0]}.svc.{DOMAIN}"])
    made = [f"{host(each)}.{name}.{namespace}.svc.{DOMAIN}" for (namespace, name), each in table.in_slice(address)]
    return Found(names=made) if made else None


def search(pod: Object) -> list[str]:
    """Domains that are tried after a short name ("Pod's DNS Policy", "Pod's DNS Config")."""
    spec, namespace = pod["spec"], pod["metadata"]["namespace"]
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    uses_cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not spec.get("hostNetwork"))
    made = [f"{namespace}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN] if uses_cluster else []
    return list(dict.fromkeys([*made, *((spec.get("dnsConfig") or {}).get("searches") or [])]))


def candidates(pod: Object, name: str) -> list[str]:
    """The whole names to try, in order, as the C library does with ``ndots:5``."""
    if name.endswith("."):
        return [name[:-1]]
    options = {each["name"]: each.get("value") for each in (pod["spec"].get("dnsConfig") or {}).get("options") or []}
    searched = [f"{name}.{domain}" for domain in search(pod)]
    enough = int(options.get("ndots") or 5)
    return [name, *searched] if name.count(".") >= enough else [*searched, name]


def resolv_conf(pod: Object, server: str) -> str:
    """The pod's ``/etc/resolv.conf``.

    :param server: address of the cluster's DNS
    """
    spec = pod["spec"]
    config = spec.get("dnsConfig") or {}
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    own = policy == "None" or policy == "Default" or (policy == "ClusterFirst" and spec.get("hostNetwork"))
    servers = list(dict.fromkeys([*([] if own else [server]), *(config.get("nameservers") or [])]))
    servers = servers or [server]       # the node's own: this machine's are out of reach, and asked by the cluster's
    options = {each["name"]: each.get("value") for each in config.get("options") or []}
    if not own:
        options = {"ndots": "5", **options}
    lines = [f"search {' '.join(search(pod))}"] if search(pod) else []
    lines += [f"nameserver {each}" for each in servers]
    if options:
        said = [key if value is None else f"{key}:{value}" for key, value in options.items()]
        lines.append(f"options {' '.join(said)}")
    return "\n".join(lines) + "\n"
