"""Service level indicators, the error budget, and alerts on the rate at which it burns.  Pure: numbers in, numbers out.

The method is that of *The Site Reliability Workbook*, chapter 5, "Alerting on SLOs": a rule fires while the budget
burns at least so fast over a long window **and** over a short one.  Times are minutes.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DAY = 1440
BEFORE = 3 * DAY
"""Of calm before a week begins: the longest window is full from its first minute on."""
PERIOD = 30 * DAY
"""Minutes for which the objective is agreed."""
Rule = Mapping[str, Any]
"""``severity`` (``page`` or ``ticket``), ``long`` and ``short`` (minutes), ``burn_rate``."""
Scrape = Mapping[str, Any]
"""``{"at": seconds, "pods": {name: {"answered", "failed", "fast"}}}``: counted since the pod's process began."""
NOTHING = {"answered": 0.0, "failed": 0.0, "fast": 0.0}


@dataclass(frozen=True)
class Series:
    """Requests counted up to a moment: three lists of the same length, the two of numbers never falling.

    :param at: minutes
    :param total: requests until then
    :param bad: those of them that failed
    """

    at: Sequence[float]
    total: Sequence[float]
    bad: Sequence[float]

    def until(self, at: float) -> tuple[float, float]:
        """Requests and failed requests until a moment."""
        index = bisect.bisect_right(self.at, at) - 1
        return (self.total[index], self.bad[index]) if index >= 0 else (0.0, 0.0)

    def share(self) -> float:
        """Of all requests, those that failed; 0 where there were none."""
        asked = self.total[-1] - self.total[0]
        return (self.bad[-1] - self.bad[0]) / asked if asked else 0.0


def burns(series: Series, minutes: float, objective: float) -> list[float]:
    """At every moment of a series the burn rate over the last so many minutes: failed share / allowed share.

    A window that began before the series did has what there is; without requests nothing burns.
    """
    found, first = [], 0
    for at, total, bad in zip(series.at, series.total, series.bad, strict=True):
        while first + 1 < len(series.at) and series.at[first + 1] <= at - minutes:
            first += 1
        asked = total - series.total[first]
        found.append((bad - series.bad[first]) / asked / (1 - objective) if asked else 0.0)
    return found


def spent(series: Series, objective: float, until: float, since: float = 0.0) -> float:
    """The share of a whole period's budget that went between two moments, if every day has as many requests as these.

    By time and not by requests: a burn rate of 1 for the whole period spends 1.
    """
    inside = [index for index, at in enumerate(series.at) if since <= at <= until]
    if len(inside) < 2:
        return 0.0
    first, last = inside[0], inside[-1]
    asked = series.total[last] - series.total[first]
    lost = (series.bad[last] - series.bad[first]) / asked if asked else 0.0
    return lost / (1 - objective) * (series.at[last] - series.at[first]) / PERIOD


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that fired from one moment to another; ``rule`` is its number in the policy."""

    rule: int
    severity: str
    began: float
    ended: float


def fired(policy: Sequence[Rule], series: Series, objective: float) -> list[Alert]:
    """When which rule fired, by its beginning."""
    found = []
    for number, rule in enumerate(policy):
        long, short = (burns(series, rule[window], objective) for window in ("long", "short"))
        on = [min(pair) >= rule["burn_rate"] for pair in zip(long, short, strict=True)]
        for state, group in itertools.groupby(range(len(on)), key=on.__getitem__):
            if state:
                moments = list(group)
                found.append(Alert(number, rule["severity"], series.at[moments[0]], series.at[moments[-1]]))
    return sorted(found, key=lambda alert: (alert.began, alert.rule))


def first(alerts: Sequence[Alert], severity: str, since: float = 0.0) -> float | None:
    """When the first alert of a severity was on at or after a moment; None for never."""
    return min((max(each.began, since) for each in alerts if each.severity == severity and each.ended >= since),
               default=None)


# --- from counters to requests ------------------------------------------------------------------------------------


def requests(scrapes: Sequence[Scrape], minute: float = 60.0) -> Series:
    """What the pods answered, and how much of it they failed, from the counters of their ``/metrics``.

    A counter that fell belongs to a process that began anew: all it shows was counted since ("rate()", Prometheus
    documentation).  A pod that shows up later was not there before.  What a pod counted after its last scrape is lost.

    :param minute: seconds that make a minute
    """
    known: dict[str, Mapping[str, float]] = {}
    at, total, bad = [], [], []
    answered = failed = 0.0
    for number, scrape in enumerate(scrapes):
        for pod, now in scrape["pods"].items():
            before = known.get(pod, NOTHING)
            if now["answered"] < before["answered"]:
                before = NOTHING
            if number:
                answered += now["answered"] - before["answered"]
                failed += now["failed"] - before["failed"]
            known[pod] = now
        at.append(scrape["at"] / minute)
        total.append(answered)
        bad.append(failed)
    return Series(at, total, bad)


# --- weeks to try a policy on -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trouble:
    """From a minute on, for some minutes, the budget burns at a rate."""

    begins: int
    lasts: int
    rate: float


@dataclass(frozen=True, slots=True)
class Week:
    """Days of traffic: ``about`` says what happens.

    :param base: burn rate while nothing happens
    :param busiest: requests a minute at noon; at night a tenth of that
    """

    name: str
    about: str
    days: float
    troubles: tuple[Trouble, ...] = ()
    base: float = 0.2
    busiest: int = 300

    def series(self, seed: str, objective: float) -> Series:
        """One draw of it, a point a minute, and calm before."""
        rng = random.Random(f"{seed}:{self.name}")
        at, total, bad = [float(-BEFORE)], [0.0], [0.0]
        for minute in range(1 - BEFORE, round(self.days * DAY) + 1):
            asked = self._asked(minute, rng)
            at.append(float(minute))
            total.append(total[-1] + asked)
            bad.append(bad[-1] + min(asked, whole(asked * self._rate(minute) * (1 - objective), rng)))
        return Series(at, total, bad)

    def _asked(self, minute: int, rng: random.Random) -> int:
        hour = minute / 60 % 24
        awake = max(0.1, 1 - abs(hour - 13) / 10)
        return max(1, whole(self.busiest * awake * rng.uniform(0.8, 1.2), rng))

    def _rate(self, minute: int) -> float:
        return max([self.base, *(each.rate for each in self.troubles
                                 if each.begins < minute <= each.begins + each.lasts)])


def whole(expected: float, rng: random.Random) -> int:
    """An integer that is ``expected`` on average."""
    return int(expected) + (rng.random() < expected % 1)


def _blips(days: int, rng: random.Random) -> Iterator[Trouble]:
    """Eight bad minutes a day, at any time of the day."""
    for day in range(days):
        yield Trouble(day * DAY + rng.randrange(60, DAY - 60), 8, 60)


def weeks(seed: str) -> dict[str, Week]:
    """The days that a policy is judged on, by name."""
    rng = random.Random(f"{seed}:weeks")
    morning = DAY + rng.randrange(8 * 60, 12 * 60)
    made = [
        Week("outage", "an hour at burn rate 50", 2,
             (Trouble(morning, 60, 50),)),
        Week("brown-out", "a night and a morning at burn rate 8", 3, (Trouble(morning + 600, 720, 8),)),
        Week("leak", "five days at burn rate 2", 7, (Trouble(DAY, 5 * DAY, 2),)),
        Week("noise", "nothing but eight bad minutes a day", 7, tuple(_blips(7, rng))),
        Week("nights", "few customers, and now and then one that fails", 7, base=0.5, busiest=12),
    ]
    return {each.name: each for each in made}
