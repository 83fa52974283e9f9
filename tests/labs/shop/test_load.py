"""The load generator keeps its rate whatever the server does, and reports what failed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from labs.shop.load import Traffic, percentile


@contextlib.contextmanager
def answering(status: int, delay: float) -> Iterator[str]:
    """A server that gives every request this status after a delay."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    address: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(delay)
            writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}" % status)
            await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address.extend(server.sockets[0].getsockname())
        stop = asyncio.Event()
        address.append(stop)
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    ready.wait(5)
    yield f"http://127.0.0.1:{address[1]}"
    loop.call_soon_threadsafe(address[2].set)
    thread.join(10)
    loop.close()


def test_slow_answers_do_not_slow_the_arrivals() -> None:
    with answering(503, delay=1.0) as url:
        report = Traffic(url, rate=20, seconds=1).start().wait()
    assert report.sent == 20  # a closed loop would have sent one
    assert report.statuses == {"503": 20}
    assert len({request["id"] for request in report.failed}) == 20
    assert report.p50 >= 1000


def test_nobody_there_is_a_failure_with_a_name() -> None:
    report = Traffic("http://127.0.0.1:9", rate=10, seconds=0.5).start().wait()
    assert report.statuses == {"connection": 5}


def test_the_shop_under_load_fails_nothing(shop: Any) -> None:
    traffic = Traffic(shop.url, rate=20).start()
    while traffic.sent < 20 and not traffic.failures:
        time.sleep(0.05)
    report = traffic.stop()
    assert not report.failed
    assert set(report.statuses) == {"200", "201"}
    ids = {line["request_id"] for line in shop.log() if line["message"] == "request" and "request_id" in line}
    assert sum(i.startswith("load-") for i in ids) == report.sent


def test_the_command_reports_json_and_says_by_its_status_whether_something_failed(shop: Any) -> None:
    def run(url: str) -> tuple[int, dict[str, Any]]:
        command = [sys.executable, "-m", "labs.shop.load", url, "--rate", "10", "--seconds", "0.5"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, json.loads(done.stdout)

    status, report = run(shop.url)
    assert (status, report["sent"], report["failed"]) == (0, 5, [])
    assert run("http://127.0.0.1:9")[0] == 1


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (75, 3), (95, 4), (99, 4)])
def test_percentiles_are_values_that_occurred(percent: float, value: float) -> None:
    assert percentile([1, 2, 3, 4], percent) == value
    assert percentile([], percent) == 0


@pytest.mark.parametrize("arguments", [(0, 1), (-1, 1), (5, 0), (5, 10_000)])
def test_a_rate_or_time_without_sense_is_refused(arguments: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="rate"):
        Traffic("http://127.0.0.1:9", *arguments)
