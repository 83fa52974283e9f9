"""The outage, the recovery, noise, and a burn between fast and slow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.a_production_mindset.a3_q3.judged import BETWEEN, LATE, LINGERS, NOISE, Looked, fastest, told
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    values, policy = live.values, answer["policy"]
    outage, noise = Looked(values, policy, "outage"), Looked(values, policy, "noise")
    at, within, quiet = outage.first("page"), values["fast_within"], values["quiet_after"]
    fast = at is not None and at <= outage.since + within
    yield Finding(f"outage: a page within {within} minutes", 1, fast,
                  "no page" if at is None else f"a page after {at - outage.since:.0f} minutes",
                  f"at most {within}", LATE)
    lasting = [each for each in outage.alerts if each.rule == fastest(policy)]
    after = outage.lingers(policy)
    over = fast and bool(lasting) and after <= quiet
    yield Finding(f"outage: the fastest page is over {quiet} minutes after the trouble", 1, over,
                  f"over after {after:.0f} minutes" if fast and lasting else "not counted yet: see the finding before",
                  f"at most {quiet}", LINGERS if fast else LATE)
    # who never says anything is silent on noise, too
    yield Finding("noise: nobody is bothered", 1, fast and not noise.alerts,
                  told(noise.alerts) if fast else "not counted yet: see the first finding", "silent", NOISE)
    yield Looked(values, policy, "brown-out").in_time("brown-out: a page in time", 1, "page", values["slow_budget"],
                                                      BETWEEN)
