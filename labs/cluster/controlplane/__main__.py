"""Becomes one program of the control plane: ``python -m labs.cluster.controlplane NAME --home DIR --etcd SOCKET …``.

Certificates and kubeconfig files are made before; then it execs, so the process stays the one the supervisor knows.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from labs.cluster.controlplane import flags, pki
from labs.cluster.controlplane.access import write_kubeconfig
from labs.cluster.controlplane.flags import Place
from labs.cluster.identity import issuer
from labs.errors import PermanentError
from labs.toolbox import programs


def main() -> None:
    """Exec the program, or exit with the reason."""
    parser = argparse.ArgumentParser(prog="python -m labs.cluster.controlplane", description=__doc__)
    parser.add_argument("name", choices=("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"))
    parser.add_argument("--home", type=Path, required=True, help="the state folder")
    parser.add_argument("--etcd", type=Path, required=True, help="etcd's socket")
    parser.add_argument("--egress", type=Path, help="socket of the API server's way into the cluster")
    parser.add_argument("--port", type=int, default=0, help="of the program's own server")
    parser.add_argument("--server", default="", help="URL of the API server, for its clients")
    parser.add_argument("--number", type=int, default=0, help="of this cluster among those of the machine")
    given = parser.parse_args()
    os.umask(0o077)
    place = Place(given.home / "kubernetes", given.etcd, given.number)
    place.folder.mkdir(exist_ok=True)
    try:
        command = [str(_program(given.name)), *_prepared(given, place)]
    except PermanentError as error:
        sys.exit(str(error))
    os.chdir(place.folder)
    os.execv(command[0], command)


def _program(name: str) -> Path:
    found = programs.find(programs.tool(name))
    if found is None:
        raise PermanentError(f"{name} is not here.", f"Run `lab tools fetch {name}`.")
    return found.path


def _prepared(given: argparse.Namespace, place: Place) -> list[str]:
    """Make the files the program needs; returns its flags."""
    if given.name == "etcd":
        return flags.etcd(place)
    pki.ensure(place.pki)
    if given.name == "kube-apiserver":
        write_kubeconfig(given.home / "kubeconfig", f"https://127.0.0.1:{given.port}", place.pki, "admin")
        issuer.publish(given.home, place.issuer, f"https://127.0.0.1:{given.port}",
                       (place.pki / "ca.crt").read_text(encoding="ascii"))
        return flags.api_server(place, given.port, given.egress)
    identity = given.name.removeprefix("kube-")
    write_kubeconfig(place.kubeconfig(identity), given.server, place.pki, identity)
    make = flags.controller_manager if identity == "controller-manager" else flags.scheduler
    return make(place, given.port)


if __name__ == "__main__":
    main()
