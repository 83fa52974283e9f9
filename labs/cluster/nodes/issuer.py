"""The cluster's OIDC issuer at the name that tokens say: what the API server publishes, for pods.

"Service account issuer discovery" (Kubernetes documentation).  On EKS that name is in the world's DNS, with a
certificate that everybody trusts; here the cluster's DNS knows it, and the cluster's authority vouches for it.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labs.cluster.identity import issuer
from labs.cluster.network.addresses import port
from labs.cluster.nodes.api import Client, Refused
from labs.errors import TemporaryError


class Discovery:
    """The server of the two documents.

    :param client: who may read them
    :param url: the issuer
    """

    def __init__(self, client: Client, url: str) -> None:
        self._client = client
        self._root = urlsplit(url).path
        self._application = Starlette(routes=[
            Route(self._root + path, self._document) for path in (issuer.DISCOVERY, issuer.JWKS)])

    def server(self, pki: Path, host: str) -> uvicorn.Config:
        """Where it is served: at the end of port 443."""
        return uvicorn.Config(
            self._application, host=host, port=port(443), http="httptools", ws="none", lifespan="off",
            log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1,
            ssl_certfile=str(pki / "issuer.crt"), ssl_keyfile=str(pki / "issuer.key"), ssl_cert_reqs=ssl.CERT_NONE)

    async def _document(self, request: Request) -> Response:
        try:
            return JSONResponse(await self._client.get(request.url.path.removeprefix(self._root)))
        except (Refused, TemporaryError) as error:
            return JSONResponse({"message": str(error)}, 503)
