"""A container of an image of the store: its root file system, its user, and the files a node adds to it.

Users: "Configure a Security Context for a Pod or Container" (Kubernetes documentation).  Files: "Adding entries to Pod
/etc/hosts with HostAliases", "DNS for Services and Pods".  How far a host can go with users: ``jail.Root``.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from labs import jail
from labs.cluster.nodes.api import Object
from labs.cluster.nodes.environment import ConfigError
from labs.cluster.nodes.images import Image
from labs.cluster.storage.mounts import hosts_file
from labs.jail import rungs, view

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST_FILE = 2**20
INTERPRETED = 3
"""PT_INTERP, ELF's program header for the loader of shared libraries."""


class UserError(Exception):
    """The image has no such user: CreateContainerError."""


@dataclass(frozen=True, slots=True)
class User:
    """Whom a container runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def user(image: Image, pod: Object, container: Object) -> User:
    """From the security contexts, the image's ``User`` and its ``/etc/passwd`` and ``/etc/group``.

    Raises ConfigError where ``runAsNonRoot`` forbids it, UserError for a name that the image does not know.
    """
    whole, own = pod["spec"].get("securityContext") or {}, container.get("securityContext") or {}
    people, groups = _table(image.root, "/etc/passwd"), _table(image.root, "/etc/group")
    name, colon, group = image.user.partition(":")
    asked = own.get("runAsUser", whole.get("runAsUser"))
    if own.get("runAsNonRoot", whole.get("runAsNonRoot")):
        _refuse_root(asked, name, pod, container)
    if asked is not None:
        name, colon, group = str(asked), "", ""
    found = next((row for row in people if name in (row[0], row[2])), None) if name else None
    if name and found is None and not name.isdigit():
        raise UserError(f"unable to find user {name}: no matching entries in passwd file")
    uid = int(found[2]) if found else int(name or 0)
    found = found or next((row for row in people if row[2] == str(uid)), None)
    gid = int(found[3]) if found else 0
    if colon and group:
        there = next((row[2] for row in groups if group in (row[0], row[2])), group)
        if not there.isdigit():
            raise UserError(f"unable to find group {group}: no matching entries in group file")
        gid = int(there)
    gid = int(own.get("runAsGroup", whole.get("runAsGroup", gid)))
    more = [*whole.get("supplementalGroups", []), *([whole["fsGroup"]] if "fsGroup" in whole else [])]
    if found and whole.get("supplementalGroupsPolicy") != "Strict":
        more += [int(row[2]) for row in groups if found[0] in row[3].split(",")]
    return User(uid, gid, tuple(dict.fromkeys(more)), (found[5] if found and len(found) > 5 else "") or "/")


def _refuse_root(asked: int | None, name: str, pod: Object, container: Object) -> None:
    described = pod["metadata"]
    where = f'(pod: "{described["name"]}_{described["namespace"]}({described["uid"]})", container: {container["name"]})'
    if asked == 0:
        raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
    if asked is None and name and not name.isdigit():
        raise ConfigError(f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is "
                          f"non-root {where}")
    if asked is None and int(name or 0) == 0:
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")


def _table(root: str, path: str) -> list[list[str]]:
    """The rows of ``passwd`` or ``group`` in an image; those that are no rows are passed over."""
    try:
        with open(view.inside(root, path), encoding="utf-8", errors="replace") as file:
            rows = [line.rstrip("\n").split(":") for line in file.read(LONGEST_FILE).splitlines()]
    except OSError:
        return []
    least = 6 if path.endswith("passwd") else 4
    return [row for row in rows if len(row) >= least and row[2].isdigit() and (least == 4 or row[3].isdigit())]


def stop_signal(image: Image) -> int:
    """What asks the container to end: the image's STOPSIGNAL by name or number, SIGTERM for one that is no signal."""
    text = image.stop_signal.upper().removeprefix("SIG")
    found = int(text) if text.isdigit() else getattr(signal, f"SIG{text}", signal.SIGTERM) if text else signal.SIGTERM
    return int(found) if 0 < int(found) < signal.NSIG else int(signal.SIGTERM)


def hostname(pod: Object) -> str:
    """"Pod's hostname and subdomain fields", at most the 63 characters that a kernel and a kubelet allow."""
    return str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:63].rstrip("-.")


def hosts(pod: Object, address: str) -> str:
    """``/etc/hosts`` as a kubelet writes it."""
    if pod["spec"].get("hostNetwork"):
        return "# Kubernetes-managed hosts file (host network).\n" + hosts_file(pod["spec"].get("nodeName", ""))
    name, subdomain = hostname(pod), pod["spec"].get("subdomain")
    full = f"{name}.{subdomain}.{pod['metadata']['namespace']}.svc.cluster.local\t" if subdomain else ""
    lines = ["# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback",
             "fe00::\tip6-localnet", "fe00::\tip6-mcastprefix", "fe00::1\tip6-allnodes", "fe00::2\tip6-allrouters",
             f"{address}\t{full}{name}"]
    if aliases := pod["spec"].get("hostAliases"):
        lines += ["", "# Entries added by HostAliases."]
        lines += [each["ip"] + "".join(f"\t{one}" for one in each.get("hostnames") or []) for each in aliases]
    return "\n".join(lines) + "\n"


def variables(image: Image, environment: dict[str, str], owner: User) -> dict[str, str]:
    """What a runtime adds to a container's variables: PATH and HOME, where nobody said them."""
    return {"PATH": PATH, "HOME": owner.home, **environment} if image.root else environment


def specification(spec: jail.Spec, pod: Object, container: Object, image: Image, owner: User, folder: Path,
                  address: str, resolve: Callable[[Object], str]) -> jail.Spec:
    """The same jail with the image's root.

    :param folder: the container's; ``folder/root`` takes its changes, ``folder/etc`` the files that a node adds
    :param resolve: makes the text of ``/etc/resolv.conf``
    Raises OSError when there is no room for a copy of the root.
    """
    changes = folder / "root"
    changes.mkdir(exist_ok=True)
    if rungs.overlay():
        _copy(Path(image.root), changes)
    mounts = named(spec.mounts, pod, folder, address, resolve)
    own = container.get("securityContext") or {}
    root = jail.Root(
        str(changes) if rungs.overlay() else image.root, None if rungs.overlay() else str(changes),
        not own.get("readOnlyRootFilesystem", False), owner.uid, owner.gid, owner.groups, hostname(pod))
    return replace(spec, root=root, readable=(), writable=None, directory=spec.directory or "/",
                   mounts=tuple(sorted(mounts, key=lambda mount: mount.target)))


def named(mounts: Iterable[jail.Mount], pod: Object, folder: Path, address: str, resolve: Callable[[Object], str],
          **more: str) -> list[jail.Mount]:
    """The mounts, and the files by which programs know their own name and find others.

    :param more: further files of ``/etc`` by name
    """
    files = folder / "etc"
    files.mkdir(exist_ok=True)
    files.chmod(0o755)
    made = list(mounts)
    for name, text in {"hosts": hosts(pod, address), "hostname": hostname(pod) + "\n", "resolv.conf": resolve(pod),
                       **more}.items():
        path = files / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
        if not any(mount.target == f"/etc/{name}" for mount in made):
            made.append(jail.Mount(str(path), f"/etc/{name}", name == "hosts"))
    return made


def _copy(root: Path, target: Path) -> None:
    """A root of its own where the host has no overlays; shares blocks where the file system can."""
    done = subprocess.run(["cp", "-a", "--reflink=auto", f"{root}/.", str(target)], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise OSError(f"the image's files cannot be copied: {done.stderr.strip()[-300:]}")


def without_root(spec: jail.Spec, image: Image, command: list[str], environment: dict[str, str]) -> tuple[
        jail.Spec, list[str]]:
    """The plain rung: a program that needs no other file of its image runs from where it was unpacked.

    Raises ConfigError for any other.
    """
    folders = [""] if "/" in command[0] else environment.get("PATH", PATH).split(":")
    for folder in folders:
        found = view.inside(image.root, os.path.join(folder, command[0]))
        if os.path.isfile(found) and os.access(found, os.X_OK):
            if not _static(found):
                break
            return replace(spec, readable=(image.root,), directory=None), [found, *command[1:]]
    raise ConfigError(f'exec: "{command[0]}": this host cannot show a container the files of its image: that needs '
                      "bubblewrap or PRoot; without them only statically linked programs of images run")


def _static(path: str) -> bool:
    """Is it an ELF program that asks for no loader?"""
    with open(path, "rb") as file:
        head = file.read(64)
        if head[:4] != b"\x7fELF" or head[4] != 2:
            return False
        start, size, count = (int.from_bytes(head[at:at + length], "little") for at, length in ((32, 8), (54, 2),
                                                                                                (56, 2)))
        file.seek(start)
        table = file.read(size * count)
    return all(int.from_bytes(table[at:at + 4], "little") != INTERPRETED for at in range(0, len(table), size))
