"""Becomes Traefik: ``python -m labs.cluster.ingress --home DIR --port N --server URL``.

Its account, role and class are made in the cluster before, and its ports chosen; then it execs, so the process stays
the one the supervisor knows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from labs.cluster.controlplane import accounts
from labs.cluster.controlplane.services import call, connect
from labs.cluster.ingress import flags, manifests
from labs.cluster.ingress.flags import Listeners
from labs.errors import LabError, PermanentError, TemporaryError
from labs.services import ports, state
from labs.toolbox import programs

HTTPS, API = 8443, 9000
"""Preferred ports."""


def main() -> None:
    """Exec Traefik, or exit with the reason."""
    parser = argparse.ArgumentParser(prog="python -m labs.cluster.ingress", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the state folder")
    parser.add_argument("--port", type=int, required=True, help="for HTTP, on 127.0.0.1")
    parser.add_argument("--server", required=True, help="URL of the API server")
    given = parser.parse_args()
    os.umask(0o077)
    try:
        found = programs.find(programs.tool("traefik"))
        if found is None:
            raise PermanentError("traefik is not here.", "Run `lab tools fetch traefik`.")
        token, server, gateway = _prepared(given.home, int(given.server.rsplit(":", 1)[1]))
        listeners = _listeners(given.home, given.port)
    except LabError as error:
        sys.exit(str(error))
    os.execv(found.path, ["traefik", *flags.traefik(listeners, server, token, gateway)])


def _prepared(home: Path, api: int) -> tuple[Path, str, bool]:
    """Make what Traefik needs in the cluster: the file with its token, which server it asks, and whether that has the
    Gateway API.
    """
    (token, gateway), server = accounts.patiently(lambda: (_made(home, api), _ends(home)))
    file = home / "kubernetes" / "ingress.token"
    state.write_private(file, token)
    return file, server, gateway


def _made(home: Path, api: int) -> tuple[str, bool]:
    """The account's token ("TokenRequest", Kubernetes API reference), and whether there is the Gateway API."""
    connection = connect(home, api, "admin")
    try:
        groups = call(connection, "GET", "/apis")["groups"]
        gateway = any(each["name"] == manifests.GATEWAY for each in groups)
        accounts.apply(connection, manifests.applied(), "labs-ingress")
        for path, item in manifests.created(gateway).items():
            call(connection, "POST", path, item, good=(201, 409))
        asked = call(connection, "POST", f"{manifests.ACCOUNT}/token", accounts.token_request())
        return asked["status"]["token"], gateway
    finally:
        connection.close()


def _listeners(home: Path, number: int) -> Listeners:
    """Where it will listen; the same as last time where that is free.  Told in ``ingress.json``."""
    try:
        last = Listeners.read(home)
    except TemporaryError:
        last = Listeners(number, HTTPS, API)
    others = frozenset(int(known.rsplit(":", 1)[1]) for known in state.endpoints().values() if known.startswith("http"))
    https = ports.choose(HTTPS, last.https, others)
    made = Listeners(number, https, ports.choose(API, last.api, others | {https}))
    state.write_json(home / "ingress.json", made.as_dict())
    return made


def _ends(home: Path) -> str:
    """URL of ``labs.cluster.network.ends``, which is not imported: that would take most of the time of a start."""
    try:
        return str(json.loads((home / "kubernetes" / "network.json").read_text(encoding="utf-8"))["ends"])
    except (OSError, ValueError, KeyError) as error:
        raise TemporaryError(f"the network of the cluster is not known: {error!r}") from error


if __name__ == "__main__":
    main()
