"""What the archived Ingress NGINX controller would have made of Ingresses: an ``nginx.conf``.

A teaching stand-in, none of that controller's code.  Behaviour follows its documentation ("Annotations", "Ingress Path
Matching", "Server-side HTTPS enforcement through redirect") and "Before You Migrate: Five Surprising Ingress-NGINX
Behaviors You Need to Know" (Kubernetes blog, February 2026).  It differs where that controller ran Lua inside nginx:
who gets the canary is said here in nginx's own ``split_clients`` and ``map``, and pods stand in ``upstream`` blocks, so
nginx is reloaded when they change.  Annotations that are not in ``SUPPORTED`` are refused.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labs.errors import PermanentError

Object = dict[str, Any]
PREFIX = "nginx.ingress.kubernetes.io/"
SUPPORTED = ("use-regex", "rewrite-target", "ssl-redirect", "canary", "canary-weight", "canary-by-header",
             "canary-by-header-value")
READY = "ready.nginx"
"""A host that answers with the configuration's revision."""
MARKER = "# What the Ingresses stand for."
"""The line before what is made of them."""


@dataclass(frozen=True)
class Backend:
    """A port of a Service, as an Ingress names it."""

    service: str
    port: str

    @property
    def name(self) -> str:
        """Of its upstream."""
        return f"{self.service}-{self.port}"


@dataclass(frozen=True)
class Route:
    """A path of a rule, and the Ingress it is in."""

    ingress: str
    path: str
    kind: str
    backend: Backend
    notes: Mapping[str, str]
    """The Ingress's annotations, without their prefix."""


@dataclass
class Host:
    """What all Ingresses say of one host."""

    name: str
    secret: str = ""
    paths: dict[tuple[str, str], Route] = field(default_factory=dict)
    canaries: dict[tuple[str, str], Route] = field(default_factory=dict)

    @property
    def regex(self) -> bool:
        """Are its paths patterns?  One Ingress with either annotation decides that for the host's others, too."""
        return any(each.notes.get("use-regex") == "true" or each.notes.get("rewrite-target")
                   for each in self.paths.values())


def backends(ingresses: Iterable[Object]) -> set[Backend]:
    """The Services whose pods ``render`` wants to know."""
    return {each.backend for host in _hosts(ingresses) for one in (host.paths, host.canaries) for each in one.values()}


def secrets(ingresses: Iterable[Object]) -> set[str]:
    """Names of the Secrets with their certificates."""
    return {host.secret for host in _hosts(ingresses)} - {""}


def render(ingresses: Sequence[Object], pods: Mapping[Backend, Sequence[str]], http: int, https: int,
           revision: str = "1", user: str = "") -> str:
    """The text of ``nginx.conf``; certificates are in the files ``SECRET.crt`` and ``SECRET.key`` beside it.

    :param pods: ``ADDRESS:PORT`` of the ready pods
    :param http: the port of 127.0.0.1 for HTTP, and ``https`` that for HTTPS, which is used where a host has a Secret
    :param revision: what the host ``READY`` answers
    :param user: for nginx's workers; only where root starts it
    :raises PermanentError: an Ingress has an annotation that is not supported, or a wrong value of one that is
    """
    hosts = _hosts(ingresses)
    found: dict[str, list[Object]] = {"servers": [], "canaries": []}
    for host in hosts:
        locations = []
        for key, each in sorted(host.paths.items(), key=lambda item: -len(item[0][0])):
            canary = host.canaries.get(key)
            made = _canary(len(found["canaries"]), each, canary, pods) if canary and pods.get(canary.backend) else None
            if made:
                found["canaries"].append(made)
            locations += _locations(host, each, pods, made)
        found["servers"].append({
            "name": _server_name(host.name), "all": not host.name, "certificate": host.secret, "locations": locations,
            "rooted": any(each["match"] == "/" for each in locations)})
    return _template().render(
        http=http, https=https, revision=revision, user=user, ready=READY, marker=MARKER, **found,
        certificate=next((host.secret for host in hosts if host.secret), ""),
        upstreams=[{"name": each.name, "servers": pods[each]}
                   for each in sorted(backends(ingresses), key=lambda one: one.name) if pods.get(each)])


# --- reading Ingresses --------------------------------------------------------------------------------------------


def _hosts(ingresses: Iterable[Object]) -> list[Host]:
    hosts: dict[str, Host] = {}
    for each in ingresses:
        notes = _notes(each)
        spec = each["spec"]
        for rule in spec.get("rules") or ():
            host = hosts.setdefault(rule.get("host", ""), Host(rule.get("host", "")))
            for path in _paths(each["metadata"]["name"], rule, notes):
                _put(host, path)
        for one in spec.get("tls") or ():
            for name in one.get("hosts") or ():
                if name in hosts:
                    hosts[name].secret = str(one.get("secretName", ""))
    for host in hosts.values():
        if lost := [each for key, each in host.canaries.items() if key not in host.paths]:
            raise PermanentError(f"Ingress {lost[0].ingress} is a canary, and no other Ingress has {lost[0].path} of "
                                 f"{host.name or 'every host'}.", "A canary has host and path of the one it is for.")
    return list(hosts.values())


def _notes(ingress: Object) -> dict[str, str]:
    """Its annotations of this controller, without their prefix."""
    name, notes = ingress["metadata"]["name"], {}
    for key, value in (ingress["metadata"].get("annotations") or {}).items():
        if key.startswith(PREFIX):
            notes[key.removeprefix(PREFIX)] = str(value)
    if strange := [key for key in notes if key not in SUPPORTED]:
        raise PermanentError(
            f"Ingress {name} has the annotation {PREFIX}{strange[0]}, which this stand-in for Ingress NGINX does not "
            "know.", f"It knows, with that prefix: {', '.join(SUPPORTED)}.")
    for key in ("use-regex", "ssl-redirect", "canary"):
        if notes.get(key, "true") not in ("true", "false"):
            raise PermanentError(f"Ingress {name}: {PREFIX}{key} is {notes[key]!r}.", 'It is "true" or "false".')
    weight = notes.get("canary-weight", "0")
    if not (weight.isdecimal() and int(weight) <= 100):
        raise PermanentError(f"Ingress {name}: {PREFIX}canary-weight is {weight!r}.", "It is a number from 0 to 100.")
    if not re.fullmatch(r"[A-Za-z0-9-]*", notes.get("canary-by-header", "")):
        raise PermanentError(f"Ingress {name}: {PREFIX}canary-by-header is {notes['canary-by-header']!r}.",
                             "It is a header's name: letters, digits and hyphens.")
    return notes


def _paths(ingress: str, rule: Object, notes: Mapping[str, str]) -> Iterator[Route]:
    for each in (rule.get("http") or {}).get("paths") or ():
        service = each["backend"]["service"]
        port = service["port"].get("number") or service["port"]["name"]
        yield Route(ingress, each.get("path") or "/", each["pathType"], Backend(service["name"], str(port)), notes)


def _put(host: Host, path: Route) -> None:
    kind = host.canaries if path.notes.get("canary") == "true" else host.paths
    key = (path.path, path.kind)
    if key in kind and kind is host.canaries:
        raise PermanentError(f"Ingresses {kind[key].ingress} and {path.ingress} are canaries of the same path.",
                             "There is one canary for a path.")
    kind.setdefault(key, path)      # of two that say the same, the first one counts


# --- making a configuration ---------------------------------------------------------------------------------------


def _server_name(host: str) -> str:
    """A wildcard stands for one label, as in an Ingress; nginx's own stands for several."""
    if host.startswith("*."):
        return f"~^[\\w-]+{re.escape(host[1:])}$"
    return host or "_"


def _locations(host: Host, path: Route, pods: Mapping[Backend, Sequence[str]], canary: Object | None) -> list[Object]:
    """The locations of one path: two where a prefix of whole elements is wanted."""
    notes = path.notes
    made: Object = {"redirect_note": "", "rewrite": None, "upstream": "", "notes": [
        f"Ingress {path.ingress}: {path.kind} {json.dumps(path.path)}"]}
    if host.secret and notes.get("ssl-redirect", "true") == "true":
        made["redirect_note"] = _said(notes, "ssl-redirect") or "ssl-redirect, true by default where there is tls"
    if target := notes.get("rewrite-target"):
        made |= {"rewrite": {"pattern": f"(?i){path.path}", "target": target},
                 "rewrite_note": _said(notes, "rewrite-target")}
    if pods.get(path.backend):      # without pods it is 503, whatever the canary has
        made["upstream"] = canary["leads_to"] if canary else path.backend.name
    if host.regex:
        made["notes"].append(_said(notes, "use-regex") or "use-regex, by rewrite-target or another Ingress")
        return [{**made, "match": f"~* {quoted('^' + path.path)}"}]
    if path.kind == "Exact":
        return [{**made, "match": f"= {quoted(path.path)}"}]
    whole = path.path.rstrip("/")
    if not whole:
        return [{**made, "match": "/"}]
    if path.kind == "Prefix":
        return [{**made, "match": f"= {quoted(whole)}"}, {**made, "match": quoted(f"{whole}/")}]
    return [{**made, "match": quoted(path.path)}]


def _canary(number: int, main: Route, canary: Route, pods: Mapping[Backend, Sequence[str]]) -> Object | None:
    """Who gets it: the header is looked at first, then the dice are thrown; None where the main one has no pods."""
    if not pods.get(main.backend):
        return None
    notes, weight = canary.notes, int(canary.notes.get("canary-weight", "0"))
    ours, theirs = canary.backend.name, main.backend.name
    made: Object = {"share": "", "chosen": "", "weight": weight, "canary": ours, "main": theirs}
    made["otherwise"] = {0: theirs, 100: ours}.get(weight, "")
    if not made["otherwise"]:
        made |= {"share": f"$share_{number}", "otherwise": f"$share_{number}",
                 "share_note": f"Ingress {canary.ingress}: {_said(notes, 'canary-weight')}"}
    if header := notes.get("canary-by-header"):
        value = notes.get("canary-by-header-value")
        # a map compares texts without regard to case, and patterns as they are written
        values = [(f"~^{re.escape(value)}$", ours)] if value else [("~^always$", ours), ("~^never$", theirs)]
        said = ", ".join(filter(None, (_said(notes, "canary-by-header"), _said(notes, "canary-by-header-value"))))
        made |= {"chosen": f"$chosen_{number}", "header": f"$http_{header.lower().replace('-', '_')}",
                 "headers": values, "header_note": f"Ingress {canary.ingress}: {said}"}
    made["leads_to"] = made["chosen"] or made["otherwise"]
    return made


def _said(notes: Mapping[str, str], key: str) -> str:
    """An annotation as a comment of one line."""
    return f"{key}: {json.dumps(notes[key])}" if key in notes else ""


def quoted(text: str) -> str:
    """As nginx reads a text with any characters in it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@functools.cache
def _template() -> Any:
    import jinja2

    made = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
                              undefined=jinja2.StrictUndefined)
    made.filters["quoted"] = quoted
    return made.from_string(Path(__file__).with_name("nginx.conf.j2").read_text(encoding="utf-8"))
