"""The service ``ingress``: Traefik on two ports of 127.0.0.1, HTTP (the service's) and HTTPS (``ingress.json``)."""

from __future__ import annotations

import http
import http.client
import sys

from labs.cluster.controlplane.services import READY_WITHIN
from labs.cluster.drivers import base
from labs.cluster.ingress.flags import Listeners
from labs.cluster.ingress.manifests import READY
from labs.errors import PermanentError, TemporaryError
from labs.services import state
from labs.services.catalog import Context, Service
from labs.toolbox import programs

ANSWERED_WITHIN = 3.0


def _prepare() -> list[str] | None:
    driver = base.chosen().name
    if driver != "embedded":
        raise PermanentError(f"The service ingress is for the embedded cluster, and {base.VARIABLE} is {driver}.",
                             "Install an ingress controller there, such as Traefik's Helm chart.")
    if programs.find(programs.tool("traefik")) is None:
        return [sys.executable, "-m", "labs.toolbox.programs", "traefik"]
    return None


def _command(context: Context) -> list[str]:
    return [sys.executable, "-m", "labs.cluster.ingress", "--home", str(context.home), "--port", str(context.port),
            "--server", state.endpoint("kubernetes")]


def _ready(context: Context) -> None:
    """It listens, and has made routes of the Ingresses that are there."""
    listeners = Listeners.read(context.home)
    if listeners.http != context.port:
        raise TemporaryError(f"it listens on port {listeners.http}, not on {context.port}")
    connection = http.client.HTTPConnection("127.0.0.1", listeners.api, timeout=ANSWERED_WITHIN)
    try:
        connection.request("GET", "/", headers={"Host": READY})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise TemporaryError(f"port {listeners.api}: {error or type(error).__name__}") from error
    finally:
        connection.close()
    if status != http.HTTPStatus.SERVICE_UNAVAILABLE:       # its Service has no endpoints
        raise TemporaryError(f"it has not read the cluster's Ingresses: {READY} answers {status}")


INGRESS = Service("ingress", _command, _ready, port=8080, needs=("kubernetes",), deadline=READY_WITHIN, start=False,
                  prepare=_prepare, environment={"GOGC": "50"})
