"""A container's limit of processors, with the real process beside a container and no cluster."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from labs import jail
from labs.cluster.nodes.containers import Container
from labs.jail import processes, rungs

BUSY = ["sh", "-c", "while :; do :; done"]
FORKS = ["sh", "-c", "while :; do expr 1 + 1 >/dev/null; done"]
"""Each process ends long before anybody can measure it."""
SECONDS, LIMIT = 3.0, 0.2


@contextlib.asynccontextmanager
async def running(folder: Path, command: list[str], cpu: float, rung: str | None = None) -> AsyncIterator[Container]:
    attempt = folder / "pods" / "uid" / "containers" / "main" / "0"
    attempt.mkdir(parents=True)
    (attempt / "root").mkdir()
    container = Container(attempt)
    container.about = {"cpu": cpu}
    spec = jail.Spec(readable=("/usr", "/bin", "/lib", "/lib64"), writable=str(attempt / "root"),
                     cpu_seconds=None, wall_seconds=None, processes=64,
                     environment={"PATH": os.defpath}, rung=rung)
    await container.start(spec, command, folder, folder / "lock", lambda: None)
    assert container.running, container.exit
    try:
        yield container
    finally:
        await container.stop(0.0)


def used(container: Container) -> float:
    return processes.usage(container.inside())[1]


def standing(container: Container) -> list[int]:
    found = []
    for pid in container.processes():
        with contextlib.suppress(OSError):
            found += [pid] if processes.stat(pid)[0] == "T" else []
    return found


async def until(happened: Callable[[], Any]) -> Any:
    end = time.monotonic() + 10.0
    while not (found := happened()):
        assert time.monotonic() < end, "not within 10 s"
        await asyncio.sleep(0.01)
    return found


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


async def rate(container: Container) -> float:
    before, since = used(container), time.monotonic()
    await asyncio.sleep(SECONDS)
    return (used(container) - before) / (time.monotonic() - since)


@pytest.mark.parametrize("rung", ["bubblewrap", "proot", "plain"])
@pytest.mark.parametrize("command", [BUSY, FORKS], ids=["busy", "forks"])
def test_a_busy_container_gets_its_limit(tmp_path: Path, command: list[str], rung: str) -> None:
    if rung in rungs.unavailable():
        pytest.skip(f"no {rung} here")

    async def look() -> None:
        async with running(tmp_path, command, LIMIT, rung) as container:
            assert 0.15 <= await rate(container) <= 0.25
            counted = container.throttling()
            assert counted is not None
            periods, throttled, stood = counted
            assert periods >= 20
            assert throttled > periods / 2
            assert stood > 1.0

    asyncio.run(look())


def test_an_idle_container_is_left_alone_and_one_within_its_limit_never_stands(tmp_path: Path) -> None:
    async def look() -> None:
        async with running(tmp_path, ["sh", "-c", "while :; do sleep 0.1; done"], 1.0) as container:
            await asyncio.sleep(1.5)
            counted = container.throttling()
            assert counted is not None
            assert counted[0] > 5
            assert counted[1:] == (0, 0.0)

    asyncio.run(look())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 7), (signal.SIGKILL, 137)])
def test_a_signal_reaches_a_container_that_stands_still(tmp_path: Path, number: int, status: int) -> None:
    program = ["sh", "-c", "trap 'exit 7' TERM; while :; do :; done"]

    async def look() -> None:
        async with running(tmp_path, program, 0.01) as container:
            await until(lambda: standing(container))
            container.signal(number)
            await until(lambda: not container.running)
            assert container.exit is not None
            assert container.exit.status == status

    asyncio.run(look())


def test_what_somebody_else_stopped_stays_so_and_supervisor_and_doorman_never_stop(tmp_path: Path) -> None:
    async def look() -> None:
        async with running(tmp_path, ["sh", "-c", "sleep 600 & while :; do :; done"], LIMIT) as container:
            asleep = (await until(lambda: [pid for pid in container.inside() if _name(pid) == "sleep"]))[0]
            os.kill(asleep, signal.SIGSTOP)
            await until(lambda: asleep in standing(container))
            kept = {container.processes()[0], container.doorman}
            seen: set[int] = set()
            for _ in range(200):
                now = standing(container)
                assert asleep in now
                seen |= set(now)
                await asyncio.sleep(0.01)
            assert len(seen) > 1, "the other was stopped, too"
            assert not seen & kept

    asyncio.run(look())


def test_a_killed_shim_leaves_nothing_behind_that_stands_still(tmp_path: Path) -> None:
    async def look() -> None:
        async with running(tmp_path, BUSY, 0.01) as container:
            stopped = await until(lambda: standing(container))
            os.kill(container._shim, signal.SIGKILL)
            await until(lambda: all(processes.ended(pid) for pid in stopped))

    asyncio.run(look())
