"""The process that judges and grading gateways are forks of: ``python -m graders.mould --engine NAME --socket PATH``.

It has loaded what they need, so that one more of them costs only the memory that it changes.  It takes requests on a
Unix socket, each JSON, and each connection becomes the control socket of the new process, which speaks first:

    {"kind": "gateway", "home": folder}   with two listening sockets; see :mod:`labs.aws.gateway.copies`
    {"kind": "judge", "cluster": folder}  see :mod:`graders.judging`

What gateways turned out to need, it loads too.  It ends when its standard input closes; they end with their sockets.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from labs.errors import LabError

if TYPE_CHECKING:
    from labs.aws.gateway.copies import Origin

REQUEST = 4096  # bytes
REQUEST_SECONDS = 5.0


def main(arguments: list[str] | None = None) -> int:
    """Prints ``ready`` when it takes requests.  The exit status is 2 when it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m graders.mould", description="forks judges and grading gateways")
    parser.add_argument("--engine", required=True)
    parser.add_argument("--socket", type=Path, required=True, help="where requests are taken; made here")
    options = parser.parse_args(arguments)
    from labs.aws.gateway.copies import Origin

    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        origin = Origin(options.engine)
        listener.bind(str(options.socket))
    except (LabError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    listener.listen(64)
    _load()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for whoever started it, who then closes our input
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks are nobody's to wait for
    heard, told = os.pipe()
    os.set_blocking(told, False)
    origin.settle()
    print("ready", flush=True)

    def forked(work: Callable[[], object]) -> None:
        if os.fork():
            return
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            os.close(heard)
            work()
        finally:
            os._exit(0)

    rest = b""
    while True:
        readable, _, _ = select.select([listener, heard, 0], [], [])
        if 0 in readable and not os.read(0, REQUEST):
            return 0
        if heard in readable:  # first: a fork that is asked for now should have it
            *lines, rest = (rest + os.read(heard, 1 << 20)).split(b"\n")
            lessons = [line.decode() for line in lines]
            origin.learn(lessons)
            for service in (lesson.split()[1] for lesson in lessons if lesson.startswith("client ")):
                _client(service)
            origin.settle()
        if listener in readable:
            _answer(listener, options.socket, origin, told, forked)


def _load() -> None:
    """What judges need."""
    without_grammars()
    import jsonschema

    import graders.judging
    import graders.runner  # noqa: F401 (each judge imports it)
    from labs.scenarios import registry

    _client("iam")
    jsonschema.Draft202012Validator({}).is_valid({})
    registry()


def without_grammars() -> None:
    """Before jsonschema is loaded: it would build parsers of all IRIs, a second's work, for a format unused here."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def _client(service: str) -> None:
    """Make and drop a client: the models that it read stay."""
    from labs.aws import account

    if service not in account.made:
        account.AwsAccount("http://127.0.0.1:1", "000000000000").client(service)
        account.forget()


def _answer(
    listener: socket.socket, path: Path, origin: Origin, told: int, forked: Callable[[Callable[[], object]], None]
) -> None:
    """Take one request; one that is none is dropped with its connection."""
    connection, _ = listener.accept()
    connection.settimeout(REQUEST_SECONDS)
    sockets: list[socket.socket] = []
    try:
        data, passed, _, _ = socket.recv_fds(connection, REQUEST, 4)
        sockets = [socket.socket(fileno=number) for number in passed]
        for one in sockets:
            one.set_inheritable(False)
        request = json.loads(data)
        connection.settimeout(None)
        if request["kind"] == "gateway":
            names = dict(zip(("host", "pods"), sockets, strict=True))
            forked(lambda: origin.run(Path(request["home"]), names, connection, told))
        elif request["kind"] == "judge":
            from graders import judging

            forked(lambda: judging.run(connection, path, told, Path(request["cluster"])))
        else:
            raise ValueError(request["kind"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"no request: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        with contextlib.suppress(OSError):
            connection.close()
        for one in sockets:
            one.close()


if __name__ == "__main__":
    sys.exit(main())
