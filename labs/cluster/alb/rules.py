"""What listeners shall do: rules of an Ingress's hosts and paths, and what the annotations ``actions.NAME`` and
``conditions.NAME`` add to the backend NAME.

An action names a target group by the Service that it is for (:class:`Backend`), until there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labs.cluster.alb.annotations import Annotations, ModelError

Object = Mapping[str, Any]
USE_ANNOTATION = "use-annotation"
NOT_FOUND = {"Type": "fixed-response", "FixedResponseConfig": {"ContentType": "text/plain", "StatusCode": "404"}}
NO_SERVICE = {"Type": "fixed-response", "FixedResponseConfig": {
    "ContentType": "text/plain", "StatusCode": "503", "MessageBody": "Backend service does not exist"}}
_NAMES = {"targetGroupARN": "TargetGroupArn"}


@dataclass(frozen=True)
class Backend:
    """A port of a Service."""

    namespace: str
    service: str
    port: str


@dataclass(frozen=True)
class WantedRule:
    """A rule of every listener; its priority is its place."""

    conditions: Sequence[Object]
    action: Object
    ingress: str


Known = Callable[[Backend], bool]
"""Is there such a Service?"""


def of_ingress(ingress: Object, known: Known) -> list[WantedRule]:
    """The rules of an Ingress, in order.  :raises ModelError: one cannot be made"""
    made, notes = [], Annotations.of(ingress)
    for rule in ingress["spec"].get("rules") or []:
        for path in _sorted((rule.get("http") or {}).get("paths") or []):
            conditions = _conditions(rule.get("host", ""), path, notes)
            made.append(WantedRule(conditions, action_of(ingress, path["backend"], known), name_of(ingress)))
    return made


def name_of(ingress: Object) -> str:
    """``NAMESPACE/NAME``."""
    return f"{ingress['metadata']['namespace']}/{ingress['metadata']['name']}"


def action_of(ingress: Object, backend: Object, known: Known) -> Object:
    """What becomes of a request for a backend of an Ingress."""
    service, namespace = backend.get("service") or {}, ingress["metadata"]["namespace"]
    port = service.get("port") or {}
    if port.get("name") == USE_ANNOTATION:
        return _annotated(ingress, service["name"], known)
    return _forward([Backend(namespace, service.get("name", ""), str(port.get("number") or port.get("name")))], known)


def _forward(backends: list[Backend], known: Known, weights: Sequence[int] = (1,)) -> Object:
    if not all(map(known, backends)):
        return NO_SERVICE
    groups = [{"TargetGroupArn": each, "Weight": weight} for each, weight in zip(backends, weights, strict=True)]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}


def _annotated(ingress: Object, name: str, known: Known) -> Object:
    said = Annotations.of(ingress).json(f"actions.{name}")
    if not isinstance(said, dict):
        raise ModelError(f"ingress: {name_of(ingress)}: missing actions.{name} configuration")
    if said.get("type") != "forward" or "targetGroupARN" in said:
        return _as_api(said)
    groups = (said.get("forwardConfig") or {}).get("targetGroups") or []
    if not groups or any("serviceName" not in each for each in groups):
        raise ModelError(f"ingress: {name_of(ingress)}: invalid forward action actions.{name}: "
                         "each of targetGroups needs serviceName and servicePort")
    namespace = ingress["metadata"]["namespace"]
    backends = [Backend(namespace, each["serviceName"], str(each.get("servicePort"))) for each in groups]
    return _forward(backends, known, [int(each.get("weight", 1)) for each in groups])


def _as_api(said: Any) -> Any:
    """The annotation's names as the API has them: ``redirectConfig`` → ``RedirectConfig``."""
    if isinstance(said, list):
        return [_as_api(each) for each in said]
    if not isinstance(said, dict):
        return said
    return {_NAMES.get(key, key[:1].upper() + key[1:]): _as_api(value) for key, value in said.items()}


def _sorted(paths: Sequence[Object]) -> list[Object]:
    """Exact paths first, then prefixes, the longest first, then others as they stand."""
    kinds = {"Exact": 0, "Prefix": 1}
    return sorted(paths, key=lambda each: (
        kinds.get(each.get("pathType", ""), 2), -len(each.get("path", "")) if each.get("pathType") == "Prefix" else 0))


def _conditions(host: str, path: Object, notes: Annotations) -> list[Object]:
    added = _as_api(notes.json(f"conditions.{(path['backend'].get('service') or {}).get('name', '')}") or [])
    hosts, paths, others = [host] if host else [], _patterns(path), []
    for each in added:
        if each.get("Field") == "host-header":
            hosts += each["HostHeaderConfig"]["Values"]
        elif each.get("Field") == "path-pattern":
            paths += each["PathPatternConfig"]["Values"]
        else:
            others.append(each)
    made = [*others]
    if hosts:
        made.append({"Field": "host-header", "HostHeaderConfig": {"Values": hosts}})
    if paths or not made:
        made.append({"Field": "path-pattern", "PathPatternConfig": {"Values": paths or ["/*"]}})
    return made


def _patterns(path: Object) -> list[str]:
    """Path patterns of a load balancer for a path of an Ingress."""
    text, kind = path.get("path", ""), path.get("pathType")
    if kind in ("Exact", "Prefix") and text != "/" and set(text) & set("*?"):
        raise ModelError(f"{kind.lower()} path shouldn't contain wildcards: {text}")
    if kind != "Prefix":
        return [text] if text else []
    stem = text.rstrip("/")
    return [stem, f"{stem}/*"] if stem else ["/*"]
