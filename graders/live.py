"""A live account for an attempt: the student's account number in a grading gateway of our own, reset between attempts.

The learner's own gateway is never used for grading, and a grading gateway serves one attempt at a time.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from labs.errors import PermanentError, TemporaryError

START_SECONDS = 30.0  # until a gateway says it is ready
RESET_SECONDS = 10.0
QUEUE_SECONDS = 60.0  # until a gateway is free
REPOSITORY = Path(__file__).resolve().parent.parent


class Gateway:
    """A gateway process on a free port; its state lives in ``home`` and goes with it."""

    def __init__(self, home: Path, engine: str) -> None:
        self.home = home
        self.log = home / "gateway.log"
        home.mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        command = [
            sys.executable,
            "-m",
            "labs.aws.gateway",
            "--port",
            "0",
            "--pods-port",
            "0",
            "--engine",
            engine,
            "--home",
            str(home),
            "--while-stdin-open",  # a grader that is killed takes its gateways along
        ]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment | {"PYTHONPATH": path},
            )
        (home / "pid").write_text(str(self._process.pid))
        try:
            self.endpoint = self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        threading.Thread(target=self._drain, daemon=True).start()

    def _wait_until_ready(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        output = self._process.stdout
        seen = b""
        while (left := deadline - time.monotonic()) > 0 and select.select([output], [], [], left)[0]:
            chunk = os.read(output.fileno(), 4096)
            seen += chunk
            for line in seen.decode("utf-8", "replace").splitlines():
                if line.startswith("ready http"):
                    return line.split()[1].rstrip("/")
            if not chunk:
                break
        tail = self.log.read_text("utf-8", "replace")[-800:]
        raise TemporaryError(
            f"the grading gateway did not become ready in {START_SECONDS:.0f} s; it said: {seen!r} {tail}"
        )

    def _drain(self) -> None:
        with suppress(ValueError, OSError):  # closed by stop()
            while self._process.stdout.read(65536):
                pass

    @property
    def alive(self) -> bool:
        """Is the process still there?"""
        return self._process.poll() is None

    def reset(self) -> None:
        """Everything in every account is gone afterwards; raises TemporaryError when the gateway does not answer."""
        self.get("/_lab/reset", method="POST", timeout=RESET_SECONDS)

    def get(self, path: str, method: str = "GET", timeout: float = 5.0) -> Any:
        """JSON of the gateway's own API; raises KeyError for 404, TemporaryError when it does not answer."""
        request = urllib.request.Request(self.endpoint + path, method=method, data=b"" if method == "POST" else None)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise KeyError(path) from None
            raise TemporaryError(f"the grading gateway answered {error.code} to {path}") from None
        except (OSError, ValueError) as error:
            raise TemporaryError(f"the grading gateway does not answer: {error}") from None

    def stop(self) -> None:
        """End the process and remove its state."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        shutil.rmtree(self.home, ignore_errors=True)


class Pool:
    """Warm gateways, ``size`` at most.  One attempt has one for itself; it is reset in the background before the next.

    ``home`` keeps their state (a temporary folder when None).  Gateways that a killed predecessor left in the same
    home are ended first.
    """

    def __init__(self, home: Path | None = None, size: int = 1, engine: str | None = None) -> None:
        self._temporary = home is None
        self.home = Path(tempfile.mkdtemp(prefix="grading-")) if home is None else home
        self._engine = engine or os.environ.get("LABS_AWS_ENGINE", "ministack")
        self._size = size
        self._changed = threading.Condition()
        self._idle: list[Gateway] = []
        self._all = 0
        self._made = 0
        self._closed = False
        if not self._temporary:
            _sweep(self.home)

    def warm(self) -> None:
        """Have one gateway ready before anybody asks."""
        with self.lease():
            pass

    @contextmanager
    def lease(self) -> Iterator[Gateway]:
        """A clean gateway for one attempt; raises TemporaryError when none is free or none starts."""
        gateway = self._take()
        try:
            yield gateway
        finally:
            threading.Thread(target=self._clean, args=(gateway,), name="reset").start()

    def _take(self) -> Gateway:
        deadline = time.monotonic() + QUEUE_SECONDS
        with self._changed:
            while not self._idle and self._all >= self._size and not self._closed:
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TemporaryError(f"every grading gateway was busy for {QUEUE_SECONDS:.0f} s")
            if self._closed:
                raise PermanentError("The grader is shutting down.")
            while self._idle:
                gateway = self._idle.pop()
                if gateway.alive:
                    return gateway
                gateway.stop()
                self._all -= 1
            self._all += 1
            self._made += 1
            home = self.home / f"gateway-{self._made}"
        try:
            return Gateway(home, self._engine)
        except BaseException:
            self._forget()
            raise

    def _clean(self, gateway: Gateway) -> None:
        try:
            gateway.reset()
        except (TemporaryError, KeyError):
            gateway.stop()
            self._forget()
            return
        with self._changed:
            if not self._closed:
                self._idle.append(gateway)
                self._changed.notify()
                return
        gateway.stop()
        self._forget()

    def _forget(self) -> None:
        with self._changed:
            self._all -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Stop every gateway, those in use as soon as their attempt ends."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._all -= len(idle)
            self._changed.notify_all()
        for gateway in idle:
            gateway.stop()
        with self._changed:
            self._changed.wait_for(lambda: self._all == 0, RESET_SECONDS)
        if self._temporary:
            shutil.rmtree(self.home, ignore_errors=True)


def _sweep(home: Path) -> None:
    """End gateways that still run on a folder of ``home``; their service was killed."""
    for folder in home.glob("gateway-*"):
        with suppress(OSError, ValueError):
            pid = int((folder / "pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if os.fsencode(folder) in command:
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


class Live:
    """What a check may touch: the attempt's account, prepared for the exercise's lab on first use.

    An exercise that never touches it costs no gateway.  Errors of AWS come through as botocore raises them.
    """

    def __init__(self, pool: Pool, lab: Any, values: Mapping[str, Any], account: str) -> None:
        self.values = dict(values)
        self.account = account
        self._pool = pool
        self._lab = lab
        self._lease: Any = None
        self._gateway: Gateway | None = None
        self._aws: Any = None

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lease is not None:
            self._lease.__exit__(None, None, None)
            self._lease = self._gateway = self._aws = None

    def _prepared(self) -> Any:
        """The attempt's AwsAccount; the lab was prepared in it."""
        if self._aws is None:
            from labs.aws.account import AwsAccount

            if self._lease is None:
                lease = self._pool.lease()
                self._gateway = lease.__enter__()
                self._lease = lease
            aws = AwsAccount(self._gateway.endpoint, self.account)
            if self._lab is not None:
                try:
                    self._lab.prepare(aws, self.values)
                except Exception as error:  # AWS's own errors too: nothing of the answer has been applied yet
                    raise TemporaryError(f"lab {self._lab.id} could not be prepared: {error}") from error
            self._aws = aws
        return self._aws

    @property
    def aws(self) -> Any:
        """The attempt's ``labs.aws.account.AwsAccount``."""
        return self._prepared()

    @property
    def lab(self) -> Any:
        """The scenario of the exercise, prepared; raises PermanentError for an exercise that names none."""
        if self._lab is None:
            raise PermanentError("This exercise names no lab.", 'Write Exercise(..., lab="b1").')
        self._prepared()
        return self._lab

    @property
    def endpoint(self) -> str:
        """URL of the grading gateway."""
        return self._prepared().endpoint

    def admin(self, service: str) -> Any:
        """A boto3 client of the account's root user."""
        return self._prepared().client(service)

    def client(self, service: str, credentials: Mapping[str, Any]) -> Any:
        """A boto3 client with ``AccessKeyId``, ``SecretAccessKey`` perhaps ``SessionToken``, as STS returns them."""
        return self._prepared().client_as(
            service, credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials.get("SessionToken")
        )

    def decision(self, request_id: str) -> dict[str, Any]:
        """``{"decision", "call", "time"}`` of a request; raises KeyError when the gateway has not seen it."""
        self._prepared()
        return self._gateway.get(f"/_lab/decisions/{request_id}")
