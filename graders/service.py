"""The grader as a service: ``check(...)`` of a notebook asks it over a Unix socket and gets the public verdict.

    GET  /health                  {"exercises": n}
    GET  /exercises/{id}          {"id", "points", "cells", "names", "summary", "seconds"}
    POST /check                   {"exercise", "answers": {cell id: source}, "student"?} → public verdict and its "text"

An error is ``{"error": text, "temporary": bool}`` with status 400, 413 or 503.  Importing this module is cheap; the
server's libraries are imported when it serves.  Hidden checks never run here.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import threading
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from labs.client import ask, grader_address
from labs.errors import LabError, PermanentError, TemporaryError
from labs.services.catalog import Context, Service

BODY = 2**20  # bytes of a request
START_SECONDS = 10.0  # that a check takes longer when it starts the graders' cluster


def build(home: Path) -> Any:
    """The ASGI application; its grading gateways live in ``HOME/grader``."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from graders import exercise
    from graders.live import Pool
    from graders.runner import Grader, needs_cluster

    grader = Grader(Pool(home / "grader"))

    @asynccontextmanager
    async def lifespan(_: Any) -> Any:
        warming = threading.Thread(target=_warm, args=(grader,), name="warm", daemon=True)
        warming.start()
        yield
        await run_in_threadpool(grader.close)

    def guarded(answer: Any) -> Any:
        async def endpoint(request: Request) -> JSONResponse:
            try:
                return JSONResponse(await answer(request))
            except TemporaryError as error:
                return JSONResponse({"error": str(error), "temporary": True}, 503)
            except _TooLarge as error:
                return JSONResponse({"error": str(error), "temporary": False}, 413)
            except LabError as error:
                return JSONResponse({"error": str(error), "temporary": False}, 400)

        return endpoint

    async def health(_: Request) -> dict[str, Any]:
        return {"exercises": len({found for found, _, _ in exercise.discover()})}

    async def describe(request: Request) -> dict[str, Any]:
        registered = await run_in_threadpool(exercise.find, request.path_params["id"])
        asked = registered.exercise
        starting = START_SECONDS if needs_cluster(registered) and not grader.pool.clusters.warm else 0
        return {
            "id": asked.id,
            "points": asked.points,
            "cells": list(asked.cells),
            "names": list(asked.answers),
            "summary": asked.summary,
            "seconds": asked.seconds + starting,
        }

    async def check(request: Request) -> dict[str, Any]:
        wanted, answers, student = _request(await _body(request))

        def graded() -> dict[str, Any]:
            verdict = grader.grade(exercise.find(wanted), answers, student or student_of(home), hidden=False)
            return {**verdict.to_json(), "full": verdict.full, "text": verdict.text()}

        return await run_in_threadpool(graded)

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/health", guarded(health)),
            Route("/exercises/{id}", guarded(describe)),
            Route("/check", guarded(check), methods=["POST"]),
        ],
    )


class _TooLarge(PermanentError):
    pass


def _warm(grader: Any) -> None:
    """Have a gateway ready; when it cannot start, the check that needs it says why."""
    with suppress(LabError):
        grader.pool.warm()


async def _body(request: Any) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > BODY:
            raise _TooLarge("The answers are larger than 1 MB.")
    return bytes(data)


def _request(body: bytes) -> tuple[str, dict[str, str], str]:
    """(exercise id, sources by cell id, student or ""); raises PermanentError for any other shape."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise PermanentError("The request is not JSON.") from None
    if isinstance(request, dict):
        wanted, answers, student = request.get("exercise"), request.get("answers"), request.get("student") or ""
        if (
            isinstance(wanted, str)
            and isinstance(answers, dict)
            and isinstance(student, str)
            and all(isinstance(source, str) for source in answers.values())
        ):
            return wanted, answers, student
    raise PermanentError('The request must be {"exercise": id, "answers": {cell id: source}}.')


def student_of(home: Path) -> str:
    """Who is enrolled under this home; ``learner``, as ``enroll`` has it, before anybody is."""
    try:
        return str(json.loads((home / "learner.json").read_text())["student"])
    except (OSError, ValueError, KeyError, TypeError):
        return "learner"


def listen(home: Path) -> socket.socket:
    """A listening socket at HOME/grader.sock that only this user can reach, whatever the length of the path."""
    home.mkdir(parents=True, exist_ok=True)
    with suppress(LabError):
        ask(home, "GET", "/health", timeout=2)
        raise SystemExit(f"another grader already listens on {home / 'grader.sock'}")
    with grader_address(home) as address:
        with suppress(FileNotFoundError):
            os.unlink(address)
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            server.bind(address)
        finally:
            os.umask(before)
    server.listen(64)
    return server


def main(arguments: list[str] | None = None) -> None:
    """``python -m graders.service --home HOME``: serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="graders.service", description="grade over a Unix socket")
    parser.add_argument("--home", type=Path, required=True)
    home = parser.parse_args(arguments).home.resolve()
    import uvicorn

    server = listen(home)
    uvicorn.Server(uvicorn.Config(build(home), log_level="warning", access_log=False, timeout_graceful_shutdown=5)).run(
        sockets=[server]
    )


def _command(context: Context) -> list[str]:
    return [sys.executable, "-m", "graders.service", "--home", str(context.home)]


def _ready(context: Context) -> None:
    ask(context.home, "GET", "/health", timeout=2)


SERVICE = Service("grader", _command, _ready, socket="grader.sock")


if __name__ == "__main__":
    main()
