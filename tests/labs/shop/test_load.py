"""The load generator keeps its rate whatever the server does, and reports what failed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from labs.shop.load import Traffic, arrivals, percentile, profile


@contextlib.contextmanager
def answering(status: int, delay: float, closed_for: float = 0.0) -> Iterator[str]:
    """A server that gives every request this status after a delay, and nobody an answer in its first seconds."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    address: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(max(delay, address[2] + closed_for - loop.time()))
            writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}" % status)
            await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        stop = asyncio.Event()
        address.extend([server.sockets[0].getsockname()[1], stop, loop.time()])
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    ready.wait(5)
    yield f"http://127.0.0.1:{address[0]}"
    loop.call_soon_threadsafe(address[1].set)
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
        command = [sys.executable, "-m", "labs.shop.load", url, "--rate", "10", "--seconds", "0.5", "--even", "--json"]
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


def test_poisson_arrivals_have_the_rate_of_each_phase_and_gaps_that_vary_as_much_as_they_last() -> None:
    due = list(arrivals([(100, 50), (300, 50)], random.Random(7)))
    first, second = [at for at in due if at < 50], [at for at in due if at >= 50]
    assert 4600 < len(first) < 5400
    assert 14400 < len(second) < 15600
    gaps = [b - a for a, b in itertools.pairwise(first)]
    assert 0.9 < statistics.stdev(gaps) / statistics.mean(gaps) < 1.1  # 1 for a Poisson process, 0 for even arrivals
    assert list(arrivals([(4, 1)])) == [0, 0.25, 0.5, 0.75]


def test_a_stall_counts_for_everybody_who_was_due_during_it() -> None:
    """A server that answers nobody for a second and then everybody: with coordinated omission one request is slow."""
    with answering(200, delay=0.0, closed_for=1.0) as url:
        report = Traffic(url, rate=50, seconds=1).start().wait()
    assert report.sent == sum(report.statuses.values()) == 50
    assert report.statuses.keys() == {"200", "nonsense"}  # its answers to orders are none
    assert report.p50 >= 300


def test_every_answer_is_kept_with_its_moment_and_customers_may_only_look() -> None:
    with answering(200, delay=0.05) as url:
        traffic = Traffic(url, rate=20, seconds=1, mix=["GET /api/products"]).start()
        assert traffic.wait().statuses == {"200": 20}
    assert [round(each.at, 2) for each in traffic.answers] == [round(number / 20, 2) for number in range(20)]
    assert all(each.ms >= 50 for each in traffic.answers)


def test_a_profile_is_read_and_nonsense_is_named() -> None:
    assert profile("10x30, 50x60") == ((10, 30), (50, 60))
    with pytest.raises(ValueError, match="'10' is no phase"):
        profile("10,20x5")
