"""Becomes pebble or cert-manager: ``python -m labs.cluster.certificates ROLE --home DIR --port N URL…``.

What each needs is made before; then it execs, so the process stays the one the supervisor knows.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labs.cluster.certificates import account, authorities, manifests
from labs.cluster.certificates.services import DIRECTORY
from labs.cluster.controlplane import accounts, pki
from labs.cluster.controlplane.services import READY_WITHIN, call, connect, get
from labs.errors import LabError, PermanentError, TemporaryError
from labs.services import ports, state
from labs.toolbox import programs

DNS = 8053
"""The port that pebble's DNS prefers."""
IMAGE = "quay.io/jetstack/cert-manager-acmesolver"
RETRIED_AFTER = "1m"
"""What cert-manager waits for after a request that failed: an hour, upstream."""


def main() -> None:
    """Exec the program, or exit with the reason."""
    parser = argparse.ArgumentParser(prog="python -m labs.cluster.certificates", description=__doc__)
    parser.add_argument("role", choices=("acme", "certificates"))
    parser.add_argument("--home", type=Path, required=True, help="the state folder")
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1")
    parser.add_argument("used", nargs="+", help="URLs: the API server, the ingress, pebble's directory")
    given = parser.parse_args()
    os.umask(0o077)
    try:
        path, arguments = (_acme if given.role == "acme" else _manager)(given.home, given.port, *given.used)
    except LabError as error:
        sys.exit(str(error))
    os.execv(path, arguments)


def _program(name: str) -> Path:
    found = programs.find(programs.tool(name))
    if found is None:
        raise PermanentError(f"{name} is not here.", f"Run `lab tools fetch {name}`.")
    return found.path


def _pair(home: Path) -> tuple[str, str]:
    """What both show on their port: a certificate of the cluster's authority, and its key."""
    folder = pki.ensure(home / "kubernetes" / "pki")
    return str(folder / "certificates.crt"), str(folder / "certificates.key")


def _port(url: str) -> int:
    return int(url.rsplit(":", 1)[1].partition("/")[0])


# -- pebble ------------------------------------------------------------------------------------------------------------


def _acme(home: Path, port: int, server: str, ingress: str) -> tuple[Path, list[str]]:
    authorities.folder(home)
    authorities.acme_root(home).unlink(missing_ok=True)
    certificate, key = _pair(home)
    known = state.read_json(home / "certificates" / "dns.json") or {}
    taken = frozenset(_port(url) for url in state.endpoints().values() if url.startswith("http"))
    names = ports.choose(DNS, known.get("port"), taken)
    state.write_json(home / "certificates" / "dns.json", {"port": names})
    _beside(lambda: _tell(home, port, _port(server)))
    return _program("acme-authority"), [
        "acme-authority", "-listen", f"127.0.0.1:{port}", "-certificate", certificate, "-key", key,
        "-dns", f"127.0.0.1:{names}", "-http-port", str(_port(ingress)), "-root", str(authorities.acme_root(home))]


def _beside(work: Callable[[], None]) -> None:
    """Do it in a process of its own, which init waits for: what this one becomes would not."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork():
        os._exit(0)
    try:
        work()
    finally:
        os._exit(0)


def _tell(home: Path, port: int, api: int) -> None:
    """Once pebble answers: its root is one to trust, and issuers register with it again."""
    end = time.monotonic() + READY_WITHIN
    told = False
    while time.monotonic() < end:
        with contextlib.suppress(TemporaryError):
            get(connect(home, port), DIRECTORY)
            if not told:
                authorities.remember(home)
                told = True
            account.forget(connect(home, api, "admin"), f"https://127.0.0.1:{port}{DIRECTORY}")
            return
        time.sleep(0.2)


# -- cert-manager ------------------------------------------------------------------------------------------------------


def _manager(home: Path, port: int, server: str, ingress: str, acme: str) -> tuple[Path, list[str]]:
    certificate, key = _pair(home)
    program, image = _program("cert-manager"), _solver(home)
    token = accounts.patiently(lambda: _prepared(home, _port(server), f"https://127.0.0.1:{port}", acme))
    kubeconfig = home / "kubernetes" / "certificates.kubeconfig"
    state.write_private(kubeconfig, json.dumps(_kubeconfig(server, home, token)))
    # its own look at a challenge goes through the ingress: nothing here may listen on port 80
    os.environ |= {"HTTP_PROXY": ingress, "http_proxy": ingress}
    return program, [
        "cert-manager", "--kubeconfig", str(kubeconfig), "--listen", f"127.0.0.1:{port}",
        "--tls-cert-file", certificate, "--tls-private-key-file", key, "--acme-http01-solver-image", image,
        "--certificate-request-minimum-backoff-duration", RETRIED_AFTER]


def _prepared(home: Path, api: int, url: str, acme: str) -> str:
    """Make what cert-manager needs in the cluster; its account's token.

    The webhook's configuration goes first and comes last: nobody answers it meanwhile.
    """
    authority = (home / "kubernetes" / "pki" / "ca.crt").read_bytes()
    connection = connect(home, api, "admin")
    try:
        call(connection, "DELETE", f"{manifests.VALIDATING}/{manifests.NAME}", good=(200, 404))
        for objects in (manifests.crds(), manifests.account(),
                        manifests.issuers(acme, authority, authorities.internal(home)),
                        manifests.webhooks(url, authority)):
            accounts.apply(connection, objects, "labs-certificates")
        asked = call(connection, "POST", f"{manifests.ACCOUNT}/token", accounts.token_request())
        return str(asked["status"]["token"])
    finally:
        connection.close()


def _kubeconfig(server: str, home: Path, token: str) -> dict[str, Any]:
    cluster = {"server": server, "certificate-authority": str(home / "kubernetes" / "pki" / "ca.crt")}
    return {"apiVersion": "v1", "kind": "Config", "current-context": "labs",
            "clusters": [{"name": "labs", "cluster": cluster}], "users": [{"name": "labs", "user": {"token": token}}],
            "contexts": [{"name": "labs", "context": {"cluster": "labs", "user": "labs"}}]}


def _solver(home: Path) -> str:
    """The name of the image for pods that answer challenges: a program and nothing else, built where it is missing."""
    from labs.cluster.images import build, store
    from labs.cluster.images.names import Name

    program = _program("acmesolver")
    name = f"{IMAGE}:v{programs.tool('acmesolver').version}"
    kept = store.of_home(home)
    if kept.find(Name.parse(name)) is None:
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder)
            (context / "acmesolver").write_bytes(program.read_bytes())
            (context / "acmesolver").chmod(0o755)
            (context / "Dockerfile").write_text('FROM scratch\nCOPY acmesolver /acmesolver\nUSER 1000\n'
                                                'ENTRYPOINT ["/acmesolver"]\n')
            build.build(kept, context, context / "Dockerfile", {}, "", [Name.parse(name)], lambda line: None)
    return name


if __name__ == "__main__":
    main()
