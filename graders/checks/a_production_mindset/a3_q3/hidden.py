"""A slow leak, quiet nights, other draws of the same weeks, and a live day of the shop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.a_production_mindset.a3_q3.judged import (
    BETWEEN,
    LATE,
    LINGERS,
    NOISE,
    SLOW,
    URGENT,
    Looked,
    fastest,
    told,
)
from graders.checks.e_kubernetes.trials import NOT_COUNTED, not_busy
from graders.exercise import Finding
from labs.cluster.space import patient
from labs.scenarios.a_production_mindset.a3 import LiveDay
from labs.scenarios.shop_on_cluster import Shop

LIVE_WITHIN, LIVE_OVER = 35.0, 15.0
"""Minutes of the live day, of a tenth of a second each."""


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    values, policy = live.values, answer["policy"]
    leak = Looked(values, policy, "leak")
    found = [leak.in_time("leak: a ticket in time", 1, "ticket", values["leak_budget"], SLOW)]
    pages = [each for each in leak.alerts if each.severity == "page"]
    found.append(Finding("leak: nobody is woken", 0.5, found[0].passed and not pages, told(pages),
                         "a ticket, and no page", URGENT if found[0].passed else SLOW))
    again, slow = (Looked(values, policy, name, "another seed") for name in ("outage", "brown-out"))
    silent = [Looked(values, policy, "nights"), Looked(values, policy, "noise", "another seed")]
    loud = [alert for each in silent for alert in each.alerts]
    at = again.first("page")
    between = slow.in_time("brown-out", 0, "page", values["slow_budget"], BETWEEN)
    quick = at is not None and at <= again.since + values["fast_within"] and between.passed
    over = again.lingers(policy) <= values["quiet_after"]
    found.append(Finding("nights with few customers, and other weeks", 0.5, quick and over and not loud,
                         "no page in time" if not quick else told(loud) if over else "the fastest page lingers",
                         "silent, and as asked for on another outage and brown-out",
                         (LATE if between.passed else BETWEEN) if not quick else NOISE if over else LINGERS))
    yield from found
    yield from _live(policy, live, all(each.passed for each in found))


def _live(policy: list[dict[str, Any]], live: Any, worth_it: bool) -> Iterator[Finding]:
    """A day of the real shop: only for a policy that did well until here."""
    if not worth_it:
        yield Finding("live: the policy sees the shop's outage", 2, False, NOT_COUNTED, "a page in time",
                      "First make the policy right on the weeks.")
        return
    day = LiveDay(Shop(live.space), live.values["objective"], policy).start().wait()
    not_busy("the live day", day.recording.starved())
    begins, ends = day.outage
    pages = [each for each in day.alerts if each.severity == "page"]
    early = [each for each in pages if each.began < begins]
    page = next((each for each in pages if each.began >= begins), None)
    within, over = patient(LIVE_WITHIN), patient(LIVE_OVER)
    seen = "no page" if page is None else f"a page after {page.began - begins:.0f} minutes"
    right = page is not None and not early and page.began <= begins + within
    yield Finding("live: a page for the outage, and none for the blip before it", 1, right,
                  f"a page for the blip; {seen}" if early else seen, f"one within {within:.0f} minutes",
                  NOISE if early else LATE)
    lasts = max((each.ended for each in pages if each.rule == fastest(policy)), default=ends) - ends
    yield Finding("live: and the fastest page is over soon after the outage", 1, right and lasts <= over,
                  f"over after {lasts:.0f} minutes" if right else NOT_COUNTED, f"at most {over:.0f}", LINGERS)
