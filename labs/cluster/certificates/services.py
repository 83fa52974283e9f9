"""The services ``acme`` (pebble) and ``certificates`` (cert-manager)."""

from __future__ import annotations

import sys

from labs.cluster.certificates import authorities, manifests
from labs.cluster.controlplane.services import READY_WITHIN, call, connect, get
from labs.cluster.drivers import base
from labs.errors import PermanentError, TemporaryError
from labs.services import state
from labs.services.catalog import Context, Service
from labs.toolbox import programs

DIRECTORY = "/dir"
"""Path of pebble's ACME directory (RFC 8555, 7.1.1)."""


def _fetch(*names: str) -> list[str] | None:
    driver = base.chosen().name
    if driver != "embedded":
        raise PermanentError(f"This service is for the embedded cluster, and {base.VARIABLE} is {driver}.",
                             "Install cert-manager there with its Helm chart.")
    missing = [name for name in names if programs.find(programs.tool(name)) is None]
    return [sys.executable, "-m", "labs.toolbox.programs", *missing] if missing else None


def _command(role: str, context: Context) -> list[str]:
    """Names the services it uses, so that a changed port is a changed command line."""
    used = [state.endpoint("kubernetes"), state.endpoint("ingress")]
    used += [f"{state.endpoint('acme')}{DIRECTORY}"] if role == "certificates" else []
    return [sys.executable, "-m", "labs.cluster.certificates", role, "--home", str(context.home),
            "--port", str(context.port), *used]


def _acme_ready(context: Context) -> None:
    """It answers, and its root is among those to trust."""
    get(connect(context.home, context.port or 0), DIRECTORY)
    if not authorities.trusted(context.home):
        raise TemporaryError(f"its root is not in {authorities.trust(context.home)}")


def _certificates_ready(context: Context) -> None:
    """Its webhook answers, and both ClusterIssuers are Ready."""
    get(connect(context.home, context.port or 0), "/healthz")
    connection = connect(context.home, int(state.endpoint("kubernetes").rsplit(":", 1)[1]), "admin")
    try:
        for name in (manifests.INTERNAL, manifests.ACME):
            found = call(connection, "GET", f"{manifests.ISSUERS}/{name}")
            told = [each for each in found.get("status", {}).get("conditions", []) if each["type"] == "Ready"]
            if not told or told[0]["status"] != "True":
                said = told[0].get("message", "") if told else "no condition yet"
                raise TemporaryError(f"ClusterIssuer {name}: {said}")
    finally:
        connection.close()


ACME = Service(
    "acme", lambda context: _command("acme", context), _acme_ready, port=14000, scheme="https",
    needs=("kubernetes", "ingress"), deadline=READY_WITHIN, start=False, prepare=lambda: _fetch("acme-authority"),
    environment={"GOGC": "50", "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"})

CERTIFICATES = Service(
    "certificates", lambda context: _command("certificates", context), _certificates_ready, port=10260, scheme="https",
    needs=("kubernetes", "ingress", "acme"), parts=("acme",), deadline=READY_WITHIN, start=False,
    prepare=lambda: _fetch("cert-manager", "acmesolver"), environment={"GOGC": "50"})
