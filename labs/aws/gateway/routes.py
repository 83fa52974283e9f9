"""Route tables of REST services: from method, path, query string and headers to an operation.

One table a service, compiled from botocore's model at the first call.  A path template such as
``/{Bucket}/{Key+}`` becomes one pattern; operations that share it are told apart by the literals in their query
string (``?acl``) and then by what they require (``uploadId``, ``x-amz-copy-source``).
https://smithy.io/2.0/spec/http-bindings.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qsl

from botocore.model import OperationModel

from labs.aws.models import service_model

Query = Mapping[str, list[str]]

_LABEL = re.compile(r"\{([^{}]+)\}")
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]")


@dataclass(frozen=True, slots=True)
class Route:
    """An operation on a path template: the query literals it needs and the members it requires."""

    operation: str
    literals: tuple[tuple[str, str], ...]
    query: tuple[str, ...]
    headers: tuple[str, ...]
    deprecated: bool

    def named(self, query: Query) -> bool:
        """Whether every literal of the route stands in the query string."""
        return all(key in query and (not value or value in query[key]) for key, value in self.literals)

    def complete(self, query: Query, headers: Mapping[str, str]) -> bool:
        """Whether everything the operation requires outside the body is there."""
        return all(key in query for key in self.query) and all(key in headers for key in self.headers)


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled path template with the routes on it, the most demanding first."""

    pattern: re.Pattern[str]
    labels: tuple[str, ...]
    order: tuple[tuple[int, ...], str]
    routes: tuple[Route, ...]


class RouteTable:
    """The routes of one service."""

    def __init__(self, service: str) -> None:
        model = service_model(service)
        grouped: dict[tuple[str, str], list[Route]] = {}
        literals: set[str] = set()
        for name in model.operation_names:
            operation = model.operation_model(name)
            path, _, fixed = operation.http["requestUri"].partition("?")
            route = _route(operation, fixed)
            grouped.setdefault((operation.http["method"], path.rstrip("/") or "/"), []).append(route)
            literals.update(key for key, value in route.literals if not value)
        self.subresources = frozenset(literals)
        self._by_method: dict[str, list[Template]] = {}
        for (method, path), routes in grouped.items():
            self._by_method.setdefault(method, []).append(_template(path, routes))
        for templates in self._by_method.values():
            templates.sort(key=lambda template: template.order)

    def match(
        self, method: str, path: str, query: Query, headers: Mapping[str, str]
    ) -> tuple[Route, dict[str, str]] | None:
        """The route of a request and its labels, still percent-encoded; ``None`` when there is no such operation."""
        for template in self._by_method.get(method, ()):
            if (found := template.pattern.fullmatch(path)) is None:
                continue
            named = [route for route in template.routes if route.named(query)]
            if not named:
                continue
            best = next((route for route in named if route.complete(query, headers)), named[0])
            return best, dict(zip(template.labels, found.groups(), strict=True))
        return None


@cache
def route_table(service: str) -> RouteTable:
    """The one table of a service, compiled when first asked for."""
    return RouteTable(service)


def _route(operation: OperationModel, fixed: str) -> Route:
    literals = tuple(parse_qsl(fixed, keep_blank_values=True))
    query: list[str] = []
    headers: list[str] = []
    shape = operation.input_shape
    for name in shape.required_members if shape else ():
        wire = shape.members[name].serialization
        if wire.get("location") == "querystring":
            query.append(wire.get("name", name))
        elif wire.get("location") == "header":
            headers.append(wire.get("name", name).lower())
    return Route(operation.name, literals, tuple(query), tuple(headers), operation.deprecated)


def _template(path: str, routes: list[Route]) -> Template:
    pattern, labels = "", []
    for place, piece in enumerate(_LABEL.split(path)):
        if place % 2 == 0:
            pattern += "".join(_literal(char) for char in piece)
            continue
        labels.append(piece.rstrip("+"))
        pattern += "(.+)" if piece.endswith("+") else "([^/]+)"
    if not path.endswith("+}"):
        pattern += "/?" if path != "/" else ""
    kinds = tuple(
        (2 if segment.endswith("+}") else 1) if _LABEL.search(segment) else 0 for segment in path.split("/")[1:]
    )
    routes.sort(key=lambda r: (-len(r.literals), -len(r.query) - len(r.headers), r.deprecated, r.operation))
    # A longer path first, then the one whose labels come later.
    return Template(re.compile(pattern, re.DOTALL), tuple(labels), ((-len(kinds), *kinds), path), tuple(routes))


def _literal(char: str) -> str:
    if char == "/" or _PLAIN.fullmatch(char):
        return re.escape(char)
    return f"(?:{re.escape(char)}|%{ord(char):02X}|%{ord(char):02x})"
