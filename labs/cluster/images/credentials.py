"""Whose name and password a registry gets.

Pull secrets are of type ``kubernetes.io/dockerconfigjson`` ("Pull an Image from a Private Registry").  For a registry
of ECR a node has a credential of its own, as an EC2 node has by ``ecr-credential-provider``: a password that the AWS
endpoint's ``GetAuthorizationToken`` gives out, which holds for twelve hours ("Configure a kubelet image credential
provider"; "Private registry authentication" in the Amazon ECR User Guide).
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from labs.cluster.images.names import HUB, Name
from labs.errors import PermanentError, TemporaryError
from labs.services import state

ECR = re.compile(r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\."
                 r"(?:amazonaws\.com(?:\.cn)?|on\.aws)")
ANSWERED_WITHIN = 30.0
KEPT_FOR = 6 * 3600.0
"""Seconds; half of what a password holds for, as the provider's own ``cacheDuration``."""

# boto3 is 40 MB that the nodes do without: as a kubelet's, the provider is a program
_PROVIDER = """
import sys, boto3, botocore.config
endpoint, region = sys.argv[1:]
client = boto3.client("ecr", endpoint_url=endpoint, region_name=region, config=botocore.config.Config(
    connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 1}))
print(client.get_authorization_token()["authorizationData"][0]["authorizationToken"])
"""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a registry: user and password (None: nobody's), and another server than the name's."""

    credential: tuple[str, str] | None = None
    server: str = ""


def from_secrets(name: Name, secrets: list[bytes]) -> list[tuple[str, str]]:
    """The pairs that ``.dockerconfigjson`` files have for a name, the most exact place first."""
    found: list[tuple[int, tuple[str, str]]] = []
    for content in secrets:
        try:
            places: dict[str, Any] = json.loads(content).get("auths") or {}
        except (ValueError, AttributeError):
            continue        # a kubelet goes on as well
        for place, said in places.items():
            if _serves(place, name) and (pair := _pair(said)) is not None:
                found.append((len(place), pair))
    return [pair for _, pair in sorted(found, key=lambda each: -each[0])]


def _serves(place: str, name: Name) -> bool:
    """"Interpretation of config.json": host, with a port and the beginning of a path where they are said, ``*`` in
    parts of the host."""
    rest = re.sub(r"^https?://", "", place).rstrip("/")
    rest = re.sub(r"/v[12]$", "", rest)
    host, _, path = rest.partition("/")
    if name.registry == HUB:
        hosts = host in ("index.docker.io", "registry-1.docker.io", HUB)
    else:
        parts, wanted = host.split("."), name.registry.split(".")
        hosts = len(parts) == len(wanted) and all(
            re.fullmatch(re.escape(part).replace(r"\*", ".*"), each) for part, each in zip(parts, wanted, strict=True))
    return hosts and (not path or f"{name.repository}/".startswith(f"{path}/") or name.repository.startswith(path))


def _pair(said: dict[str, Any]) -> tuple[str, str] | None:
    try:
        if said.get("auth"):
            user, colon, password = base64.b64decode(said["auth"]).decode().partition(":")
            return (user, password) if colon else None
    except ValueError:
        return None
    return (said["username"], said.get("password", "")) if said.get("username") else None


class Ecr:
    """The node's credential for registries of ECR; kept until half of its life is over."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        """``environment``: whose key asks; None for the account's own root user, as which a node may pull."""
        self._environment = environment
        self._kept: dict[tuple[str, str], tuple[float, tuple[str, str]]] = {}

    def access(self, name: Name) -> Access | None:
        """None for another kind of registry; raises TemporaryError while there is no AWS, PermanentError if refused."""
        match = ECR.fullmatch(name.registry)
        if match is None:
            return None
        endpoint = state.endpoints().get("aws")
        if endpoint is None:
            raise TemporaryError("the AWS endpoint is not running: `lab up aws`")
        key = match["account"], match["region"]
        until, pair = self._kept.get(key, (0.0, ("", "")))
        if until < time.monotonic():
            pair = self._ask(endpoint, *key)
            self._kept[key] = time.monotonic() + KEPT_FOR, pair
        return Access(pair, endpoint)

    def forget(self) -> None:
        """Ask again: the endpoint may have been reset, and its passwords with it."""
        self._kept.clear()

    def _ask(self, endpoint: str, account: str, region: str) -> tuple[str, str]:
        keys = self._environment or {"AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "test"}
        chosen = {name: value for name, value in keys.items() if name.startswith("AWS_")}
        try:
            done = subprocess.run(
                [sys.executable, "-c", _PROVIDER, endpoint, region], capture_output=True, text=True, check=False,
                timeout=ANSWERED_WITHIN, env={"PATH": os.environ.get("PATH", os.defpath),
                                              "AWS_CONFIG_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true",
                                              "AWS_SHARED_CREDENTIALS_FILE": os.devnull, **chosen})
        except subprocess.TimeoutExpired as error:
            raise TemporaryError(f"GetAuthorizationToken was not answered within {ANSWERED_WITHIN:.0f} s") from error
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            kind = TemporaryError if "Could not connect" in why else PermanentError
            raise kind(f"GetAuthorizationToken: {why}")
        user, _, password = base64.b64decode(done.stdout.strip()).decode().partition(":")
        return user, password
