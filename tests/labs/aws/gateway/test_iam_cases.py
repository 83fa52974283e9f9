"""AWS's verdicts for whole situations, asked live: policies are attached through the API, then the call is made.

``iam_cases.json`` is a set that was given; ``iam_cases_documented.json`` was written from AWS's documentation, whose
page each case names, and never from what the evaluator says.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.labs.aws.gateway.situation import Situation

HERE = Path(__file__).parent
CASES = json.loads((HERE / "iam_cases.json").read_text())
DOCUMENTED = json.loads((HERE / "iam_cases_documented.json").read_text())


@pytest.mark.parametrize(
    "case", [*CASES, *DOCUMENTED], ids=[f"{case['id']}-{case['desc']}" for case in [*CASES, *DOCUMENTED]]
)
def test_verdict_is_that_of_aws(gateway: Any, case: dict[str, Any]) -> None:
    situation = Situation(gateway, case)
    situation.prepare()
    verdict, code, seen = situation.verdict()
    assert verdict == case["expect"], seen
    if "code" in case:
        assert code == case["code"]
    for words in case.get("message", []):
        assert situation.fill(words) in seen


def test_every_documented_case_names_its_page() -> None:
    assert all(case["page"] for case in DOCUMENTED)
    assert len({case["id"] for case in DOCUMENTED}) == len(DOCUMENTED) >= 200
