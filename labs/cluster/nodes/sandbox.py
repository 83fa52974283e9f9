"""What a container's jail grants: programs of its image, its mounts, a folder of its own, ports, memory.

What differs from a real node: docs/nodes.md.  The root file system is the host's programs, read-only.  The ports are
those that pods declare; the network replaces them by what it grants (``labs.cluster.network.plane``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from labs import jail
from labs.cluster.nodes.api import Object
from labs.cluster.nodes.environment import expand, quantity
from labs.cluster.nodes.images import Image

MEMORY = 2**30
"""Bytes for a container without a limit."""
PROCESSES = 128
STORAGE = 2**30
TOKEN_VOLUME = "kube-api-access-"
"""Every pod gets a volume of this name from the API server."""


def mountable() -> bool:
    """Can this host show a folder at another path (bubblewrap or PRoot)?"""
    from labs.jail import rungs

    return len(rungs.unavailable()) < 2


def mounts(container: Object, volumes: dict[str, Path], writable: dict[str, bool], folder: Path,
           environment: Mapping[str, str]) -> list[jail.Mount]:
    """The container's ``volumeMounts``, and the file for its termination message; raises ValueError."""
    made = []
    for each in container.get("volumeMounts") or []:
        if not mountable() and each["name"].startswith(TOKEN_VOLUME):
            continue        # the program cannot find it, but need not fail for want of what it did not ask for
        source = volumes[each["name"]]
        if inside := _inside(each, environment):
            source = source / inside
            if not source.resolve().is_relative_to(volumes[each["name"]].resolve()):
                raise ValueError(f"subPath {inside} leaves its volume")
            if not source.exists():
                source.mkdir(parents=True)
                source.chmod(0o777)
        made.append(jail.Mount(str(source), each["mountPath"], writable[each["name"]] and not each.get("readOnly")))
    if mountable():
        message = folder / "termination-log"
        message.touch()
        message.chmod(0o666)
        made.append(jail.Mount(str(message), container.get("terminationMessagePath") or "/dev/termination-log", True))
    return sorted(made, key=lambda mount: mount.target)


def _inside(mount: Object, environment: Mapping[str, str]) -> str:
    """``subPath``, or ``subPathExpr`` with its variables ("Using subPath with expanded environment variables")."""
    if "subPathExpr" not in mount:
        return str(mount.get("subPath") or "")
    for name in re.findall(r"(?<!\$)\$\(([^)]*)\)", mount["subPathExpr"]):
        if name not in environment:
            raise ValueError(f'missing value for "{name}"')
    return expand(mount["subPathExpr"], environment)


def specification(pod: Object, container: Object, image: Image, environment: dict[str, str],
                  mounted: list[jail.Mount], folder: Path, api_port: int) -> jail.Spec:
    """The jail of one container; ``folder`` becomes what it may change beside its mounts."""
    folder.mkdir(exist_ok=True)
    every = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    ports = {each["containerPort"] for one in every for each in one.get("ports") or []}
    limit = container.get("resources", {}).get("limits", {}).get("memory")
    memory = int(quantity(limit)) if limit else MEMORY
    return jail.Spec(
        readable=image.readable, writable=str(folder), writable_bytes=STORAGE, mounts=tuple(mounted),
        connect=tuple(sorted({*ports, api_port})), bind=tuple(sorted(ports)), unix_sockets=False,
        terminal=bool(container.get("tty")), environment=environment, memory=memory,
        address_space=memory + 4 * 2**30, cpu_seconds=None, wall_seconds=None,
        processes=PROCESSES, open_files=1024,
        directory=container.get("workingDir") or image.working_directory or None)
