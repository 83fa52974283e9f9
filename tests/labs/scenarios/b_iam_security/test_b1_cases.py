"""The cases of b1-q1, before any call."""

from __future__ import annotations

from collections import Counter

from labs.scenarios.b_iam_security.b1 import B1
from labs.scenarios.b_iam_security.cases import _pool, choose

SEEDS = [bytes([n]) * 32 for n in range(1, 60)]


def test_every_learner_gets_eight_different_cases_with_all_three_endings() -> None:
    groups = {case["title"]: group for group, cases in _pool("0").items() for case in cases}
    for seed in SEEDS:
        cases = choose(seed, "0")
        assert [case["id"] for case in cases] == [f"case-{n}" for n in range(1, 9)]
        assert Counter(groups[case["title"]] for case in cases) == {"ends-well": 2, "told-no": 2, "nobody-said-yes": 4}


def test_every_case_comes_up_and_no_position_gives_it_away() -> None:
    first = Counter(choose(seed, "0")[0]["title"] for seed in SEEDS)
    everywhere = {case["title"] for seed in SEEDS for case in choose(seed, "0")}
    assert everywhere == {case["title"] for cases in _pool("0").values() for case in cases}
    assert len(first) > 8


def test_names_fit_the_limits_of_s3_and_iam() -> None:
    for seed in SEEDS:
        values = B1().values(seed)
        for case in values["cases"]:
            assert len(case.get("bucket", "")) <= 63
            assert len(case["caller"]) <= 64
        assert len(values["vendor_account"]) == 12
