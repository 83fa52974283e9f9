"""LocalStack 4.14 in host mode: a process beside the gateway, in a Python environment of its own.

4.14.0 (March 2026) is the last open release; it wants Python 3.12 or 3.13, and its packages cannot live beside the
course's.  It enforces no IAM, which is the gateway's part anyway, and has no EKS, ECR, ELBv2, RDS or CloudTrail.
It starts in about two seconds.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import sys
import time
from asyncio.subprocess import Process
from pathlib import Path

import httpx

from labs.aws.engines.remote import RemoteEngine
from labs.errors import LabError, PermanentError, TemporaryError
from labs.services.launch import die_with_parent
from labs.toolbox.python_environments import PythonEnvironment

READY_WITHIN = 120.0
STOPPED_WITHIN = 10.0
"""Seconds until LocalStack answers its health check, and until it has ended after SIGTERM."""

ENVIRONMENT = PythonEnvironment(
    name="localstack-4.14",
    requirements=Path(__file__).with_name("localstack-requirements.txt"),
    minors=(13, 12),
    variable="LABS_LOCALSTACK_PYTHON",
)


class LocalStack(RemoteEngine):
    """Ours alone, on a free loopback port; its state is gone when the gateway stops.

    :param state: folder for its files and its log (``localstack.log``)
    """

    shared = False

    def __init__(self, state: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        super().__init__(f"http://127.0.0.1:{self._port}", "localstack")
        self._state = state / "localstack"
        self._log = state / "localstack.log"
        self._process: Process | None = None

    async def start(self) -> None:
        """Start the process and wait until it is healthy.

        :raises PermanentError: its environment was not made yet, or it ended, or it was not ready in time
        """
        python = await asyncio.to_thread(ENVIRONMENT.find)
        if python is None:
            raise PermanentError("LocalStack is not installed.", "Run `LABS_AWS_ENGINE=localstack lab up aws`.")
        self._state.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                python, "-m", "localstack.runtime.main", cwd=self._state, env=self._environment(python),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=functools.partial(die_with_parent, os.getpid()))
        try:
            await self._until_healthy()
        except BaseException:
            await self.stop()
            raise

    def _environment(self, python: Path) -> dict[str, str]:
        address = f"127.0.0.1:{self._port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        return {
            **kept,
            "PATH": os.pathsep.join([str(python.parent), kept.get("PATH", os.defpath)]),
            "GATEWAY_LISTEN": address,
            "LOCALSTACK_HOST": address,
            "FILESYSTEM_ROOT": str(self._state),
            "DNS_ADDRESS": "0",
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "PARITY_AWS_ACCESS_KEY_ID": "1",
        }

    async def _until_healthy(self) -> None:
        assert self._process is not None
        end = time.monotonic() + READY_WITHIN
        last = "nothing yet"
        while time.monotonic() < end and self._process.returncode is None:
            try:
                answer = await self._client.get(self._url.copy_with(path="/_localstack/health"))
                if answer.status_code == 200:
                    return
                last = f"its health check answers {answer.status_code}"
            except httpx.HTTPError as error:
                last = f"{type(error).__name__}: {error}"
            await asyncio.sleep(0.1)
        if self._process.returncode is not None:
            last = f"it ended with status {self._process.returncode}"
        tail = "\n    ".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
        raise PermanentError(f"LocalStack did not become ready: {last}.\n    {tail}", f"Its log: {self._log}")

    async def stop(self) -> None:
        """End the process and close the connections."""
        await super().stop()
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOPPED_WITHIN)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def reset(self) -> None:
        """LocalStack's own reset of every service and account.

        :raises TemporaryError: it refuses
        """
        answer = await self._client.post(self._url.copy_with(path="/_localstack/state/reset"))
        if answer.status_code >= 300:
            raise TemporaryError(f"LocalStack answered {answer.status_code} to its reset: {answer.text[:200]}")


def main() -> int:
    """``python -m labs.aws.engines.localstack``: install LocalStack into the cache, where it is not there yet."""
    try:
        ENVIRONMENT.ensure(lambda line: print(line, file=sys.stderr, flush=True))
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
