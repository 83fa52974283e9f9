"""What a service is, and which there are.

A package adds one through the entry point group ``labs.services``; its value is a :class:`Service`.  An entry point
is loaded only when its service is asked for.
"""

from __future__ import annotations

import http.client
import importlib.metadata
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labs.errors import PermanentError, TemporaryError


@dataclass(frozen=True)
class Context:
    """What a service is told about the place it runs in.

    :param port: the port chosen for it, None for a service that has none
    :param socket: its Unix socket, short enough for ``sun_path``, None for a service that has none
    """

    name: str
    home: Path
    port: int | None = None
    socket: Path | None = None
    scheme: str = "http"

    @property
    def endpoint(self) -> str:
        """``http://127.0.0.1:PORT`` (or https) or ``unix:PATH``."""
        return f"{self.scheme}://127.0.0.1:{self.port}" if self.port else f"unix:{self.socket}"


@dataclass(frozen=True)
class Service:
    """A long-running program of the labs.

    :param command: its command line; it must stay in the foreground and end on SIGTERM
    :param ready: returns when the service answers, raises TemporaryError while it does not yet
    :param port: the TCP port it prefers on 127.0.0.1
    :param socket: the name of its Unix socket in the home, instead of a port
    :param scheme: what is spoken on the port: http or https
    :param needs: services that must be ready before it starts
    :param parts: services that are started after it, unless they run, and stopped with it
    :param deadline: seconds it may take to become ready
    :param stop: whole seconds it may take to end after SIGTERM, then it is killed
    :param start: whether `lab start` starts it
    :param prepare: a command line to run in the foreground before it starts, such as an installation; None for nothing
    :param remove: a command line that removes what outlives its process, such as containers; `lab down` runs it, also
        when the service was only being prepared, and says what it said when it fails
    """

    name: str
    command: Callable[[Context], list[str]]
    ready: Callable[[Context], None]
    port: int | None = None
    socket: str | None = None
    scheme: str = "http"
    needs: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    deadline: float = 30.0
    stop: int = 5
    start: bool = True
    prepare: Callable[[], list[str] | None] = lambda: None
    remove: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def answers_http(context: Context, path: str, timeout: float = 2.0) -> dict:
    """The JSON object behind ``path`` of the service; TemporaryError when it does not answer 200 with one."""
    connection = http.client.HTTPConnection("127.0.0.1", context.port or 0, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise TemporaryError(f"GET {path} answers {answer.status}: {body[:200]!r}")
        return json.loads(body)
    except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
        raise TemporaryError(f"GET {path} on port {context.port}: {error}") from error
    finally:
        connection.close()


def accepts_connections(context: Context) -> None:
    """Readiness for a service that speaks no HTTP: its port or socket accepts; TemporaryError until then."""
    family, address = (
        (socket.AF_INET, ("127.0.0.1", context.port)) if context.port else (socket.AF_UNIX, str(context.socket)))
    with socket.socket(family) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(address)
        except OSError as error:
            raise TemporaryError(f"{context.endpoint}: {error}") from error


def _aws_engine() -> tuple[str, str | None]:
    """(engine, URL of somebody else's server or None), as the user set them."""
    engine = os.environ.get("LABS_AWS_ENGINE", "ministack")
    if engine not in ("ministack", "moto", "localstack"):
        raise PermanentError(f"LABS_AWS_ENGINE is {engine!r}.", "Set it to ministack, moto or localstack.")
    return engine, os.environ.get("LABS_AWS_BACKEND_URL") or None


def _aws_prepare() -> list[str] | None:
    return [sys.executable, "-m", "labs.aws.engines.localstack"] if _aws_engine() == ("localstack", None) else None


def _aws_command(context: Context) -> list[str]:
    engine, backend = _aws_engine()
    return [
        sys.executable, "-m", "labs.aws.gateway", "--port", str(context.port), "--pods-port", "0", "--https-port", "0",
        "--engine", engine, *(["--backend", backend] if backend else []), "--home", str(context.home),
    ]


def _aws_ready(context: Context) -> None:
    answers_http(context, "/_lab/health")


# The deadline is LocalStack's; the other engines are ready within a second.
BUILT_IN = {"aws": Service("aws", _aws_command, _aws_ready, port=4566, deadline=150.0, prepare=_aws_prepare)}


def _registered() -> dict[str, importlib.metadata.EntryPoint]:
    """By name; of two with one name the one that is first on the module search path, as with modules."""
    found = importlib.metadata.entry_points(group="labs.services")
    return {entry.name: entry for entry in reversed(tuple(found))}


def names() -> list[str]:
    """Every service that can be started, by name; loads none."""
    return [*BUILT_IN, *(name for name in sorted(_registered()) if name not in BUILT_IN)]


def find(name: str) -> Service:
    """The service called ``name``; PermanentError names those there are."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    registered = _registered()
    if name not in registered:
        raise PermanentError(f"There is no service {name!r}.", f"There are: {', '.join(names())}.")
    service = registered[name].load()
    if not isinstance(service, Service) or service.name != name:
        raise PermanentError(f"The entry point {name!r} of group labs.services is {service!r}, not that Service.")
    return service


def with_needs(wanted: list[str]) -> list[Service]:
    """The services ``wanted``, what they need and their parts, each after its needs; PermanentError on a circle."""
    ordered: dict[str, Service] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise PermanentError(f"Services need each other in a circle: {' → '.join((*path, name))}.")
        if name not in ordered:
            service = find(name)
            for need in service.needs:
                visit(need, (*path, name))
            ordered[name] = service
            for part in service.parts:
                visit(part, ())         # a part may need the whole, which is there now

    for name in wanted:
        visit(name, ())
    return list(ordered.values())


def with_parts(chosen: list[str]) -> set[str]:
    """The services ``chosen`` and their parts, by name."""
    return {name for whole in chosen for name in (whole, *find(whole).parts)}
