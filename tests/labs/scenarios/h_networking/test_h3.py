"""Certificates behind a real ingress: what clients meet, and plans of a rotation that lose customers or do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labs.cluster.space import Space, complete, until
from labs.scenarios.base import settle
from labs.scenarios.h_networking import h3
from tests.programs import CERTIFICATES, CLUSTER, need

SEEDS = [bytes([each]) * 32 for each in range(20)]
OUTCOMES = {kind: outcome for outcome, kinds in h3.GROUPS.items() for kind in kinds}


def test_every_learner_meets_every_outcome_and_every_kind_is_somebodys() -> None:
    chosen = [h3._kinds(seed) for seed in SEEDS]
    assert all(len(set(each)) == h3.CASES for each in chosen)
    assert all({OUTCOMES[kind] for kind in each} == set(h3.GROUPS) for each in chosen)
    assert {kind for each in chosen for kind in each} == set(OUTCOMES)


@pytest.fixture(scope="module")
def place(clusters: Any) -> Iterator[tuple[Space, Path, dict[str, Any]]]:
    """The lab in a namespace of the graders' cluster, which has cert-manager."""
    need(*CLUSTER, *CERTIFICATES)
    with clusters.lease() as space:
        home = clusters.up("certificates")
        lab = h3.H3()
        values = settle(lab.values(SEEDS[3]), "0" * 12)
        lab.prepare(space, values)
        assert until(lambda: complete(space.get("Deployment", h3.APPLICATION)), 60)
        yield space, home, values


@pytest.mark.timeout(240)
def test_clients_meet_what_each_kind_is_for(place: tuple[Space, Path, dict[str, Any]]) -> None:
    space, home, values = place
    root = h3.Authority(SEEDS[3], "Old root of lab h3", depth=1)
    below = h3.Authority(SEEDS[3], "Old intermediate of lab h3", root)
    cases = [h3._case(kind, kind, values["host"], below, root) for kind in OUTCOMES]
    met = h3.try_cases(space, home, cases, values)
    assert {kind: seen.outcome for kind, seen in met.items()} == OUTCOMES
