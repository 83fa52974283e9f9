"""The control plane as services: `lab up kubernetes` starts all four, `lab down kubernetes` stops them.

``kubernetes`` is the API server; etcd is what it needs, the controller manager and the scheduler are its parts.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

from labs.cluster.controlplane.pki import CLUSTERS
from labs.errors import PermanentError, TemporaryError
from labs.services import state
from labs.services.catalog import Context, Service
from labs.toolbox import programs

ANSWERED_WITHIN = 3.0
"""Seconds one probe may take."""
READY_WITHIN = 90.0
"""Seconds a component may take to become ready; three are usual."""
_GO = {"GOGC": "25"}        # two thirds of the API server's memory, for a tenth more of processor time


def _fetch(*names: str) -> list[str] | None:
    missing = [name for name in names if programs.find(programs.tool(name)) is None]
    return [sys.executable, "-m", "labs.toolbox.programs", *missing] if missing else None


def _command(name: str, context: Context, *more: str) -> list[str]:
    return [sys.executable, "-m", "labs.cluster.controlplane", name, "--home", str(context.home),
            "--etcd", str(state.short_path("etcd.sock")), "--number", str(number()), *more]


def number() -> int:
    """Which of the clusters of this machine this is: two that run at once need addresses of their own."""
    chosen = os.environ.get("LABS_KUBERNETES_NUMBER", "0")
    if not chosen.isdigit() or int(chosen) >= CLUSTERS:
        raise PermanentError(f"LABS_KUBERNETES_NUMBER is {chosen!r}.", f"Set it to a number from 0 to {CLUSTERS - 1}.")
    return int(chosen)


def _client_command(name: str, context: Context) -> list[str]:
    """Names the API server, so that a changed port is a changed command line and restarts its clients."""
    return _command(name, context, "--port", str(context.port), "--server", state.endpoint("kubernetes"))


class _OverSocket(http.client.HTTPConnection):
    """HTTP through the Unix socket whose path is given as the host."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)


def _etcd_ready(context: Context) -> None:
    health = json.loads(get(_OverSocket(str(context.socket), timeout=ANSWERED_WITHIN), "/health"))
    if health.get("health") != "true":
        raise TemporaryError(f"etcd says of itself: {health}")


def _api_server_ready(context: Context) -> None:
    get(connect(context.home, context.port or 0), "/readyz")


def _controller_manager_ready(context: Context) -> None:
    """It answers, and has done the first thing anybody waits for: without this account no pod is accepted."""
    get(connect(context.home, context.port or 0), "/healthz")
    port = int(state.endpoint("kubernetes").rsplit(":", 1)[1])
    get(connect(context.home, port, "admin"), "/api/v1/namespaces/default/serviceaccounts/default")


def _scheduler_ready(context: Context) -> None:
    get(connect(context.home, context.port or 0), "/readyz")


def connect(home: Path, port: int, identity: str = "") -> http.client.HTTPSConnection:
    """A connection to a component that trusts the cluster's authority only.

    :param identity: whose certificate is shown, a name in ``pki.IDENTITIES``; empty for nobody's
    :raises TemporaryError: there are no certificates yet
    """
    pki = home / "kubernetes" / "pki"
    try:
        trust = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        if identity:
            trust.load_cert_chain(pki / f"{identity}.crt", pki / f"{identity}.key")
    except OSError as error:
        raise TemporaryError(f"{pki}: {error}") from error
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=ANSWERED_WITHIN, context=trust)


def get(connection: http.client.HTTPConnection, path: str) -> Any:
    """The body of a 200 answer; TemporaryError for everything else."""
    try:
        connection.request("GET", path, headers={"Host": "localhost", "User-Agent": "labs"})
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise TemporaryError(f"GET {path}: {error or type(error).__name__}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise TemporaryError(f"GET {path} answers {answer.status}: {body[-300:].decode(errors='replace')}")
    return body


def call(connection: http.client.HTTPSConnection, method: str, path: str, body: Any = None,
         kind: str = "application/json", good: tuple[int, ...] = (200, 201)) -> Any:
    """The answered object; TemporaryError for any other answer, as a server that starts gives many."""
    try:
        connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": kind})
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise TemporaryError(f"{method} {path}: {error or type(error).__name__}") from error
    if answer.status not in good:
        raise TemporaryError(f"{method} {path} answers {answer.status}: {said[-300:].decode(errors='replace')}")
    return json.loads(said)


ETCD = Service(
    "etcd", lambda context: _command("etcd", context), _etcd_ready, socket="etcd.sock", deadline=READY_WITHIN,
    start=False, prepare=lambda: _fetch("etcd"), environment=_GO)

KUBERNETES = Service(
    "kubernetes", lambda context: _command("kube-apiserver", context, "--port", str(context.port), "--egress",
                                           str(state.short_path("egress.sock"))), _api_server_ready,
    port=6443, scheme="https", needs=("etcd",), parts=("etcd", "kube-controller-manager", "kube-scheduler", "nodes"),
    deadline=READY_WITHIN, start=False, prepare=lambda: _fetch("kube-apiserver", "kubectl"), environment=_GO)

CONTROLLER_MANAGER = Service(
    "kube-controller-manager", lambda context: _client_command("kube-controller-manager", context),
    _controller_manager_ready, port=10257, scheme="https", needs=("kubernetes",), deadline=READY_WITHIN, start=False,
    prepare=lambda: _fetch("kube-controller-manager"), environment=_GO)

SCHEDULER = Service(
    "kube-scheduler", lambda context: _client_command("kube-scheduler", context), _scheduler_ready, port=10259,
    scheme="https", needs=("kubernetes",), deadline=READY_WITHIN, start=False,
    prepare=lambda: _fetch("kube-scheduler"), environment=_GO)
