"""Indicators from counters, burn rates from indicators, alerts from burn rates: without a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from labs.scenarios.a_production_mindset.a3 import good_policy
from labs.scenarios.a_production_mindset.objectives import (
    PERIOD,
    Series,
    burns,
    fired,
    first,
    requests,
    spent,
    weeks,
)


def counted(answered: float, failed: float = 0.0) -> dict[str, float]:
    return {"answered": answered, "failed": failed, "fast": answered - failed}


def steady(minutes: int, share: float, troubled: range = range(0), trouble: float = 0.0) -> Series:
    """A hundred requests a minute, of which a share fails."""
    at, total, bad = [0.0], [0.0], [0.0]
    for minute in range(1, minutes + 1):
        at.append(float(minute))
        total.append(total[-1] + 100)
        bad.append(bad[-1] + 100 * (trouble if minute in troubled else share))
    return Series(at, total, bad)


def test_a_counter_that_fell_began_anew_and_a_pod_that_comes_later_is_counted_whole() -> None:
    scrapes: list[Any] = [
        {"at": 0, "pods": {"a": counted(100, 5)}},
        {"at": 60, "pods": {"a": counted(150, 6), "b": counted(10)}},
        {"at": 120, "pods": {"b": counted(30, 1)}},
        {"at": 180, "pods": {"a": counted(20, 2), "b": counted(30, 1)}},
    ]
    series = requests(scrapes)
    assert series.at == [0, 1, 2, 3]
    assert series.total == [0, 60, 80, 100]
    assert series.bad == [0, 1, 2, 4]
    assert requests([]).total == []


def test_the_burn_rate_is_the_failed_share_over_the_allowed_one() -> None:
    series = steady(120, 0.0, range(61, 121), 0.1)
    assert burns(series, 60, 0.99)[60] == 0
    assert burns(series, 60, 0.99)[120] == pytest.approx(10)
    assert burns(series, 120, 0.99)[120] == pytest.approx(5)
    assert burns(Series([0, 1], [0, 0], [0, 0]), 1, 0.99) == [0, 0], "nobody asked, nothing burns"


def test_a_whole_period_at_burn_rate_one_spends_the_budget() -> None:
    series = steady(PERIOD, 0.01)
    assert spent(series, 0.99, PERIOD) == pytest.approx(1)
    assert spent(series, 0.99, PERIOD / 2) == pytest.approx(0.5)
    assert spent(series, 0.99, 0) == 0


def test_a_rule_fires_while_both_windows_burn() -> None:
    rule = {"severity": "page", "long": 60, "short": 5, "burn_rate": 14.4}
    series = steady(400, 0.0, range(101, 161), 0.5)
    (alert,) = fired([rule], series, 0.99)
    assert alert.began == 118, "14.4 × 60 / 50 minutes after the trouble began"
    assert alert.ended == 163, "the short window forgets in minutes, the long one would need most of an hour"
    assert first([alert], "page") == 118
    assert first([alert], "page", 150) == 150
    assert first([alert], "page", 200) is None
    assert first([alert], "ticket") is None


@pytest.mark.parametrize("objective", [0.985, 0.99])
def test_the_workbooks_policy_suits_every_week(objective: float) -> None:
    expected = {"outage": {"page", "ticket"}, "brown-out": {"page"}, "leak": {"ticket"}, "noise": set(),
                "nights": set()}
    for name, week in weeks("some seed").items():
        alerts = fired(good_policy(), week.series("some seed", objective), objective)
        seen = {each.severity for each in alerts if each.ended >= 0}
        assert seen >= expected[name], name
        assert seen <= expected[name] | {"ticket"} if name == "brown-out" else seen == expected[name], name
