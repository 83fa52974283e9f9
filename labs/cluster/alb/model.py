"""What there shall be for the Ingresses of a group: pure, from the cluster's objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labs.cluster.alb import rules
from labs.cluster.alb.annotations import Annotations, ModelError, agreed
from labs.cluster.alb.naming import GroupId, balancer_name, group_name, tags
from labs.cluster.alb.rules import Backend, Object, WantedRule

Key = tuple[str, str]
"""(namespace, name)."""
SCHEMES = ("internal", "internet-facing")


@dataclass(frozen=True)
class WantedTargetGroup:
    """A target group: parameters of CreateTargetGroup, attributes, and (id, port) of each target."""

    name: str
    settings: Mapping[str, Any]
    attributes: Mapping[str, str]
    tags: Mapping[str, str]
    targets: frozenset[tuple[str, int]]


@dataclass(frozen=True)
class WantedListener:
    """A listener; ``default`` and the rules' actions name target groups by their Backend."""

    port: int
    protocol: str
    certificates: tuple[str, ...]
    default: Object
    rules: tuple[WantedRule, ...]


@dataclass(frozen=True)
class Stack:
    """All that there shall be for a group; security groups and subnets as annotations name them, if they do."""

    group: GroupId
    name: str
    scheme: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    inbound: tuple[str, ...]
    attributes: Mapping[str, str]
    tags: Mapping[str, str]
    listeners: tuple[WantedListener, ...]
    target_groups: Mapping[Backend, WantedTargetGroup]


@dataclass(frozen=True)
class Cluster:
    """The cluster as far as it is known: Services, EndpointSlices by the Service that they belong to, nodes."""

    name: str
    services: Mapping[Key, Object]
    slices: Mapping[Key, Sequence[Object]]
    nodes: Sequence[Object]


def build(group: GroupId, ingresses: Iterable[Object], cluster: Cluster) -> Stack:
    """:raises ModelError: the Ingresses are contradictory, or say what there is not"""
    members = sorted(ingresses, key=_order)
    notes = [Annotations.of(each) for each in members]
    scheme = agreed(notes, "scheme", "internal")
    if scheme not in SCHEMES:
        raise ModelError(f"unknown scheme: {scheme}")
    name = agreed(notes, "load-balancer-name") or balancer_name(cluster.name, group, scheme)
    if len(name) > 32:
        raise ModelError("load balancer name cannot be longer than 32 characters")
    building = _Building(group, cluster)
    listeners = building.listeners(members)
    added: dict[str, str] = {}
    attributes: dict[str, str] = {}
    for each in notes:
        added |= each.map("tags")
        attributes |= each.map("load-balancer-attributes")
    return Stack(
        group, name, scheme, tuple(Annotations({"s": agreed(notes, "subnets")}).list("s")),
        tuple(Annotations({"s": agreed(notes, "security-groups")}).list("s")),
        tuple(dict.fromkeys(one for each in notes for one in each.list("inbound-cidrs"))) or ("0.0.0.0/0",),
        attributes, added | tags(cluster.name, group, "LoadBalancer"), listeners, building.target_groups)


def _order(ingress: Object) -> tuple[int, str]:
    return Annotations.of(ingress).number("group.order", 0), rules.name_of(ingress)


class _Building:
    """Target groups come up while rules are made."""

    def __init__(self, group: GroupId, cluster: Cluster) -> None:
        self._group, self._cluster = group, cluster
        self.target_groups: dict[Backend, WantedTargetGroup] = {}

    def listeners(self, members: Sequence[Object]) -> tuple[WantedListener, ...]:
        ports: dict[int, tuple[str, list[Object]]] = {}
        certificates: dict[int, list[str]] = {}
        redirect = agreed([Annotations.of(each) for each in members], "ssl-redirect")
        for each in members:
            for protocol, port in _listen_ports(each):
                kind, of = ports.setdefault(port, (protocol, []))
                if kind != protocol:
                    raise ModelError(f"conflicting protocol, port {port}: {kind} | {protocol}")
                of.append(each)
                certificates.setdefault(port, []).extend(Annotations.of(each).list("certificate-arn"))
        if redirect and (not redirect.isdigit() or ports.get(int(redirect), ("",))[0] != "HTTPS"):
            raise ModelError(f"listener does not exist for SSLRedirect port: {redirect}")
        return tuple(
            self._listener(port, protocol, of, tuple(dict.fromkeys(certificates[port])), redirect)
            for port, (protocol, of) in sorted(ports.items()))

    def _listener(self, port: int, protocol: str, members: Sequence[Object], certificates: tuple[str, ...],
                  redirect: str) -> WantedListener:
        if protocol == "HTTPS" and not certificates:
            raise ModelError(f"no certificate found for host: {_hosts(members)}")
        if protocol == "HTTP" and redirect:
            to = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": redirect,
                                                          "StatusCode": "HTTP_301"}}
            return WantedListener(port, protocol, (), to, ())
        made = tuple(rule for each in members for rule in self._rules(each))
        return WantedListener(port, protocol, certificates if protocol == "HTTPS" else (), self._default(members), made)

    def _rules(self, ingress: Object) -> list[WantedRule]:
        return rules.of_ingress(ingress, lambda backend: self._needs(ingress, backend))

    def _default(self, members: Sequence[Object]) -> Object:
        backends = [(each, each["spec"]["defaultBackend"]) for each in members if each["spec"].get("defaultBackend")]
        if len(backends) > 1:
            raise ModelError(f"multiple ingress defined default backend: {[rules.name_of(one) for one, _ in backends]}")
        if not backends:
            return rules.NOT_FOUND
        ingress, backend = backends[0]
        return rules.action_of(ingress, backend, lambda one: self._needs(ingress, one))

    def _needs(self, ingress: Object, backend: Backend) -> bool:
        """Have a target group for a backend; False where there is no such Service."""
        service = self._cluster.services.get((backend.namespace, backend.service))
        if service is None:
            return False
        if backend not in self.target_groups:
            self.target_groups[backend] = self._target_group(ingress, service, backend)
        return True

    def _target_group(self, ingress: Object, service: Object, backend: Backend) -> WantedTargetGroup:
        notes = Annotations.of(ingress, service)
        kind = notes.one_of("target-type", "instance", "instance", "ip")
        port = _port_of(service, backend)
        protocol = notes.one_of("backend-protocol", "HTTP", "HTTP", "HTTPS")
        if kind == "instance" and not port.get("nodePort"):
            raise ModelError(f"ingress: {rules.name_of(ingress)}: TargetGroup port is empty. When using Instance "
                             "targets, your service must be of type 'NodePort' or 'LoadBalancer'")
        asked = port.get("targetPort", port["port"])
        number = port["nodePort"] if kind == "instance" else asked if isinstance(asked, int) else 1
        name = group_name(self._cluster.name, self._group, backend.namespace, backend.service,
                          rules.name_of(ingress), service["metadata"].get("uid", ""), backend.port, number, kind,
                          protocol)
        resource = f"{rules.name_of(ingress)}-{backend.service}:{backend.port}"
        targets = self._nodes(port) if kind == "instance" else self._pods(backend, port)
        settings = {"TargetType": kind, "Port": number, "Protocol": protocol, **_checks(notes, protocol)}
        return WantedTargetGroup(name, settings, notes.map("target-group-attributes"),
                                 notes.map("tags") | tags(self._cluster.name, self._group, resource), targets)

    def _pods(self, backend: Backend, port: Object) -> frozenset[tuple[str, int]]:
        """Ready endpoints, at the ports that the slices tell."""
        found = set()
        for each in self._cluster.slices.get((backend.namespace, backend.service), ()):
            numbers = [one["port"] for one in each.get("ports") or () if one.get("name") in (port.get("name"), None, "")
                       or not port.get("name")]
            for endpoint in each.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    found |= {(address, number) for address in endpoint["addresses"] for number in numbers[:1]}
        return frozenset(found)

    def _nodes(self, port: Object) -> frozenset[tuple[str, int]]:
        """Ready nodes that are EC2 instances (``aws:///ZONE/INSTANCE``), at the node port."""
        return frozenset(
            (each["spec"]["providerID"].rpartition("/")[2], int(port["nodePort"])) for each in self._cluster.nodes
            if str(each["spec"].get("providerID", "")).startswith("aws://") and _ready(each))


def _ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _listen_ports(ingress: Object) -> list[tuple[str, int]]:
    notes = Annotations.of(ingress)
    said = notes.json("listen-ports")
    if said is None:
        return [("HTTPS", 443)] if notes.text("certificate-arn") else [("HTTP", 80)]
    try:
        found = [(protocol, int(port)) for each in said for protocol, port in each.items()]
    except (TypeError, ValueError, AttributeError):
        raise ModelError(f"failed to parse listen-ports configuration: `{notes.text('listen-ports')}`") from None
    for protocol, port in found:
        if protocol not in ("HTTP", "HTTPS") or not 1 <= port <= 65535:
            raise ModelError(f"listen-ports has unknown protocol or port: {protocol}:{port}")
    if not found:
        raise ModelError("empty listen-ports configuration")
    return found


def _hosts(members: Sequence[Object]) -> str:
    return ", ".join(dict.fromkeys(one["host"] for each in members for one in each["spec"].get("rules") or ()
                                   if one.get("host"))) or "-"


def _port_of(service: Object, backend: Backend) -> Object:
    for each in service["spec"].get("ports") or ():
        if backend.port in (str(each["port"]), each.get("name")):
            found: Object = each
            return found
    raise ModelError(f"unable to find port {backend.port} on service {backend.namespace}/{backend.service}")


def _checks(notes: Annotations, protocol: str) -> dict[str, Any]:
    """Health checks with the controller's own defaults."""
    return {
        "HealthCheckProtocol": notes.one_of("healthcheck-protocol", protocol, "HTTP", "HTTPS"),
        "HealthCheckPort": notes.text("healthcheck-port", "traffic-port"),
        "HealthCheckPath": notes.text("healthcheck-path", "/"),
        "HealthCheckIntervalSeconds": notes.number("healthcheck-interval-seconds", 15),
        "HealthCheckTimeoutSeconds": notes.number("healthcheck-timeout-seconds", 5),
        "HealthyThresholdCount": notes.number("healthy-threshold-count", 2),
        "UnhealthyThresholdCount": notes.number("unhealthy-threshold-count", 2),
        "Matcher": {"HttpCode": notes.text("success-codes", "200")},
    }
