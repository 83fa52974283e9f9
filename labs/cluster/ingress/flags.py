"""Traefik's settings ("Configuration Options", Traefik's documentation) where its default is not what is wanted."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from labs.cluster.ingress.manifests import NAME
from labs.errors import TemporaryError

KEPT_HEADERS = ("Traceparent", "X-Request-Id", "User-Agent")
"""Of requests, in the access log: by which a request is found again."""


@dataclass(frozen=True)
class Listeners:
    """Ports on 127.0.0.1; the file ``ingress.json`` in the state folder.

    :param http: of Ingresses, without TLS
    :param https: of Ingresses, with TLS
    :param api: of Traefik itself: ``/ping``, ``/metrics`` (Prometheus), ``/api/rawdata`` (what it made of Ingresses)
    """

    http: int
    https: int
    api: int

    @classmethod
    def read(cls, home: Path) -> Listeners:
        """As the last start chose them; TemporaryError before the first."""
        try:
            return cls(**json.loads((home / "ingress.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise TemporaryError(f"{home / 'ingress.json'}: {error}") from error

    def as_dict(self) -> dict[str, int]:
        """As it is written."""
        return asdict(self)


def traefik(listeners: Listeners, server: str, token: Path, gateway: bool) -> list[str]:
    """The arguments.

    :param server: URL of an API server whose EndpointSlices tell where pods really listen
    :param token: file with the account's token
    :param gateway: does the cluster have the Gateway API?
    """
    return [
        "--global.checkNewVersion=false", "--global.sendAnonymousUsage=false",
        *_listening(listeners),
        "--providers.kubernetesIngress=true", f"--providers.kubernetesIngress.endpoint={server}",
        f"--providers.kubernetesIngress.token={token}", f"--providers.kubernetesIngress.ingressClass={NAME}",
        "--providers.kubernetesIngress.ingressEndpoint.ip=127.0.0.1",
        # as Traefik's Helm chart has it: a Service without endpoints answers 503, not 404
        "--providers.kubernetesIngress.allowEmptyServices=true",
        *(["--providers.kubernetesGateway=true", f"--providers.kubernetesGateway.endpoint={server}",
           f"--providers.kubernetesGateway.token={token}",
           "--providers.kubernetesGateway.statusAddress.ip=127.0.0.1"] if gateway else []),
        "--providers.kubernetesIngress.strictPrefixMatching=true",      # as the Ingress API has it: /a is not /ab
        "--providers.providersThrottleDuration=100ms",      # its 2 s are for clusters where changes come by the hundred
        "--serversTransport.forwardingTimeouts.dialTimeout=5s",
        "--api.insecure=true", "--api.dashboard=false", "--ping=true",
        "--metrics.prometheus=true", "--metrics.prometheus.addRoutersLabels=true",
        "--log.format=json", "--accessLog=true", "--accessLog.format=json",
        *(f"--accessLog.fields.headers.names.{name}=keep" for name in KEPT_HEADERS),
    ]


def _listening(listeners: Listeners) -> list[str]:
    made = []
    for name, number in (("web", listeners.http), ("websecure", listeners.https), ("traefik", listeners.api)):
        made += [f"--entryPoints.{name}.address=127.0.0.1:{number}",
                 f"--entryPoints.{name}.transport.lifeCycle.graceTimeOut=3s"]
    return [*made, "--entryPoints.websecure.http.tls=true", "--entryPoints.traefik.observability.accessLogs=false"]
