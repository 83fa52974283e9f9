"""What a container's environment holds, and ``$(VAR)`` in commands.

Pages: "Define Environment Variables for a Container", "Define Dependent Environment Variables", "Downward API",
"Expose Pod Information to Containers Through Environment Variables" (Kubernetes documentation).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from labs.cluster.nodes.api import Object

Fetch = Callable[[str, str], Awaitable[Object | None]]
"""(``configmaps`` or ``secrets``, name) → the object of the pod's namespace, None when there is none."""

_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_UNITS = {"n": 1e-9, "u": 1e-6, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
          "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60, "": 1}


class ConfigError(Exception):
    """What a container refers to is not there: CreateContainerConfigError."""


def expand(text: str, known: Mapping[str, str]) -> str:
    """``$(NAME)`` by its value, ``$$`` by ``$``; an unknown name stays as it is."""
    def replaced(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else known.get(match[2], match[0])
    return _REFERENCE.sub(replaced, text)


def quantity(text: str | float) -> float:
    """A resource quantity as a number ("Quantity", API reference)."""
    match = re.fullmatch(r"([0-9.eE+-]*[0-9.])([A-Za-z]{0,2})", str(text))
    if match is None or match[2] not in _UNITS:
        raise ConfigError(f"{text!r} is no quantity")
    return float(match[1]) * _UNITS[match[2]]


def field(pod: Object, path: str) -> str:
    """A field of the pod by its ``fieldPath``; ConfigError for one that the downward API does not have."""
    if match := _SUBSCRIPT.fullmatch(path):
        return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        found = pod["metadata"].get(path.partition(".")[2]) or {}
        return "\n".join(f'{key}="{_escaped(value)}"' for key, value in sorted(found.items()))
    if path in ("status.podIPs", "status.hostIPs"):
        return ",".join(each["ip"] for each in pod["status"].get(path.partition(".")[2], []))
    part, _, name = path.partition(".")
    if path not in ("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
                    "status.podIP", "status.hostIP"):
        raise ConfigError(f"the downward API has no field {path}")
    return str(pod[part].get(name, ""))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource(pod: Object, reference: Object, container: Object, allocatable: Mapping[str, str]) -> str:
    """``resourceFieldRef``: a limit or request, rounded up in units of its divisor; without a limit the node's."""
    named = reference.get("containerName")
    if named:
        container = next((each for each in pod["spec"]["containers"] if each["name"] == named), {})
    kind, _, name = reference["resource"].partition(".")
    found = container.get("resources", {}).get(kind, {}).get(name)
    if found is None:
        found = allocatable.get(name, "0") if kind == "limits" else "0"
    divisor = quantity(reference.get("divisor") or "1") or 1.0
    return str(-int(-quantity(found) // divisor))


def links(pod: Object, services: Mapping[tuple[str, str], Object]) -> dict[str, str]:
    """Variables that tell a pod its namespace's Services ("Discovering services", Kubernetes documentation).

    :param services: by (namespace, name)
    """
    made: dict[str, str] = {}
    if pod["spec"].get("enableServiceLinks") is False:
        return made
    for (namespace, service), found in services.items():
        address = found["spec"].get("clusterIP")
        ports = found["spec"].get("ports") or []
        if namespace != pod["metadata"]["namespace"] or address in (None, "", "None") or not ports:
            continue
        name = service.upper().replace("-", "_")
        made |= {f"{name}_SERVICE_HOST": address, f"{name}_SERVICE_PORT": str(ports[0]["port"])}
        for each in ports:
            number, protocol = str(each["port"]), each.get("protocol", "TCP")
            if each.get("name"):
                made[f"{name}_SERVICE_PORT_{each['name'].upper().replace('-', '_')}"] = number
            link, stem = f"{protocol.lower()}://{address}:{number}", f"{name}_PORT_{number}_{protocol}"
            made.setdefault(f"{name}_PORT", link)
            made |= {stem: link, f"{stem}_PROTO": protocol.lower(), f"{stem}_PORT": number, f"{stem}_ADDR": address}
    return made


async def variables(pod: Object, container: Object, fetch: Fetch, base: Mapping[str, str],
                    allocatable: Mapping[str, str]) -> dict[str, str]:
    """All variables of a container, over those of ``base``; raises ConfigError."""
    made = dict(base)
    for source in container.get("envFrom") or []:
        for kind, where in (("configmaps", source.get("configMapRef")), ("secrets", source.get("secretRef"))):
            if where is not None:
                found = await _data(fetch, kind, where)
                made |= {source.get("prefix", "") + key: value.decode("utf-8", "replace")
                         for key, value in found.items()}
    for each in container.get("env") or []:
        if "valueFrom" not in each:
            made[each["name"]] = expand(each.get("value", ""), made)
            continue
        value = await _value(pod, container, each["valueFrom"], fetch, allocatable)
        if value is not None:
            made[each["name"]] = value
    return made


async def _value(pod: Object, container: Object, source: Object, fetch: Fetch,
                 allocatable: Mapping[str, str]) -> str | None:
    """One ``valueFrom``; None for an optional key that is not there."""
    if "fieldRef" in source:
        return field(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return resource(pod, source["resourceFieldRef"], container, allocatable)
    for kind, name in (("configmaps", "configMapKeyRef"), ("secrets", "secretKeyRef")):
        if name in source:
            where = source[name]
            found = await _data(fetch, kind, where)
            if where["key"] in found:
                return found[where["key"]].decode("utf-8", "replace")
            if where.get("optional"):
                return None
            raise ConfigError(f"couldn't find key {where['key']} in {_KIND[kind]} "
                              f"{pod['metadata']['namespace']}/{where['name']}")
    raise ConfigError(f"env has a source this node does not know: {', '.join(source)}")


_KIND = {"configmaps": "ConfigMap", "secrets": "Secret"}


async def _data(fetch: Fetch, kind: str, where: Object) -> dict[str, bytes]:
    found = await fetch(kind, where.get("name", ""))
    if found is None:
        if where.get("optional"):
            return {}
        raise ConfigError(f'{_KIND[kind].lower()} "{where.get("name")}" not found')
    return contents(found)


def contents(found: Any) -> dict[str, bytes]:
    """The data of a ConfigMap or Secret."""
    if found.get("kind") == "Secret":
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
    binary = {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}
    return {key: value.encode() for key, value in (found.get("data") or {}).items()} | binary
