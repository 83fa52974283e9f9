"""Customers of a shop of two tiers: each buys by asking both, a few times a second, and what came of it is kept.

    with Journeys(space, {"frontend": "/icon.svg", "backend": "/api/products"}) as seen:
        …                               # something happens to pods
    seen.share("frontend"), seen.share()        # of the frontends, and of the shop, which needs both

Each request goes to one of the addresses that the tier's EndpointSlices call ready at that moment, on a connection of
its own; with ``again`` a customer who gets no success tries once more, at the next address.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from labs.cluster.observation import STEP, ask, endpoints
from labs.cluster.space import Space
from labs.errors import LabError

EVERY = 0.1
AT_ONCE = 16
SHOP = "shop"
LATE = 0.5
"""Seconds that a journey may begin late on a machine that has time."""


@dataclass(frozen=True, slots=True)
class Journey:
    """When it was due (seconds from the beginning), how late it began, and by tier whether it was answered."""

    at: float
    late: float
    answered: Mapping[str, bool]

    @property
    def good(self) -> bool:
        """Did every tier answer?"""
        return all(self.answered.values())


class Journeys:
    """See the module.

    :param tiers: by name of a Service what is asked of it
    :param again: customers try a second address
    """

    def __init__(self, space: Space, tiers: Mapping[str, str], again: bool = False) -> None:
        self.space, self.tiers, self._tries = space, tiers, 2 if again else 1
        self._made: list[Journey] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journeys", daemon=True)
        self._began = 0.0

    def __enter__(self) -> Journeys:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def wait(self, until: float) -> None:
        """Return when it is so many seconds old."""
        self._ended.wait(max(0.0, until - self.seconds))

    def between(self, first: float = 0.0, last: float = float("inf")) -> list[Journey]:
        """The journeys that were due in this time, in order."""
        return sorted((each for each in list(self._made) if first <= each.at < last), key=lambda each: each.at)

    def share(self, tier: str = "", first: float = 0.0, last: float = float("inf")) -> float:
        """The share of journeys that a tier answered, or that both did; 0 where there were none."""
        seen = self.between(first, last)
        return sum(each.answered[tier] if tier else each.good for each in seen) / max(len(seen), 1)

    def starved(self) -> str:
        """What shows that the machine was too busy for what was seen to count; "" for nothing."""
        late = sum(each.late > LATE for each in self._made)
        return f"{late} of {len(self._made)} journeys began late" if late > len(self._made) / 20 else ""

    def _run(self) -> None:
        number = 0
        with ThreadPoolExecutor(AT_ONCE) as customers:
            while not self._ended.wait(max(0.0, number * EVERY - self.seconds)):
                customers.submit(self._one, number)
                number += 1

    def _one(self, number: int) -> None:
        late = round(self.seconds - number * EVERY, 2)
        answered = {tier: self._asked(tier, path, number) for tier, path in self.tiers.items()}
        self._made.append(Journey(round(number * EVERY, 2), late, answered))

    def _asked(self, tier: str, path: str, number: int) -> bool:
        for attempt in range(self._tries):
            try:
                found = endpoints(self.space, tier)
            except LabError:
                continue
            if found:
                _, address, port = found[(number + attempt) % len(found)]
                if 200 <= ask(self.space, address, port, path)[0] < 300:
                    return True
        return False

    def __str__(self) -> str:
        """A row for each tier and one for the shop, a sign for each half second."""
        last = max((each.at for each in self._made), default=0.0)
        steps = [step * STEP for step in range(int(last / STEP) + 1)]
        rows = []
        for tier in (*self.tiers, ""):
            signs = "".join(self._sign(tier, step) for step in steps)
            rows.append(f"{tier or SHOP:<10} {signs}  {self.share(tier):.3f}")
        key = "a sign for each half second: ✓ answered  ✗ some not; then the share that was answered"
        return "\n".join([*rows, key])

    def _sign(self, tier: str, step: float) -> str:
        seen = self.between(step, step + STEP)
        if not seen:
            return " "
        return "✓" if all(each.answered[tier] if tier else each.good for each in seen) else "✗"
