"""What a container's jail grants: programs of its image, its mounts, a folder of its own, ports, memory.

What differs from a real node: docs/nodes.md.  The root file system is the host's programs, read-only.  The ports are
those that pods declare; the network replaces them by what it grants (``labs.cluster.network.plane``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labs import jail
from labs.cluster.nodes.api import Object
from labs.cluster.nodes.environment import expand, quantity
from labs.cluster.nodes.images import Image

MEMORY = 2**30
"""Bytes for a container without a limit."""
RESERVED = 2**46
"""Bytes of addresses: databases map files of many GiB (etcd 10), and run times reserve room for their heaps."""
PROCESSES = 128
STORAGE = 2**30
TOKEN_VOLUME = "kube-api-access-"
"""Every pod gets a volume of this name from the API server."""


def mountable() -> bool:
    """Can this host show a folder at another path (bubblewrap or PRoot)?"""
    from labs.jail import rungs

    return len(rungs.unavailable()) < 2


def mounts(container: Object, volumes: dict[str, Path], writable: dict[str, bool], folder: Path,
           environment: Mapping[str, str], host: bool = True) -> list[jail.Mount]:
    """The container's ``volumeMounts``, and the files a node adds; raises ValueError.

    These are the one for its termination message and, where it sees the host's programs, those that name its user.
    """
    made = []
    for each in container.get("volumeMounts") or []:
        if not mountable() and each["name"].startswith(TOKEN_VOLUME):
            continue        # the program cannot find it, but need not fail for want of what it did not ask for
        source = volumes[each["name"]]
        if inside := _inside(each, environment):
            source = source / inside
            if not source.resolve().is_relative_to(volumes[each["name"]].resolve()):
                raise ValueError(f"subPath {inside} leaves its volume")
            for fresh in [path for path in (source, *source.parents) if not path.exists()][::-1]:
                fresh.mkdir()
                fresh.chmod(0o777)      # those above it too: a container's user is not the nodes'
        made.append(jail.Mount(str(source), each["mountPath"], writable[each["name"]] and not each.get("readOnly")))
    if mountable():
        message = folder / "termination-log"
        message.touch()
        message.chmod(0o666)
        made.append(jail.Mount(str(message), container.get("terminationMessagePath") or "/dev/termination-log", True))
        if host:
            taken = {mount.target for mount in made}
            made += [mount for mount in _people(folder, environment) if mount.target not in taken]
    return sorted(made, key=lambda mount: mount.target)


def _people(folder: Path, environment: Mapping[str, str]) -> list[jail.Mount]:
    """``/etc/passwd`` and ``/etc/group``: programs such as ``initdb`` and ``ssh`` ask who they run as (getpwuid(3))."""
    uid, gid = (jail.NOBODY, jail.NOBODY) if os.getuid() == 0 else (os.getuid(), os.getgid())
    user, group = ("nobody", "nogroup") if uid == jail.NOBODY else ("app", "app")
    home = environment.get("HOME", "/").replace(":", "").replace("\n", "")
    made = []
    for name, text in (("passwd", f"root:x:0:0:root:/root:/bin/sh\n{user}:x:{uid}:{gid}:{user}:{home}:/bin/sh\n"),
                       ("group", f"root:x:0:\n{group}:x:{gid}:\n")):
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
        made.append(jail.Mount(str(path), f"/etc/{name}"))
    return made


def _inside(mount: Object, environment: Mapping[str, str]) -> str:
    """``subPath``, or ``subPathExpr`` with its variables ("Using subPath with expanded environment variables")."""
    if "subPathExpr" not in mount:
        return str(mount.get("subPath") or "")
    for name in re.findall(r"(?<!\$)\$\(([^)]*)\)", mount["subPathExpr"]):
        if name not in environment:
            raise ValueError(f'missing value for "{name}"')
    return expand(mount["subPathExpr"], environment)


def limits(resources: Object) -> dict[str, Any]:
    """What holds a container with these ``resources``: ``cpu`` in processors, 0 for no limit, ``memory`` in bytes."""
    given = resources.get("limits") or {}
    return {"cpu": float(quantity(given.get("cpu", "0"))),
            "memory": int(quantity(given["memory"])) if given.get("memory") else MEMORY}


def specification(pod: Object, container: Object, image: Image, environment: dict[str, str],
                  mounted: list[jail.Mount], folder: Path, api_port: int) -> jail.Spec:
    """The jail of one container; ``folder`` becomes what it may change beside its mounts."""
    folder.mkdir(exist_ok=True)
    every = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    ports = {each["containerPort"] for one in every for each in one.get("ports") or []}
    memory = limits(container.get("resources") or {})["memory"]
    return jail.Spec(
        readable=image.readable, writable=str(folder), writable_bytes=STORAGE, mounts=tuple(mounted),
        connect=tuple(sorted({*ports, api_port})), bind=tuple(sorted(ports)), unix_sockets=False, system_v_ipc=True,
        terminal=bool(container.get("tty")), environment=environment, memory=memory,
        address_space=RESERVED, private=memory + 4 * 2**30, cpu_seconds=None, wall_seconds=None,
        processes=PROCESSES, open_files=1024,
        directory=container.get("workingDir") or image.working_directory or None)
