"""Starting, stopping and describing services."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from labs.errors import PermanentError, TemporaryError
from labs.services import catalog, ports, supervisor
from labs.services import state as places
from labs.services.catalog import Context, Service

Report = Callable[[str], None]

_TRIES = 10
"""How often a port is chosen anew when another process took it first."""
_CRASHES = 3
"""Exits in a row after which waiting for readiness ends."""


@dataclasses.dataclass(frozen=True)
class Status:
    """One service: ``state`` is running, starting, failed or stopped; ``since`` is seconds in that state."""

    name: str
    state: str
    endpoint: str | None
    pid: int | None
    since: int
    detail: str
    log: str


def up(names: Iterable[str], report: Report = lambda line: None) -> list[Context]:
    """Start services and what they need; returns when all are ready.

    Running ones are left alone unless their command line changed.  PermanentError says why one did not come up.
    """
    services = catalog.with_needs(list(names))
    for service in services:
        _remember(service)
        _prepare(service)
    with supervisor.locked():
        ready: dict[str, Context] = {}
        for group in _groups(services):
            begun = [(service, _begin(service, report)) for service in group]
            ready |= {service.name: _come_up(service, *attempt, report) for service, attempt in begun}
    return [ready[service.name] for service in services]


def _groups(services: list[Service]) -> list[list[Service]]:
    """Services that start together: when those that they need, all in groups before, are ready."""
    depth: dict[str, int] = {}
    for service in services:        # each stands after its needs
        depth[service.name] = max((depth[need] + 1 for need in service.needs), default=0)
    return [[service for service in services if depth[service.name] == level] for level in sorted(set(depth.values()))]


def again(names: Iterable[str], meanwhile: Callable[[], None], kill: frozenset[str],
          report: Report = lambda line: None) -> bool:
    """Stop services with their parts, do something while none of them runs, and start them; False when none ran.

    :param kill: those that are killed at once, as what they could still do would be lost with ``meanwhile``
    """
    chosen = catalog.with_parts(list(names))
    with supervisor.locked():
        running = [name for name in supervisor.wanted() if name in chosen] if supervisor.alive() else []
        supervisor.end(running, kill)
        meanwhile()
    if running:
        up(names, report)
    return bool(running)


def _remember(service: Service) -> None:
    """Note what `lab down` has to remove, whatever the settings are by then; before there is anything to remove."""
    if service.remove:
        places.make_home()
        places.write_json(_note(service.name), list(service.remove))


def _note(name: str) -> Path:
    return places.home() / "services" / f"{name}.remove.json"


def _noted() -> list[str]:
    """Services that leave something to remove, running or not."""
    return sorted(path.name.removesuffix(".remove.json")
                  for path in (places.home() / "services").glob("[!.]*.remove.json"))


def _remove(name: str) -> bool:
    """Remove what a stopped service left; whether there was anything.  Fails with the command's own words."""
    command = places.read_json(_note(name))
    if command is None:
        return False
    done = subprocess.run(command, env=supervisor.environment(), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise PermanentError(f"What {name} left could not be removed: {(done.stderr or done.stdout).strip()[-600:]}",
                             "Mend that, and run `lab down` again.")
    _note(name).unlink()
    return True


def _prepare(service: Service) -> None:
    """Run what must be done before the service can start; its output is the user's, on stderr."""
    command = service.prepare()
    if command is None:
        return
    done = subprocess.run(command, env=supervisor.environment(), stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise PermanentError(f"The service {service.name} cannot start; the reason stands above.")


def _begin(service: Service, report: Report) -> tuple[Context, float]:
    """Have it started; where it will listen, and when that was (monotonic)."""
    context = _configure(service, report)
    report(f"{service.name}: starting on {context.endpoint}")
    return context, time.monotonic()


def _come_up(service: Service, context: Context, began: float, report: Report) -> Context:
    """Wait until it is ready; where its port was taken meanwhile, it gets another."""
    for remaining in reversed(range(_TRIES)):
        try:
            _wait_ready(service, context, began, report)
            return context
        except _PortTaken as error:
            if not remaining:
                raise PermanentError(str(error), f"Its log: {places.log_file(service.name)}") from error
            report(f"{service.name}: {error}; choosing another port")
            context, began = _begin(service, report)
    raise AssertionError("unreachable")


class _PortTaken(Exception):
    """Another process listens on the port that was free a moment ago."""


def plan(name: str) -> str:
    """The address service ``name`` has or will have when it starts; recorded, so that others can be told now."""
    with supervisor.locked():
        return _place(catalog.find(name), lambda line: None)[0].endpoint


def _place(service: Service, report: Report) -> tuple[Context, bool]:
    """Where the service listens or shall listen, recorded in endpoints.json; and whether it runs."""
    running = supervisor.info(service.name) if supervisor.alive() else None
    serving = running is not None and running["statename"] in ("RUNNING", "STARTING")
    known = places.endpoints()
    context = _context(service, known.get(service.name), running["pid"] if running and serving else None)
    if service.port and context.port != service.port and not serving:
        report(f"{service.name}: port {service.port} is taken; using {context.port}")
    if context.endpoint != known.get(service.name):
        places.write_json(places.make_home() / "endpoints.json", {**known, service.name: context.endpoint})
    return context, serving


def _configure(service: Service, report: Report) -> Context:
    """Write the service's configuration, with a port that can be bound, and make the supervisor follow it."""
    context, serving = _place(service, report)
    conf, text = supervisor.conf_file(service.name), supervisor.program(service, context)
    if not conf.is_file() or conf.read_text(encoding="utf-8") != text:
        conf.write_text(text, encoding="utf-8")
    if not supervisor.ensure():
        supervisor.apply()
    if not serving:
        supervisor.start(service.name)
    return context


def _context(service: Service, address: str | None, pid: int | None) -> Context:
    home = places.make_home()
    if service.port is None:
        return Context(service.name, home, socket=places.short_path(service.socket or f"{service.name}.sock"))
    remembered = int(address.rsplit(":", 1)[1]) if address else None
    if pid and remembered and (ports.is_free(remembered) or ports.listens(pid, remembered)):
        return Context(service.name, home, port=remembered, scheme=service.scheme)
    others = frozenset(int(known.rsplit(":", 1)[1]) for name, known in places.endpoints().items()
                       if name != service.name and known.startswith("http"))
    return Context(service.name, home, port=ports.choose(service.port, remembered, others), scheme=service.scheme)


def _wait_ready(service: Service, context: Context, began: float, report: Report) -> None:
    starts: set[int] = set()
    last = "nothing yet"
    while time.monotonic() < began + service.deadline:
        seen = supervisor.info(service.name)
        if seen and seen["statename"] in ("RUNNING", "STARTING"):
            try:
                service.ready(context)
                if not context.port or ports.listens(seen["pid"], context.port):
                    report(f"{service.name}: ready in {time.monotonic() - began:.1f} s on {context.endpoint}")
                    return
                last = f"port {context.port} belongs to another process"
            except TemporaryError as error:
                last = str(error)
        elif seen:
            starts.add(seen["start"])
            last = seen["spawnerr"] or f"it exited with status {seen['exitstatus']}"
            if context.port and not ports.is_free(context.port):
                raise _PortTaken(f"port {context.port} was taken by another process")
            if seen["statename"] == "FATAL" or len(starts) >= _CRASHES:
                break
        time.sleep(0.02)
    supervisor.halt(service.name)
    raise PermanentError(_failure(service, last, time.monotonic() - began), f"Its log: "
                         f"{places.log_file(service.name)} (`lab logs {service.name}`)")


def _failure(service: Service, last: str, seconds: float) -> str:
    lines = [line for line in tail(service.name, 40) if line.strip()][-8:]
    shown = "".join(f"\n    {line}" for line in lines) or " (empty)"
    return f"The service {service.name} was not ready after {seconds:.1f} s: {last}.\nThe end of its log:{shown}"


def tail(name: str, lines: int) -> list[str]:
    """The last ``lines`` lines of a service's log, at most 64 KB; empty when there is none."""
    try:
        with places.log_file(name).open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - 65536))
            return log.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def down(names: Iterable[str] = ()) -> list[str]:
    """Stop services, all of them without ``names``; returns what was stopped.  No process of them is left."""
    chosen = catalog.with_parts(list(names))
    with supervisor.locked():
        stopped = [name for name in supervisor.wanted() if not chosen or name in chosen]
        for name in stopped:
            supervisor.conf_file(name).unlink()
        if supervisor.wanted():
            if not supervisor.ensure():
                supervisor.apply()
        else:
            supervisor.stop()
        removed = [name for name in _noted() if (not chosen or name in chosen) and _remove(name)]
    return list(dict.fromkeys([*stopped, *removed]))


def keep() -> bool:
    """Bring the supervisor and its services back when it was killed; returns whether that was needed."""
    if not supervisor.wanted() or supervisor.alive():
        return False
    with supervisor.locked():
        return bool(supervisor.wanted()) and supervisor.ensure()


def status() -> list[Status]:
    """Every service there is, in the catalogue's order; repairs a killed supervisor first."""
    keep()
    addresses, wanted = places.endpoints(), supervisor.wanted()
    answers = supervisor.alive()
    return [
        _describe(name, supervisor.info(name) if answers and name in wanted else None, addresses.get(name))
        for name in dict.fromkeys([*catalog.names(), *wanted])
    ]


def _describe(name: str, seen: dict[str, Any] | None, address: str | None) -> Status:
    log = str(places.log_file(name))
    if seen is None:
        return Status(name, "stopped", None, None, 0, "", log)
    since = max(0, seen["now"] - seen["start"])
    if seen["statename"] not in ("RUNNING", "STARTING"):
        return Status(name, "failed", address, None, since, seen["spawnerr"] or seen["description"], log)
    try:
        _probe(name, address)
    except TemporaryError as error:
        return Status(name, "starting", address, seen["pid"], since, str(error), log)
    return Status(name, "running", address, seen["pid"], since, "", log)


def _probe(name: str, address: str | None) -> None:
    home = places.home()
    port = int(address.rsplit(":", 1)[1]) if address and address.startswith("http") else None
    context = Context(name, home, port, None if port else places.short_path(f"{name}.sock"))
    if name in catalog.BUILT_IN:
        catalog.BUILT_IN[name].ready(context)
    else:
        catalog.accepts_connections(context)    # loads no other package to describe its service
