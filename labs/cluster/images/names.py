"""References to images, as containerd and Docker read them.

"Image names" (Kubernetes documentation, "Images"); the grammar is that of ``distribution/reference``.  A name without
a registry is Docker Hub's, one without a path there is in ``library/``, one without tag and digest is ``latest``.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from labs.errors import PermanentError

HUB = "docker.io"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
                       r"|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
LONGEST = 255


@dataclass(frozen=True, slots=True)
class Name:
    """A reference in full; ``tag`` is empty where only a digest was given."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @staticmethod
    def parse(text: str) -> Name:
        """Raises ValueError, with the words of ``distribution/reference``."""
        rest, at, digest = text.partition("@")
        if at and not DIGEST.fullmatch(digest):
            raise ValueError("invalid reference format" if ":" not in digest else "invalid checksum digest format")
        head, slash, tail = rest.partition("/")
        registry, path = HUB, rest
        if slash and (any(sign in head for sign in ".:[") or head == "localhost"):
            registry, path = head, tail
        tag = ""
        if ":" in path.rpartition("/")[2]:
            path, _, tag = path.rpartition(":")
            if not _TAG.fullmatch(tag):
                raise ValueError("invalid reference format")
        if registry in ("index.docker.io", HUB):
            registry = HUB
            path = path if "/" in path else f"library/{path}"
        if path != path.lower() and _REPOSITORY.fullmatch(path.lower()):
            raise ValueError(f"invalid reference format: repository name ({path}) must be lowercase")
        if not _REPOSITORY.fullmatch(path) or not _REGISTRY.fullmatch(registry):
            raise ValueError("invalid reference format")
        if len(path) > LONGEST:
            raise ValueError(f"repository name must not be more than {LONGEST} characters")
        return Name(registry, path, tag or ("" if digest else "latest"), digest)

    @property
    def repository_name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    @property
    def reference(self) -> str:
        """What a registry is asked for: the digest, else the tag."""
        return self.digest or self.tag

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository_name}{tag}" + (f"@{self.digest}" if self.digest else "")


def on_loopback(registry: str) -> bool:
    """Is a registry on this machine?  Only there is plain HTTP spoken."""
    host = registry.rpartition(":")[0] if re.search(r":\d+$", registry) else registry
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def named(text: str) -> Name:
    """The name that somebody typed; raises PermanentError with what was expected."""
    try:
        return Name.parse(text)
    except ValueError as error:
        raise PermanentError(f"{text!r}: {error}.", "A name looks like shop:1 or registry.example/team/shop:1.") \
            from error
