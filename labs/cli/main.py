"""The commands of ``lab``.  Imports are inside the commands: `lab status` loads no boto3 and no nbgrader.

Commands of other packages (`lab check`, `lab grade`, `lab exercise`) come from the entry point group
``labs.commands`` and are loaded when they are called, or when the help that names them is shown.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from labs.cli.image import app as image_app
from labs.cli.nodes import app as nodes_app
from labs.cli.progress import app as progress_app
from labs.errors import LabError


class Commands(TyperGroup):
    """The commands below, and those registered by other packages."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names for the help, in alphabetical order."""
        return sorted({*super().list_commands(ctx), *(entry.name for entry in _registered())})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command of ours, else one registered under that name; None when there is neither."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        for entry in _registered():
            if entry.name == cmd_name:
                return _as_command(entry.load(), cmd_name)
        return None


def _registered() -> list[importlib.metadata.EntryPoint]:
    return list(importlib.metadata.entry_points(group="labs.commands"))


def _as_command(loaded: Any, name: str) -> Any:
    """A typer application, or a function whose signature is the command line, as a command of the group."""
    application = loaded
    if not isinstance(loaded, typer.Typer):
        application = typer.Typer(add_completion=False)
        application.command(name)(loaded)
    command = typer.main.get_command(application)
    command.name = name
    return command


app = typer.Typer(
    cls=Commands, add_completion=False, no_args_is_help=True, rich_markup_mode=None,
    help="Live labs: start what a lab needs, look at it, break it, put it back.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Names = Annotated[list[str] | None, typer.Argument(help="Services; see `lab status` for those there are.")]


@app.command()
def start(
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the course in a browser.")] = True,
    port: Annotated[int, typer.Option(help="JupyterLab's port; the next free one when it is taken.")] = 8888,
    workspace: Annotated[Path | None, typer.Option(help="Your notebooks' folder; default: workspace/.")] = None,
    student: Annotated[str | None, typer.Option(help="Your id in nbgrader; decides your values.")] = None,
    with_: Annotated[list[str] | None, typer.Option("--with", help="A further service to start; repeatable.")] = None,
) -> None:
    """Start the course: your notebooks, AWS, JupyterLab.  Ctrl-C ends it."""
    from labs.cli.start import run

    raise typer.Exit(run(browser=browser, port=port, workspace=workspace, student=student, extra=with_ or []))


@app.command()
def up(names: Names = None) -> None:
    """Start services and wait until they are ready.  Default: aws."""
    from labs.aws import learner
    from labs.services import control, state

    if not (state.home() / "learner.json").is_file():
        learner.enroll(state.make_home(), None)
    with _Progress() as report:
        control.up(names or ["aws"], report)


@app.command()
def down(names: Names = None) -> None:
    """Stop services, all of them by default, and leave no process."""
    from labs.cli.start import end_running
    from labs.services import control

    ended = ["the course"] if not names and end_running() else []
    stopped = [*ended, *control.down(names or [])]
    typer.echo(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


@app.command()
def status(as_json: Json = False) -> None:
    """Show every service: its state, address, process and log."""
    import dataclasses

    from labs.cli.nodes import faults as node_faults
    from labs.cli.nodes import network as node_network
    from labs.services import control, state

    rows, faults = control.status(), node_faults()
    if as_json:
        found = {"home": str(state.home()), "services": [dataclasses.asdict(row) for row in rows], "faults": faults,
                 "network": node_network()}
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(f"state folder: {state.home()}")
    for row in rows:
        process = f"pid {row.pid}, {row.since} s" if row.pid else ""
        typer.echo(f"{row.name:<24} {row.state:<9} {row.endpoint or '':<26} {process}".rstrip())
        if row.detail:
            typer.echo(f"{'':<24} {row.detail}\n{'':<24} log: {row.log}")
        if row.name == "kubernetes" and (cluster := _driver_told()):
            typer.echo(f"{'':<24} {cluster}")
        if row.name == "nodes":
            if row.pid and (seen := node_network()):
                typer.echo(f"{'':<24} {seen}")
            for node, wrong in faults.items():
                typer.echo(f"{'':<24} {node}: {wrong} (`lab nodes list`)")


def _driver_told() -> str:
    """What there is to say of the cluster of the chosen driver; asks nobody, and imports nothing for most."""
    from labs.services import state

    if not (state.home() / "kind").is_dir():
        return ""
    from labs.cluster.drivers.kind import cluster

    return cluster.told()


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="The service; `supervisor` for what keeps them.")],
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """Show the end of a service's log."""
    from labs.services import catalog, control, state

    if name not in ("supervisor", "jupyter"):
        catalog.find(name)
    for line in control.tail(name, lines):
        typer.echo(line)
    if follow:
        os.execvp("tail", ["tail", "-n", "0", "-F", str(state.log_file(name))])


@app.command()
def env(
    learner: Annotated[bool, typer.Option("--learner", help="The learner's keys, not the administrator's.")] = False,
) -> None:
    """Print exports for stock clients: eval "$(lab env)"."""
    import shlex

    from labs.cli.start import client_environment

    for key, value in client_environment(learner=learner).items():
        typer.echo(f"export {key}={shlex.quote(value)}")


@app.command()
def reset(
    name: Annotated[str, typer.Argument(help="`aws`, `kubernetes`, or a lab's id such as b1.")] = "aws",
) -> None:
    """Put a service or a lab back to its declared start; says what was removed."""
    from labs.cli.reset import reset as put_back

    for line in put_back(name):
        typer.echo(line)


@app.command()
def curriculum(as_json: Json = False) -> None:
    """Show which notebook, lab and exercises serve each line of the curriculum."""
    from labs.cli.curriculum import rows, table

    found = rows()
    typer.echo(json.dumps([row.as_dict() for row in found], indent=2) if as_json else table(found))


app.add_typer(nodes_app, name="nodes")
app.add_typer(progress_app, name="progress")
app.add_typer(image_app, name="image")
tools_app = typer.Typer(add_completion=False, rich_markup_mode=None)
app.add_typer(tools_app, name="tools")


@tools_app.callback(invoke_without_command=True)
def tools(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the programs the labs start: version, path, where each came from, and what was passed over."""
    if ctx.invoked_subcommand is None:
        from labs.cli.tools import as_dicts, table

        typer.echo(json.dumps(as_dicts(), indent=2) if as_json else table())


@tools_app.command()
def fetch(names: Annotated[list[str] | None, typer.Argument(help="Tools; default: all that can be fetched.")] = None,
          ) -> None:
    """Get what is missing: the vendor's release, else a build with Go, which takes minutes."""
    from labs.cli.tools import fetch as get

    with _Progress() as report:
        for line in get(names or [], report):
            typer.echo(line)


@app.command()
def release(directory: Annotated[Path, typer.Argument(help="A folder that is missing, empty or a release.")]) -> None:
    """Write the tree a learner may have: no solutions, hidden checks or mutants."""
    from labs.cli.workspace import course

    written = course("release")(directory)
    typer.echo(f"{len(written)} files released to {directory}")


class _Progress:
    """Progress on the terminal: a spinner with the last line where there is one, plain lines elsewhere."""

    def __enter__(self) -> Any:
        if not sys.stderr.isatty():
            return lambda line: typer.echo(line, err=True)
        from rich.console import Console

        console = Console(stderr=True)
        self._status = console.status("…")
        self._status.start()

        def report(line: str) -> None:
            self._status.update(line)
            if ": starting" not in line and ": building, " not in line:
                console.print(line, highlight=False, markup=False)

        return report

    def __exit__(self, *error: object) -> None:
        if hasattr(self, "_status"):
            self._status.stop()


def main() -> None:
    """Run ``lab``; an error of ours is one message on stderr and exit status 1."""
    try:
        app()
    except LabError as error:
        typer.echo(f"lab: {error}", err=True)
        sys.exit(1)
