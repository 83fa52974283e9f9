"""Plays every node: ``python -m labs.cluster.nodes --home DIR --server URL --port N --orders SOCKET``.

SIGTERM ends it and every container.  A kill of it leaves the containers; the next start finds them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import uvicorn

from labs import locks
from labs.cluster.controlplane import pki
from labs.cluster.controlplane.access import write_kubeconfig
from labs.cluster.identity import issuer
from labs.cluster.images.store import of_home
from labs.cluster.network.plane import Network
from labs.cluster.nodes import access, disk, fleet, node, orders, pressure, volatile
from labs.cluster.nodes.api import Client
from labs.cluster.nodes.aws import Aws
from labs.cluster.nodes.backoff import Backoff
from labs.cluster.nodes.containers import end_strays
from labs.cluster.nodes.declared import Record
from labs.cluster.nodes.events import Events
from labs.cluster.nodes.fleet import Fleet
from labs.cluster.nodes.issuer import Discovery
from labs.cluster.nodes.metrics import Metrics, register
from labs.cluster.nodes.pods import Pods
from labs.cluster.nodes.pulls import StoredImages
from labs.cluster.nodes.server import Server, serve
from labs.cluster.nodes.usage import Usage
from labs.cluster.nodes.worker import Place
from labs.cluster.storage import setup
from labs.cluster.storage.places import Disks
from labs.cluster.storage.provisioner import Provisioner

LOCKED_WITHIN = 10.0
THREADS = 16


def main() -> None:
    """Until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m labs.cluster.nodes", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the state folder")
    parser.add_argument("--server", required=True, help="URL of the API server")
    parser.add_argument("--port", type=int, required=True, help="of the nodes' own server")
    parser.add_argument("--egress", type=Path, required=True, help="socket on which the API server asks for pods")
    parser.add_argument("--number", type=int, default=0, help="of this cluster among those of the machine")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--orders", type=Path, required=True, help="the Unix socket for `lab nodes`")
    parser.add_argument("--backoff", type=float, nargs=2, default=(10.0, 300.0), metavar=("FIRST", "MOST"),
                        help="seconds a failing container or image waits")
    given = parser.parse_args()
    os.umask(0o077)
    folder = given.home / "kubernetes" / "nodes"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"):
        asyncio.run(run(given, folder))


def locked(path: Path) -> IO[str]:
    """Hold the lock by which shims know that somebody plays the nodes."""
    file = path.open("a")
    if not locks.taken(file, LOCKED_WITHIN):        # a shim looks at it for a moment
        sys.exit(f"{path} is locked: another process plays these nodes")
    return file


async def run(given: argparse.Namespace, folder: Path) -> None:
    """Everything at once, until SIGTERM or until a part of it fails."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS))
    end_strays(given.home, folder / "pods")
    volatile.tidy()
    certificates = pki.ensure(given.home / "kubernetes" / "pki")
    write_kubeconfig(given.home / "kubernetes" / "nodes.kubeconfig", given.server, certificates, access.IDENTITY)
    administrator = Client(given.server, certificates, "admin")
    await asyncio.gather(access.grant(administrator), setup.make_classes(administrator))
    aws = Aws(given.home)
    await aws.install(administrator)
    client = Client(given.server, certificates, access.IDENTITY)
    record = Record.read(folder)
    nodes = fleet.several(given.nodes, record, given.port)
    events = Events(client)
    api_port = int(given.server.rsplit(":", 1)[1])
    network = Network(client, given.home / "kubernetes", given.egress, api_port, given.number)
    images = StoredImages(of_home(given.home), client.secret, folder / "pods")
    node.Node.listed = staticmethod(images.listed)
    place = Place(client, events, images, Backoff(*given.backoff), given.home, folder / "lock",
                  api_port, aws, network)
    pods = Pods(nodes, place, folder / "pods")
    network.knows(pods)
    await network.announce(administrator)
    server = Server(nodes, pods, certificates, given.port)
    disks = Disks(given.home)
    several = Fleet(nodes, disks, folder, record, client, pods, given.port)
    usage = Usage(lambda: (each for node in nodes for each in pods.containers(node)))
    metrics = Metrics(nodes, pods, usage)
    await register(administrator, network.ranges.gateway)
    network.table.hosts[issuer.HOST] = network.ranges.gateway
    discovery = Discovery(administrator, issuer.url_of(given.home))
    work = [server.serve(), network.run(), events.send(), pods.follow(), several.keep(),
            orders.serve(given.orders, several.carry_out), disk.hold(nodes, pods.containers),
            pressure.watch(nodes, pods.of, usage), aws.keep(administrator), images.tidy(),
            Provisioner(client, events, disks, nodes).run(),
            serve(uvicorn.Server(metrics.server(certificates, network.ranges.door))),
            serve(uvicorn.Server(discovery.server(certificates, network.ranges.door))),
            serve(uvicorn.Server(network.ends.server()))]
    tasks = [asyncio.create_task(each) for each in work]
    later = asyncio.create_task(setup.make_snapshots(administrator))
    stopped = asyncio.create_task(_signalled(loop))
    done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, later):
        task.cancel()
    await pods.end()
    end_strays(given.home, None)
    volatile.tidy(folder / "pods")
    await asyncio.wait([*tasks, later])
    await client.close()
    await administrator.close()
    for task in done:
        task.result()       # raises what made it fail


async def _signalled(loop: asyncio.AbstractEventLoop) -> None:
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()


if __name__ == "__main__":
    main()
