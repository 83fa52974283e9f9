"""`lab image`: the images that the embedded cluster's nodes have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None,
                  help="Container images of the embedded cluster: load, build, list, push, remove.")


def _store() -> Any:
    from labs.cluster.images.store import of_home
    from labs.services import state

    return of_home(state.make_home())


def _name(text: str) -> Any:
    from labs.cluster.images.names import named

    return named(text)


@app.command("load")
def load(name: str, archive: Path) -> None:
    """Make an image known to the nodes: an OCI archive, or what `docker save` writes."""
    from labs.cluster.drivers import base

    if base.chosen().name != "embedded":
        base.chosen().load_image(name, archive)
        typer.echo(f"{_name(name)} is on the nodes")
        return
    from labs.cluster.images import archives

    found = archives.load(_store(), archive, _name(name))
    typer.echo(f"{_name(name)} is {found['digest']}")


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False) -> None:
    """Show every image there is: name, digest, size in bytes."""
    import json

    rows = [{"name": str(entry.name), "digest": entry.digest, "size": entry.size, "created": entry.created}
            for entry in _store().entries()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    for row in [] if as_json else rows:
        typer.echo(f"{row['name']:<60} {row['digest'][:19]} {row['size']:>12}")


@app.command("build")
def build(
    folder: Path,
    tag: Annotated[list[str] | None, typer.Option("--tag", "-t", help="A name for the image; repeatable.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="The Dockerfile; default: in the folder.")] = None,
    argument: Annotated[list[str] | None, typer.Option("--build-arg", help="NAME=VALUE for an ARG.")] = None,
    target: Annotated[str, typer.Option("--target", help="The stage to build; default: the last.")] = "",
) -> None:
    """Build a Dockerfile without a daemon; docs/images.md lists the instructions."""
    from labs.cluster.images import build as builder

    names = [_name(each) for each in tag or []]
    made = builder.build(_store(), folder, file or folder / "Dockerfile",
                         dict(each.partition("=")[::2] for each in argument or []), target, names,
                         lambda line: typer.echo(line, err=True))
    typer.echo(made)
    _hand_on(tag or [])


def _hand_on(names: list[str]) -> None:
    """Load images into the nodes of a cluster that does not read our store; one of somebody else's takes none."""
    from labs.cluster.drivers import base

    if base.chosen().name != "kind":
        return
    import tempfile

    from labs.cluster.drivers.kind import cluster
    from labs.cluster.images import archives

    if cluster.read() is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            archive = Path(folder) / "image.tar"
            archives.save(_store(), _name(name), archive)
            base.chosen().load_image(name, archive)
            typer.echo(f"{_name(name)} is on the nodes")


@app.command("push")
def push(name: str, target: Annotated[str, typer.Argument(help="Where to, if not to what the name says.")] = "") -> \
        None:
    """Send an image to a registry, such as a repository of the AWS endpoint's ECR."""
    import os

    from labs.cluster.images import credentials, transfer
    from labs.cluster.images.registry import RegistryError
    from labs.errors import PermanentError

    there = _name(target or name)
    keys = dict(os.environ) if os.environ.get("AWS_ACCESS_KEY_ID") else None
    docker = Path(os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker"))) / "config.json"
    access = credentials.Ecr(keys).access(there)
    if access is None:
        pairs = credentials.from_secrets(there, [docker.read_bytes()] if docker.is_file() else [])
        access = credentials.Access(pairs[0] if pairs else None)
    try:
        typer.echo(f"{there.repository_name}@{transfer.push(_store(), _name(name), there, access)}")
    except RegistryError as error:
        raise PermanentError(f"{there}: {error}", "A repository of ECR must be there before: `aws ecr "
                             "create-repository`.") from error


@app.command("remove")
def remove(names: list[str]) -> None:
    """Forget names, and remove what no name leads to any more."""
    from labs.cluster.nodes.containers import roots_in_use
    from labs.errors import PermanentError
    from labs.services import state

    store = _store()
    missing = [text for text in names if not store.remove(_name(text))]
    freed = store.sweep(roots_in_use(state.home() / "kubernetes" / "nodes" / "pods"), spare=0.0)
    typer.echo(f"removed, {freed} bytes freed")
    if missing:
        raise PermanentError(f"There is no image {', '.join(missing)}.", "`lab image list` shows those there are.")
