"""What the API server asks a kubelet, over HTTPS: logs, pods, exec, attach, port-forward.

One server answers for every node.

Only the API server's own certificate is let in: a certificate that the cluster signed for somebody else is turned away
("Kubelet authentication/authorization", Kubernetes documentation).
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import ssl
import sys
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from labs.cluster.nodes import forwarding, logs, streams
from labs.cluster.nodes.node import Node
from labs.cluster.nodes.pods import Pods
from labs.cluster.nodes.worker import Worker

CALLER = "kube-apiserver-kubelet-client"
"""Common name of the certificate the API server shows."""


class _Protocol(HttpToolsProtocol):
    """Closes the connections of everybody but the API server."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        subject = (transport.get_extra_info("peercert") or {}).get("subject", ())
        if (("commonName", CALLER),) not in subject:
            transport.abort()


async def serve(server: uvicorn.Server) -> None:
    """Run a server in this event loop, whose signals are not its own, until cancelled."""
    config = server.config
    config.load()
    server.lifespan = config.lifespan_class(config)
    try:
        await server.startup()
        if server.should_exit:
            sys.exit(f"port {config.port} cannot be bound")
        # its own loop looks ten times a second whether somebody asked it to stop, and sets the header Date
        server.server_state.default_headers = config.encoded_headers
        await asyncio.get_running_loop().create_future()
    finally:
        if server.started:      # else there is nothing to shut down, and it says so badly
            await server.shutdown()


class Server:
    """The HTTPS server of all nodes."""

    def __init__(self, nodes: list[Node], pods: Pods, pki: Path, port: int) -> None:
        self._nodes = nodes
        self._pods = pods
        application = Starlette(routes=[
            Route("/healthz", self._healthz), Route("/pods", self._listed),
            Route("/containerLogs/{namespace}/{pod}/{container}", self._logs), *self._streaming()])
        self._uvicorn = uvicorn.Server(uvicorn.Config(
            application, host="127.0.0.1", port=port, http=_Protocol, ws="wsproto", lifespan="off", log_level="warning",
            access_log=False, server_header=False, timeout_graceful_shutdown=1,
            ssl_certfile=str(pki / "nodes.crt"), ssl_keyfile=str(pki / "nodes.key"), ssl_ca_certs=str(pki / "ca.crt"),
            ssl_cert_reqs=ssl.CERT_REQUIRED))

    async def serve(self) -> None:
        """Until cancelled."""
        await serve(self._uvicorn)

    async def _healthz(self, request: Request) -> Response:
        waiting = [node.name for node in self._nodes if not (node.away or (node.ready and node.pod_range))]
        return PlainTextResponse("ok" if not waiting else f"not ready: {', '.join(waiting)}", 503 if waiting else 200)

    async def _listed(self, request: Request) -> Response:
        return Response(json.dumps({"apiVersion": "v1", "kind": "PodList", "items": self._pods.all()}),
                        media_type="application/json")

    async def _logs(self, request: Request) -> Response:
        """"kubectl logs"."""
        names = request.path_params
        worker = self._pods.find(names["namespace"], names["pod"])
        if worker is not None and worker.node.away:
            return PlainTextResponse(f"{worker.node.name}: connect: no route to host", 502)
        try:
            wanted = logs.Wanted.of(request.query_params)
        except ValueError as error:
            return PlainTextResponse(f"bad log options: {error}", 400)
        container = None
        if worker is not None:
            attempts = worker.attempts
            found = attempts.last(names["container"])
            # "previous" is the attempt before the one that runs, or the last one while it waits for its restart
            waits = found is not None and found.exit is not None and worker.waits(names["container"])
            container = found if not wanted.previous or waits else attempts.previous(names["container"])
        if container is None:
            which = "previous terminated container" if wanted.previous else "container"
            return PlainTextResponse(f'{which} "{names["container"]}" in pod "{names["pod"]}" not found', 400)
        return StreamingResponse(logs.read(container, wanted), media_type="text/plain")

    # --- exec, attach, port-forward -------------------------------------------------------------------------------

    def _streaming(self) -> list[BaseRoute]:
        """WebSockets only: an API server that speaks SPDY to its client is told so."""
        made: list[BaseRoute] = []
        for verb, end in (("exec", "/{container}"), ("attach", "/{container}"), ("portForward", "")):
            for middle in ("", "/{uid}"):
                path = f"/{verb}/{{namespace}}/{{pod}}{middle}{end}"
                made.append(WebSocketRoute(path, self._stream))
                made.append(Route(path, self._refuse, methods=["GET", "POST"]))
        return made

    async def _stream(self, socket: WebSocket) -> None:
        why = self._refusal(socket)
        if why is not None:
            await socket.send_denial_response(why)
            return
        verb, names = socket.url.path.split("/")[1], socket.path_params
        worker = self._pods.find(names["namespace"], names["pod"])
        assert worker is not None
        if verb == "portForward":
            await forwarding.Tunnel(socket, worker.loopback, worker.pod["metadata"]["name"]).serve()
            return
        container = worker.attempts.last(names["container"])
        assert container is not None
        wanted = streams.Wanted.of(socket.query_params)
        if verb == "exec":
            await streams.run(socket, container, socket.query_params.getlist("command"), wanted)
        else:
            if container.terminal:
                wanted = dataclasses.replace(wanted, stderr=False)
            await streams.attach(socket, container, wanted)

    async def _refuse(self, request: Request) -> Response:
        return self._refusal(request) or PlainTextResponse(
            "this node speaks WebSockets only, not SPDY; use a kubectl from 1.31 on", 400)

    def _refusal(self, request: HTTPConnection) -> Response | None:
        """Why there is nothing to speak to, in a kubelet's words; None when there is."""
        verb, names = request.url.path.split("/")[1], request.path_params
        worker = self._pods.find(names["namespace"], names["pod"])
        if worker is None or names.get("uid") not in (None, worker.pod["metadata"]["uid"]):
            return PlainTextResponse("pod does not exist", 404)
        if verb == "portForward":
            return _protocol_refusal(request, (forwarding.PROTOCOL,))
        return _container_refusal(worker, names["container"]) or _options_refusal(request) or \
            _protocol_refusal(request, streams.PROTOCOLS)


def _container_refusal(worker: Worker, name: str) -> Response | None:
    found = worker.attempts.last(name)
    return None if found is not None and found.running else PlainTextResponse(f'container not found ("{name}")', 404)


def _options_refusal(request: HTTPConnection) -> Response | None:
    try:
        streams.Wanted.of(request.query_params)
    except ValueError as error:
        return PlainTextResponse(str(error), 400)
    return None


def _protocol_refusal(request: HTTPConnection, known: tuple[str, ...]) -> Response | None:
    asked = request.scope.get("subprotocols")
    if not asked or set(known) & set(asked):        # no WebSocket, or one of the oldest, whose messages are the same
        return None
    return PlainTextResponse(f"requested protocol(s) are not supported: {asked}; supports "
                             f"{list(known)}", 403)
