"""Lab a3: what customers get, what pods count, an error budget, and alerts on how fast it burns."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from labs.cluster.space import Object, Space, expect
from labs.errors import LabError, PermanentError
from labs.scenarios.a_production_mindset.objectives import PERIOD, Alert, Rule, Week, burns, fired, weeks
from labs.scenarios.a_production_mindset.recording import Recorder, Recording
from labs.scenarios.base import Values, digest, pick
from labs.scenarios.cluster_lab import ClusterLab
from labs.scenarios.shop_on_cluster import Shop

if TYPE_CHECKING:
    from labs.visuals.burn_rate import BurnRateView, Sample

REPLICAS = 2
RATE = 12.0
DAY_RATE = 20.0
READY_WITHIN = 60.0
MINUTE = 0.1
"""Seconds that stand for a minute: an hour is six seconds."""
BLIP = (40.0, 2.0)
OUTAGE = (80.0, 60.0)
"""Of a live day: the minute at which each begins, and how many it lasts."""
DAY_ENDS = 175.0
BURN = 50
"""Burn rate of both."""
CALM, ERRORS, BETWEEN, STUCK, EMPTY = 4.0, 4.0, 3.0, 4.0, 2.0
"""Seconds of the parts of a recorded run; after the last there are no pods for so long."""
BACK = 2.0
PROBES = {"target": {"kind": "Deployment"}, "patch": (
    '[{"op": "replace", "path": "/spec/template/spec/containers/0/readinessProbe/periodSeconds", "value": 1}]')}
"""A patch for kustomize: pods are Ready a second sooner."""


class A3(ClusterLab):
    """The shop's backend in two pods, healthy; a shop without pages or database."""

    id: ClassVar[str] = "a3"
    title: ClassVar[str] = "What customers get, measured; and an error budget that burns"
    minutes: ClassVar[int] = 75

    def values(self, seed: bytes) -> Values:
        """Objective and weeks of one learner."""
        return {
            "namespace": f"a3-shop-{digest(seed, 'namespace')[:6]}",
            "objective": pick(seed, "objective", [0.985, 0.988, 0.99]),
            "period_days": PERIOD // 1440,
            "weeks": digest(seed, "weeks")[:12],
            "fast_within": 20,
            "slow_budget": 0.08,
            "leak_budget": 0.15,
            "quiet_after": 15,
        }

    def furnish(self, space: Space, values: Values) -> None:
        """The shop, Ready."""
        install(Shop(space))

    def prepare(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """The shop, Ready, without faults."""
        self.furnish(space, values)
        shop = Shop(space)
        shop.heal("backend", "errors")

    def observe(self, space: Space, values: Values) -> dict[str, Any]:  # type: ignore[override]
        """Ready pods, and by pod what it counted since it began."""
        import httpx

        from labs.scenarios.a_production_mindset.recording import scrape

        with httpx.Client(timeout=2.0, trust_env=False) as client:
            return {"ready": Shop(space).ready("backend"), "pods": scrape(Shop(space), client)}

    def run(self, space: Space, values: Values, program: str, **options: Any) -> Any:  # type: ignore[override]
        """``record``: a run with three troubles, as ``Recording``; ``edges`` of its parts.  ``weeks``: by name.

        ``alerts``: what a policy does in one of the weeks.  ``day``: live traffic under a policy, see ``LiveDay``.
        """
        if program == "record":
            return record(Shop(space))
        if program == "weeks":
            return {name: each.about for name, each in weeks(values["weeks"]).items()}
        if program == "alerts":
            return Tried(values, **options)
        if program == "day":
            return LiveDay(Shop(space), values["objective"], **options).start()
        raise PermanentError(f"lab {self.id} has no program {program!r}", "It has record, weeks, alerts and day.")

    def solution(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """Nothing is broken for good here."""


def install(shop: Shop, **options: Any) -> None:
    """The backend in its pods, Ready."""
    shop.apply(store="memory", roles=["backend"], replicas={"backend": REPLICAS}, patches=[PROBES], **options)
    shop.wait(READY_WITHIN)


# --- a recorded run -----------------------------------------------------------------------------------------------


def record(shop: Shop) -> tuple[Recording, list[float]]:
    """Half a minute of customers; the recording, and the edges between its parts in seconds.

    Calm; three of ten requests fail; calm; one of the pods is stuck for two seconds; no pod is there for a while, and
    new ones come.
    """
    with Recorder(shop, RATE) as recorder:
        edges = [0.0]

        def watch(seconds: float) -> None:
            edges.append(round(edges[-1] + seconds, 1))
            recorder.until(edges[-1])

        watch(CALM)
        shop.break_("backend", "errors", ERRORS, rate=0.3)
        watch(ERRORS + 0.5)
        watch(BETWEEN)
        shop.break_("backend", "block", 2.0, pods=1)
        watch(STUCK)
        shop.space.scale("backend", 0)
        recorder.until(edges[-1] + EMPTY)
        shop.space.scale("backend", REPLICAS)
        expect(lambda: shop.ready("backend") == REPLICAS, READY_WITHIN, "the backend's pods do not come back")
        edges.append(round(recorder.seconds, 1))
        watch(BACK)
    return recorder.recording, edges


# --- weeks and days -----------------------------------------------------------------------------------------------


def label(policy: Sequence[Rule], number: int) -> str:
    """Of a rule: ``page 60/5``."""
    rule = policy[number]
    return f"{rule['severity']} {rule['long']:g}/{rule['short']:g}"


def thresholds(policy: Sequence[Rule]) -> dict[str, float]:
    """By label of a rule its burn rate."""
    return {label(policy, number): float(rule["burn_rate"]) for number, rule in enumerate(policy)}


class Tried:
    """A policy in one of the weeks; ``alerts`` has what fired, the text form a line for each."""

    def __init__(self, values: Mapping[str, Any], policy: Sequence[Rule], week: str) -> None:
        known = weeks(values["weeks"])
        if week not in known:
            raise PermanentError(f"There is no week {week!r}.", f"There are {', '.join(known)}.")
        self.week: Week = known[week]
        self.policy, self.objective = policy, values["objective"]
        self.series = self.week.series(values["weeks"], self.objective)
        self.alerts = [each for each in fired(policy, self.series, self.objective) if each.ended >= 0]

    def __repr__(self) -> str:
        lines = [f"{self.week.name} ({self.week.about})"]
        if self.week.name in TROUBLED:
            (trouble,) = self.week.troubles
            lines.append(f"  {clock(trouble.begins)}  the trouble begins")
            lines.append(f"  {clock(trouble.begins + trouble.lasts)}  the trouble ends")
        lines += [f"  {clock(each.began)}  {label(self.policy, each.rule)} until {clock(each.ended)}"
                  for each in self.alerts]
        return "\n".join([lines[0], *sorted(lines[1:])] if self.alerts else [*lines, "  no alert"])


TROUBLED = ("outage", "brown-out", "leak")


def clock(minute: float) -> str:
    """``day 2 09:15``."""
    return f"day {int(minute // 1440) + 1} {int(minute // 60 % 24):02}:{int(minute % 60):02}"


class LiveDay:
    """Live traffic of the shop in the lab's time, with a blip and an outage, and a policy that looks at it.

    The customers come to the shop's Service; what the policy sees is what the pods count.

    :param objective: share of good requests
    """

    def __init__(self, shop: Shop, objective: float, policy: Sequence[Rule] = ()) -> None:
        self.shop, self.objective, self.policy = shop, objective, policy
        self.outage = (0.0, 0.0)
        self._recorder = Recorder(shop, DAY_RATE)
        self._thread = threading.Thread(target=self._run, name="day", daemon=True)
        self._trouble: LabError | None = None

    def start(self) -> LiveDay:
        """Begin; returns itself."""
        self._thread.start()
        return self

    def wait(self) -> LiveDay:
        """Return when the day is over; returns itself.

        :raises labs.errors.LabError: the shop did not do as it was told
        """
        self._thread.join()
        if self._trouble is not None:
            raise self._trouble
        return self

    @property
    def over(self) -> bool:
        """Is it?"""
        return not self._thread.is_alive()

    @property
    def recording(self) -> Recording:
        """What was seen so far."""
        return self._recorder.recording

    @property
    def alerts(self) -> list[Alert]:
        """What fired so far; minutes."""
        return fired(self.policy, self.recording.pods(MINUTE), self.objective)

    def samples(self) -> list[Sample]:
        """For the picture."""
        from labs.visuals.burn_rate import Sample

        series = self.recording.pods(MINUTE)
        rates = {label(self.policy, number): list(zip(
            burns(series, rule["long"], self.objective), burns(series, rule["short"], self.objective), strict=True))
            for number, rule in enumerate(self.policy)}
        limits = thresholds(self.policy)
        allowed = (1 - self.objective) * DAY_RATE * MINUTE * PERIOD
        found = []
        for index, at in enumerate(series.at):
            asked = series.total[index] - series.total[index - 1] if index else 0.0
            lost = series.bad[index] - series.bad[index - 1] if index else 0.0
            now = {rule: each[index] for rule, each in rates.items()}
            firing = [rule for rule, pair in now.items() if min(pair) >= limits[rule]]
            found.append(Sample(round(at, 1), lost / asked if asked else 0.0, 1 - series.bad[index] / allowed, now,
                                firing))
        return found

    def view(self) -> BurnRateView:
        """The picture, which moves while the day lasts."""
        from labs.visuals.burn_rate import burn_rate_view

        return burn_rate_view("the shop", thresholds(self.policy), self.samples)

    def _run(self) -> None:
        rate = min(1.0, BURN * (1 - self.objective))
        try:
            with self._recorder as recorder:
                for begins, lasts in (BLIP, OUTAGE):
                    recorder.until(begins * MINUTE)
                    self.shop.break_("backend", "errors", lasts * MINUTE, rate=rate)
                    began = recorder.seconds / MINUTE
                self.outage = (began, began + OUTAGE[1])
                recorder.until(DAY_ENDS * MINUTE)
        except LabError as error:  # told to who waits
            self._trouble = error


def good_policy() -> list[Object]:
    """A policy that passes the third exercise: the Workbook's."""
    return [{"severity": "page", "long": 60, "short": 5, "burn_rate": 14.4},
            {"severity": "page", "long": 360, "short": 30, "burn_rate": 6},
            {"severity": "ticket", "long": 4320, "short": 360, "burn_rate": 1}]
