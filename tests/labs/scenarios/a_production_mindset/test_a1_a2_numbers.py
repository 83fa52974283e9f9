"""What labs a1 and a2 compute: plans and what follows from them, copies that fail, cases and defects of every seed."""

from __future__ import annotations

import pytest

from labs.scenarios.a_production_mindset import a1, a2, trial
from labs.scenarios.base import settle

SEEDS = [bytes([number]) * 32 for number in range(40)]


def test_availability_follows_from_the_plan_second_by_second() -> None:
    down = {"frontend": [[[1, 5]], [[2, 6]]], "backend": [[[1, 2], [7, 9]], [[8, 10]]]}
    found = a2.truths(down, 12)
    assert found["frontend"] == pytest.approx(9 / 12)
    assert found["backend"] == pytest.approx(11 / 12)
    assert found["shop"] == pytest.approx(8 / 12)
    assert found["one_each"] == pytest.approx(6 / 12)
    assert found["claimed"] == pytest.approx((1 - (4 / 12) ** 2) * (1 - 3 / 12 * 2 / 12))


@pytest.mark.parametrize("seed", SEEDS[:8])
def test_in_every_plan_the_formula_claims_what_customers_did_not_have(seed: bytes) -> None:
    found = a2.truths(a2.plan(seed), a2.WINDOW)
    assert found["claimed"] - found["shop"] > 0.1
    assert found["shop"] < min(found["frontend"], found["backend"])
    assert found["one_each"] < found["shop"]


@pytest.mark.parametrize(("replicas", "failures", "days"), [(1, 0.5, 10), (2, 2, 5), (3, 4, 10)])
def test_the_simulation_agrees_with_the_chain(replicas: int, failures: float, days: float) -> None:
    simulated = a2.lost_share(replicas, failures, days)
    assert simulated == pytest.approx(a2.exact_share(replicas, failures, days), abs=0.01)


def test_a_second_copy_is_worth_more_with_fast_repair() -> None:
    slow, fast = (a2.exact_share(2, 0.5, days) for days in (10, 1))
    assert slow / fast == pytest.approx(10, rel=0.1)
    assert a2.exact_share(1, 0.5, 10) == a2.exact_share(1, 0.5, 1)


def test_every_seed_has_six_cases_of_which_some_lose_baskets_only() -> None:
    drawn = set()
    for seed in SEEDS:
        values = settle(a1.A1().values(seed), "0" * 12)
        assert [case["id"] for case in values["cases"]] == [f"case-{number}" for number in range(1, 7)]
        assert {case["event"] for case in values["cases"]} <= set(trial.EVENTS)
        assert len(values["defects"]) == 2
        drawn.add(tuple(values["defects"]))
    assert len(drawn) == 3
