"""A run of the shop, seen from two sides: what its pods counted, and what its customers got.

    with Recorder(shop, rate=20) as recorder:
        recorder.until(5)
        shop.break_("backend", "errors", 2, rate=0.3)
        recorder.until(10)
    recorder.recording

The pods' ``/metrics`` are scraped several times a second; a pod that does not answer is missing in that scrape, as it
would be for Prometheus.  The customers are the load generator's.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from labs.errors import LabError
from labs.scenarios.a_production_mindset.objectives import Scrape, Series, requests
from labs.scenarios.shop_on_cluster import Shop, samples
from labs.shop.load import LONGEST, Answer, Report, Traffic

EVERY = 0.2
"""Seconds from one scrape to the next."""
ANSWERED_WITHIN = 1.0
FAST = 0.25
"""Seconds: a bucket of the shop's histogram."""
LOOKS = ("GET /api/products",)
"""Customers who only look: a basket is known to one of several pods whose store is memory."""
SLOW = 3.0
"""Seconds between two scrapes, from where on a machine is too busy for a recording to count."""


@dataclass(frozen=True)
class Recording:
    """What was seen; times are seconds since the traffic began.

    :param scrapes: see ``objectives.Scrape``
    :param answers: what each customer got
    """

    scrapes: Sequence[Scrape] = field(repr=False)
    answers: Sequence[Answer] = field(repr=False)
    report: Report

    def pods(self, minute: float = 60.0) -> Series:
        """As the pods counted; ``minute``: seconds of the run that make a minute."""
        return requests(self.scrapes, minute)

    def customers(self, minute: float = 60.0) -> Series:
        """As the customers saw it."""
        at, total, bad = [0.0], [0.0], [0.0]
        for each in self.answers:
            at.append(each.at / minute)
            total.append(total[-1] + 1)
            bad.append(bad[-1] + (not each.good))
        return Series(at, total, bad)

    def starved(self) -> str:
        """What shows that this machine was too busy for the recording to count; "" for nothing."""
        moments = [each["at"] for each in self.scrapes]
        gap = max((later - earlier for earlier, later in itertools.pairwise(moments)), default=0.0)
        return f"nobody scraped for {gap:.1f} s" if gap > SLOW else ""

    def rows(self, edges: Sequence[float]) -> list[dict[str, Any]]:
        """For each part of the run between two edges: requests, failed and slow ones, by whom they were counted.

        Slow is an answer after ``FAST`` seconds; one that failed is not counted as slow.
        """
        counted, fast = self.pods(1.0), requests([_fast(each) for each in self.scrapes], 1.0)
        return [self._row(counted, fast, *edges) for edges in itertools.pairwise(edges)]

    def _row(self, counted: Series, fast: Series, begin: float, end: float) -> dict[str, Any]:
        came = [each for each in self.answers if begin <= each.at < end]
        good = [each for each in came if each.good]
        answered, failed, quick = (
            int(series.until(end)[index] - series.until(begin)[index])
            for series, index in ((counted, 0), (counted, 1), (fast, 1)))
        return {"from": begin, "to": end, "customers": len(came), "customers_failed": len(came) - len(good),
                "customers_slow": sum(each.ms > FAST * 1000 for each in good),
                "pods": answered, "pods_failed": failed, "pods_slow": max(0, answered - quick)}


def _fast(scrape: Scrape) -> Scrape:
    """A scrape that calls failed what was fast."""
    return {**scrape, "pods": {pod: {**one, "failed": one["fast"]} for pod, one in scrape["pods"].items()}}


class Recorder:
    """Traffic and scrapes of the backend as long as the block lasts.

    :param rate: customers a second, evenly
    """

    def __init__(self, shop: Shop, rate: float) -> None:
        self.shop = shop
        self.traffic = Traffic(shop.url("backend"), rate, LONGEST, fresh=True, mix=LOOKS)
        self.scrapes: list[Scrape] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._scrape, name="scrapes", daemon=True)
        self._recording: Recording | None = None

    def __enter__(self) -> Recorder:
        self._began = time.monotonic()
        self.traffic.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        report = self.traffic.stop()
        self._ended.set()
        self._thread.join()
        self._recording = Recording(self.scrapes, self.traffic.answers, report)

    @property
    def seconds(self) -> float:
        """Since the traffic began."""
        return time.monotonic() - self._began

    def until(self, second: float) -> None:
        """Let time pass until so many seconds after the traffic began."""
        time.sleep(max(0.0, second - self.seconds))

    @property
    def recording(self) -> Recording:
        """All of it, after the block; until then what there is."""
        if self._recording is not None:
            return self._recording
        return Recording(list(self.scrapes), self.traffic.answers, Report(rate=0.0))

    def _scrape(self) -> None:
        with httpx.Client(timeout=ANSWERED_WITHIN, trust_env=False) as client:
            while True:
                last, began = self._ended.is_set(), time.monotonic()
                self.scrapes.append({"at": round(self.seconds, 2), "pods": scrape(self.shop, client)})
                if last:
                    return
                self._ended.wait(max(0.02, began + EVERY - time.monotonic()))


def scrape(shop: Shop, client: httpx.Client) -> dict[str, dict[str, float]]:
    """By pod that answers: requests it ``answered`` since it began, those that ``failed`` and those that were ``fast``.

    Failed is a status of 500 and more: what a customer did wrong is no failure of the shop's.
    """
    try:
        urls = shop.pod_urls("backend")
    except LabError:  # the API server is away for a moment
        return {}
    found = {}
    for pod, url in urls.items():
        try:
            text = client.get(f"{url}/metrics").text
        except httpx.HTTPError:
            continue
        found[pod] = counted(pod, text)
    return found


def counted(pod: str, text: str) -> dict[str, float]:
    """The three numbers, from what one pod shows: of all its routes; probes are not among them."""
    found = {"answered": 0.0, "failed": 0.0, "fast": 0.0}
    for each in samples(pod, text):
        if each.name == "http_requests_total":
            found["answered"] += each.value
            found["failed"] += each.value if each.labels["status"].startswith("5") else 0.0
        elif each.name == "http_request_duration_seconds_bucket" and float(each.labels["le"]) == FAST:
            found["fast"] += each.value
    return found
