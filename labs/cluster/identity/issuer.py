"""The cluster's OIDC issuer: the name it signs under, and where on this machine its keys are read.

On EKS a cluster's issuer is ``https://oidc.eks.REGION.amazonaws.com/id/ID``, which anybody can ask for the keys.  Here
the API server itself publishes them ("Service account issuer discovery", Kubernetes documentation), and a note in
``HOME/issuers`` tells the AWS endpoint of this machine where that name answers, as a name server would.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from labs.services import state

REGION = "us-east-1"
HOST = f"oidc.eks.{REGION}.amazonaws.com"
AUDIENCES = ("https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local")
"""What the API server itself is called in tokens; EKS uses the first."""
FOLDER = "issuers"
DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/openid/v1/jwks"


def identifier(seed: bytes) -> str:
    """ID of a learner's cluster: 32 hexadecimal digits that depend on the seed only, in capitals as EKS writes them."""
    return hashlib.blake2b(b"cluster", key=seed[:64], digest_size=32).hexdigest()[:32].upper()


def url_of(home: Path) -> str:
    """The issuer of the cluster in this state folder: of the learner's seed, or of no seed when nobody is enrolled."""
    known = state.read_json(home / "learner.json") or {}
    return f"https://{HOST}/id/{identifier(bytes.fromhex(known.get('seed', '')))}"


def publish(home: Path, issuer: str, location: str, authority: str, keys: str = "") -> None:
    """Leave the note ``HOME/issuers/kubernetes.json``.

    :param location: ``https://127.0.0.1:PORT`` (or http) where ``/.well-known/openid-configuration`` is answered
    :param authority: PEM of the authority that vouches for ``location``; "" for http
    :param keys: path of the keys there; "" when the issuer names them below its own URL
    """
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    state.write_json(folder / "kubernetes.json",
                     {"issuer": issuer, "location": location, "authority": authority, "keys": keys,
                      "cluster": True})


def published(home: Path) -> dict[str, str]:
    """The note, or an empty mapping."""
    try:
        found: dict[str, str] = json.loads((home / FOLDER / "kubernetes.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found
