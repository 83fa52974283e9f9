"""`lab nodes`: which nodes the embedded cluster has, and what is wrong with each."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True,
                  help="The nodes of the embedded cluster: list, add, remove, break and heal them while it runs.")

Name = Annotated[str, typer.Argument(metavar="NODE", help="A node's name; see `lab nodes list`.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def give(**order: Any) -> Any:
    """What the nodes answer to an order; PermanentError when they refuse it or do not run."""
    from labs.cluster.drivers import base
    from labs.cluster.nodes import orders
    from labs.cluster.nodes.services import SOCKET
    from labs.errors import PermanentError
    from labs.services import state

    if base.chosen().name != "embedded":
        raise PermanentError(f"`lab nodes` is about the embedded cluster; {base.VARIABLE} is {base.chosen().name}.",
                             "See the nodes with `kubectl get nodes`.")
    return orders.give(state.short_path(SOCKET), order)


def faults() -> dict[str, str]:
    """The faults of each node that has any, in words; asks nobody."""
    from labs.cluster.nodes.declared import Record, told
    from labs.services import state

    return {name: told(found) for name, found in Record.read(state.home() / "kubernetes" / "nodes").faults.items()}


def network() -> str:
    """How pods see the cluster's network, in words; asks nobody."""
    from labs.services import state

    try:
        said = json.loads((state.home() / "kubernetes" / "network.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    if "shim" not in said:
        return ""
    why = said["shim"]
    return f"network of pods: Python programs and HTTP proxy ({why})" if why else "network of pods: every program"


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show every node: zone, capacity, conditions, pods, faults."""
    from labs.cluster.nodes.declared import told

    found = give(do="list")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(f"{'NODE':<12} {'ZONE':<5} {'CPU':<6} {'MEMORY':<12} {'STORAGE':<12} {'PODS':<5} STATE")
    for each in found:
        capacity = each["capacity"]
        under = [kind for kind, status in each["conditions"].items() if kind != "Ready" and status == "True"]
        since = min((fault["since"] for fault in each["faults"].values()), default=None)
        wrong = f"{told(each['faults'])}, since {time.strftime('%H:%M:%S', time.localtime(since))}" if since else ""
        typer.echo(f"{each['name']:<12} {each['zone']:<5} {capacity['cpu']:<6} {capacity['memory']:<12} "
                   f"{capacity['ephemeral-storage']:<12} {each['pods']:<5} {', '.join([*under, wrong]) or 'well'}")


@app.command()
def add(
    name: Annotated[str, typer.Option(help="Its name; default: the next letter.")] = "",
    zone: Annotated[str, typer.Option(help="A letter, as in us-east-1b.")] = "",
    cpu: Annotated[str, typer.Option(help="Such as 2 or 500m; default: this machine's.")] = "",
    memory: Annotated[str, typer.Option(help="Such as 2Gi; default: this machine's.")] = "",
    storage: Annotated[str, typer.Option(help="Ephemeral storage, such as 10Gi; default: this machine's.")] = "",
    pods: Annotated[int, typer.Option(help="How many pods fit.")] = 110,
    label: Annotated[list[str] | None, typer.Option(help="KEY=VALUE; repeatable.")] = None,
    taint: Annotated[list[str] | None, typer.Option(help="KEY=VALUE:EFFECT; repeatable.")] = None,
) -> None:
    """Have one more node join the cluster."""
    typer.echo(give(do="add", name=name, zone=zone, cpu=cpu, memory=memory, storage=storage, pods=pods,
                    labels=label or [], taints=taint or []))


@app.command()
def remove(node: Name) -> None:
    """Take a node away for good, with its pods: no drain comes first."""
    typer.echo(give(do="remove", node=node))


@app.command()
def stop(node: Name) -> None:
    """Power loss: the node says nothing more, its containers are killed."""
    typer.echo(give(do="stop", node=node))


@app.command()
def start(node: Name) -> None:
    """Boot a node that was stopped."""
    typer.echo(give(do="start", node=node))


@app.command()
def partition(node: Name) -> None:
    """Cut a node off from the API server; its pods keep running."""
    typer.echo(give(do="partition", node=node))


@app.command()
def heal(
    node: Name,
    fault: Annotated[str, typer.Argument(help="partition, slow-disk, fill-disk or clock-skew; default: all.")] = "",
) -> None:
    """End the faults of a node."""
    typer.echo(give(do="heal", node=node, fault=fault))


@app.command("slow-disk")
def slow_disk(node: Name, rate: Annotated[float, typer.Option(help="MiB/s for all its pods together.")] = 1.0) -> None:
    """Have starts and mounts on a node wait, and hold its pods' writes to a rate."""
    typer.echo(give(do="slow-disk", node=node, value=rate))


@app.command("fill-disk")
def fill_disk(node: Name, used: Annotated[float, typer.Option(help="Per cent that something else uses.")] = 100.0,
              ) -> None:
    """Fill a node's disk: DiskPressure, a taint, evictions."""
    typer.echo(give(do="fill-disk", node=node, value=used))


@app.command("clock-skew", context_settings={"ignore_unknown_options": True})
def clock_skew(node: Name, seconds: Annotated[float, typer.Argument(help="How far it is ahead; may be negative.")],
               ) -> None:
    """Have a node's clock be wrong."""
    typer.echo(give(do="clock-skew", node=node, value=seconds))
