"""NetworkPolicy: may a connection be made?  Pure.

"Network Policies" (Kubernetes documentation): a pod that a policy selects for a direction has only what some policy
allows in that direction; both sides must allow; this machine, where the kubelet is, always reaches its pods.
A Service's address is replaced by its endpoint before policies look, as kube-proxy does.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from labs.cluster.nodes.api import Object


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a connection.

    :param pod: None for what is no pod: this machine, an address elsewhere
    """

    address: str
    pod: Object | None = None

    @property
    def judged(self) -> Object | None:
        """The pod whose policies count: pods on the host's network have none."""
        return None if self.pod is None or self.pod["spec"].get("hostNetwork") else self.pod


def selects(selector: Object | None, labels: Mapping[str, str]) -> bool:
    """Does a label selector select these labels?  An empty one selects all ("Labels and Selectors")."""
    selector = selector or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_meets(one, labels) for one in selector.get("matchExpressions") or [])


def _meets(expression: Object, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    return {"In": key in labels and labels.get(key) in values, "NotIn": labels.get(key) not in values,
            "Exists": key in labels, "DoesNotExist": key not in labels}.get(expression["operator"], False)


def allows(policies: Iterable[Object], labels_of: Callable[[str], Mapping[str, str]], source: Party, target: Party,
           port: int, protocol: str = "TCP") -> bool:
    """May ``source`` connect to this port of ``target``?

    :param labels_of: a namespace's labels by its name
    """
    known = list(policies)
    if source.pod is not None and source.pod is target.pod:
        return True
    if source.judged is not None and not _one_side(known, labels_of, "Egress", source.judged, target, target, port,
                                                   protocol):
        return False
    if target.judged is None or source.pod is None:
        return True
    return _one_side(known, labels_of, "Ingress", target.judged, source, target, port, protocol)


def _one_side(policies: list[Object], labels_of: Callable[[str], Mapping[str, str]], direction: str, pod: Object,
              other: Party, target: Party, port: int, protocol: str) -> bool:
    described = pod["metadata"]
    rules, part = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    selected = False
    for policy in policies:
        spec = policy["spec"]
        kinds = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
        if direction not in kinds or policy["metadata"]["namespace"] != described["namespace"] or not selects(
                spec.get("podSelector"), described.get("labels") or {}):
            continue
        selected = True
        for rule in spec.get(rules) or []:
            peers = rule.get(part)
            if (not peers or any(_is(peer, other, policy, labels_of) for peer in peers)) and _has_port(
                    rule.get("ports"), target, port, protocol):
                return True
    return not selected


def _is(peer: Object, party: Party, policy: Object, labels_of: Callable[[str], Mapping[str, str]]) -> bool:
    """Is this party meant by a peer of a rule?"""
    if "ipBlock" in peer:
        block, address = peer["ipBlock"], ipaddress.ip_address(party.address)
        return address in ipaddress.ip_network(block["cidr"], strict=False) and not any(
            address in ipaddress.ip_network(each, strict=False) for each in block.get("except") or [])
    if party.judged is None:
        return False
    described = party.judged["metadata"]
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], labels_of(described["namespace"])):
            return False
    elif described["namespace"] != policy["metadata"]["namespace"]:
        return False
    return selects(peer.get("podSelector"), described.get("labels") or {})


def _has_port(ports: list[Object] | None, target: Party, number: int, protocol: str) -> bool:
    """Do a rule's ports hold this one?  A name is one of the target's container ports."""
    if not ports:
        return True
    for each in ports:
        if each.get("protocol", "TCP") != protocol:
            continue
        wanted = each.get("port")
        if wanted is None:
            return True
        if isinstance(wanted, str):
            containers = (target.pod or {"spec": {}})["spec"].get("containers") or []
            if any(one.get("name") == wanted and one["containerPort"] == number and
                   one.get("protocol", "TCP") == protocol
                   for container in containers for one in container.get("ports") or []):
                return True
        elif isinstance(wanted, int) and wanted <= number <= int(each.get("endPort") or wanted):
            return True
    return False
