"""What is asked of Docker, and what its refusals mean.  Only the command ``docker`` is used, as kind does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from labs.cluster.drivers.base import run
from labs.errors import LabError, PermanentError, TemporaryError

ANSWERED_WITHIN = 60.0
REMOVED_WITHIN = 120.0
PULLED_WITHIN = 1200.0
CLUSTER = "io.x-k8s.kind.cluster"
"""kind's label of a node's container; its value is the cluster's name."""
NETWORK = "kind"
_REFUSALS = (
    (("permission denied",), "You may not talk to Docker",
     "Add yourself to its group, `sudo usermod -aG docker $USER`, and log in again."),
    (("cannot connect to the docker daemon", "is the docker daemon running", "error during connect", "no such host",
      "failed to connect"), "Docker's daemon does not answer",
     "Start it: `sudo systemctl start docker`, or Docker Desktop."),
)


@dataclass(frozen=True, slots=True)
class Daemon:
    """What Docker's daemon says of itself: its version, and whether this machine has cgroups of version 1 or 2."""

    version: str
    cgroups: str


@dataclass(frozen=True, slots=True)
class Container:
    """A node's container: full id, name, and ``running``, ``exited``, …"""

    identifier: str
    name: str
    state: str


def docker(*arguments: str, within: float = ANSWERED_WITHIN, stdin: str | None = None) -> str:
    """What ``docker`` prints; TemporaryError with its words when it fails, PermanentError when it cannot be asked."""
    try:
        return run(["docker", *arguments], within=within, stdin=stdin)
    except TemporaryError as error:
        told = str(error).lower()
        for words, what, remedy in _REFUSALS:
            if any(word in told for word in words):
                raise PermanentError(f"{what}: {_said(str(error))}", remedy) from error
        raise
    except PermanentError as error:
        raise PermanentError(f"Docker is not here ({error}).", "Install Docker Engine or Docker Desktop, or leave "
                             "LABS_KUBERNETES unset: the embedded cluster needs none.") from error


def daemon() -> Daemon:
    """The daemon, when it can be used; PermanentError says what is missing."""
    said = docker("info", "--format", "{{.ServerVersion}} {{.CgroupVersion}}").split()
    return Daemon(said[0] if said else "", said[1] if len(said) > 1 else "2")


def containers(cluster: str) -> list[Container]:
    """Every container of a cluster's nodes, by name."""
    listed = docker("ps", "--all", "--no-trunc", "--filter", f"label={CLUSTER}={cluster}", "--format",
                    "{{.ID}} {{.Names}} {{.State}}")
    found = [Container(*line.split()[:3]) for line in listed.splitlines()]
    return sorted(found, key=lambda each: each.name)


def has_image(name: str) -> bool:
    """Is the image on this machine?"""
    try:
        docker("image", "inspect", name, "--format", "{{.Id}}")
    except TemporaryError:
        return False
    return True


def pull(name: str) -> None:
    """Pull an image, with Docker's own progress on stderr.

    :raises PermanentError: it cannot be had; says why
    """
    try:
        done = subprocess.run(["docker", "pull", name], stdin=subprocess.DEVNULL, stdout=sys.stderr,
                              stderr=subprocess.PIPE, text=True, timeout=PULLED_WITHIN, check=False)
    except subprocess.TimeoutExpired:
        raise PermanentError(f"`docker pull {name}` did not end in {PULLED_WITHIN:.0f} s.") from None
    if done.returncode != 0:
        raise PermanentError(
            f"The node image {name} is not on this machine and cannot be pulled: {done.stderr.strip()[-400:]}",
            "Connect to the network, or set LABS_KIND_IMAGE to one that is here: `docker image ls kindest/node`.")


def gateway() -> tuple[str, str]:
    """(this machine's address in the nodes' network, that network as ADDRESS/BITS), both IPv4.

    :raises PermanentError: the network has none
    """
    (found,) = json.loads(docker("network", "inspect", os.environ.get("KIND_EXPERIMENTAL_DOCKER_NETWORK") or NETWORK))
    for each in found["IPAM"]["Config"] or ():
        if ":" not in each["Subnet"] and each.get("Gateway"):
            return each["Gateway"], each["Subnet"]
    raise PermanentError(f"Docker's network {NETWORK} has no IPv4 gateway: {found['IPAM']['Config']}.")


def remove(found: list[Container]) -> None:
    """Remove containers with their volumes, as ``kind delete cluster`` does; some that have gone are fine."""
    for each in found:
        try:
            docker("rm", "--force", "--volumes", each.identifier, within=REMOVED_WITHIN)
        except TemporaryError as error:
            if "no such container" not in str(error).lower() and "already in progress" not in str(error).lower():
                raise


def settle(cluster: str, name: str, image: str) -> None:
    """Return when no container of that name is being made any more, and there is none.

    Docker's daemon goes on making a container whose client was interrupted, for seconds in which it lists none.  The
    name is taken all the while, though: whoever can take it knows that nobody else does.
    """
    end = time.monotonic() + REMOVED_WITHIN
    while True:
        try:
            made = docker("create", "--pull", "never", "--name", name, "--label", f"{CLUSTER}={cluster}",
                          "--entrypoint", "true", image).strip()
        except TemporaryError as error:
            if "already in use" not in str(error):
                if "no such image" in str(error).lower():
                    return      # nothing can be made of it
                raise
            if time.monotonic() > end:
                raise TemporaryError(f"Docker has been making {name} for {REMOVED_WITHIN:.0f} s: {error}") from error
            remove(containers(cluster))
            time.sleep(0.2)
        else:
            docker("rm", made)
            return


def usable() -> str:
    """Why Docker cannot be used here, "" when it can."""
    try:
        daemon()
    except LabError as error:
        return str(error)
    return ""


def _said(text: str) -> str:
    return text.partition("fails: ")[2] or text
