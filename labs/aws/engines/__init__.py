"""AWS emulators behind the gateway, each an ASGI application with three more words to say about itself.

An engine believes whoever calls it: it is reached only through the gateway (or on a server somebody else runs).  It
tells accounts apart by the access key id in the ``Authorization`` header, which the gateway sets to the account's
number.
May depend on ``labs.errors``, ``labs.services``, ``labs.toolbox`` and third-party emulators; knows nothing of the
gateway.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Protocol

from labs.errors import PermanentError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

NAMES = ("ministack", "moto", "localstack")
SERVICE = "labs.aws.service"  # key of an ASGI scope: the botocore name of the service that is called


class Engine(Protocol):
    """What the gateway needs of an emulator.

    ``shared`` is true when other programs may change the engine's state behind the gateway's back (a server that
    somebody else runs): what was read from it is then only kept for a second.
    """

    name: str
    shared: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI)."""

    async def start(self) -> None:
        """Get ready for requests; called once."""

    async def stop(self) -> None:
        """Let go of threads, files and connections."""

    async def reset(self) -> None:
        """Forget everything that was created.

        :raises PermanentError: the engine belongs to somebody else and cannot be wiped
        """


class Copyable(Engine, Protocol):
    """An engine that lives in its process alone, so that a fork of the process holds a copy of all it knows."""

    async def pause(self) -> None:
        """Let go of the event loop and end worker threads; nothing is forgotten."""

    async def resume(self) -> None:
        """Go on, on the event loop that runs now; in a fork of the process, too."""

    def settle(self) -> None:
        """Before a fork: look for what ``move`` has to change, so that the fork touches no memory but that."""

    def move(self, state: Path, address: tuple[str, int]) -> None:
        """Between ``settle`` and ``start``: other values for what :func:`load` was given."""

    def known(self) -> list[str]:
        """What an engine made later should ``learn``, to be as fast at once as this one has become."""

    def learn(self, known: list[str]) -> None:
        """Load ahead what another engine found that it needs.  No event loop may run."""


def load(name: str, backend: str | None, state: Path, address: tuple[str, int]) -> Engine:
    """The engine called ``name`` (one of ``NAMES``), or whatever listens at the URL ``backend``.

    :param state: folder for the engine's files
    :param address: host and port that the engine should put into the URLs it hands out
    :raises PermanentError: unknown name
    """
    if backend:
        from labs.aws.engines.remote import RemoteEngine

        return RemoteEngine(backend, name if name in NAMES else "remote")
    from labs.aws.engines.routed import RoutedEngine, served_elsewhere

    makers: dict[str, Callable[[], Engine]] = {
        "ministack": lambda: _ministack(state, address),
        "moto": lambda: _moto(name == "moto"),
        "localstack": lambda: _localstack(state),
        "labs": lambda: _own(routed),
    }
    if name in NAMES:
        routed = RoutedEngine(makers[name](), makers, served_elsewhere(name))
        return routed
    raise PermanentError(f"unknown AWS engine {name!r}", f"Set LABS_AWS_ENGINE to one of {', '.join(NAMES)}.")


def _moto(serves_iam: bool) -> Engine:
    from labs.aws.engines.moto import Moto

    return Moto(serves_iam)


def _ministack(state: Path, address: tuple[str, int]) -> Engine:
    from labs.aws.engines.ministack import MiniStack

    return MiniStack(state, address)


def _localstack(state: Path) -> Engine:
    from labs.aws.engines.localstack import LocalStack

    return LocalStack(state)


def _own(whole: Engine) -> Engine:
    from labs.aws.engines.own import OwnEngine

    return OwnEngine(whole)
