"""Traffic at a fixed rate, whatever the shop does with it (an open loop), and a report.

A closed loop would wait for slow answers and so send less exactly when the shop is in trouble; customers do not.
``python -m labs.shop.load URL --rate 20 --seconds 10`` prints the report as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

TIMEOUT = 10.0  # seconds a customer waits
LONGEST = 600.0  # seconds
MIX = ("GET /api/products", "POST order", "GET /api/products", "GET /api/products")


@dataclass
class Report:
    """What came back.

    ``statuses`` counts answers by HTTP status, or by ``timeout`` and ``connection`` where there was none.  ``failed``
    lists requests that a customer would call failed: ``{"id", "what", "status", "at"}``, ``at`` in seconds from the
    start.  Latencies are milliseconds from the moment a request was due, so that waiting counts.
    """

    rate: float
    seconds: float = 0.0
    sent: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    failed: list[dict[str, Any]] = field(default_factory=list)
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    slowest: float = 0.0

    def __str__(self) -> str:
        counts = ", ".join(f"{count} × {status}" for status, count in sorted(self.statuses.items()))
        return (
            f"{self.sent} requests in {self.seconds:.1f} s: {counts or 'none'}; {len(self.failed)} failed; "
            f"p50 {self.p50:.0f} ms, p95 {self.p95:.0f} ms, p99 {self.p99:.0f} ms"
        )


class Traffic:
    """Sends requests from a thread of its own, from ``start`` to ``stop`` (or for ``seconds``)."""

    def __init__(self, url: str, rate: float, seconds: float = LONGEST) -> None:
        if not 0 < rate <= 1_000 or not 0 < seconds <= LONGEST:
            raise ValueError(f"a rate above 0 up to 1000 a second, and up to {LONGEST:.0f} seconds")
        self._url, self._rate, self._seconds = url, rate, seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="traffic", daemon=True)
        self._sent = 0
        self._answers: list[tuple[str, float]] = []
        self._failed: list[dict[str, Any]] = []
        self._began = self._spent = 0.0

    def start(self) -> Traffic:
        """Begin; returns itself."""
        self._began = time.monotonic()
        self._thread.start()
        return self

    def stop(self) -> Report:
        """Send no more, wait for the last answers, and report."""
        self._ended.set()
        return self.wait()

    def wait(self) -> Report:
        """Wait until the time is over, and report."""
        self._thread.join(timeout=self._seconds + TIMEOUT + 5)
        latencies = sorted(latency for _, latency in self._answers)
        return Report(
            rate=self._rate,
            seconds=round(self._spent, 2),
            sent=self._sent,
            statuses=dict(Counter(status for status, _ in self._answers)),
            failed=sorted(self._failed, key=lambda request: request["at"]),
            p50=percentile(latencies, 50),
            p95=percentile(latencies, 95),
            p99=percentile(latencies, 99),
            slowest=latencies[-1] if latencies else 0.0,
        )

    @property
    def sent(self) -> int:
        """How many requests were sent so far."""
        return self._sent

    @property
    def failures(self) -> int:
        """How many requests failed so far."""
        return len(self._failed)

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        async with httpx.AsyncClient(base_url=self._url, timeout=TIMEOUT, limits=limits, trust_env=False) as client:
            tasks: set[asyncio.Task[None]] = set()
            began = asyncio.get_running_loop().time()
            while not self._ended.is_set():
                due = began + self._sent / self._rate
                if due - began >= self._seconds:
                    break
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
                task = asyncio.create_task(self._customer(client, MIX[self._sent % len(MIX)], due, began))
                self._sent += 1
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            self._spent = asyncio.get_running_loop().time() - began
            if tasks:
                await asyncio.wait(tasks)

    async def _customer(self, client: httpx.AsyncClient, what: str, due: float, began: float) -> None:
        identifier = f"load-{uuid.uuid4()}"
        try:
            status = str(await (_order if what == "POST order" else _browse)(client, identifier))
        except httpx.TimeoutException:
            status = "timeout"
        except httpx.HTTPError:
            status = "connection"
        self._answers.append((status, (asyncio.get_running_loop().time() - due) * 1000))
        if not status.startswith("2"):
            at = round(due - began, 2)
            self._failed.append({"id": identifier, "what": what, "status": status, "at": at})


async def _browse(client: httpx.AsyncClient, identifier: str) -> int:
    return (await client.get("/api/products", headers={"X-Request-Id": identifier})).status_code


async def _order(client: httpx.AsyncClient, identifier: str) -> int:
    """Cart, item, order: the first status that is not a success, else the last."""
    headers = {"X-Request-Id": identifier}
    made = await client.post("/api/carts", headers=headers)
    if made.is_error:
        return made.status_code
    cart = f"/api/carts/{made.json()['id']}"
    put = await client.put(f"{cart}/items/1001", json={"quantity": 1}, headers=headers)
    return put.status_code if put.is_error else (await client.post(f"{cart}/order", headers=headers)).status_code


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` per cent of the ordered values do not exceed; 0 for none."""
    if not ordered:
        return 0.0
    return round(ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)], 1)


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when no request failed, else 1."""
    parser = argparse.ArgumentParser(prog="python -m labs.shop.load", description="Traffic at a fixed rate.")
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second (default 20)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long (default 10)")
    options = parser.parse_args(arguments)
    report = Traffic(options.url, options.rate, options.seconds).start().wait()
    print(json.dumps(asdict(report), indent=1))
    return 1 if report.failed or not report.sent else 0


if __name__ == "__main__":
    sys.exit(main())
