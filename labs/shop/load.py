"""Traffic at a given rate, whatever the shop does with it (an open loop), and a report.

A closed loop would wait for slow answers and so send less exactly when the shop is in trouble; customers do not.
Latency counts from the moment a request was due, so that a stall is felt by all who came during it ("coordinated
omission" hides that).  Customers come independently of each other (a Poisson process), or evenly.

``python -m labs.shop.load URL --rate 20 --seconds 10`` prints the report, with ``--json`` as JSON;
``--profile 10x30,50x60`` has a rate and seconds for each phase; ``--pages`` is for the frontend, else the backend.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import re
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

TIMEOUT = 10.0  # seconds a customer waits
LONGEST = 600.0  # seconds
MOST_RATE = 1_000.0  # a second
MIX = ("GET /api/products", "POST order", "GET /api/products", "GET /api/products")
PAGES_MIX = ("GET /", "buy", "GET /", "GET product")
FIELD = re.compile(r'name="(token|cart)" value="([^"]*)"')
Phase = tuple[float, float]  # requests a second, seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request.

    :param at: when it was due, in seconds from the start
    :param status: as in ``Report.statuses``
    :param ms: from then to the end of the answer, or to the moment at which the customer gave up
    """

    at: float
    status: str
    ms: float

    @property
    def good(self) -> bool:
        """Was the customer served?"""
        return self.status.startswith("2")

    @property
    def over(self) -> float:
        """When the customer had an answer or gave up, in seconds from the start."""
        return self.at + self.ms / 1000


@dataclass
class Report:
    """What came back.

    ``statuses`` counts answers by HTTP status, by ``timeout`` and ``connection`` where there was none, by ``nonsense``
    where it was not the shop's.  ``failed`` lists requests that a customer would call failed: ``{"id", "what",
    "status", "at"}``, ``at`` in seconds from the start.  Latencies are milliseconds from the moment a request was due,
    so that waiting counts.
    """

    rate: float
    seconds: float = 0.0
    sent: int = 0
    sent_rate: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    failed: list[dict[str, Any]] = field(default_factory=list)
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    slowest: float = 0.0

    def __str__(self) -> str:
        counts = ", ".join(f"{count} × {status}" for status, count in sorted(self.statuses.items()))
        return (
            f"{self.sent} requests in {self.seconds:.1f} s ({self.sent_rate:.1f} a second): {counts or 'none'}; "
            f"{len(self.failed)} failed; "
            f"p50 {self.p50:.0f} ms, p95 {self.p95:.0f} ms, p99 {self.p99:.0f} ms"
        )


def arrivals(phases: Sequence[Phase], rng: random.Random | None = None) -> Iterator[float]:
    """When requests are due, in seconds from the start: evenly, or with ``rng`` as a Poisson process."""
    began = 0.0
    for rate, seconds in phases:
        number, due = 0, began + (rng.expovariate(rate) if rng else 0.0)
        while due < began + seconds:
            yield due
            number += 1
            due = due + rng.expovariate(rate) if rng else began + number / rate
        began += seconds


class Traffic:
    """Sends requests from a thread of its own, from ``start`` to ``stop`` (or for ``seconds``).

    :param rate: requests a second
    :param phases: rate and seconds of each phase, instead of ``rate`` and ``seconds``
    :param seed: customers come as a Poisson process drawn from this; evenly without it
    :param pages: send customers to the frontend's pages instead of the backend's API
    :param mix: what they do, in turn: of ``VISITS``, instead of the usual mix
    :param fresh: every request has a connection of its own, so that it may meet any replica
    """

    def __init__(
        self,
        url: str,
        rate: float = 0.0,
        seconds: float = LONGEST,
        phases: Sequence[Phase] = (),
        seed: int | None = None,
        pages: bool = False,
        fresh: bool = False,
        mix: Sequence[str] = (),
    ) -> None:
        self._phases = tuple(phases) or ((rate, seconds),)
        self._seconds = sum(lasts for _, lasts in self._phases)
        if not all(0 < r <= MOST_RATE and lasts > 0 for r, lasts in self._phases) or self._seconds > LONGEST:
            raise ValueError(f"a rate above 0 up to {MOST_RATE:.0f} a second, and up to {LONGEST:.0f} seconds")
        self._url, self._idle = url, 0 if fresh else 20
        self._mix = tuple(mix) or (PAGES_MIX if pages else MIX)
        self._arrivals = arrivals(self._phases, random.Random(seed) if seed is not None else None)
        self._rate = sum(r * lasts for r, lasts in self._phases) / self._seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="traffic", daemon=True)
        self._sent = 0
        self._answers: list[Answer] = []
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
        spent = self._spent or time.monotonic() - self._began  # a starved machine may not have sent everything yet
        latencies = sorted(each.ms for each in self._answers)
        return Report(
            rate=round(self._rate, 3),
            seconds=round(spent, 2),
            sent=self._sent,
            sent_rate=round(self._sent / spent, 2),
            statuses=dict(Counter(each.status for each in self._answers)),
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
    def answers(self) -> list[Answer]:
        """What became of the requests that are over, by when they were due."""
        return sorted(self._answers, key=lambda each: each.at)

    @property
    def failures(self) -> int:
        """How many requests failed so far."""
        return len(self._failed)

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=self._idle)
        transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
        loop, mix = asyncio.get_running_loop(), self._mix
        tasks: set[asyncio.Task[None]] = set()
        async with transport:
            began = loop.time()
            for due in self._arrivals:
                await asyncio.sleep(max(0.0, began + due - loop.time()))
                if self._ended.is_set():
                    break
                task = asyncio.create_task(self._customer(transport, mix[self._sent % len(mix)], began + due, began))
                self._sent += 1
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            if not self._ended.is_set():  # the last gap belongs to the time
                await asyncio.sleep(max(0.0, began + self._seconds - loop.time()))
            self._spent = loop.time() - began
            if tasks:
                await asyncio.wait(tasks)

    async def _customer(self, transport: httpx.AsyncBaseTransport, what: str, due: float, began: float) -> None:
        identifier = f"load-{uuid.uuid4()}"
        # a client of its own has cookies of its own; connections are shared, so it is not closed
        named = {"X-Request-Id": identifier}
        client = httpx.AsyncClient(
            base_url=self._url, timeout=TIMEOUT, transport=transport, headers=named, trust_env=False
        )
        try:
            status = str(await VISITS[what](client))
        except httpx.TimeoutException:
            status = "timeout"
        except httpx.HTTPError:
            status = "connection"
        except (KeyError, TypeError, ValueError):
            status = "nonsense"
        spent = (asyncio.get_running_loop().time() - due) * 1000
        self._answers.append(Answer(due - began, status, spent))
        if not status.startswith("2"):
            at = round(due - began, 2)
            self._failed.append({"id": identifier, "what": what, "status": status, "at": at})


async def _browse(client: httpx.AsyncClient) -> int:
    return (await client.get("/api/products")).status_code


async def _order(client: httpx.AsyncClient) -> int:
    """Cart, item, order: the first status that is not a success, else the last."""
    made = await client.post("/api/carts")
    if made.is_error:
        return made.status_code
    cart = f"/api/carts/{made.json()['id']}"
    put = await client.put(f"{cart}/items/1001", json={"quantity": 1})
    return put.status_code if put.is_error else (await client.post(f"{cart}/order")).status_code


async def _home(client: httpx.AsyncClient) -> int:
    return (await client.get("/")).status_code


async def _product(client: httpx.AsyncClient) -> int:
    return (await client.get("/products/1001")).status_code


async def _buy(client: httpx.AsyncClient) -> int:
    """As a browser does it, by the forms of the pages: the first status that is not a success, else the last."""
    page = await client.get("/products/1001")
    if page.is_error:
        return page.status_code
    bought = {"sku": "1001", "quantity": "1", **dict(FIELD.findall(page.text))}
    basket = await client.post("/basket", data=bought, follow_redirects=True)
    if basket.is_error:
        return basket.status_code
    fields = dict(FIELD.findall(basket.text))
    return (await client.post("/checkout", data=fields, follow_redirects=True)).status_code


VISITS = {
    "GET /api/products": _browse,
    "POST order": _order,
    "GET /": _home,
    "GET product": _product,
    "buy": _buy,
}


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` per cent of the ordered values do not exceed; 0 for none."""
    if not ordered:
        return 0.0
    return round(ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)], 1)


def profile(text: str) -> tuple[Phase, ...]:
    """``10x30,50x60``: 10 a second for 30 s, then 50 a second for 60 s.

    :raises ValueError: it does not look like this
    """
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9.]+)x([0-9.]+)", part.strip())
        if match is None:
            raise ValueError(f"{part!r} is no phase; write 10x30 for 10 a second during 30 s")
        found.append((float(match[1]), float(match[2])))
    return tuple(found)


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when no request failed, 1 when one did, 2 for arguments without sense."""
    parser = argparse.ArgumentParser(prog="python -m labs.shop.load", description="Traffic at a given rate.")
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second (default 20)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--profile", default="", help="phases such as 10x30,50x60 instead of rate and seconds")
    parser.add_argument("--even", action="store_true", help="evenly, instead of as a Poisson process")
    parser.add_argument("--seed", type=int, default=1, help="of the Poisson process (default 1)")
    parser.add_argument("--pages", action="store_true", help="the URL is the frontend's")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    try:
        phases = profile(options.profile) if options.profile else ((options.rate, options.seconds),)
        traffic = Traffic(
            options.url, phases=phases, seed=None if options.even else options.seed, pages=options.pages
        )
    except ValueError as error:
        parser.error(str(error))
    report = traffic.start().wait()
    print(json.dumps(asdict(report), indent=1) if options.json else report)
    return 1 if report.failed or not report.sent else 0


if __name__ == "__main__":
    sys.exit(main())
