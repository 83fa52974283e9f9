"""The way of a request inside the cluster: what the ingress logged, and the objects between it and a process.

Everything here is read: Traefik's access log, the API server's objects and the pods' logs, found by the request's id.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from labs.cluster.ingress.manifests import CONTROLLER
from labs.cluster.network.addresses import Ranges
from labs.cluster.space import Cluster, Object, Space, ready
from labs.errors import LabError
from labs.scenarios.h_networking.access_logs import LOGGED_WITHIN, LOOKED_EVERY
from labs.scenarios.h_networking.sent import Sent
from labs.visuals import Hop
from labs.visuals.traffic import PASSED, STOPPED

INGRESS_LOG = Path("logs", "ingress.log")
"""In the state folder."""
KEPT = ("apiVersion", "kind", "metadata", "spec", "endpoints", "ports", "status")


class Inside:
    """The hops of one request from the ingress on."""

    def __init__(self, cluster: Cluster, sent: Sent) -> None:
        self.cluster, self.sent = cluster, sent

    def hops(self, line: Mapping[str, Any] | None) -> Iterator[Hop]:
        """From the ingress's route to the process that answered, as far as the request came.

        :param line: of the access log
        """
        if line is None:
            yield Hop("edge", "Ingress route", self.sent.host, STOPPED, why="the ingress has logged nothing of it")
            return
        name = line.get("KubernetesIngressName")
        if not name:
            yield self._unrouted(line)
            return
        space = self.cluster.space(str(line["KubernetesIngressNamespace"]))
        yield self._route(space, str(name), line)
        yield from self._behind(space, str(line["KubernetesServiceName"]), line)

    # --- the ingress ---------------------------------------------------------------------------------------------

    def _unrouted(self, line: Mapping[str, Any]) -> Hop:
        host, path = self.sent.host, self.sent.path
        ingresses = self.cluster.call("GET", "/apis/networking.k8s.io/v1/ingresses")["items"]
        classes = self.cluster.call("GET", "/apis/networking.k8s.io/v1/ingressclasses")["items"]
        served = {each["metadata"]["name"] for each in classes if each["spec"].get("controller") == CONTROLLER}
        named = [each for each in ingresses if host in [rule.get("host") for rule in each["spec"].get("rules") or ()]]
        return Hop("edge", "Ingress route", f"{host}{path}", STOPPED, (f"Traefik answered {line['DownstreamStatus']}",),
                   unrouted(host, path, named, ingresses, served) or self._dangling(host, named),
                   _ms(line["Overhead"]), "Traefik's access log",
                   shown(named[0]) if named else {})

    def _dangling(self, host: str, named: list[Object]) -> str:
        """Why a rule that fits is left out by Traefik: its Service, or the port of it that it names, is not there."""
        for each, path in _paths(host, named):
            wanted, port = path["backend"]["service"]["name"], path["backend"]["service"]["port"]
            service = self.cluster.space(each["metadata"]["namespace"]).get("Service", wanted)
            if service is None:
                return f"Ingress {_full(each)} sends {path['path']} to Service {wanted}, which there is not"
            ports = [one for one in service["spec"]["ports"]
                     if one.get("name") == port.get("name") or one["port"] == port.get("number")]
            if not ports:
                there = ", ".join(f"{one['port']} ({one.get('name', 'no name')})" for one in service["spec"]["ports"])
                return (f"Ingress {_full(each)} sends {path['path']} to port {port.get('name') or port.get('number')} "
                        f"of Service {wanted}, which has {there}")
        return "the ingress has not read it yet"

    def _route(self, space: Space, name: str, line: Mapping[str, Any]) -> Hop:
        found = space.get("Ingress", name) or {}
        facts = [f"{rule.get('host', '*')}{path.get('path', '')} ({path['pathType']}) → Service "
                 f"{path['backend']['service']['name']}"
                 for rule in found.get("spec", {}).get("rules") or () for path in (rule.get("http") or {})["paths"]
                 if path["backend"]["service"]["name"] == line["KubernetesServiceName"]]
        return Hop("edge", "Ingress route", f"{space.name}/{name}", PASSED, tuple(facts), "", _ms(line["Overhead"]),
                   "Traefik's access log, the Ingress", shown(found))

    # --- Service, EndpointSlice, pod, process --------------------------------------------------------------------

    def _behind(self, space: Space, name: str, line: Mapping[str, Any] | None, port: int = 0) -> Iterator[Hop]:
        """A Service and what is behind it.

        :param line: of the ingress's log; None for a call from pod to pod, which only the pods log
        :param port: that such a call asks for
        """
        service = space.get("Service", name)
        if service is None:
            yield Hop("cluster", "Service", f"{space.name}/{name}", STOPPED, why=f"there is no Service {name}")
            return
        slices = space.list("EndpointSlice", f"kubernetes.io/service-name={name}")
        pods = space.pods()
        chosen = self._chosen(space, pods, service, line)
        why = "" if chosen else without_port(service, port) or without_endpoints(service, slices, pods)
        yield Hop("cluster", "Service", f"{space.name}/{name}", STOPPED if why else PASSED, _ports(service), why, None,
                  "the Service", shown(service))
        if why:
            return
        listed = [told for each in slices for told in _endpoints(each)]
        if chosen is not None:
            listed.append(f"chosen: {chosen['status'].get('podIP')}")
        yield Hop("cluster", "EndpointSlice", slices[0]["metadata"]["name"] if slices else name, PASSED, tuple(listed),
                  "", None, "the EndpointSlice", shown(slices[0]) if slices else {})
        if chosen is None:
            yield Hop("cluster", "Pod", f"behind {name}", STOPPED, (), self._lost(space, pods, service, line), None,
                      "the pods' logs")
            return
        yield from self._in_pod(space, chosen, service, line)

    def _chosen(self, space: Space, pods: list[Object], service: Object, line: Mapping[str, Any] | None
                ) -> Object | None:
        """The pod that got the request: which the ingress logged, or, of those the Service selects, which says so."""
        if line is not None:
            end = str(line.get("ServiceAddr", "")).rpartition(":")[0]
            return next((each for each in pods if end and each["status"].get("podIP")
                         and self.cluster.end(each["status"]["podIP"]) == end), None)
        return next((each for each in selected(service, pods) if self._told(space, each)), None)

    def _lost(self, space: Space, pods: list[Object], service: Object, line: Mapping[str, Any] | None) -> str:
        """Why the request came to none of the pods behind a Service."""
        names = kept_out(space, selected(service, pods))
        if line is not None and self._denied(str(line.get("ServiceAddr", ""))):
            return (f"no NetworkPolicy lets the ingress in at port {_wanted(service)}; there are "
                    f"{', '.join(names)} (status {line['DownstreamStatus']})")
        return (f"no pod behind {service['metadata']['name']} has a log line about this request"
                + (f"; NetworkPolicy {', '.join(names)} decides who may reach them" if names else ""))

    def _denied(self, chosen: str) -> bool:
        """Is that the address to which the network sends what no policy allows (``labs.cluster.network.ends``)?"""
        return chosen.rpartition(":")[0] == self.cluster.end(f"{Ranges().pod_prefix}0.0")

    def _told(self, space: Space, pod: Object, answered: bool = False) -> list[dict[str, Any]]:
        """The lines of a pod's log about the request (``labs.shop.logs``); a pod that answered is given time."""
        end = time.monotonic() + (LOGGED_WITHIN if answered else 0.0)
        while True:
            try:
                lines = space.logs(pod["metadata"]["name"]).splitlines()
            except LabError:
                return []
            found = [json.loads(line) for line in lines if self.sent.request_id in line and line.startswith("{")]
            if any(each.get("message") == "request" for each in found) or time.monotonic() >= end:
                return found
            time.sleep(LOOKED_EVERY)

    def _in_pod(self, space: Space, pod: Object, service: Object, line: Mapping[str, Any] | None) -> Iterator[Hop]:
        name = pod["metadata"]["name"]
        told = self._told(space, pod, answered=line is None or line["OriginStatus"] not in (0, 502, 504))
        answered = next((each for each in told if each.get("message") == "request"), {})
        onward = list(self._onward(space, pod)) if answered else []
        own = float(answered.get("ms", 0.0))
        before = _ms(line["OriginDuration"]) - own if line is not None else None
        facts = (f"{pod['status'].get('podIP')} on node {pod['spec'].get('nodeName')}", f"labels {_words(pod)}")
        silent = "" if answered or line is None else unanswered(space, pod, service, line)
        yield Hop("cluster", "Pod", f"{space.name}/{name}", STOPPED if silent else PASSED, facts, silent,
                  max(before, 0.0) if before is not None else None, "the Pod, Traefik's access log", shown(pod))
        if silent:
            return
        status, broken = int(answered.get("status", 0)), any(hop.state == STOPPED for hop in onward)
        later = sum(hop.ms or 0.0 for hop in onward)
        facts = (f"{answered.get('method', '')} {answered.get('path', '')} → {status}",
                 *(f"{each['level']}: {each['message']} {each.get('reason', '')}".rstrip()
                   for each in told if each.get("message") != "request"))
        failed = status >= 500 and not broken
        yield Hop("cluster", "Container", f"{pod['spec']['containers'][0]['name']} {_port(pod, service)}",
                  STOPPED if failed else PASSED, facts, f"the program answered {status}" if failed else "",
                  max(own - later, 0.0), "the pod's log")
        yield from onward

    def _onward(self, space: Space, pod: Object) -> Iterator[Hop]:
        """The call that the shop's frontend makes for a page (``SHOP_BACKEND_URL``)."""
        url = settings(space, pod).get("SHOP_BACKEND_URL")
        if not url:
            return
        asked = urlsplit(url)
        name, _, namespace = (asked.hostname or "").partition(".")
        yield from self._behind(self.cluster.space(namespace.partition(".")[0] or space.name), name, None,
                                asked.port or http.client.HTTP_PORT)


def settings(space: Space, pod: Object) -> dict[str, str]:
    """The environment of a pod's first container as far as its spec and its ConfigMaps tell."""
    found: dict[str, str] = {}
    container = pod["spec"]["containers"][0]
    for each in container.get("envFrom") or ():
        reference = each.get("configMapRef")
        if reference:
            found |= (space.get("ConfigMap", reference["name"]) or {}).get("data") or {}
    return found | {each["name"]: each["value"] for each in container.get("env") or () if "value" in each}


def selected(service: Object, pods: list[Object]) -> list[Object]:
    """The pods with the labels that a Service selects."""
    wanted = (service["spec"].get("selector") or {}).items()
    return [each for each in pods if wanted and wanted <= (each["metadata"].get("labels") or {}).items()]


def unanswered(space: Space, pod: Object, service: Object, line: Mapping[str, Any]) -> str:
    """Why a pod that was chosen did not answer."""
    port = str(line.get("ServiceAddr", "")).rpartition(":")[2]
    declared = ", ".join(f"{one['containerPort']} ({one.get('name', 'no name')})"
                         for one in pod["spec"]["containers"][0].get("ports") or ())
    if line["DownstreamStatus"] == 502:
        return f"nothing listens at port {port}; its container declares {declared or 'none'}"
    return f"no answer at port {port} in time (status {line['DownstreamStatus']})"


def kept_out(space: Space, pods: list[Object]) -> list[str]:
    """The NetworkPolicies that decide who may reach these pods."""
    return [policy["metadata"]["name"] for policy in space.list("NetworkPolicy")
            if "Ingress" in policy["spec"].get("policyTypes", ["Ingress"])
            and any((policy["spec"].get("podSelector") or {}).get("matchLabels", {}).items()
                    <= (pod["metadata"].get("labels") or {}).items() for pod in pods)]


def unrouted(host: str, path: str, named: list[Object], every: list[Object], served: set[str]) -> str:
    """Why no rule takes a request, as the Ingresses say; "" when one should.

    :param named: those with a rule for this host
    :param served: names of the classes that this ingress serves
    """
    others = [each for each in named if each["spec"].get("ingressClassName") not in served]
    if named and len(others) == len(named):
        word = others[0]["spec"].get("ingressClassName")
        return (f"Ingress {_full(others[0])} has the class {word!r}, which nobody serves here; there is "
                f"{', '.join(sorted(served))}")
    if named:
        paths = [one for _, one in _paths(host, named)]
        if any(takes(one, path) for one in paths):
            return ""
        told = ", ".join(f"{one.get('path', '/')} ({one['pathType']})" for one in paths)
        return f"no path of Ingress {_full(named[0])} takes {path}: it has {told}"
    hosts = sorted({str(rule.get("host")) for each in every for rule in each["spec"].get("rules") or ()
                    if rule.get("host") and not str(rule["host"]).startswith("ready.")})
    return f"no Ingress has a rule for the host {host}; there are {', '.join(hosts[:6]) or 'none'}"


def _paths(host: str, named: list[Object]) -> list[tuple[Object, Object]]:
    """(Ingress, path) of every path for a host."""
    return [(each, one) for each in named for rule in each["spec"]["rules"] if rule.get("host") == host
            for one in (rule.get("http") or {}).get("paths") or ()]


def takes(one: Object, path: str) -> bool:
    """Does a path of an Ingress match ("Ingress", "Path types", Kubernetes documentation)?"""
    wanted = str(one.get("path", "/"))
    if one["pathType"] == "Exact":
        return path == wanted
    return path == wanted or path.startswith(wanted.rstrip("/") + "/")


def without_port(service: Object, port: int) -> str:
    """Whether a Service lacks the port that is asked for, 0 for any: what it has instead, or ""."""
    ports = [one["port"] for one in service["spec"].get("ports") or ()]
    return f"port {port} is asked for, and it has {', '.join(map(str, ports))}" if port and port not in ports else ""


def without_endpoints(service: Object, slices: list[Object], pods: list[Object]) -> str:
    """Why nothing can be reached behind a Service; "" when something can."""
    listed = [each for one in slices if one.get("ports") for each in one.get("endpoints") or ()]
    if any((each.get("conditions") or {}).get("ready") for each in listed):
        return ""
    selector = service["spec"].get("selector") or {}
    words = ", ".join(f"{key}={value}" for key, value in selector.items())
    chosen = selected(service, pods)
    if not chosen:
        return f"no pod has the labels {words} that it selects"
    waiting = [each["metadata"]["name"] for each in chosen if not ready(each)]
    if waiting:
        return f"it selects {len(chosen)} pods, none of which is Ready: {', '.join(waiting)}"
    return f"no pod that it selects has the port {_wanted(service)}"


def shown(found: Mapping[str, Any]) -> dict[str, Any]:
    """An object without what only the API server cares about."""
    kept = {key: found[key] for key in KEPT if key in found}
    hidden = ("managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "ownerReferences")
    if "metadata" in kept:
        kept["metadata"] = {key: value for key, value in kept["metadata"].items() if key not in hidden}
    return kept


def _full(found: Object) -> str:
    return f"{found['metadata']['namespace']}/{found['metadata']['name']}"


def _ms(nanoseconds: Any) -> float:
    return float(nanoseconds) / 1e6


def _ports(service: Object) -> tuple[str, ...]:
    spec = service["spec"]
    ports = [f"port {one['port']} → {one.get('targetPort', one['port'])}" for one in spec.get("ports") or ()]
    selector = ", ".join(f"{key}={value}" for key, value in (spec.get("selector") or {}).items())
    return (f"{spec.get('clusterIP', 'no address')}, {', '.join(ports)}", f"selects {selector or 'nothing'}")


def _endpoints(each: Object) -> Iterator[str]:
    port = ", ".join(str(one.get("port")) for one in each.get("ports") or ())
    for one in each.get("endpoints") or ():
        word = "ready" if (one.get("conditions") or {}).get("ready") else "not ready"
        yield f"{one['addresses'][0]}:{port} {word} ({(one.get('targetRef') or {}).get('name', '?')})"


def _words(pod: Object) -> str:
    return ", ".join(f"{key}={value}" for key, value in (pod["metadata"].get("labels") or {}).items()
                     if key != "pod-template-hash" and not key.startswith("topology."))


def _wanted(service: Object) -> str:
    """The ports to which a Service sends, as it names them."""
    return ", ".join(str(one.get("targetPort", one["port"])) for one in service["spec"].get("ports") or ())


def _port(pod: Object, service: Object) -> str:
    """Where the container listens, as the Service names it."""
    wanted = service["spec"]["ports"][0].get("targetPort", service["spec"]["ports"][0]["port"])
    return next((f":{one['containerPort']}" for one in pod["spec"]["containers"][0].get("ports") or ()
                 if one.get("name") == wanted), f":{wanted}")
