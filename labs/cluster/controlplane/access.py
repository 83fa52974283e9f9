"""Kubeconfig files: who one is, and where the API server listens."""

from __future__ import annotations

import base64
from pathlib import Path

from labs.services import state

CONTEXT = "labs"
"""Name of the cluster and of the context in every file."""

_TEXT = """\
apiVersion: v1
kind: Config
clusters:
- name: {context}
  cluster:
    server: {server}
    certificate-authority-data: {authority}
users:
- name: {user}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: {context}
  context:
    cluster: {context}
    user: {user}
current-context: {context}
"""


def write_kubeconfig(path: Path, server: str, pki: Path, identity: str) -> None:
    """Replace ``path`` in one step by the kubeconfig of an identity; it holds a key, so only its owner may read it.

    :param server: ``https://127.0.0.1:PORT``
    :param identity: a name in :data:`labs.cluster.controlplane.pki.IDENTITIES`
    """
    text = _TEXT.format(
        context=CONTEXT, server=server, user=identity, authority=_encoded(pki / "ca.crt"),
        certificate=_encoded(pki / f"{identity}.crt"), key=_encoded(pki / f"{identity}.key"))
    state.write_private(path, text)


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")
