"""``python -m labs.cluster.drivers.kind make``, ``serve --port PORT`` and ``remove``: see driver.py."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from labs.cluster.drivers.base import kubectl
from labs.cluster.drivers.kind import cluster, docker
from labs.cluster.drivers.kind.connection import Relay
from labs.cluster.identity import issuer, manifests
from labs.errors import LabError, PermanentError
from labs.services import state

LOOKED_EVERY = 1.0
"""Seconds between two looks at where the AWS endpoint listens, and at the nodes."""
AWS = "169.254.170.23"
"""Where pods and nodes find the AWS endpoint, ports 80 and 443.  On EKS the Pod Identity agent of every node has this
address, and SDKs send a pod's token to few others ("Container credential provider", AWS SDKs and Tools Reference
Guide)."""
_DOORS = {"pods": 80, "https": 443}
"""Listeners of the AWS endpoint, and their ports there."""
CONTEXT = "labs"


def main() -> None:
    """One of the three; an error is one message and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m labs.cluster.drivers.kind", description=__doc__)
    parser.add_argument("what", choices=("make", "serve", "remove"))
    parser.add_argument("--port", type=int, default=0, help="of the API server's address on 127.0.0.1")
    given = parser.parse_args()
    os.umask(0o077)
    try:
        if given.what == "make":
            cluster.ensure(lambda line: print(line, file=sys.stderr, flush=True))
        elif given.what == "remove":
            print(cluster.remove())
        else:
            asyncio.run(_serve(given.port))
    except LabError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("interrupted; the next `lab up kubernetes` begins again, `lab down` removes what there is")


async def _serve(port: int) -> None:
    """Keep the cluster's ways open until SIGTERM, or until one of its nodes starts: then all is to be done again."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    record = await asyncio.to_thread(_running)
    known = yaml.safe_load(cluster.kubeconfig().read_text(encoding="utf-8"))
    server = urlsplit(known["clusters"][0]["cluster"]["server"])
    gateway, network = await asyncio.to_thread(docker.gateway)
    doors = {name: Relay(gateway, 0, _listener(name), network) for name in _DOORS}
    api = Relay("127.0.0.1", port, lambda: (server.hostname or "", server.port or 0))
    starts = await _starts(record)
    try:
        places = {_DOORS[name]: f"{gateway}:{port}" for name, port in (await _open(doors)).items()}
        await asyncio.to_thread(_furnish, record, places)
        _publish(known, port)
        await api.start()       # what says that the service is ready comes last
        print(f"ready https://127.0.0.1:{port}, the AWS endpoint for pods at {places[80]}", flush=True)
        await _follow(ended, starts)
    finally:
        if starts.returncode is None:
            starts.terminate()
        await starts.wait()
        for each in (api, *doors.values()):
            await each.stop()


def _running() -> cluster.Record:
    """The cluster, with its containers started; one that is not complete is `lab up`'s to make."""
    record = cluster.read()
    there = docker.containers(record.name) if record else []
    if record is None or not there or {each.identifier for each in there} != set(record.nodes):
        raise PermanentError("The cluster's containers are not there any more.", "Run `lab up kubernetes`.")
    cluster.start(there)
    return record


async def _starts(record: cluster.Record) -> asyncio.subprocess.Process:
    """A process that writes a line when a node of the cluster starts, and ends with Docker's daemon."""
    return await asyncio.create_subprocess_exec(
        "docker", "events", "--filter", f"label={docker.CLUSTER}={record.name}", "--filter", "event=start",
        "--format", "{{.Actor.Attributes.name}}", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


async def _open(doors: dict[str, Relay]) -> dict[str, int]:
    """The AWS endpoint's doors in the nodes' network; their ports."""
    try:
        return {name: await door.start() for name, door in doors.items()}
    except OSError as error:
        raise PermanentError(
            f"The nodes' network leads to {next(iter(doors.values())).host}, which is no address of this machine "
            f"({error}).", "kind needs Docker Engine on this Linux machine; with Docker Desktop or rootless Docker use "
            "the devcontainer.") from error


def _listener(name: str) -> Any:
    """Where a listener of the AWS endpoint is now."""
    def where() -> tuple[str, int] | None:
        url = urlsplit(manifests.listeners(state.home()).get(name, ""))
        return (url.hostname, url.port) if url.hostname and url.port else None

    return where


def _furnish(record: cluster.Record, places: dict[int, str]) -> None:
    """Give the cluster what pods' identities and the labs' manifests need.

    :param places: where the AWS endpoint's doors are, by port of its address on the nodes
    """
    text = Path(__file__).with_name("admission.yaml").read_text(encoding="utf-8")
    text = text.replace("{endpoint}", f"http://{AWS}")
    _apply("\n---\n".join([json.dumps(manifests.discovery()), *manifests.policies(), text]))
    for each in docker.containers(record.name):
        docker.docker("exec", each.identifier, "sh", "-c", leading(places))


def leading(places: dict[int, str]) -> str:
    """A script for a node that leads what it and its pods send to the AWS endpoint's address to ``HOST:PORT``.

    What an earlier one did is undone.
    """
    lines = ["set -e"]
    for chain in ("PREROUTING", "OUTPUT"):
        lines.append(f"iptables -w -t nat -S {chain} | sed -n '/--comment labs /s/^-A/-D/p' | "
                     "while read -r old; do iptables -w -t nat $old; done")
        lines += [f"iptables -w -t nat -I {chain} -d {AWS}/32 -p tcp --dport {port} -m comment --comment labs "
                  f"-j DNAT --to-destination {place}" for port, place in places.items()]
    return "\n".join(lines)


def _apply(text: str) -> None:
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text, kubeconfig=cluster.kubeconfig())


def _publish(known: dict[str, Any], port: int) -> None:
    """Write ``HOME/kubeconfig`` with the fixed address, and where the issuer's keys are."""
    address = f"https://127.0.0.1:{port}"
    where, user = dict(known["clusters"][0]["cluster"]), known["users"][0]["user"]
    authority = base64.b64decode(where["certificate-authority-data"]).decode("ascii")
    state.write_private(state.home() / "kubeconfig", yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": where | {"server": address}}],
        "users": [{"name": "admin", "user": user}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": "admin"}}]}))
    about = json.loads(kubectl("get", "--raw", issuer.DISCOVERY, kubeconfig=cluster.kubeconfig()))
    issuer.publish(state.home(), about["issuer"], address, authority, keys=issuer.JWKS)


async def _follow(ended: asyncio.Event, starts: asyncio.subprocess.Process) -> None:
    """Tell the API server of the AWS endpoint's webhook where its certificate changed, until ``ended``.

    :raises PermanentError: a node started; the supervisor starts this process again
    """
    assert starts.stdout is not None
    started, told = asyncio.create_task(starts.stdout.readline()), ""
    while not ended.is_set():
        if started.done():
            what = started.result().decode().strip()
            raise PermanentError(f"The node {what} started." if what else "Docker's daemon does not answer any more.")
        try:
            authority = Path(manifests.listeners(state.home()).get("ca_bundle", "")).read_text(encoding="utf-8")
            if authority != told:
                body = manifests.webhook(f"https://{AWS}", f"http://{AWS}:80", authority)
                await asyncio.to_thread(_apply, json.dumps(body))
                told = authority
        except (LabError, OSError) as error:
            if manifests.listeners(state.home()):
                print(f"identities in AWS: {error}", file=sys.stderr)
        try:
            await asyncio.wait_for(ended.wait(), LOOKED_EVERY)
        except TimeoutError:
            continue


if __name__ == "__main__":
    main()
