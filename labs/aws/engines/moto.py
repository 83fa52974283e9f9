"""moto (Apache-2.0) in this process: its WSGI server application on worker threads."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import UnknownServiceError
from werkzeug.exceptions import NotFound

from labs.aws.engines import Receive, Scope, Send, frugal, neighbours

log = logging.getLogger(__name__)

WORKERS = 4  # threads
NOT_IMPLEMENTED = "MotoNotImplemented"  # body of an answer with status 501
_ACCOUNT = re.compile(rb"Credential=([0-9]{12})/")


class Moto:
    """moto tells accounts apart by a header of its own, set here from the ``Authorization`` header."""

    name = "moto"
    shared = False

    def __init__(self, serves_iam: bool = True) -> None:
        # moto's IAM is asked at every call who calls, and made for every account: with AWS's managed policies, which
        # nobody needs of it where IAM is served elsewhere, that takes 0.3 s and 20 MB each.
        os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true" if serves_iam else "false")
        os.environ.setdefault("MOTO_ALLOW_NONEXISTENT_REGION", "false")
        # Its own list has 1300 images a region, which take 4 s and 15 MB at an account's first call.
        os.environ.setdefault("MOTO_AMIS_PATH", str(Path(__file__).with_name("images.json")))
        os.environ.setdefault("MOTO_ENABLE_KEYPAIR_VALIDATION", "true")
        os.environ.setdefault("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "true")
        with warnings.catch_warnings():
            # It asks for moto[server]; what that would add (flask) is among our own dependencies.
            warnings.simplefilter("ignore", UserWarning)
            from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        frugal.install()
        from a2wsgi import WSGIMiddleware
        from flask import Flask

        self._loaded: set[str] = set()

        def create(service: str | None) -> Any:
            self._loaded.add(service or "")
            try:
                application = create_backend_app(service) if service else Flask("moto")
                neighbours.forget()
                frugal.forget()
            except ModuleNotFoundError as error:
                log.warning("moto cannot load %s: %s", service, error)
                application = Flask("moto")
            application.register_error_handler(NotImplementedError, _not_implemented)
            application.register_error_handler(404, _no_route)
            return application

        dispatcher = DomainDispatcherApplication(create)

        def application(environ: Any, start_response: Any) -> Any:
            try:
                return dispatcher(environ, start_response)
            except StopIteration as error:  # moto's next() without a default; a Future cannot carry it and would hang
                raise RuntimeError("moto looked for something that is not there") from error

        self._dispatcher = dispatcher
        self._app: Any = WSGIMiddleware(application, workers=WORKERS)  # type: ignore[arg-type]  # moto has no types here

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = list(scope["headers"])
        for name, value in headers:
            found = _ACCOUNT.search(value) if name == b"authorization" else None
            if found:
                headers.append((b"x-moto-account-id", found[1]))
                break
        await self._app({**scope, "headers": headers, "root_path": ""}, receive, send)

    async def start(self) -> None:
        """Nothing to start: moto makes its backends with the first call to each service."""

    async def stop(self) -> None:
        """End the worker threads."""
        self._app.executor.shutdown(wait=False, cancel_futures=True)

    async def pause(self) -> None:
        """End the worker threads; see :class:`~labs.aws.engines.Copyable`."""
        await asyncio.to_thread(self._app.executor.shutdown, wait=True)

    async def resume(self) -> None:
        """Have worker threads again; they start with the first calls."""
        self._app.executor = ThreadPoolExecutor(WORKERS, thread_name_prefix="WSGI")

    def settle(self) -> None:
        """Nothing to look for."""

    def move(self, state: Path, address: tuple[str, int]) -> None:
        """It has neither files nor an address."""

    def known(self) -> list[str]:
        """moto's names of the services that were called."""
        return sorted(self._dispatcher.app_instances)

    def learn(self, known: list[str]) -> None:
        """Make the applications of those services."""
        from moto.core.utils import get_service_model

        for service in known:
            if service not in self._dispatcher.app_instances:
                self._dispatcher.app_instances[service] = self._dispatcher.create_app(service)
                with suppress(UnknownServiceError):     # some of moto's names are its own
                    get_service_model(service)

    def idle(self, service: str) -> bool:
        """Whether nobody called a service of moto's (by moto's name for it) since the start."""
        return service not in self._loaded

    async def reset(self) -> None:
        """Forget every backend of every account."""
        from moto.moto_api._internal import moto_api_backend

        await asyncio.to_thread(moto_api_backend.reset)


def _no_route(error: Any) -> Any:
    """Flask found no route; what moto itself raises as a 404 (a missing bucket, say) carries a document."""
    return _not_implemented(error) if type(error) is NotFound else error


def _not_implemented(_: Exception) -> tuple[str, int]:
    """Tells an operation that moto lacks from one that failed in moto: Flask would answer 500 to both."""
    return NOT_IMPLEMENTED, 501
