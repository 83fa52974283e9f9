"""Programs that a test needs and does not fetch: getting them may take half an hour."""

from __future__ import annotations

import pytest

from labs.toolbox import programs

CLUSTER = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
INGRESS = ("traefik",)
CERTIFICATES = (*INGRESS, "cert-manager", "acmesolver", "acme-authority")


def need(*names: str) -> None:
    """Skip the test where one of these tools (``labs/toolbox/tools.toml``) is missing."""
    missing = [name for name in names if programs.find(programs.tool(name)) is None]
    if missing:
        pytest.skip(f"missing: {', '.join(missing)} (`lab tools fetch`)")
